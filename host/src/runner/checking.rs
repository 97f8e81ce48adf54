//! What is done without a data directory: checking manifests with their components, and calling a
//! component once to try it. Nothing is recorded; compiled code lives in a folder that goes with it.

use super::bounds::{Bounds, Missing};
use super::loaded::{CheckedManifest, LoadFailed, Rules, component_file};
use super::lock_file::Locking;
use super::read::read_component;
use super::shared::{HostFailure, Settings, make_sandbox};
use crate::journal::Secret;
use crate::manifest::{Allowance, Complaint, Operator};
use crate::sandbox::{
    BoxFuture, Call, Ended, Inspection, LoadError, LogLine, MemosKept, Program, Progress,
    RememberError, ResolvedGrants, Sandbox, Services,
};
use piton_core::{Digest, IdempotencyKey, Json, Limits, Phase, RunId, Usage};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

/// A sandbox of its own, for a look.
pub struct Checking {
    sandbox: Sandbox,
    operator: Option<Arc<Operator>>,
    /// A folder of compiled code that goes with this; none where the data directory has one.
    own_folder: Option<PathBuf>,
}

impl Drop for Checking {
    fn drop(&mut self) {
        if let Some(folder) = &self.own_folder {
            // Only compiled code, made anew at the next look.
            let _ = std::fs::remove_dir_all(folder);
        }
    }
}

/// A component that is ready to be tried.
pub struct Candidate {
    program: Arc<Program>,
    /// What it says of itself.
    pub inspection: Inspection,
}

/// One call to try.
#[derive(Debug, Clone)]
pub struct TryCall {
    /// Which function.
    pub phase: Phase,
    /// Its input.
    pub input: Json,
    /// What `compensate` is told that `execute` returned.
    pub output: Option<Json>,
    /// What it may use.
    pub limits: Limits,
    /// What it may touch.
    pub grants: ResolvedGrants,
    /// How long it may take.
    pub timeout: Duration,
    /// Which step of which run it is taken for.
    pub part: TryPart,
}

/// The step of a run that a call is taken for, though there is no run.
#[derive(Debug, Clone)]
pub struct TryPart {
    /// The run's id.
    pub run: RunId,
    /// Which attempt of its phase it is, from 1.
    pub attempt: u32,
    /// What all calls of its phase carry.
    pub key: IdempotencyKey,
    /// What all calls of `execute` carry.
    pub execute_key: IdempotencyKey,
    /// What its calls remember. Copies share it.
    pub memos: TryMemos,
}

/// What a step remembers while it is tried.
#[derive(Debug, Clone, Default)]
pub struct TryMemos(Arc<Mutex<BTreeMap<String, String>>>);

/// A line that a guest logged or printed, as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TryLine {
    /// `trace` to `error`, `stdout` or `stderr`.
    pub channel: &'static str,
    /// What was said. Text from a stranger.
    pub text: String,
}

/// What came of a call.
#[derive(Debug, Clone)]
pub struct Tried {
    /// How it ended, and what it used.
    pub ended: Ended,
    /// All usage, remembered or not.
    pub usage: Usage,
}

impl TryPart {
    /// The first attempt of a step that nobody has called before.
    pub fn first() -> Self {
        let key = IdempotencyKey::from_bits(rand::random());
        Self {
            run: RunId::from_bits(uuid::Uuid::now_v7().as_u128()),
            attempt: 1,
            key,
            execute_key: key,
            memos: TryMemos::default(),
        }
    }
}

impl TryMemos {
    /// All of them.
    pub fn all(&self) -> BTreeMap<String, String> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, String>> {
        self.0.lock().expect("no holder panics")
    }

    fn kept(&self) -> MemosKept {
        let memos = self.lock();
        let bytes: usize = memos.iter().map(|(key, value)| key.len() + value.len()).sum();
        MemosKept { count: memos.len() as u64, bytes: bytes as u64 }
    }
}

impl Checking {
    /// Makes a sandbox for a look. Compiled code is shared with the data directory, if there is
    /// one already.
    ///
    /// # Errors
    /// [`HostFailure`] where it cannot be made.
    pub fn new(data_dir: &Path, settings: &Settings) -> Result<Self, HostFailure> {
        let operator = settings.operator.clone();
        // Code files appear as a whole and carry a MAC: no lock is needed to share them.
        if let Ok(secret) = Secret::of_data_dir(data_dir) {
            let sandbox = make_sandbox(data_dir, &secret, settings)?;
            return Ok(Self { sandbox, operator, own_folder: None });
        }
        let folder = std::env::temp_dir().join(format!("piton-{:032x}", rand::random::<u128>()));
        let sandbox = make_sandbox(&folder, &Secret::of_the_moment(rand::random()), settings)?;
        Ok(Self { sandbox, operator, own_folder: Some(folder) })
    }

    /// Checks a manifest and all that it names.
    ///
    /// # Errors
    /// [`LoadFailed`] with every mistake.
    pub fn check(&self, path: &Path) -> Result<CheckedManifest, LoadFailed> {
        self.rules(true).check(path)
    }

    /// Compares a manifest with what the lock file beside it pins.
    ///
    /// # Errors
    /// [`LoadFailed`] with every mistake in either.
    pub fn locking(&self, path: &Path) -> Result<Locking, LoadFailed> {
        Locking::of(path, self.rules(false).pins(path)?)
    }

    fn rules(&self, keeps_lock: bool) -> Rules<'_> {
        let (sandbox, operator) = (&self.sandbox, self.operator.as_deref());
        Rules { sandbox, operator, own: None, keeps_lock }
    }

    /// Looks at a component without compiling it.
    ///
    /// # Errors
    /// [`LoadError`] where it is none.
    pub fn inspect(&self, bytes: &[u8]) -> Result<Inspection, LoadError> {
        self.sandbox.inspect(bytes)
    }

    /// Why the operator does not allow a component, and what to do, where it does not.
    pub fn refuses(&self, component: &Digest) -> Option<Complaint> {
        Bounds::new(self.operator.as_deref()).refuse_component(component)
    }

    /// Makes a component ready to be tried.
    ///
    /// # Errors
    /// Why it cannot be called, for people: also where the operator does not allow it.
    pub fn load(&self, component: &Path) -> Result<Candidate, String> {
        let named = component.display().to_string();
        let (file, _) = component_file(component, &named).map_err(|refused| refused.to_string())?;
        let bytes =
            read_component(&file).map_err(|error| format!("cannot read `{named}`: {error}"))?;
        let unusable = |error: LoadError| format!("`{named}` cannot be used: {error}");
        let inspection = self.sandbox.inspect(&bytes).map_err(unusable)?;
        if let Some(refused) = self.refuses(&inspection.digest) {
            return Err(in_words(refused));
        }
        let program = self.sandbox.load(inspection.digest, || Ok(bytes)).map_err(unusable)?;
        Ok(Candidate { program, inspection })
    }

    /// Holds what a call asks for against what the operator allows, and lowers what it leaves to a
    /// default.
    ///
    /// # Errors
    /// What is not allowed, for people.
    pub fn hold(&self, allowance: &mut Allowance) -> Result<(), String> {
        let refused = self.operator.as_ref().and_then(|operator| {
            let bounds = Bounds::new(Some(operator));
            let refused = operator.hold_call(allowance).into_iter().next();
            refused.or_else(|| bounds.refuse_paths(&allowance.grants, Path::new(".")))
        });
        refused.map_or(Ok(()), |refused| Err(in_words(refused)))
    }

    /// As [`Checking::hold`]; then finds the folders, and makes those that are missing.
    ///
    /// # Errors
    /// What is not allowed, or cannot be given, for people.
    pub fn allow(&self, allowance: &mut Allowance) -> Result<ResolvedGrants, String> {
        self.hold(allowance)?;
        let bounds = Bounds::new(self.operator.as_deref());
        bounds.resolve(&allowance.grants, Path::new("."), Missing::Make)
    }

    /// Calls a component once. `line` is told what it logs, as it comes.
    pub async fn try_call(
        &self,
        candidate: &Candidate,
        call: TryCall,
        line: impl Fn(TryLine) + Send + Sync + 'static,
    ) -> Tried {
        let TryPart { run, attempt, key, execute_key, memos } = call.part;
        let memos_kept = memos.kept();
        let usage = Mutex::new(Usage::new());
        let services = Arc::new(TryServices { line: Box::new(line), memos, usage });
        let call = Call {
            phase: call.phase,
            run,
            step: "try".into(),
            attempt,
            key,
            execute_key,
            input: call.input,
            output: call.output,
            cause: None,
            time_limit: call.timeout,
            limits: call.limits,
            grants: call.grants,
            memos_kept,
        };
        let for_guest: Arc<dyn Services> = Arc::clone(&services) as Arc<dyn Services>;
        let ended = self.sandbox.call(&candidate.program, call, for_guest).await;
        let mut usage = services.usage.lock().expect("no holder panics").clone();
        usage.add_all(&ended.usage);
        Tried { ended, usage }
    }
}

/// What is refused, and what to do.
fn in_words(refused: Complaint) -> String {
    match refused.hint {
        Some(hint) => format!("{}: {hint}", refused.message),
        None => refused.message,
    }
}

/// Serves a guest that is tried.
struct TryServices {
    line: Box<dyn Fn(TryLine) + Send + Sync>,
    memos: TryMemos,
    usage: Mutex<Usage>,
}

impl Services for TryServices {
    fn log(&self, line: LogLine<'_>) {
        let channel = match line.source {
            crate::sandbox::Source::Log => line.level.word(),
            source => source.word(),
        };
        (self.line)(TryLine { channel, text: line.text.into() });
    }

    fn progress(&self, _: Progress<'_>) {}

    fn recall(&self, key: &str) -> Option<String> {
        self.memos.lock().get(key).cloned()
    }

    fn remember(
        &self,
        key: String,
        value: String,
        usage: Usage,
    ) -> BoxFuture<'_, Result<String, RememberError>> {
        self.usage.lock().expect("no holder panics").add_all(&usage);
        let kept = self.memos.lock().entry(key).or_insert(value).clone();
        Box::pin(std::future::ready(Ok(kept)))
    }
}
