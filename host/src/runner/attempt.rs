//! One attempt: the call of a guest, and what the host does for it meanwhile.
//! Tells its run how it ended; never decides what that means, and never touches the journal.

use super::carry::Wake;
use super::holding::{Kept, LogRoom};
use super::meddler::CallGuest;
use super::profile::OpenAttempt;
use super::shared::Shared;
use super::update::Update;
use crate::journal::{LogChannel, LogLine};
use crate::sandbox::{
    BoxFuture, Call, Ended, Level, LogLine as GuestLine, MemosKept, Program, Progress,
    RememberError, ResolvedGrants, Services, Source, Stopwatch,
};
use piton_core::{End, EvaluationError, HostEnd, Json, Limits, Phase, RunId, Usage};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{broadcast, mpsc, oneshot};
use tokio::task::JoinHandle;

/// All that a call needs.
pub(crate) struct AttemptCall {
    pub(crate) run: RunId,
    /// The step, `name` or `name[3]`.
    pub(crate) name: String,
    pub(crate) call: piton_core::Call,
    pub(crate) input: Result<Json, EvaluationError>,
    pub(crate) program: Option<Arc<Program>>,
    pub(crate) limits: Limits,
    pub(crate) grants: ResolvedGrants,
    pub(crate) timeout: Duration,
    pub(crate) memos: BTreeMap<String, String>,
    pub(crate) log_cursor: u64,
    pub(crate) log_room: Arc<LogRoom>,
}

/// A call under way. Dropping it ends the guest and every host call under way in it.
pub(crate) struct RunningAttempt {
    pub(crate) phase: Phase,
    pub(crate) attempt: u32,
    /// None where its run's own task carries it.
    task: Option<JoinHandle<()>>,
}

/// A call that is carried by whoever polls it; ready once its run was told how it ended.
pub(crate) type CallHere = BoxFuture<'static, ()>;

impl RunningAttempt {
    pub(crate) fn is(&self, phase: Phase, attempt: u32) -> bool {
        self.phase == phase && self.attempt == attempt
    }
}

impl Drop for RunningAttempt {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

/// Starts a call whose start is durable, in a task of its own.
pub(crate) fn start(
    shared: Arc<Shared>,
    attempt: AttemptCall,
    to_run: mpsc::UnboundedSender<Wake>,
    updates: broadcast::Sender<Arc<Update>>,
) -> RunningAttempt {
    let (phase, number) = (attempt.call.phase, attempt.call.attempt);
    let task = tokio::spawn(carry_out(shared, attempt, to_run, updates));
    RunningAttempt { phase, attempt: number, task: Some(task) }
}

/// As [`start`], but nothing happens in it unless it is polled: no second task is woken for it.
pub(crate) fn start_here(
    shared: Arc<Shared>,
    attempt: AttemptCall,
    to_run: mpsc::UnboundedSender<Wake>,
    updates: broadcast::Sender<Arc<Update>>,
) -> (RunningAttempt, CallHere) {
    let (phase, number) = (attempt.call.phase, attempt.call.attempt);
    let call = Box::pin(carry_out(shared, attempt, to_run, updates));
    (RunningAttempt { phase, attempt: number, task: None }, call)
}

fn carry_out(
    shared: Arc<Shared>,
    attempt: AttemptCall,
    to_run: mpsc::UnboundedSender<Wake>,
    updates: broadcast::Sender<Arc<Update>>,
) -> impl Future<Output = ()> + Send + 'static {
    // It is watched from its start on, not from when it has a processor.
    let watch = shared.profile().map(|profile| profile.attempt(&attempt));
    async move {
        let piton_core::Call { instance, phase, attempt: number, .. } = attempt.call;
        let stopwatch = watch.as_ref().map(OpenAttempt::stopwatch);
        let (ended, log_cursor) = call(&shared, attempt, to_run.clone(), updates, stopwatch).await;
        if let Some(watch) = watch {
            watch.ends(&ended);
        }
        let ended = Box::new(ended);
        // After all that it asked for before. A run that no longer listens has dropped this attempt.
        let _ = to_run.send(Wake::Ended { instance, phase, attempt: number, ended, log_cursor });
    }
}

async fn call(
    shared: &Arc<Shared>,
    attempt: AttemptCall,
    to_run: mpsc::UnboundedSender<Wake>,
    updates: broadcast::Sender<Arc<Update>>,
    stopwatch: Option<Arc<dyn Stopwatch>>,
) -> (Ended, u64) {
    let due = attempt.call;
    let memos_kept = MemosKept {
        count: attempt.memos.len() as u64,
        bytes: attempt.memos.iter().map(|(key, value)| (key.len() + value.len()) as u64).sum(),
    };
    let services = Arc::new(AttemptServices {
        shared: Arc::clone(shared),
        run: attempt.run,
        name: attempt.name.clone(),
        instance: due.instance,
        phase: due.phase,
        attempt: due.attempt,
        memos: Mutex::new(attempt.memos),
        lines: AtomicU64::new(attempt.log_cursor),
        log_room: attempt.log_room,
        to_run,
        updates,
        stopwatch,
    });
    let input = match attempt.input {
        Ok(input) => input,
        // It had a value when the call was decided on: no guest is called with another one.
        Err(error) => {
            let end = End::Host(HostEnd::Denied, error.to_string());
            return (not_called(end), attempt.log_cursor);
        }
    };
    let Some(program) = attempt.program else {
        let end = End::Host(HostEnd::Denied, "the step has no component".into());
        return (not_called(end), attempt.log_cursor);
    };
    let call = Call {
        phase: due.phase,
        run: attempt.run,
        step: attempt.name,
        attempt: due.attempt,
        key: due.key,
        execute_key: due.execute_key,
        input,
        output: due.output,
        cause: due.cause,
        time_limit: attempt.timeout,
        limits: attempt.limits,
        grants: attempt.grants,
        memos_kept,
    };
    let for_guest: Arc<dyn Services> = Arc::clone(&services) as Arc<dyn Services>;
    let call_guest: CallGuest<'_> = Box::new(|call| {
        Box::pin(async {
            match shared.sandbox() {
                Ok(sandbox) => sandbox.call(&program, call, for_guest).await,
                Err(failure) => not_called(End::Host(HostEnd::Lost, failure.to_string())),
            }
        })
    });
    let ended = match shared.meddler() {
        None => call_guest(call).await,
        Some(meddler) => meddler.meddle(call, call_guest).await,
    };
    if ended.logs_cut_bytes > 0 {
        services.host_says(format!("{} bytes of its output were cut off", ended.logs_cut_bytes));
    }
    (ended, services.lines.load(Ordering::Relaxed))
}

/// An end before any guest was entered.
fn not_called(end: End) -> Ended {
    Ended {
        end,
        usage: Usage::new(),
        fuel_used: 0,
        memory_peak_bytes: 0,
        elapsed: Duration::ZERO,
        logs_cut_bytes: 0,
    }
}

/// What a guest may ask of the host while it is called.
struct AttemptServices {
    shared: Arc<Shared>,
    run: RunId,
    name: String,
    instance: piton_core::InstanceId,
    phase: Phase,
    attempt: u32,
    memos: Mutex<BTreeMap<String, String>>,
    lines: AtomicU64,
    log_room: Arc<LogRoom>,
    to_run: mpsc::UnboundedSender<Wake>,
    updates: broadcast::Sender<Arc<Update>>,
    stopwatch: Option<Arc<dyn Stopwatch>>,
}

impl AttemptServices {
    fn keep_line(&self, channel: LogChannel, text: String) {
        let (channel, text) = match self.log_room.take(&text) {
            Kept::Line => (channel, text),
            Kept::Notice(notice) => (LogChannel::Host, notice),
            Kept::Nothing => return,
        };
        let number = self.lines.fetch_add(1, Ordering::Relaxed) + 1;
        self.shared.log(LogLine {
            run: self.run,
            step: self.name.clone(),
            phase: self.phase,
            attempt: self.attempt,
            number,
            at: self.shared.now(),
            channel,
            text,
        });
    }

    fn host_says(&self, text: String) {
        self.keep_line(LogChannel::Host, text);
    }
}

impl Services for AttemptServices {
    fn log(&self, line: GuestLine<'_>) {
        let channel = match (line.source, line.level) {
            (Source::Stdout, _) => LogChannel::Stdout,
            (Source::Stderr, _) => LogChannel::Stderr,
            (Source::Host, _) => LogChannel::Host,
            (Source::Log, Level::Trace) => LogChannel::Trace,
            (Source::Log, Level::Debug) => LogChannel::Debug,
            (Source::Log, Level::Info) => LogChannel::Info,
            (Source::Log, Level::Warn) => LogChannel::Warn,
            (Source::Log, Level::Error) => LogChannel::Error,
        };
        self.keep_line(channel, line.text.into());
    }

    fn progress(&self, progress: Progress<'_>) {
        if self.updates.receiver_count() == 0 {
            return;
        }
        let Progress { done, total, message } = progress;
        let (step, message) = (self.name.clone(), message.into());
        let _ = self.updates.send(Arc::new(Update::Progress { step, done, total, message }));
    }

    fn recall(&self, key: &str) -> Option<String> {
        self.memos.lock().expect("no holder panics").get(key).cloned()
    }

    fn remember(
        &self,
        key: String,
        value: String,
        usage: Usage,
    ) -> BoxFuture<'_, Result<String, RememberError>> {
        Box::pin(async move {
            let (reply, answer) = oneshot::channel();
            let wake = Wake::Remember {
                instance: self.instance,
                phase: self.phase,
                attempt: self.attempt,
                key: key.clone(),
                value,
                usage,
                reply,
            };
            let gone = || RememberError("the run no longer waits for this attempt".into());
            self.to_run.send(wake).map_err(|_| gone())?;
            let kept = answer.await.map_err(|_| gone())?.map_err(RememberError)?;
            self.memos.lock().expect("no holder panics").insert(key, kept.clone());
            Ok(kept)
        })
    }

    fn stopwatch(&self) -> Option<Arc<dyn Stopwatch>> {
        self.stopwatch.clone()
    }
}
