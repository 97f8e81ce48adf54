//! One run in a simulated world, told to its end: the loop of a host, and what befalls it.
//! Never decides anything about the run: the core does, and the world answers.

use super::choose::Choose;
use super::mutant::Mutant;
use super::person;
use super::problem::Problem;
use super::steps::Steps;
use super::world::World;
use crate::backoff::Draw;
use crate::checker::WorldCall;
use crate::decide::{Evaluate, Input, decide};
use crate::due::{Call, due};
use crate::event::Event;
use crate::id::{Digest, RunId};
use crate::pipeline::Pipeline;
use crate::run::{Run, RunStatus};
use crate::value::{Json, Timestamp};
use std::sync::Arc;
use std::time::Duration;

/// What may befall a run from outside.
#[derive(Debug, Clone)]
pub struct Faults {
    /// How many times in a thousand the host dies before or after an append.
    pub crash: u32,
    /// How many times it dies at most.
    pub crashes_max: usize,
    /// How long it may be dead.
    pub downtimes: Vec<Duration>,
    /// How many times in a thousand it comes back and may start nothing at first.
    pub leaving: u32,
    /// How many times in a thousand somebody says something, sensible or not.
    pub meddling: u32,
    /// How many rests a run may come to before everything succeeds.
    pub rests_max: usize,
    /// How many inputs a run may take.
    pub inputs_max: usize,
    /// Whether the journal is folded after each append, and not only after each crash.
    pub folds_always: bool,
}

impl Faults {
    /// Nothing befalls the run but what its steps do.
    pub const fn none() -> Self {
        Self {
            crash: 0,
            crashes_max: 0,
            downtimes: Vec::new(),
            leaving: 0,
            meddling: 0,
            rests_max: 6,
            inputs_max: 2_000,
            folds_always: false,
        }
    }
}

/// What a story is told of.
pub struct Telling<'a> {
    /// What is run; free of [mistakes](Pipeline::mistakes).
    pub pipeline: Arc<Pipeline>,
    /// The run's id.
    pub run: RunId,
    /// The values of its expressions.
    pub evaluate: &'a dyn Evaluate,
    /// Its steps.
    pub steps: &'a mut dyn Steps,
    /// What befalls it.
    pub faults: &'a Faults,
    /// Which rule the host breaks, if any.
    pub mutant: Option<Mutant>,
}

/// A run that was told to its end.
#[derive(Debug)]
pub struct Story {
    /// Its last state.
    pub run: Run,
    /// Its events.
    pub journal: Vec<(Timestamp, Event)>,
    /// The calls that the world saw.
    pub world: Vec<WorldCall>,
    /// How many events were durable at each death of the host.
    pub crashes: Vec<usize>,
    /// All that is wrong.
    pub problems: Vec<Problem>,
}

/// Tells the story of one run.
pub fn tell<'a>(telling: Telling<'a>, choose: &'a mut dyn Choose) -> Story {
    let run = Run::new(telling.run, Arc::clone(&telling.pipeline));
    let mut teller = Teller {
        telling,
        choose,
        run,
        journal: Vec::new(),
        read: Vec::new(),
        commits: Vec::new(),
        world: World::default(),
        now: Timestamp::from_millis(1_000_000),
        fence: 1,
        may_start: true,
        rests: 0,
        is_healed: false,
        crashes: Vec::new(),
        problems: Vec::new(),
    };
    teller.prepare();
    teller.tell();
    teller.end()
}

/// A story in the telling.
pub(super) struct Teller<'a> {
    pub(super) telling: Telling<'a>,
    pub(super) choose: &'a mut dyn Choose,
    pub(super) run: Run,
    pub(super) journal: Vec<(Timestamp, Event)>,
    /// What a mutant reads in place of the journal.
    pub(super) read: Vec<(Timestamp, Event)>,
    /// How many events were durable before each commit.
    pub(super) commits: Vec<usize>,
    pub(super) world: World,
    pub(super) now: Timestamp,
    pub(super) fence: u64,
    pub(super) may_start: bool,
    pub(super) rests: usize,
    pub(super) is_healed: bool,
    pub(super) crashes: Vec<usize>,
    pub(super) problems: Vec<Problem>,
}

impl Teller<'_> {
    fn tell(&mut self) {
        for _ in 0..self.telling.faults.inputs_max {
            if self.run.is_finished() || !self.problems.is_empty() {
                return;
            }
            if !self.run.is_started() {
                let start = self.start();
                self.take(start);
                continue;
            }
            self.carry_out();
            let input = self.next_input();
            if let Some(input) = input {
                self.take(input);
            }
        }
        self.problems.push(Problem::Endless);
    }

    fn start(&self) -> Input {
        let digest = |n: u8| Digest::from_bytes([n; 32]);
        let steps = self.telling.pipeline.steps.iter().zip(1..);
        Input::Start {
            manifest: digest(0),
            folder: "/".into(),
            components: steps.map(|(step, n)| step.calls().then(|| digest(n))).collect(),
            input: Json::null(),
            key: None,
        }
    }

    /// Makes the calls that must be under way, and no others.
    pub(super) fn carry_out(&mut self) {
        let calls = due(&self.run).calls;
        self.world.drop_others(&calls);
        calls.iter().for_each(|call| self.call(call));
    }

    fn call(&mut self, call: &Call) {
        if self.world.is_under_way(call) {
            return;
        }
        let name = self.run.name_of(call.instance);
        let answer = self.telling.steps.answer(&self.telling.pipeline, call, self.choose);
        let mut call = call.clone();
        if let Some(mutant) = self.telling.mutant {
            call.key = mutant.key(call.key, call.attempt);
        }
        let durable = self.journal.len();
        self.world.begin((name, &call), answer, self.now, durable);
    }

    /// What happens next, and the clock moved to when it does.
    fn next_input(&mut self) -> Option<Input> {
        let wake_at = due(&self.run).wake_at;
        let call_at = self.world.next().map(|running| running.ends_at);
        let next_at = match (wake_at, call_at) {
            (Some(wake_at), Some(call_at)) => Some(wake_at.min(call_at)),
            (one, other) => one.or(other),
        };
        if !self.is_healed && self.choose.happens(self.telling.faults.meddling) {
            let span = next_at.map_or(1_000, |at| at.since(self.now).as_millis() as u64);
            self.now = self.now.after(Duration::from_millis(self.choose.number() % (span + 1)));
            return Some(person::anything(&self.run, self.choose));
        }
        let Some(next_at) = next_at else { return self.rest() };
        self.now = self.now.max(next_at);
        if call_at != Some(next_at) {
            return Some(Input::TimeReached);
        }
        let running = self.world.next()?;
        let (instance, phase, attempt) =
            (running.call.instance, running.call.phase, running.call.attempt);
        if let Some((key, value)) = running.answer.memo.take() {
            let usage = std::mem::take(&mut running.answer.usage);
            return Some(Input::Remember { instance, phase, attempt, key, value, usage });
        }
        let (end, usage) = (running.answer.end.clone(), running.answer.usage.clone());
        self.world.end(instance);
        Some(Input::AttemptEnded { instance, phase, attempt, end, usage, log_cursor: 0 })
    }

    /// Nothing happens by itself any more: somebody must be able to help.
    fn rest(&mut self) -> Option<Input> {
        let status = self.run.status();
        if !matches!(status, RunStatus::Stuck | RunStatus::Waiting) {
            self.problems.push(Problem::DeadEnd(format!("nobody is asked ({})", status.word())));
            return None;
        }
        self.rests += 1;
        if self.rests > self.telling.faults.rests_max {
            self.is_healed = true;
            self.telling.steps.heal();
        }
        let mut inputs = person::helpful(&self.run);
        inputs.retain(|input| decide(&self.run, input.clone(), self.moment(Draw(0))).is_ok());
        if inputs.is_empty() {
            self.problems.push(Problem::DeadEnd(format!("nobody can help ({})", status.word())));
            return None;
        }
        // Healed, all that helps is tried in turn, so that something does.
        let count = inputs.len();
        let nth = if self.is_healed { self.rests % count } else { self.choose.pick(count) };
        Some(inputs.swap_remove(nth))
    }

    fn take(&mut self, input: Input) {
        let mut has_died = self.commit(input);
        while has_died && self.problems.is_empty() {
            self.world.cut_off();
            self.crashes.push(self.journal.len());
            let downtimes = &self.telling.faults.downtimes;
            if !downtimes.is_empty() {
                self.now = self.now.after(downtimes[self.choose.pick(downtimes.len())]);
            }
            self.fence += 1;
            self.recover();
            if !self.run.is_started() || self.run.is_finished() {
                return;
            }
            self.may_start = !self.choose.happens(self.telling.faults.leaving);
            has_died = self.commit(Input::HostRestarted);
            if !std::mem::replace(&mut self.may_start, true) && !has_died {
                has_died = self.commit(Input::TimeReached);
            }
        }
    }
}
