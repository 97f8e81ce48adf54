//! Drawn choices of which some can be taken back, so that a story can be told again with fewer
//! faults. Never knows what a choice is about.

use piton_core::simulation::{Choose, Drawn};
use std::collections::BTreeSet;

/// Choices that follow from a seed, less those that are taken back.
#[derive(Debug, Clone)]
pub(super) struct Choices {
    drawn: Drawn,
    asked: usize,
    /// By their place among all that were asked, the rare things that happened.
    pub(super) happened: Vec<usize>,
    taken_back: BTreeSet<usize>,
}

impl Choices {
    pub(super) fn new(seed: u64, taken_back: BTreeSet<usize>) -> Self {
        Self { drawn: Drawn::new(seed), asked: 0, happened: Vec::new(), taken_back }
    }
}

impl Choose for Choices {
    fn pick(&mut self, count: usize) -> usize {
        self.drawn.pick(count)
    }

    fn happens(&mut self, per_mille: u32) -> bool {
        let place = self.asked;
        self.asked += 1;
        // Drawn in any case, so that what comes after is the same.
        let happens = self.drawn.happens(per_mille) && !self.taken_back.contains(&place);
        if happens {
            self.happened.push(place);
        }
        happens
    }

    fn number(&mut self) -> u64 {
        self.drawn.number()
    }
}
