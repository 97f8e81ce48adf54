//! Calls a step once: a fresh store, a fresh instance, one function, an end.
//! Whatever the guest does, the call ends, and nothing of it is left but what it says it ended with.

use super::ends::end_of;
use super::grants::ResolvedGrants;
use super::guest::{Given, Guest, MemosKept, Stop};
use super::http::Outgoing;
use super::logs::Logs;
use super::program::Program;
use super::quarantine::{self, caught};
use super::redact::Redactor;
use super::room::Room;
use super::secrets::Secret;
use super::services::Services;
use super::stopwatch::Stage;
use super::time::Time;
use super::{Notice, Sandbox, passed, returned};
use piton_core::{End, Failure, HostEnd, IdempotencyKey, Json, Limits, Phase, RunId, Usage};
use std::any::Any;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use wasmtime::{Store, UpdateDeadline};

/// What a guest may hand the host in one call, at least: log lines are cut, not refused, up to here.
const HOSTCALL_BYTES_MIN: u64 = 16 << 20;
/// Room for what is not the payload.
const HOSTCALL_BYTES_MORE: u64 = 64 << 10;
/// Handles to resources, the guest's own and the host's, that one attempt may hold.
const HANDLES_MAX: usize = 10_000;

/// One call of a step.
#[derive(Debug, Clone)]
pub struct Call {
    /// Which function.
    pub phase: Phase,
    /// The run that it is for.
    pub run: RunId,
    /// The step's name in the manifest, with `[index]` for an element of a map.
    pub step: String,
    /// Which attempt of the phase it is, from 1.
    pub attempt: u32,
    /// What all calls of this phase carry.
    pub key: IdempotencyKey,
    /// What all calls of `execute` carry.
    pub execute_key: IdempotencyKey,
    /// The step's input.
    pub input: Json,
    /// What `execute` returned, for `compensate`.
    pub output: Option<Json>,
    /// Why the run turned back, for `compensate`.
    pub cause: Option<Failure>,
    /// How long it may take.
    pub time_limit: Duration,
    /// What it may use.
    pub limits: Limits,
    /// What it may touch.
    pub grants: ResolvedGrants,
    /// What earlier attempts of the step remembered.
    pub memos_kept: MemosKept,
}

/// How a call ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// The end.
    pub end: End,
    /// What was spent since the last [`Services::remember`].
    pub usage: Usage,
    /// Instructions, roughly.
    pub fuel_used: u64,
    /// The most that all its memories together had.
    pub memory_peak_bytes: u64,
    /// Wall time, from when it had its slot.
    pub elapsed: Duration,
    /// Bytes of log lines and output that were cut.
    pub logs_cut_bytes: u64,
}

impl Sandbox {
    /// Calls a step, and returns when the call is over: at its time limit at the latest.
    ///
    /// Never fails and never panics: all that can go wrong is an end. Waits for a slot first where
    /// [`Settings::slots`](super::Settings::slots) calls are under way. Dropping the future stops
    /// the guest and every host call that it waits for.
    pub async fn call(&self, program: &Program, call: Call, services: Arc<dyn Services>) -> Ended {
        // The semaphore is never closed; a call without a slot would only fail to be given memory.
        let _slot = self.slots.acquire().await;
        let _ticking = self.ticker.tick();
        let time = Time::start(call.time_limit, call.limits.idle_timeout);
        let time = Arc::new(time.told_to(services.stopwatch()));
        if let Some(why) = self.quarantine.refuses(program.digest()) {
            return at_once(HostEnd::Denied, why, &time);
        }
        // What comes before the guest and after it reads a stranger's bytes, too.
        match caught(self.call_in(program, call, services, &time)).await {
            Ok(ended) => ended,
            // Nothing has blotted out secrets in its text: that is kept to itself.
            Err(_) => {
                let (end, message) = self.panicked(program, &());
                at_once(end, message, &time)
            }
        }
    }

    async fn call_in(
        &self,
        program: &Program,
        call: Call,
        services: Arc<dyn Services>,
        time: &Arc<Time>,
    ) -> Ended {
        time.enters(Stage::Instantiating);
        let secrets = match self.secrets(&call.grants) {
            Ok(secrets) => secrets,
            Err(missing) => return at_once(HostEnd::Denied, missing.to_string(), time),
        };
        let redactor = Arc::new(Redactor::new(&secrets));
        let logs = Logs::new(services.clone(), call.limits.log_bytes, redactor.clone());
        let heard = Heard { services, redactor: redactor.clone(), time: time.clone(), logs };
        let logs = heard.logs.clone();
        let mut store = match self.store(&call, secrets, heard) {
            Ok(store) => store,
            Err(message) => return at_once(HostEnd::Denied, message, time),
        };
        let end = self.guard(&mut store, program, &call, time).await;
        time.enters(Stage::Over);
        logs.finish();
        let fuel_left = store.get_fuel().unwrap_or(0);
        let guest = store.into_data();
        Ended {
            end: redactor.end(end),
            usage: guest.usage,
            fuel_used: call.limits.fuel.saturating_sub(fuel_left),
            memory_peak_bytes: guest.meter.memory_peak_bytes(),
            elapsed: time.elapsed(),
            logs_cut_bytes: logs.cut_bytes(),
        }
    }

    /// A store with all its limits set, before any code of the guest can run.
    fn store(
        &self,
        call: &Call,
        secrets: Vec<Secret>,
        heard: Heard,
    ) -> Result<Store<Guest>, String> {
        let limits = &call.limits;
        let input_bytes = call.input.as_str().len() as u64;
        if input_bytes > limits.input_bytes {
            let max = limits.input_bytes;
            return Err(format!(
                "its input has {input_bytes} bytes, and may have {max} (`input_max`)"
            ));
        }
        let Heard { services, redactor, time, logs } = heard;
        let wasi = call.grants.context(&logs)?;
        let gate = self.gate.clone();
        let outgoing = Outgoing::new(call, secrets, time.clone(), logs.clone(), gate);
        let given = Given { wasi, outgoing, services, redactor, time: time.clone(), logs };
        let guest = Guest::new(given, limits, call.memos_kept);
        let mut store = Store::new(&self.engine, guest);
        store.limiter(|guest| &mut guest.meter);
        store.set_fuel(limits.fuel).map_err(|error| format!("{error:#}"))?;
        store.set_max_component_handles(HANDLES_MAX);
        let payload = limits.output_bytes.max(limits.memo_bytes).max(HOSTCALL_BYTES_MIN);
        let hostcall_bytes = payload.saturating_add(HOSTCALL_BYTES_MORE);
        store.set_hostcall_fuel(usize::try_from(hostcall_bytes).unwrap_or(usize::MAX));
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(move |_| {
            time.check()?;
            // Everyone else who is ready goes first.
            Ok(UpdateDeadline::YieldCustom(1, Box::pin(tokio::task::yield_now())))
        });
        Ok(store)
    }

    /// Runs the guest until it ends, its time is up, or something panics.
    async fn guard(
        &self,
        store: &mut Store<Guest>,
        program: &Program,
        call: &Call,
        time: &Time,
    ) -> End {
        let room = Room::of(&call.grants.dirs);
        if let Some(short) = room.is_short().await {
            return End::Host(HostEnd::Denied, short);
        }
        let outcome = {
            let guest = pin!(enter(store, program, call, time));
            tokio::select! {
                biased;
                entered = caught(time.watching(guest)) => entered,
                up = time.up() => return End::Host(HostEnd::TimedOut, up.to_string()),
                short = room.runs_short() => return End::Host(HostEnd::Denied, short),
            }
        };
        let (end, message) = match outcome {
            Ok(Ok(end)) => return end,
            Ok(Err(error)) => end_of(&error, store.data(), call.limits.fuel),
            Err(panic) => self.panicked(program, &*panic),
        };
        End::Host(end, message)
    }

    /// The component is called no more: it would do the same again.
    fn panicked(&self, program: &Program, panic: &(dyn Any + Send)) -> (HostEnd, String) {
        let digest = program.digest();
        if self.quarantine.take_in(digest) {
            (self.settings.notify)(Notice::Quarantined(digest));
        }
        (HostEnd::Trapped, quarantine::told(panic))
    }
}

/// Where what a guest does is heard.
struct Heard {
    services: Arc<dyn Services>,
    redactor: Arc<Redactor>,
    time: Arc<Time>,
    logs: Arc<Logs>,
}

fn at_once(end: HostEnd, message: String, time: &Time) -> Ended {
    Ended {
        end: End::Host(end, message),
        usage: Usage::new(),
        fuel_used: 0,
        memory_peak_bytes: 0,
        elapsed: time.elapsed(),
        logs_cut_bytes: 0,
    }
}

/// Makes an instance and calls the phase's function in it.
async fn enter(
    store: &mut Store<Guest>,
    program: &Program,
    call: &Call,
    time: &Time,
) -> wasmtime::Result<End> {
    let input = call.input.as_str();
    let output_bytes_max = call.limits.output_bytes;
    if call.phase == Phase::Reconcile {
        let Some(pre) = &program.reconcilable else {
            return Err(Stop(HostEnd::Denied, "it does not export `reconcile`".into()).into());
        };
        let instance = pre.instantiate_async(&mut *store).await?;
        time.enters(Stage::InGuest);
        let context = passed::context(call, time);
        let asked = instance.piton_step_reconcile().call_reconcile(store, &context, input).await?;
        return Ok(returned::reconciled(asked, output_bytes_max));
    }
    let instance = program.plugin.instantiate_async(&mut *store).await?;
    time.enters(Stage::InGuest);
    let step = instance.piton_step_step();
    let context = passed::context(call, time);
    if call.phase == Phase::Execute {
        let done = step.call_execute(store, &context, input).await?;
        return Ok(returned::executed(done, output_bytes_max));
    }
    let output = call.output.as_ref().map(Json::as_str);
    let cause = call.cause.as_ref().map(passed::failure);
    let undone = step.call_compensate(store, &context, input, output, cause.as_ref()).await?;
    Ok(returned::compensated(undone))
}
