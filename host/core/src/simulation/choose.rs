//! Where a simulated world's choices come from: drawn from a seed, or every one in turn.
//! Never looks at what is chosen.

use crate::backoff::Draw;

/// A source of choices.
pub trait Choose {
    /// One of `count` ways, from 0; `count` is at least 1.
    fn pick(&mut self, count: usize) -> usize;

    /// Whether something happens that does so `per_mille` times in a thousand.
    fn happens(&mut self, per_mille: u32) -> bool;

    /// A number for waits and the like.
    fn number(&mut self) -> u64;
}

/// Choices drawn from a seed, by SplitMix64 (Steele, Lea & Flood, OOPSLA 2014).
#[derive(Debug, Clone)]
pub struct Drawn {
    seed: Draw,
    drawn: u64,
}

impl Drawn {
    /// All choices that follow from `seed`.
    pub const fn new(seed: u64) -> Self {
        Self { seed: Draw(seed), drawn: 0 }
    }
}

impl Choose for Drawn {
    fn pick(&mut self, count: usize) -> usize {
        // The remainder's bias is below 2^-50 for the few ways there are.
        (self.number() % count as u64) as usize
    }

    fn happens(&mut self, per_mille: u32) -> bool {
        per_mille > 0 && self.number() % 1_000 < u64::from(per_mille)
    }

    fn number(&mut self) -> u64 {
        self.drawn += 1;
        self.seed.nth(self.drawn).0
    }
}

/// Every choice in turn: tell a story, [advance](Self::advance), and tell it again.
///
/// An odometer over the choices a story asks for (as TigerBeetle's `exhaustigen`): each story
/// repeats the one before up to its last choice that has a way left, and takes that.
#[derive(Debug, Clone, Default)]
pub struct Exhaustive {
    /// The ways taken, and how many there were.
    taken: Vec<(usize, usize)>,
    at: usize,
}

impl Exhaustive {
    /// Begins with the first way everywhere.
    pub fn new() -> Self {
        Self::default()
    }

    /// Goes on to the next story; false once all were told.
    pub fn advance(&mut self) -> bool {
        self.taken.truncate(self.at);
        self.at = 0;
        while let Some((way, count)) = self.taken.pop() {
            if way + 1 < count {
                self.taken.push((way + 1, count));
                return true;
            }
        }
        false
    }
}

impl Choose for Exhaustive {
    fn pick(&mut self, count: usize) -> usize {
        if count <= 1 {
            return 0;
        }
        if self.at == self.taken.len() {
            self.taken.push((0, count));
        }
        let (way, before) = self.taken[self.at];
        assert_eq!(before, count, "the same choices should tell the same story");
        self.at += 1;
        way
    }

    fn happens(&mut self, per_mille: u32) -> bool {
        match per_mille {
            0 => false,
            1_000.. => true,
            _ => self.pick(2) == 1,
        }
    }

    /// Always the same: numbers only spread waits.
    fn number(&mut self) -> u64 {
        1 << 63
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_choice_comes_once() {
        let mut choose = Exhaustive::new();
        let mut seen = Vec::new();
        loop {
            let first = choose.pick(3);
            let second = if first == 1 { choose.pick(2) } else { 0 };
            seen.push((first, second));
            if !choose.advance() {
                break;
            }
        }
        assert_eq!(seen, [(0, 0), (1, 0), (1, 1), (2, 0)]);
    }

    #[test]
    fn a_seed_gives_the_same_choices() {
        let draw = || {
            let mut choose = Drawn::new(7);
            [choose.number(), choose.number(), choose.number()]
        };
        assert_eq!(draw(), draw());
        assert_ne!(draw()[0], draw()[1]);
    }
}
