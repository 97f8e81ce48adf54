//! Finds few faults that still make a story go wrong: told again and again, each time with less.
//! Never knows what a fault is.

use std::collections::BTreeSet;

/// The faults of `all` that are left when none can be taken out any more. `fails` says whether the
/// story still goes wrong with these alone; it is asked at most `tries` times.
pub(super) fn fewest<F: Ord + Clone>(
    all: BTreeSet<F>,
    mut tries: usize,
    mut fails: impl FnMut(&BTreeSet<F>) -> bool,
) -> BTreeSet<F> {
    let mut left = all;
    let mut size = left.len().div_ceil(2);
    while size > 0 && tries > 0 {
        let before = left.len();
        let parts: Vec<Vec<F>> =
            left.iter().cloned().collect::<Vec<_>>().chunks(size).map(<[F]>::to_vec).collect();
        for part in parts {
            let fewer: BTreeSet<F> =
                left.iter().filter(|fault| !part.contains(fault)).cloned().collect();
            if tries > 0 && fewer.len() < left.len() {
                tries -= 1;
                if fails(&fewer) {
                    left = fewer;
                }
            }
        }
        // Once nothing goes any more, smaller parts are tried.
        if left.len() == before {
            size /= 2;
        } else {
            size = size.min(left.len().div_ceil(2));
        }
    }
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_needed_is_left() {
        let all: BTreeSet<u32> = (0..100).collect();
        let left = fewest(all, 1_000, |faults| faults.contains(&7) && faults.contains(&60));
        assert_eq!(left, BTreeSet::from([7, 60]));
    }

    #[test]
    fn no_more_is_tried_than_allowed() {
        let mut tried = 0;
        let all: BTreeSet<u32> = (0..100).collect();
        fewest(all, 5, |_| {
            tried += 1;
            false
        });
        assert_eq!(tried, 5);
    }
}
