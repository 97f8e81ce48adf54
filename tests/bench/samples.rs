//! Owns what repetitions gave: their median and spread, and the ratio of two that were measured side
//! by side.
//! Never throws a sample away.

/// The figures of one thing, in the order of the repetitions.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Samples(Vec<f64>);

/// A figure with its spread.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

impl Samples {
    pub(crate) fn push(&mut self, sample: f64) {
        self.0.push(sample);
    }

    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// None while there is no sample.
    pub(crate) fn spread(&self) -> Option<Spread> {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let (min, max) = (*sorted.first()?, *sorted.last()?);
        let middle = sorted.len() / 2;
        let median = match sorted.len() % 2 {
            1 => sorted[middle],
            _ => f64::midpoint(sorted[middle - 1], sorted[middle]),
        };
        Some(Spread { median, min, max })
    }

    /// The ratio of the medians, within the least and the greatest ratio of one repetition. None where
    /// they do not belong together.
    pub(crate) fn ratio_to(&self, other: &Self) -> Option<Spread> {
        if self.count() != other.count() {
            return None;
        }
        let pairs = self.0.iter().zip(&other.0);
        let pairwise = Self(pairs.map(|(ours, theirs)| ours / theirs).collect()).spread()?;
        let median = self.spread()?.median / other.spread()?.median;
        Some(Spread { median, ..pairwise })
    }
}

impl FromIterator<f64> for Samples {
    fn from_iter<T: IntoIterator<Item = f64>>(samples: T) -> Self {
        Self(samples.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_lies_in_the_middle() {
        let spread = |samples: &[f64]| samples.iter().copied().collect::<Samples>().spread();
        assert_eq!(spread(&[3.0, 1.0, 9.0]), Some(Spread { median: 3.0, min: 1.0, max: 9.0 }));
        assert_eq!(spread(&[4.0, 1.0]), Some(Spread { median: 2.5, min: 1.0, max: 4.0 }));
        assert_eq!(spread(&[]), None);
    }

    #[test]
    fn a_ratio_is_of_medians_and_its_spread_of_repetitions() {
        let ours: Samples = [2.0, 4.0, 9.0].into_iter().collect();
        let theirs: Samples = [1.0, 2.0, 3.0].into_iter().collect();
        assert_eq!(ours.ratio_to(&theirs), Some(Spread { median: 2.0, min: 2.0, max: 3.0 }));
        assert_eq!(ours.ratio_to(&Samples::default()), None);
    }
}
