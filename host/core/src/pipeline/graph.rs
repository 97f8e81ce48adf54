//! The graph of a pipeline: its order, and the mistakes it may contain.
//! Never looks at policies beyond what pivots ask of them.

use super::{OnExhausted, Pipeline};
use crate::id::StepIndex;

/// What is wrong with a pipeline's graph or with its pivots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mistake {
    /// These steps wait for each other, in this order.
    Cycle(Vec<StepIndex>),
    /// Nothing orders the pivot against this step, which may have to be undone.
    PivotNotOrdered {
        /// The pivot.
        pivot: StepIndex,
        /// The step with a compensation.
        step: StepIndex,
    },
    /// Nothing orders these two pivots.
    PivotsNotOrdered(StepIndex, StepIndex),
    /// This step asks to undo the run, but runs behind a pivot.
    CompensateBehindPivot {
        /// The step.
        step: StepIndex,
        /// The pivot it runs behind.
        pivot: StepIndex,
    },
}

impl Pipeline {
    /// For each step, those that name it in `after`.
    pub fn dependents(&self) -> Vec<Vec<StepIndex>> {
        let mut dependents = vec![Vec::new(); self.steps.len()];
        for index in self.indexes() {
            for before in &self.step(index).after {
                dependents[before.0 as usize].push(index);
            }
        }
        dependents
    }

    /// The steps in an order in which each comes after those it depends on.
    ///
    /// # Errors
    /// [`Mistake::Cycle`] where there is no such order.
    pub fn topological_order(&self) -> Result<Vec<StepIndex>, Mistake> {
        let dependents = self.dependents();
        let mut unmet: Vec<usize> = self.steps.iter().map(|step| step.after.len()).collect();
        let mut order: Vec<StepIndex> =
            self.indexes().filter(|index| unmet[index.0 as usize] == 0).collect();
        let mut next = 0;
        while let Some(index) = order.get(next).copied() {
            next += 1;
            for dependent in &dependents[index.0 as usize] {
                let unmet = &mut unmet[dependent.0 as usize];
                *unmet -= 1;
                if *unmet == 0 {
                    order.push(*dependent);
                }
            }
        }
        if order.len() == self.steps.len() {
            return Ok(order);
        }
        Err(Mistake::Cycle(self.some_cycle(&unmet)))
    }

    /// Walks back from a step that can never start until a step comes twice.
    fn some_cycle(&self, unmet: &[usize]) -> Vec<StepIndex> {
        let is_stuck = |index: StepIndex| unmet[index.0 as usize] > 0;
        let start = self.indexes().find(|index| is_stuck(*index));
        let mut path = vec![start.expect("a graph without an order should have a stuck step")];
        loop {
            let last = path[path.len() - 1];
            let before = self.step(last).after.iter().copied().find(|before| is_stuck(*before));
            let before = before.expect("a stuck step should wait for a stuck step");
            if let Some(first) = path.iter().position(|index| *index == before) {
                path.drain(..first);
                path.reverse();
                return path;
            }
            path.push(before);
        }
    }

    /// Every mistake in the graph and its pivots; empty where the pipeline can run.
    pub fn mistakes(&self) -> Vec<Mistake> {
        match self.topological_order() {
            Err(cycle) => vec![cycle],
            Ok(order) => self.pivot_mistakes(&order),
        }
    }

    fn pivot_mistakes(&self, order: &[StepIndex]) -> Vec<Mistake> {
        let pivots: Vec<StepIndex> =
            self.indexes().filter(|index| self.step(*index).pivot).collect();
        let mut mistakes = Vec::new();
        for (nth, pivot) in pivots.iter().copied().enumerate() {
            let behind =
                self.reachable(pivot, order, |pipeline, at| pipeline.step(at).after.clone());
            let ahead = self.ahead_of(pivot);
            for index in self.indexes().filter(|index| *index != pivot) {
                let ordered = behind[index.0 as usize] || ahead[index.0 as usize];
                let step = self.step(index);
                if step.pivot {
                    if !ordered && pivots[nth + 1..].contains(&index) {
                        mistakes.push(Mistake::PivotsNotOrdered(pivot, index));
                    }
                } else if !ordered && step.may_owe_an_undo() {
                    mistakes.push(Mistake::PivotNotOrdered { pivot, step: index });
                }
                if behind[index.0 as usize] && step.on_exhausted == OnExhausted::Compensate {
                    let mistake = Mistake::CompensateBehindPivot { step: index, pivot };
                    let told = mistakes.iter().any(
                        |m| matches!(m, Mistake::CompensateBehindPivot { step, .. } if *step == index),
                    );
                    if !told {
                        mistakes.push(mistake);
                    }
                }
            }
        }
        mistakes
    }

    /// Marks all steps that come after `from`, by walking `order` once.
    fn reachable(
        &self,
        from: StepIndex,
        order: &[StepIndex],
        before: impl Fn(&Self, StepIndex) -> Vec<StepIndex>,
    ) -> Vec<bool> {
        let mut reached = vec![false; self.steps.len()];
        for index in order.iter().copied() {
            reached[index.0 as usize] = before(self, index)
                .iter()
                .any(|before| *before == from || reached[before.0 as usize]);
        }
        reached
    }

    /// Marks all steps that `from` depends on, directly or not.
    fn ahead_of(&self, from: StepIndex) -> Vec<bool> {
        let mut marked = vec![false; self.steps.len()];
        let mut open = vec![from];
        while let Some(index) = open.pop() {
            for before in &self.step(index).after {
                if !std::mem::replace(&mut marked[before.0 as usize], true) {
                    open.push(*before);
                }
            }
        }
        marked
    }

    /// The pivots that `index` runs behind: is there one at all?
    pub fn is_behind_a_pivot(&self, index: StepIndex) -> bool {
        let ahead = self.ahead_of(index);
        self.indexes().any(|other| ahead[other.0 as usize] && self.step(other).pivot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::{Effect, Step};

    fn steps(edges: &[&[u32]]) -> Pipeline {
        let step = |(index, after): (usize, &&[u32])| {
            Step::call(format!("s{index}"), after.iter().copied().map(StepIndex).collect())
        };
        Pipeline::new("test", edges.iter().enumerate().map(step).collect())
    }

    #[test]
    fn a_cycle_is_told_in_its_order() {
        let pipeline = steps(&[&[], &[0, 3], &[1], &[2]]);
        let Err(Mistake::Cycle(path)) = pipeline.topological_order() else {
            panic!("a cycle should be found");
        };
        assert_eq!(path, [StepIndex(2), StepIndex(3), StepIndex(1)]);
    }

    #[test]
    fn a_pivot_must_be_ordered_against_what_may_be_undone() {
        let mut pipeline = steps(&[&[], &[0], &[0]]);
        pipeline.steps[1].pivot = true;
        let expected = Mistake::PivotNotOrdered { pivot: StepIndex(1), step: StepIndex(2) };
        assert_eq!(pipeline.mistakes(), [expected]);
        pipeline.steps[2].effect = Effect::None;
        assert_eq!(pipeline.mistakes(), []);
    }

    #[test]
    fn two_pivots_must_be_ordered() {
        let mut pipeline = steps(&[&[], &[0], &[0]]);
        pipeline.steps[1].pivot = true;
        pipeline.steps[2].pivot = true;
        assert_eq!(pipeline.mistakes(), [Mistake::PivotsNotOrdered(StepIndex(1), StepIndex(2))]);
    }

    #[test]
    fn nothing_behind_a_pivot_asks_to_turn_back() {
        let mut pipeline = steps(&[&[], &[0]]);
        pipeline.steps[0].pivot = true;
        let expected = Mistake::CompensateBehindPivot { step: StepIndex(1), pivot: StepIndex(0) };
        assert_eq!(pipeline.mistakes(), [expected]);
        pipeline.steps[1].on_exhausted = OnExhausted::Pause;
        assert_eq!(pipeline.mistakes(), []);
        assert!(pipeline.is_behind_a_pivot(StepIndex(1)));
    }
}
