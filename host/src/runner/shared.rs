//! What all runs of one host share: the journal, the component store, the sandbox, the clock.
//! Never decides anything, and knows no run from the inside.

use super::carry::{Carried, Rest, Wake};
use super::clock::Clock;
use super::loaded::{LoadFailed, Loaded};
use super::meddler::Meddler;
use super::parked::Parked;
use super::profile::{self, Profile};
use crate::journal::{
    AppendError, Batch, ComponentStore, DataDir, Journal, JournalError, LogLine, OpenError, Opened,
    Secret, Writer,
};
use crate::manifest::Operator;
use crate::sandbox::{self, Notice, Sandbox};
use piton_core::{Digest, RunId, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{
    Arc, Mutex, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, Weak,
};
use tokio::sync::watch;

/// What the host needs to know from its surroundings.
#[derive(Clone)]
pub struct Settings {
    /// Where components are compiled.
    pub compiler: sandbox::Compiler,
    /// How many attempts may be under way at once, in all runs. Default [`ATTEMPTS_MAX`].
    pub attempts_max: u32,
    /// Looks up the variables of the host's environment that hold secrets.
    pub variables: sandbox::Variables,
    /// Called with what an operator may want to know about the sandbox.
    pub notify: Arc<dyn Fn(Notice) + Send + Sync>,
    /// Answers all requests of guests, in place of the hosts they go to. Default: nobody does.
    pub stand_in: Option<Arc<dyn sandbox::StandIn>>,
    /// What no manifest may exceed. Default: nothing but its own ranges.
    pub operator: Option<Arc<Operator>>,
    /// Stands between runs and their guests. Default: nobody does.
    pub meddler: Option<Arc<dyn Meddler>>,
    /// Gathers where the time goes. Default: nobody does.
    pub profile: Option<Arc<Profile>>,
}

/// The default of [`Settings::attempts_max`].
pub const ATTEMPTS_MAX: u32 = 64;

/// Why the host cannot go on.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct HostFailure {
    /// What happened, for people.
    pub message: String,
    /// What to do; empty where there is nothing to say.
    pub hint: String,
}

impl HostFailure {
    pub(crate) fn new(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { message: message.into(), hint: hint.into() }
    }

    /// Something that should not be possible.
    pub(crate) fn bug(message: impl Into<String>) -> Self {
        Self::new(message, "this is a bug of piton; nothing recorded is lost")
    }
}

impl fmt::Display for HostFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for HostFailure {}

impl From<JournalError> for HostFailure {
    fn from(error: JournalError) -> Self {
        let hint = match error {
            JournalError::Full => "make space, then run `piton resume --all`",
            JournalError::Corrupt { .. } => "restore the data directory from a backup",
            JournalError::InUse => "try again once that process has ended",
            JournalError::Failed { .. } => "mend the cause, then run `piton resume --all`",
        };
        Self::new(error.to_string(), hint)
    }
}

impl From<OpenError> for HostFailure {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Journal(error) => error.into(),
            OpenError::DataDir(error) => Self::new(error.to_string(), ""),
        }
    }
}

impl From<AppendError> for HostFailure {
    fn from(error: AppendError) -> Self {
        match error {
            AppendError::Journal(error) => error.into(),
            AppendError::Refused(refusal) => Self::new(
                refusal.to_string(),
                "another process holds this run now; look with `piton show`",
            ),
        }
    }
}

pub(crate) struct Shared {
    pub(crate) components: ComponentStore,
    pub(crate) secret: Arc<Secret>,
    pub(crate) journal: Arc<dyn Journal>,
    pub(crate) fence: u64,
    pub(crate) clock: Clock,
    writer: Writer,
    settings: Settings,
    sandbox: OnceLock<Result<Sandbox, HostFailure>>,
    is_leaving: AtomicBool,
    pub(crate) parked: Arc<Parked>,
    carried: Mutex<BTreeMap<RunId, Carried>>,
    /// Manifests that runs have begun with lately, the latest last.
    loaded: Mutex<Vec<Arc<Loaded>>>,
    /// All of them that somebody still has, whether they are among the latest or not.
    alive: Mutex<Vec<Weak<Loaded>>>,
    /// Held for reading from when contents are kept until a [`Loaded`] names them; held for writing
    /// by who removes contents that nothing names.
    contents: RwLock<()>,
    /// Held by who prunes or backs up: one at a time.
    pub(crate) chore: Arc<tokio::sync::Mutex<()>>,
    /// Held while a run is taken up, so that none is taken up twice.
    pub(crate) taking_up: tokio::sync::Mutex<()>,
    /// Late: whoever takes hold of the directory next must find the journal closed.
    pub(crate) data: DataDir,
    /// Last: tells whoever waits for it that all this is closed.
    pub(crate) open: watch::Sender<()>,
}

/// Manifests that stay ready though no run may need them: the next run of one often comes soon.
const READY_MAX: usize = 64;

impl Shared {
    pub(crate) fn new(opened: Opened, settings: Settings) -> Result<Self, HostFailure> {
        let Opened { journal, components, secret, data_dir } = opened;
        let fence = journal.take_fence()?;
        let writer = Writer::start(profile::timed(&journal, settings.profile.as_ref()));
        let writer = writer.map_err(|error| HostFailure::new(error.to_string(), ""))?;
        Ok(Self {
            components,
            secret: Arc::new(secret),
            fence,
            clock: Clock::start(),
            writer,
            settings,
            sandbox: OnceLock::new(),
            is_leaving: AtomicBool::new(false),
            parked: Arc::default(),
            carried: Mutex::default(),
            loaded: Mutex::default(),
            alive: Mutex::default(),
            contents: RwLock::default(),
            chore: Arc::default(),
            taking_up: tokio::sync::Mutex::default(),
            journal,
            data: data_dir,
            open: watch::Sender::new(()),
        })
    }

    /// The time: milliseconds of wall time.
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The sandbox, made when it is first needed: looking at runs needs none.
    pub(crate) fn sandbox(&self) -> Result<&Sandbox, HostFailure> {
        let made = self
            .sandbox
            .get_or_init(|| make_sandbox(self.data.path(), &self.secret, &self.settings));
        made.as_ref().map_err(Clone::clone)
    }

    pub(crate) fn operator(&self) -> Option<&Operator> {
        self.settings.operator.as_deref()
    }

    pub(super) fn profile(&self) -> Option<&Arc<Profile>> {
        self.settings.profile.as_ref()
    }

    pub(crate) fn meddler(&self) -> Option<&dyn Meddler> {
        self.settings.meddler.as_deref()
    }

    /// Keeps a content in the component store.
    pub(crate) fn keep(&self, bytes: &[u8]) -> Result<Digest, LoadFailed> {
        self.components.put(bytes).map_err(|error| LoadFailed::Host(error.to_string()))
    }

    /// Keeps a component in the component store, whose digest is known.
    pub(crate) fn keep_component(&self, digest: &Digest, bytes: &[u8]) -> Result<(), LoadFailed> {
        let kept = self.components.put_hashed(digest, bytes);
        kept.map_err(|error| LoadFailed::Host(error.to_string()))
    }

    /// Makes a batch of this run durable.
    pub(crate) async fn append(&self, run: RunId, batch: Batch) -> Result<(), HostFailure> {
        let _committing = self.profile().map(|profile| profile.commit(run));
        Ok(self.writer.append(batch).await?)
    }

    /// As [`Shared::append`], for a run that is alone: it may hold its worker until that is durable.
    pub(crate) async fn append_here(&self, run: RunId, batch: Batch) -> Result<(), HostFailure> {
        let _committing = self.profile().map(|profile| profile.commit(run));
        Ok(self.writer.append_here(batch).await?)
    }

    /// Keeps a log line with the run. It rides with the next commit.
    pub(crate) fn log(&self, line: LogLine) {
        self.writer.log(line);
    }

    /// Waits until all log lines are kept.
    pub(crate) async fn flush(&self) -> Result<(), HostFailure> {
        Ok(self.writer.flush().await?)
    }

    pub(crate) fn is_leaving(&self) -> bool {
        self.is_leaving.load(Ordering::SeqCst)
    }

    /// Lets attempts under way end, and starts no further ones.
    pub(crate) fn leave(&self) {
        self.is_leaving.store(true, Ordering::SeqCst);
        self.parked.close();
        for carried in self.lock_carried().values() {
            // A run that no longer listens has nothing under way.
            let _ = carried.inbox.send(Wake::Leave);
        }
    }

    pub(crate) fn carried(&self, run: RunId) -> Option<Carried> {
        self.lock_carried().get(&run).cloned()
    }

    pub(crate) fn carries_one_at_most(&self) -> bool {
        self.lock_carried().len() <= 1
    }

    pub(crate) fn all_carried(&self) -> Vec<Carried> {
        self.lock_carried().values().cloned().collect()
    }

    pub(crate) fn now_carried(&self, run: RunId, carried: Carried) {
        let mut all = self.lock_carried();
        all.insert(run, carried);
        self.writer.has_writers(all.len());
        self.parked.unpark(run);
    }

    /// The run is carried no more; it may be parked instead, with no moment in between.
    pub(crate) fn carried_no_more(&self, run: RunId, rest: &Rest) {
        let mut all = self.lock_carried();
        if let Rest::Parks(wake_at) = rest {
            self.parked.park(run, *wake_at);
        }
        all.remove(&run);
        self.writer.has_writers(all.len());
    }

    /// Has the runs of one manifest share it.
    pub(crate) fn remember_loaded(&self, loaded: Loaded) -> Arc<Loaded> {
        // What is in the way may be gone at the next look.
        if loaded.hindrance.is_some() {
            return Arc::new(loaded);
        }
        let mut ready = self.loaded.lock().expect("no holder panics");
        let place = ready.iter().position(|known| known.serves_for(&loaded));
        let known = place.map_or_else(|| self.new_loaded(loaded), |place| ready.remove(place));
        if ready.len() == READY_MAX {
            ready.remove(0);
        }
        ready.push(Arc::clone(&known));
        known
    }

    /// Keeps in mind that its contents are used for as long as somebody has it.
    fn new_loaded(&self, loaded: Loaded) -> Arc<Loaded> {
        let loaded = Arc::new(loaded);
        let mut alive = self.alive.lock().expect("no holder panics");
        alive.retain(|other| other.strong_count() > 0);
        alive.push(Arc::downgrade(&loaded));
        loaded
    }

    /// Sees to it that no content is removed meanwhile.
    pub(crate) fn contents_stay(&self) -> RwLockReadGuard<'_, ()> {
        self.contents.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sees to it that no content is kept meanwhile.
    pub(crate) fn contents_may_go(&self) -> RwLockWriteGuard<'_, ()> {
        self.contents.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// The contents of manifests that a run of this host has, or may begin with any moment.
    /// Manifests that nobody uses are forgotten.
    pub(crate) fn contents_in_use(&self) -> BTreeSet<Digest> {
        let mut ready = self.loaded.lock().expect("no holder panics");
        ready.retain(|loaded| Arc::strong_count(loaded) > 1);
        let mut alive = self.alive.lock().expect("no holder panics");
        alive.retain(|loaded| loaded.strong_count() > 0);
        let digests = alive.iter().filter_map(Weak::upgrade).flat_map(|loaded| {
            let components = loaded.components.iter().flatten().copied();
            components.chain([loaded.digest]).collect::<Vec<Digest>>()
        });
        digests.collect()
    }

    fn lock_carried(&self) -> std::sync::MutexGuard<'_, BTreeMap<RunId, Carried>> {
        self.carried.lock().expect("no holder panics")
    }
}

impl Carried {
    /// Waits until the run is no longer carried.
    pub(crate) async fn rested(mut self) -> Rest {
        match self.rest.wait_for(Option::is_some).await {
            Ok(rest) => rest.clone().expect("it was just seen"),
            Err(_) => Rest::Failed(HostFailure::bug("the run's task ended without a word")),
        }
    }
}

/// Where compiled code is kept.
pub(super) fn code_folder(data_dir: &std::path::Path) -> std::path::PathBuf {
    data_dir.join("code")
}

/// Tells a profile, too, where one is taken.
fn notify(settings: &Settings) -> Arc<dyn Fn(Notice) + Send + Sync> {
    let notify = Arc::clone(&settings.notify);
    let Some(profile) = settings.profile.clone() else { return notify };
    Arc::new(move |notice| {
        profile.notice(&notice);
        notify(notice);
    })
}

/// A sandbox whose compiled code is in a folder of `data_dir`.
pub(super) fn make_sandbox(
    data_dir: &std::path::Path,
    secret: &Secret,
    settings: &Settings,
) -> Result<Sandbox, HostFailure> {
    let (folder, key) = (code_folder(data_dir), secret.derive("code cache"));
    let mut set = sandbox::Settings::new(folder, key, settings.compiler.clone());
    set.slots = settings.attempts_max;
    set.variables = Arc::clone(&settings.variables);
    set.notify = notify(settings);
    set.stand_in = settings.stand_in.clone();
    Sandbox::new(set).map_err(|error| HostFailure::new(error.to_string(), ""))
}
