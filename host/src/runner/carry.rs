//! Carries out what the core decides for one run: the loop of input, decision, durable append,
//! and what is then due. Nothing is acted on, and nothing is shown as done, before it is durable.
//! Never decides anything itself.

use super::attempt::{self, AttemptCall, CallHere, RunningAttempt};
use super::changes::{Change, Changes};
use super::document::Summary;
use super::evaluator::Evaluator;
use super::holding::{Holding, LogRoom};
use super::loaded::Loaded;
use super::shared::{HostFailure, Shared};
use super::update::Update;
use crate::journal::stored::encode;
use crate::journal::{Append, Batch, FailureSummary, RunRow, Tail, Totals};
use crate::sandbox::Ended;
use piton_core::{
    Draw, Event, Input, InstanceId, Moment, Phase, Refusal, Run, RunStatus, Timestamp, Usage,
    advance, due,
};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{broadcast, mpsc, oneshot, watch};

/// All that can wake a run.
pub(crate) enum Wake {
    /// A call is over.
    Ended { instance: InstanceId, phase: Phase, attempt: u32, ended: Box<Ended>, log_cursor: u64 },
    /// A guest notes something.
    Remember {
        instance: InstanceId,
        phase: Phase,
        attempt: u32,
        key: String,
        value: String,
        usage: Usage,
        reply: oneshot::Sender<Result<String, String>>,
    },
    /// Somebody says something to the run.
    Say { input: Input, reply: oneshot::Sender<Result<(), Refusal>> },
    /// A moment was reached at which something is due.
    Time,
    /// The run may have come to rest.
    Look,
    /// Somebody wants to know where the run stands.
    Stand { reply: oneshot::Sender<Box<Summary>> },
    /// The host leaves: nothing more is started.
    Leave,
}

/// The outside's hold on a run that is being carried out.
#[derive(Clone)]
pub(crate) struct Carried {
    pub(crate) inbox: mpsc::UnboundedSender<Wake>,
    pub(crate) updates: broadcast::Sender<Arc<Update>>,
    pub(crate) rest: watch::Receiver<Option<Rest>>,
}

/// How the carrying of a run came to its end.
#[derive(Clone, Debug)]
pub(crate) enum Rest {
    /// The run has no further work for a host.
    Rests(Box<Summary>),
    /// The run only waits, and nobody follows it: it is taken up again at this moment.
    Parks(Option<Timestamp>),
    /// The host leaves, the run goes on another time.
    Left(Box<Summary>),
    /// The host cannot go on.
    Failed(HostFailure),
}

impl Carried {
    /// Asks where the run stands. The answer never comes where it rests meanwhile.
    pub(crate) fn ask_where_it_stands(&self) -> oneshot::Receiver<Box<Summary>> {
        let (reply, answer) = oneshot::channel();
        // A run that no longer listens drops it.
        let _ = self.inbox.send(Wake::Stand { reply });
        answer
    }

    /// Waits for what the run answers; none where it rests instead. Waiting for the answer alone may be for
    /// ever: what is sent at the very moment in which the run ceases to listen is neither answered nor dropped,
    /// since a channel keeps it for as long as somebody could send more.
    pub(crate) async fn answered<T>(&self, answer: &mut oneshot::Receiver<T>) -> Option<T> {
        let mut rest = self.rest.clone();
        tokio::select! {
            biased;
            answered = &mut *answer => answered.ok(),
            // What it answers, it answers before.
            _ = rest.wait_for(Option::is_some) => answer.try_recv().ok(),
        }
    }
}

impl Rest {
    /// What followers are told last; none of a run that nobody follows.
    pub(crate) fn last_update(self) -> Option<Update> {
        match self {
            Self::Rests(summary) => Some(Update::Rests(summary)),
            Self::Left(summary) => Some(Update::Left(summary)),
            Self::Failed(failure) => Some(Update::HostFailed(failure)),
            Self::Parks(_) => None,
        }
    }
}

/// How many updates a slow follower may lag behind before it misses some.
const UPDATES_KEPT: usize = 256;

/// How many inputs at most go into one decision's commit.
const INPUTS_AT_ONCE: usize = 64;

/// The longest sleep: past it the time is read again, for the machine may have been suspended.
const SLEEP_MAX: Duration = Duration::from_secs(60);

/// A wait shorter than this is not worth giving the run up for.
const PARKED_AT_LEAST: Duration = Duration::from_secs(2);

/// How long a run is held before it is given up to wait: whoever took it up may want to follow it.
const PARKED_AFTER: Duration = Duration::from_secs(1);

/// A run that is being carried out.
pub(crate) struct Carrier {
    shared: Arc<Shared>,
    loaded: Arc<Loaded>,
    evaluator: Evaluator,
    run: Run,
    holding: Holding,
    tail: Tail,
    calls: BTreeMap<InstanceId, RunningAttempt>,
    /// That one of the calls which this task carries itself.
    here: Option<(InstanceId, CallHere)>,
    log_cursors: BTreeMap<String, u64>,
    log_room: Arc<LogRoom>,
    inbox: mpsc::UnboundedReceiver<Wake>,
    to_self: mpsc::UnboundedSender<Wake>,
    updates: broadcast::Sender<Arc<Update>>,
    changes: Changes,
    is_leaving: bool,
    taken_up: Instant,
    /// How far its time is ahead of the host's.
    ahead: Duration,
    /// Whether what is due was looked at and nothing followed: it waits for a change.
    is_settled: bool,
}

impl Carrier {
    pub(crate) fn new(
        shared: Arc<Shared>,
        loaded: Arc<Loaded>,
        run: Run,
        tail: Tail,
    ) -> (Self, mpsc::UnboundedSender<Wake>, broadcast::Sender<Arc<Update>>) {
        let (to_self, inbox) = mpsc::unbounded_channel();
        let (updates, _) = broadcast::channel(UPDATES_KEPT);
        let evaluator = Evaluator::new(Arc::clone(&loaded), Arc::clone(&shared.secret));
        let carrier = Self {
            ahead: shared.clock.ahead(run.id(), run.updated_at()),
            shared,
            loaded,
            evaluator,
            holding: Holding::of(&run),
            run,
            tail,
            calls: BTreeMap::new(),
            here: None,
            log_cursors: BTreeMap::new(),
            log_room: Arc::default(),
            inbox,
            to_self: to_self.clone(),
            updates: updates.clone(),
            changes: Changes::default(),
            is_leaving: false,
            taken_up: Instant::now(),
            is_settled: false,
        };
        (carrier, to_self, updates)
    }

    /// Takes `first` in, durably; the run is then there for others to see.
    pub(crate) async fn begin(&mut self, first: Input) -> Result<(), HostFailure> {
        self.is_leaving = self.shared.is_leaving();
        if self.run.is_started() {
            self.find_log_cursors().await?;
            if let Some(profile) = self.shared.profile() {
                profile.taken_up(&self.run);
            }
        }
        self.take_first(first).await
    }

    /// Log lines of a step are numbered on from those that are kept, whoever carried the run then.
    async fn find_log_cursors(&mut self) -> Result<(), HostFailure> {
        self.shared.flush().await?;
        for line in self.shared.journal.log_lines(self.run.id(), None)? {
            self.log_room.take(&line.text);
            let cursor = self.log_cursors.entry(line.step).or_default();
            *cursor = line.number.max(*cursor);
        }
        Ok(())
    }

    /// Takes over from another host to say something: nothing is started before that is said.
    pub(crate) async fn begin_by_saying(&mut self, said: Input) -> Result<(), HostFailure> {
        self.is_leaving = true;
        self.take_first(Input::HostRestarted).await?;
        self.is_leaving = self.shared.is_leaving();
        self.take_first(said).await
    }

    fn now(&self) -> Timestamp {
        self.shared.now().after(self.ahead)
    }

    async fn take_first(&mut self, first: Input) -> Result<(), HostFailure> {
        let now = self.now();
        let events = self.decide(first, now);
        let events = events.map_err(|refusal| HostFailure::bug(refusal.to_string()))?;
        self.record(events, now).await
    }

    /// Whether the run would refuse `said`, were it taken over now.
    pub(crate) fn would_refuse(&self, said: Input) -> Result<(), Refusal> {
        let mut trial = self.run.clone();
        let moment = moment(&self.shared, &self.evaluator, self.now(), false);
        advance(&mut trial, Input::HostRestarted, moment)?;
        advance(&mut trial, said, moment).map(|_| ())
    }

    /// Goes on until the run rests, the host leaves, or it cannot go on.
    pub(crate) async fn carry(mut self, done: watch::Sender<Option<Rest>>) {
        let rest = match self.go_on().await {
            Ok(rest) => rest,
            Err(failure) => Rest::Failed(failure),
        };
        self.shared.carried_no_more(self.run.id(), &rest);
        // Whoever begins to follow just now finds it in `done`.
        if self.updates.receiver_count() > 0
            && let Some(update) = rest.clone().last_update()
        {
            self.tell(update);
        }
        // Whoever asks now finds it closed, and the journal up to date.
        done.send_replace(Some(rest));
    }

    async fn go_on(&mut self) -> Result<Rest, HostFailure> {
        loop {
            self.carry_out();
            if let Some(rest) = self.rest() {
                self.inbox.close();
                return Ok(rest);
            }
            self.take_turn().await?;
            // A run that never waits for anybody lets others have its worker now and then.
            tokio::task::coop::consume_budget().await;
        }
    }

    /// Starts what is due and not under way, and drops what is under way and not due.
    fn carry_out(&mut self) {
        let due = due(&self.run);
        let is_due = |instance: &InstanceId, running: &RunningAttempt| {
            due.calls.iter().any(|call| {
                call.instance == *instance
                    && call.phase == running.phase
                    && call.attempt == running.attempt
            })
        };
        // Dropping a running attempt ends its guest and every host call under way in it.
        self.calls.retain(|instance, running| is_due(instance, running));
        self.here.take_if(|(instance, _)| !self.calls.contains_key(instance));
        // A call by itself needs no task of its own: this one would only wait for it.
        let is_only = due.calls.len() == 1;
        for call in due.calls {
            if self.calls.contains_key(&call.instance) {
                continue;
            }
            let name = self.run.name_of(call.instance);
            let input = self.evaluator.take_input(&self.run, call.instance);
            let step = call.instance.step.0 as usize;
            let found = self.run.instance(call.instance);
            let attempt = AttemptCall {
                input,
                program: self.loaded.programs[step].clone(),
                limits: self.loaded.manifest.steps[step].limits.clone(),
                grants: self.loaded.grants[step].clone(),
                timeout: self.run.pipeline().steps[step].timeout,
                memos: found.memos.clone(),
                log_cursor: self.log_cursors.get(&name).copied().unwrap_or(0),
                log_room: Arc::clone(&self.log_room),
                run: self.run.id(),
                name,
                call,
            };
            let instance = attempt.call.instance;
            let (shared, to_run) = (Arc::clone(&self.shared), self.to_self.clone());
            let updates = self.updates.clone();
            let running = if is_only {
                let (running, call) = attempt::start_here(shared, attempt, to_run, updates);
                self.here = Some((instance, call));
                running
            } else {
                attempt::start(shared, attempt, to_run, updates)
            };
            self.calls.insert(instance, running);
        }
    }

    /// Whether there is nothing left to carry out.
    fn rest(&self) -> Option<Rest> {
        if !self.calls.is_empty() {
            return None;
        }
        let status = self.run.status();
        let summary = || Box::new(Summary::of(&self.run));
        if status.rests() {
            return Some(Rest::Rests(summary()));
        }
        if self.is_leaving {
            return Some(Rest::Left(summary()));
        }
        let is_followed = self.updates.receiver_count() > 0;
        let wake_at = self.run.next_timer();
        let is_soon = wake_at.is_some_and(|at| at < self.now().after(PARKED_AT_LEAST));
        let is_settled_in = self.taken_up.elapsed() >= PARKED_AFTER;
        let parks = status == RunStatus::Waiting && !is_followed && !is_soon && is_settled_in;
        parks.then_some(Rest::Parks(wake_at.map(|at| at.before(self.ahead))))
    }

    /// Waits for something to happen, decides, and records what follows.
    async fn take_turn(&mut self) -> Result<(), HostFailure> {
        let Some(first) = self.next_wake().await else {
            return self.turn(vec![Wake::Leave]).await;
        };
        let mut wakes = vec![first];
        while wakes.len() < INPUTS_AT_ONCE {
            match self.inbox.try_recv() {
                Ok(wake) => wakes.push(wake),
                Err(_) => break,
            }
        }
        self.turn(wakes).await
    }

    /// The next message, or the word that something is due by itself.
    async fn next_wake(&mut self) -> Option<Wake> {
        loop {
            let timer = self.run.next_timer().filter(|_| !self.is_settled);
            let mut sleep = match timer {
                Some(at) => at.since(self.now()).min(SLEEP_MAX),
                None => SLEEP_MAX,
            };
            let until_parked = PARKED_AFTER.saturating_sub(self.taken_up.elapsed());
            let may_be_parked = !until_parked.is_zero() && self.run.status() == RunStatus::Waiting;
            if may_be_parked {
                sleep = sleep.min(until_parked);
            }
            tokio::select! {
                biased;
                wake = self.inbox.recv() => return wake,
                () = ended(&mut self.here) => self.here = None,
                () = tokio::time::sleep(sleep) => {
                    if timer.is_some_and(|at| at <= self.now()) {
                        return Some(Wake::Time);
                    }
                    if may_be_parked {
                        return Some(Wake::Look);
                    }
                }
            }
        }
    }

    async fn turn(&mut self, wakes: Vec<Wake>) -> Result<(), HostFailure> {
        let now = self.now();
        let mut replies = Replies::default();
        let mut events = Vec::new();
        let is_time = wakes.iter().any(|wake| matches!(wake, Wake::Time));
        for wake in wakes {
            events.extend(self.take_in(wake, now, &mut replies));
        }
        // A moment that brought nothing would come again at once.
        self.is_settled = events.is_empty() && (is_time || self.is_settled);
        self.record(events, now).await?;
        replies.summaries(&self.run);
        replies.send();
        Ok(())
    }

    fn take_in(&mut self, wake: Wake, now: Timestamp, replies: &mut Replies) -> Vec<Event> {
        match wake {
            Wake::Ended { instance, phase, attempt, ended, log_cursor } => {
                if self.calls.get(&instance).is_some_and(|call| call.is(phase, attempt)) {
                    self.calls.remove(&instance);
                }
                self.log_cursors.insert(self.run.name_of(instance), log_cursor);
                let Ended { end, usage, .. } = *ended;
                let end = self.holding.admit(end);
                let input =
                    Input::AttemptEnded { instance, phase, attempt, end, usage, log_cursor };
                // A refused end is of an attempt that was dropped meanwhile.
                self.decide(input, now).unwrap_or_default()
            }
            Wake::Remember { instance, phase, attempt, key, value, usage, reply } => {
                if let Err(why) = self.holding.remember(&key, &value) {
                    replies.remembered.push((reply, Err(why)));
                    return Vec::new();
                }
                let noted = key.clone();
                let input = Input::Remember { instance, phase, attempt, key, value, usage };
                let events = self.decide(input, now).unwrap_or_default();
                let found = self.run.find(instance);
                let kept = found.and_then(|found| found.memos.get(&noted)).cloned();
                let kept = kept.ok_or_else(|| "the attempt is no longer under way".to_owned());
                replies.remembered.push((reply, kept));
                events
            }
            Wake::Say { input, reply } => {
                let (events, answer) = match self.decide(input, now) {
                    Ok(events) => (events, Ok(())),
                    Err(refusal) => (Vec::new(), Err(refusal)),
                };
                replies.said.push((reply, answer));
                events
            }
            Wake::Time => self.decide(Input::TimeReached, now).unwrap_or_default(),
            Wake::Look => Vec::new(),
            Wake::Stand { reply } => {
                replies.asked.push(reply);
                Vec::new()
            }
            Wake::Leave => {
                self.is_leaving = true;
                Vec::new()
            }
        }
    }

    fn decide(&mut self, input: Input, now: Timestamp) -> Result<Vec<Event>, Refusal> {
        let moment = moment(&self.shared, &self.evaluator, now, !self.is_leaving);
        advance(&mut self.run, input, moment)
    }

    /// Makes events durable, then tells followers.
    async fn record(&mut self, events: Vec<Event>, at: Timestamp) -> Result<(), HostFailure> {
        if events.is_empty() {
            return Ok(());
        }
        let row = row_of(&self.run);
        let append =
            Append { fence: self.shared.fence, after: self.tail, at, events: &events, row: &row };
        let batch = Batch::encode(&append, &self.loaded.pipeline)
            .map_err(|error| HostFailure::bug(error.to_string()))?;
        let seq_before = self.tail.seq;
        let tail = batch.tail();
        if self.is_alone() {
            self.shared.append_here(self.run.id(), batch).await?;
        } else {
            self.shared.append(self.run.id(), batch).await?;
        }
        self.tail = tail;
        if let Some(profile) = self.shared.profile() {
            profile.recorded(&self.run, &events);
        }
        // Asked only now: whoever began to follow while this was written may have read the journal
        // just before it was there.
        if self.updates.receiver_count() > 0 {
            for (event, seq) in events.iter().zip(seq_before + 1..) {
                let stored = encode(event, &self.loaded.pipeline);
                let stored = stored.map_err(|error| HostFailure::bug(error.to_string()))?;
                let event = serde_json::from_slice(&stored).unwrap_or_default();
                self.tell(Update::Event { seq, at_ms: at.as_millis(), event });
            }
            self.tell_what_changed(&events);
        } else {
            self.changes.forget();
        }
        Ok(())
    }

    fn tell_what_changed(&mut self, events: &[Event]) {
        match self.changes.after(&self.run, events) {
            Change::Everything => self.tell(Update::Stands(Box::new(Summary::of(&self.run)))),
            Change::Steps(steps) if steps.is_empty() => {}
            Change::Steps(steps) => self.tell(Update::Changed(steps)),
        }
    }

    /// Whether nothing but this task could go on while it waits for the disk.
    fn is_alone(&self) -> bool {
        self.calls.len() == usize::from(self.here.is_some()) && self.shared.carries_one_at_most()
    }

    fn tell(&self, update: Update) {
        // Nobody follows: nobody to tell.
        let _ = self.updates.send(Arc::new(update));
    }
}

/// Is ready when that call has ended and has said so; never where there is none.
async fn ended(here: &mut Option<(InstanceId, CallHere)>) {
    match here {
        Some((_, call)) => call.await,
        None => std::future::pending().await,
    }
}

/// An answer, and where it is to go.
type Reply<T> = (oneshot::Sender<T>, T);

/// Answers that are sent once what they say is durable.
#[derive(Default)]
struct Replies {
    said: Vec<Reply<Result<(), Refusal>>>,
    remembered: Vec<Reply<Result<String, String>>>,
    asked: Vec<oneshot::Sender<Box<Summary>>>,
}

impl Replies {
    fn summaries(&mut self, run: &Run) {
        for reply in self.asked.drain(..) {
            let _ = reply.send(Box::new(Summary::of(run)));
        }
    }

    fn send(self) {
        // Whoever asked may have gone.
        for (reply, outcome) in self.said {
            let _ = reply.send(outcome);
        }
        for (reply, kept) in self.remembered {
            let _ = reply.send(kept);
        }
    }
}

fn moment<'a>(
    shared: &Shared,
    evaluate: &'a Evaluator,
    now: Timestamp,
    may_start: bool,
) -> Moment<'a> {
    Moment { now, random: Draw(rand::random()), fence: shared.fence, may_start, evaluate }
}

fn row_of(run: &Run) -> RunRow {
    RunRow {
        run: run.id(),
        pipeline: run.pipeline().name.clone(),
        status: run.status(),
        key: run.user_key().map(Into::into),
        started_at: run.started_at(),
        updated_at: run.updated_at(),
        ended_at: run.finished_at(),
        wake_at: run.next_timer().filter(|_| run.status() == RunStatus::Waiting),
        totals: Totals::from(run.ledger()),
        failure: super::document::failure_of_run(run).map(|failure| FailureSummary {
            step: failure.step,
            phase: failure.phase,
            end: failure.end,
            code: failure.code,
            message: failure.message,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A run whose task is played by who has the other two.
    fn carried() -> (Carried, mpsc::UnboundedReceiver<Wake>, watch::Sender<Option<Rest>>) {
        let (inbox, unread) = mpsc::unbounded_channel();
        let (updates, _) = broadcast::channel(1);
        let (done, rest) = watch::channel(None);
        (Carried { inbox, updates, rest }, unread, done)
    }

    /// Sent when the run had looked for the last time, and before it had closed its door.
    #[tokio::test]
    async fn what_nobody_reads_any_more_is_not_waited_for() {
        let (carried, _unread, done) = carried();
        let mut answer = carried.ask_where_it_stands();
        done.send_replace(Some(Rest::Parks(None)));
        assert!(carried.answered(&mut answer).await.is_none());
    }

    #[tokio::test]
    async fn what_was_answered_before_the_run_rests_is_heard() {
        let (carried, _unread, done) = carried();
        let (reply, mut answer) = oneshot::channel();
        reply.send(7).expect("somebody waits");
        done.send_replace(Some(Rest::Parks(None)));
        assert_eq!(carried.answered(&mut answer).await, Some(7));
    }
}
