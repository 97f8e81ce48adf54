//! What a pipeline asks for: its steps, their order and their policies, as checked data.
//! Owns the defaults of every policy and the rules a graph must keep; never sees a manifest's text,
//! an expression or a component: those are the host's, and come in by index.

use crate::backoff::{Backoff, Jitter};
use crate::id::{InstanceId, StepIndex};
use crate::value::Timestamp;
use std::time::Duration;

/// A pipeline, ready to run.
#[derive(Debug, Clone, PartialEq)]
pub struct Pipeline {
    /// Its name, for people.
    pub name: String,
    /// The steps, in the order of the manifest.
    pub steps: Vec<Step>,
    /// How long a run may take from its start, waits included. Default: no limit.
    pub deadline: Option<Duration>,
    /// What attempts under way may do when the run turns back.
    pub on_sibling_failure: OnSiblingFailure,
    /// What an undo that fails for good means for what its step depended on.
    pub on_compensation_failure: OnCompensationFailure,
    /// How many undos may be under way at once; at least 1. Default 1.
    pub compensation_parallel: u32,
}

/// One node of the pipeline.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// Its name: an identifier.
    pub name: String,
    /// The steps that must have ended well before this one starts; sorted, no duplicates.
    pub after: Vec<StepIndex>,
    /// Whether a `when` expression decides if it runs at all.
    pub has_when: bool,
    /// What it does.
    pub kind: StepKind,
    /// Whether the run only goes forward once this step's result is recorded.
    pub pivot: bool,
    /// What may be assumed about an attempt whose outcome is unknown.
    pub effect: Effect,
    /// Whether its component exports `reconcile`.
    pub reconciles: bool,
    /// Whether it is undone at all: false is `compensate = "none"` in the manifest.
    pub compensates: bool,
    /// What happens when no attempt is left.
    pub on_exhausted: OnExhausted,
    /// Wall time of one attempt, in each phase. Default 30 s.
    pub timeout: Duration,
    /// How `execute` and, while the run goes forward, `reconcile` are retried.
    pub retry: RetryPolicy,
    /// How `compensate` and, while the run goes back, `reconcile` are retried.
    pub undo: RetryPolicy,
    /// How long the called service remembers an idempotency key, from the first attempt on; an
    /// attempt with unknown outcome is not just repeated after that. Default: for ever.
    pub idempotency_window: Option<Duration>,
    /// How many attempts in a row may be lost with their host before a person is asked. Default 3.
    pub lost_attempts_max: u32,
}

/// What a step does.
#[derive(Debug, Clone, PartialEq)]
pub enum StepKind {
    /// Calls a component once.
    Call,
    /// Calls a component once for each item of a list.
    Map(MapPolicy),
    /// Waits, and calls nothing.
    Wait(Waiting),
}

/// How the elements of a map are run.
#[derive(Debug, Clone, PartialEq)]
pub struct MapPolicy {
    /// How many elements may be under way at once; at least 1. Default 16.
    pub max_parallel: u32,
    /// How many elements may fail while the map still succeeds.
    pub tolerate: Tolerance,
    /// The most elements a list may have. Default 10,000.
    pub items_max: u32,
}

/// How many elements of a map may fail.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Tolerance {
    /// This many.
    Count(u32),
    /// This share of all, rounded down; 0 to 100.
    Percent(f64),
}

impl Tolerance {
    /// How many of `total` elements may fail.
    pub fn of(self, total: usize) -> usize {
        match self {
            Self::Count(count) => count as usize,
            Self::Percent(percent) => (total as f64 * percent / 100.0).floor() as usize,
        }
    }
}

/// What a waiting node waits for.
#[derive(Debug, Clone, PartialEq)]
pub enum Waiting {
    /// A span of time from when it is reached.
    For(Duration),
    /// A moment that an expression gives.
    Until,
    /// A signal of this name.
    Signal(String),
    /// A person's yes or no.
    Approval {
        /// Who is asked, for people.
        from: String,
        /// How long they have; none: for ever.
        due: Option<Duration>,
    },
}

/// What may be assumed about an attempt whose outcome is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Effect {
    /// It only computes: repeat it; never owed an undo.
    None,
    /// It honours the idempotency key: reconcile it where it can be, else repeat it.
    #[default]
    Idempotent,
    /// It can tell what became of a lost call: reconcile it, and ask a person where it cannot tell.
    Reconcilable,
    /// Neither: ask a person.
    Unsafe,
}

/// What happens when no attempt is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnExhausted {
    /// The run turns back.
    #[default]
    Compensate,
    /// The step is stuck until a person says what to do.
    Pause,
    /// The run goes on; the step's output is null.
    Continue,
}

/// What attempts under way may do when the run turns back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnSiblingFailure {
    /// End by themselves; their result is recorded, and they are not retried.
    #[default]
    Finish,
    /// Be dropped at once, their outcome unknown.
    Interrupt,
}

/// What an undo that fails for good means for what its step depended on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnCompensationFailure {
    /// Nothing that the step depended on is undone; other branches go on.
    #[default]
    Halt,
    /// The rollback goes on as if it had been undone.
    Continue,
}

/// When and how often a phase is tried again.
#[derive(Debug, Clone, PartialEq)]
pub struct RetryPolicy {
    /// Attempts in total, the first included; at least 1.
    pub attempts: u32,
    /// The waits between them.
    pub backoff: Backoff,
    /// From the first attempt's start, waits included.
    pub max_elapsed: Duration,
    /// The longest wait a guest may ask for; a longer wish counts as exhausted.
    pub retry_after_max: Duration,
    /// How many attempts may end as `retry-after`, counted apart from `attempts`.
    pub throttled_attempts: u32,
    /// The first rule that matches a failure overrides the fields above.
    pub rules: Vec<RetryRule>,
}

impl RetryPolicy {
    /// The default for `execute`: 5 attempts, 1 s doubling up to 60 s, within an hour.
    pub fn for_execute() -> Self {
        Self {
            attempts: 5,
            backoff: Backoff {
                base: Duration::from_secs(1),
                factor: 2.0,
                cap: Duration::from_secs(60),
                floor: Duration::from_millis(100),
                jitter: Jitter::Full,
            },
            max_elapsed: Duration::from_secs(60 * 60),
            retry_after_max: Duration::from_secs(15 * 60),
            throttled_attempts: 20,
            rules: Vec::new(),
        }
    }

    /// The default for `compensate`: 20 attempts, 1 s doubling up to 5 min, within 24 h.
    pub fn for_compensate() -> Self {
        let mut policy = Self::for_execute();
        policy.attempts = 20;
        policy.backoff.cap = Duration::from_secs(5 * 60);
        policy.max_elapsed = Duration::from_secs(24 * 60 * 60);
        policy
    }

    /// The policy for a failure with this code, and the number of the rule that made it (from 1).
    pub fn for_code(&self, code: &str) -> (Self, Option<RuleVerdict>, Option<u32>) {
        let found = self.rules.iter().zip(1..).find(|(rule, _)| glob_matches(&rule.code, code));
        let Some((rule, number)) = found else {
            return (self.clone(), None, None);
        };
        let mut policy = rule.policy.as_deref().unwrap_or(self).clone();
        policy.rules = Vec::new();
        (policy, rule.verdict, Some(number))
    }
}

/// An exception to a retry policy for some failures.
#[derive(Debug, Clone, PartialEq)]
pub struct RetryRule {
    /// Which codes it is for: `*` stands for any characters.
    pub code: String,
    /// What a failure with that code is taken as.
    pub verdict: Option<RuleVerdict>,
    /// The whole policy with this rule's fields in it; none where it changes no field.
    pub policy: Option<Box<RetryPolicy>>,
}

/// What a rule makes of a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RuleVerdict {
    /// Try again.
    Retryable,
    /// Do not try again.
    Permanent,
    /// Its outcome is unknown.
    Unknown,
}

/// Whether `text` is matched by `pattern`, in which `*` stands for any run of characters.
pub fn glob_matches(pattern: &str, text: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else {
        return pattern == text;
    };
    let Some(text) = text.strip_prefix(head) else {
        return false;
    };
    let mut pieces: Vec<&str> = rest.split('*').collect();
    let tail = pieces.pop().unwrap_or("");
    let mut at = 0;
    for piece in pieces {
        match text[at..].find(piece) {
            Some(offset) => at += offset + piece.len(),
            None => return false,
        }
    }
    text.len() >= at + tail.len() && text.ends_with(tail)
}

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
    /// A pipeline of these steps, with every other policy at its default.
    pub fn new(name: impl Into<String>, steps: Vec<Step>) -> Self {
        Self {
            name: name.into(),
            steps,
            deadline: None,
            on_sibling_failure: OnSiblingFailure::default(),
            on_compensation_failure: OnCompensationFailure::default(),
            compensation_parallel: 1,
        }
    }

    /// The step at `index`.
    ///
    /// # Panics
    /// Where the index is of another pipeline: a bug.
    pub fn step(&self, index: StepIndex) -> &Step {
        &self.steps[index.0 as usize]
    }

    /// All indexes, in the order of the manifest.
    pub fn indexes(&self) -> impl DoubleEndedIterator<Item = StepIndex> + use<> {
        (0..u32::try_from(self.steps.len()).expect("a pipeline should have fewer than 2^32 steps"))
            .map(StepIndex)
    }

    /// The index of the step with this name.
    pub fn index_of(&self, name: &str) -> Option<StepIndex> {
        self.indexes().find(|index| self.step(*index).name == name)
    }

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

    /// The moment at which a run that started then is over time.
    pub(crate) fn deadline_from(&self, started_at: Timestamp) -> Option<Timestamp> {
        self.deadline.map(|deadline| started_at.after(deadline))
    }
}

impl Step {
    /// A step that calls a component, with every policy at its default.
    pub fn call(name: impl Into<String>, after: Vec<StepIndex>) -> Self {
        Self {
            name: name.into(),
            after,
            has_when: false,
            kind: StepKind::Call,
            pivot: false,
            effect: Effect::default(),
            reconciles: false,
            compensates: true,
            on_exhausted: OnExhausted::default(),
            timeout: Duration::from_secs(30),
            retry: RetryPolicy::for_execute(),
            undo: RetryPolicy::for_compensate(),
            idempotency_window: None,
            lost_attempts_max: 3,
        }
    }

    /// Whether it calls a component at all.
    pub const fn calls(&self) -> bool {
        !matches!(self.kind, StepKind::Wait(_))
    }

    /// Whether this instance of it is what is called: of a map, its elements are.
    pub(crate) const fn calls_as(&self, instance: InstanceId) -> bool {
        match self.kind {
            StepKind::Call => true,
            StepKind::Map(_) => instance.element.is_some(),
            StepKind::Wait(_) => false,
        }
    }

    /// Whether it could ever be owed an undo.
    pub fn may_owe_an_undo(&self) -> bool {
        self.calls() && self.compensates && self.effect != Effect::None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn globs_match_whole_codes() {
        for (pattern, text, expected) in [
            ("card-*", "card-declined", true),
            ("card-*", "discard-x", false),
            ("*", "", true),
            ("a*b*c", "a-b-b-c", true),
            ("a*b", "ab-", false),
            ("a*ba", "aba", true),
            ("ab*ba", "aba", false),
            ("busy", "busy", true),
        ] {
            assert_eq!(glob_matches(pattern, text), expected, "{pattern} {text}");
        }
    }
}
