//! Runs pipelines: carries out what the core decides, with the journal, the sandbox and the clock.
//! Owns the host's side of every run; never decides what a run does next, reads arguments, or
//! prints.

mod attempt;
mod backup;
mod bounds;
mod carry;
mod changes;
mod checking;
mod clock;
mod contents;
mod cost;
mod document;
mod evaluator;
mod explain;
mod holding;
mod loaded;
mod lock_file;
mod look;
mod meddler;
mod parked;
mod profile;
mod prune;
mod read;
mod shared;
mod socket;
mod tally;
mod update;
mod verify;

pub use backup::{Backup, Progress, restore};
pub use checking::{Candidate, Checking, Tried, TryCall, TryLine, TryMemos, TryPart};
pub use cost::{Cost, CostOf, Micros, Payment, PluginCost, StepCost};
pub use document::{
    Amounts, EventDocument, FailureDocument, LogDocument, RowDocument, StepSummary, Summary,
    UsageSummary, Verification, rfc3339,
};
pub use explain::{Explanation, Next, Reason};
pub use loaded::{
    CheckedManifest, ComponentRefused, Hindrance, LoadFailed, ManifestRefused, component_file,
    read_manifest,
};
pub use lock_file::Locking;
pub use meddler::{CallGuest, Meddler};
pub use piton_core::Timestamp;
pub use profile::{HostCallKind, Profile, Recording, Share, Sums};
pub use prune::{KeptRuns, PruneOrder, Pruning, Removed, Shrunk};
pub use read::read_component;
pub use shared::{ATTEMPTS_MAX, HostFailure, Settings};
pub use socket::{
    Act, Answer, Ask, Client, ClientError, Follow, Look, Opening, Reach, ReachError, Refused,
    RowFilter, reach, start_refused,
};
pub use update::{ChangedStep, Update};

use crate::journal::{KeyOwner, Opened, Query, RunRecords, Tail};
use crate::manifest::{Complaint, InputMistake};
use carry::{Carried, Carrier, Rest, Wake};
use loaded::Loaded;
use parked::Parked;
use piton_core::{Input, InstanceId, Refusal, Run, RunId, RunStatus, StepIndex};
use shared::Shared;
use std::path::Path;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::sync::{broadcast, mpsc, oneshot, watch};

/// How long closing the journal is waited for.
const CLOSED_WITHIN: Duration = Duration::from_secs(2);

/// A host: holds a data directory, and carries out its runs.
#[derive(Clone)]
pub struct Host {
    shared: Arc<Shared>,
}

/// A manifest that is ready for runs to be started.
#[derive(Clone)]
pub struct Prepared {
    loaded: Arc<Loaded>,
}

/// A run that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Started {
    /// The run.
    pub run: RunId,
    /// False where its key had started it before.
    pub is_new: bool,
}

/// Why a run was not started.
#[derive(Debug)]
pub enum StartFailed {
    /// Its manifest cannot be run.
    Manifest(Box<ManifestRefused>),
    /// Its input is not what the manifest asks for.
    Input(Vec<InputMistake>),
    /// Its key had started a run, which has ended and was pruned since.
    Pruned {
        /// That run.
        run: RunId,
        /// When it had ended.
        ended_at: Timestamp,
    },
    /// The host cannot go on.
    Host(HostFailure),
}

impl From<HostFailure> for StartFailed {
    fn from(failure: HostFailure) -> Self {
        Self::Host(failure)
    }
}

impl From<LoadFailed> for StartFailed {
    fn from(failed: LoadFailed) -> Self {
        match failed {
            LoadFailed::Manifest(refused) => Self::Manifest(Box::new(refused)),
            LoadFailed::Host(message) => Self::Host(HostFailure::new(message, "")),
        }
    }
}

/// Why something could not be said to a run.
#[derive(Debug)]
pub enum SayFailed {
    /// There is no such run.
    NoSuchRun,
    /// The run has no such step.
    NoSuchStep(String),
    /// The run refuses it.
    Refused(Refusal),
    /// No attempt of the run may start on this host as it is.
    Hindered(Hindrance),
    /// The host cannot go on.
    Host(HostFailure),
}

impl From<HostFailure> for SayFailed {
    fn from(failure: HostFailure) -> Self {
        Self::Host(failure)
    }
}

/// Follows a run: its updates, then how it came to rest.
pub struct Following {
    host: Host,
    run: RunId,
    updates: broadcast::Receiver<Arc<Update>>,
    carried: Carried,
    /// Where the run stands, to be told before anything else; none once it was.
    whole: Option<oneshot::Receiver<Box<Summary>>>,
    /// Whether the last update was told.
    is_over: bool,
}

impl Host {
    /// Carries out the runs of an open data directory. To be called within a tokio runtime.
    ///
    /// # Errors
    /// [`HostFailure`] where the journal cannot be written.
    pub fn new(opened: Opened, settings: Settings) -> Result<Self, HostFailure> {
        let host = Self { shared: Arc::new(Shared::new(opened, settings)?) };
        let parked = Arc::clone(&host.shared.parked);
        tokio::spawn(wake_parked(parked, Arc::downgrade(&host.shared)));
        Ok(host)
    }

    /// Reads, checks and loads a manifest.
    ///
    /// # Errors
    /// [`LoadFailed`] with every mistake in it.
    pub async fn prepare(&self, manifest: &Path) -> Result<(Prepared, Vec<Complaint>), LoadFailed> {
        let shared = Arc::clone(&self.shared);
        let path = manifest.to_path_buf();
        let (loaded, remarks) = off_the_loop(move || shared.load_manifest(&path)).await?;
        Ok((Prepared { loaded }, remarks))
    }

    /// Starts a run, or finds the one that `key` started before.
    ///
    /// # Errors
    /// [`StartFailed`]; then no run was started.
    pub async fn start(
        &self,
        prepared: &Prepared,
        input: &str,
        key: Option<String>,
    ) -> Result<Started, StartFailed> {
        let loaded = &prepared.loaded;
        let input = loaded
            .manifest
            .check_input(input, loaded.input_schema.as_deref())
            .map_err(StartFailed::Input)?;
        let _guard = match &key {
            Some(_) => Some(self.shared.taking_up.lock().await),
            None => None,
        };
        if let Some(key) = &key
            && let Some(owner) = self.shared.journal.run_by_key(key).map_err(HostFailure::from)?
        {
            return match owner {
                KeyOwner::Kept(run) => Ok(Started { run, is_new: false }),
                KeyOwner::Pruned { run, ended_at } => Err(StartFailed::Pruned { run, ended_at }),
            };
        }
        let id = RunId::from_bits(uuid::Uuid::now_v7().as_u128());
        let run = Run::new(id, Arc::clone(&loaded.pipeline));
        let first = Input::Start {
            manifest: loaded.digest,
            folder: loaded.folder.display().to_string(),
            components: loaded.components.clone(),
            input,
            key,
        };
        self.take_up(Arc::clone(loaded), run, Tail::START, first).await?;
        Ok(Started { run: id, is_new: true })
    }

    /// Goes on with a run, unless it rests. Returns how to follow it, or where it stands.
    ///
    /// # Errors
    /// [`SayFailed`] where there is no such run, or the host cannot go on.
    pub async fn follow(&self, run: RunId) -> Result<Result<Following, Box<Summary>>, SayFailed> {
        Ok(match self.carried_or_rests(run).await? {
            Ok(carried) => Ok(Following::begin(self.clone(), run, carried)),
            Err(summary) => Err(summary),
        })
    }

    async fn carried_or_rests(
        &self,
        run: RunId,
    ) -> Result<Result<Carried, Box<Summary>>, SayFailed> {
        if let Some(carried) = self.shared.carried(run) {
            return Ok(Ok(carried));
        }
        let _guard = self.shared.taking_up.lock().await;
        if let Some(carried) = self.shared.carried(run) {
            return Ok(Ok(carried));
        }
        let (loaded, folded, tail) = self.fold(run).await?;
        let status = folded.status();
        if status.rests() || self.shared.is_leaving() {
            return Ok(Err(Box::new(Summary::of(&folded))));
        }
        if let Some(hindrance) = &loaded.hindrance {
            return Err(SayFailed::Hindered(hindrance.clone()));
        }
        Ok(Ok(self.take_up(loaded, folded, tail, Input::HostRestarted).await?))
    }

    /// Says something to a run, taking it up if need be: this host then carries it.
    ///
    /// # Errors
    /// [`SayFailed`]; then nothing has become true, and a run that nobody carried is left alone.
    pub async fn say(
        &self,
        run: RunId,
        input: impl Fn(&Run) -> Result<Input, SayFailed>,
    ) -> Result<(), SayFailed> {
        loop {
            if let Some(carried) = self.shared.carried(run) {
                // Names are looked up in the run's own pipeline, which never changes; elements of
                // its maps never go away.
                let (_, folded, _) = self.fold(run).await?;
                let (reply, mut answer) = oneshot::channel();
                let said = Wake::Say { input: input(&folded)?, reply };
                if carried.inbox.send(said).is_ok()
                    && let Some(answer) = carried.answered(&mut answer).await
                {
                    return answer.map_err(SayFailed::Refused);
                }
                // It came to rest meanwhile.
                if let Rest::Failed(failure) = carried.rested().await {
                    return Err(SayFailed::Host(failure));
                }
            }
            let _guard = self.shared.taking_up.lock().await;
            if self.shared.carried(run).is_some() {
                continue;
            }
            let (loaded, folded, tail) = self.fold(run).await?;
            let said = input(&folded)?;
            // Giving a run up calls nothing; whatever else is said may.
            let calls_nothing = matches!(said, Input::Cancel { keep: true, .. });
            if let Some(hindrance) = loaded.hindrance.as_ref().filter(|_| !calls_nothing) {
                return Err(SayFailed::Hindered(hindrance.clone()));
            }
            let (mut carrier, inbox, updates) =
                Carrier::new(Arc::clone(&self.shared), loaded, folded, tail);
            carrier.would_refuse(said.clone()).map_err(SayFailed::Refused)?;
            carrier.begin_by_saying(said).await?;
            self.carry(run, carrier, inbox, updates);
            return Ok(());
        }
    }

    /// Where a run stands.
    ///
    /// # Errors
    /// [`SayFailed`] where there is no such run, or the journal cannot be read.
    pub async fn summary(&self, run: RunId) -> Result<Box<Summary>, SayFailed> {
        if let Some(carried) = self.shared.carried(run)
            && let Some(summary) = carried.answered(&mut carried.ask_where_it_stands()).await
        {
            return Ok(summary);
        }
        let ((folded, _), damaged) = self.look_at(run).await?;
        Ok(Box::new(Summary { damaged, ..Summary::of(&folded) }))
    }

    /// Why a run stands where it stands.
    ///
    /// # Errors
    /// [`SayFailed`] where there is no such run, or the journal cannot be read.
    pub async fn explain(&self, run: RunId) -> Result<Explanation, SayFailed> {
        let holder = self.shared.carried(run).map(|_| std::process::id());
        let ((folded, events), _) = self.look_at(run).await?;
        let mut explanation = explain::explain(&folded, &events, holder);
        if !folded.status().is_final() {
            let (loaded, ..) = self.fold(run).await?;
            if let Some(hindrance) = &loaded.hindrance {
                explanation.hindered(hindrance);
            }
        }
        Ok(explanation)
    }

    /// Rows of runs, newest first.
    ///
    /// # Errors
    /// [`HostFailure`] where the journal cannot be read.
    pub fn rows(&self, query: &Query) -> Result<Vec<RowDocument>, HostFailure> {
        let page = self.shared.journal.list(query)?;
        Ok(page.rows.iter().map(RowDocument::from).collect())
    }

    /// The runs to which something can still happen by itself, oldest first.
    ///
    /// # Errors
    /// [`HostFailure`] where the journal cannot be read.
    pub fn unfinished(&self) -> Result<Vec<RowDocument>, HostFailure> {
        Ok(self.shared.journal.unfinished()?.iter().map(RowDocument::from).collect())
    }

    /// The events of a run.
    ///
    /// # Errors
    /// [`SayFailed`] where there is no such run, or the journal cannot be read.
    pub fn events(&self, run: RunId) -> Result<Vec<EventDocument>, SayFailed> {
        let records = self.records(run)?;
        let documents = records.records.iter().map(EventDocument::of).collect::<Result<_, _>>();
        documents.map_err(|error| HostFailure::new(error.to_string(), "").into())
    }

    /// The log lines of a run, of one step or all.
    ///
    /// # Errors
    /// [`SayFailed`] where there is no such run, or the journal cannot be read.
    pub async fn log_lines(
        &self,
        run: RunId,
        step: Option<&str>,
    ) -> Result<Vec<LogDocument>, SayFailed> {
        self.shared.flush().await?;
        self.records(run)?;
        let lines = self.shared.journal.log_lines(run, step).map_err(HostFailure::from)?;
        Ok(lines.iter().map(LogDocument::from).collect())
    }

    /// Lets attempts under way end, starts no further ones, and returns once none is left.
    pub async fn leave(&self) {
        self.shared.leave();
        for carried in self.shared.all_carried() {
            carried.rested().await;
        }
    }

    /// Goes on with a run until it rests, however long it waits, and tells how.
    ///
    /// # Errors
    /// [`Refused`] where there is no such run, or the host cannot go on.
    pub async fn rest_of(&self, run: RunId) -> Result<Update, Refused> {
        loop {
            if self.shared.parked.is_left(run).await {
                continue;
            }
            let carried = match self.carried_or_rests(run).await {
                Ok(Ok(carried)) => carried,
                Ok(Err(summary)) => return Ok(Update::of_uncarried(summary)),
                Err(failed) => return Err(socket::refused(failed, &run.to_string())),
            };
            if let Some(update) = carried.rested().await.last_update() {
                return Ok(update);
            }
        }
    }

    /// Goes on with all runs that can go on by themselves, and returns their ids, oldest first.
    /// Those that only wait are held by their rows alone until they are due.
    ///
    /// # Errors
    /// [`HostFailure`] where the journal cannot be read.
    pub fn resume_all(&self) -> Result<Vec<String>, HostFailure> {
        let mut ids = Vec::new();
        for row in self.shared.journal.unfinished()? {
            match row.status {
                RunStatus::Stuck => continue,
                RunStatus::Waiting if self.shared.carried(row.run).is_none() => {
                    let ahead = self.shared.clock.ahead(row.run, row.updated_at);
                    let wake_at = row.wake_at.map(|at| at.before(ahead));
                    self.shared.parked.park(row.run, wake_at);
                }
                _ => {
                    let (host, run) = (self.clone(), row.run);
                    // What goes wrong with one run is told to whoever asks for it.
                    tokio::spawn(async move { drop(host.carried_or_rests(run).await) });
                }
            }
            ids.push(row.run.to_string());
        }
        Ok(ids)
    }

    /// Whether it carries this run out now.
    pub(crate) fn carries(&self, run: RunId) -> bool {
        self.shared.carried(run).is_some()
    }

    /// Whether the host is leaving.
    pub fn is_leaving(&self) -> bool {
        self.shared.is_leaving()
    }

    /// Leaves, and returns once all that is known is durable and the journal is closed, so that
    /// whoever opens it next need not look for what was under way. A guest that sits in a blocking
    /// call, or somebody else who has this host, may keep it open: that is not waited for.
    ///
    /// # Errors
    /// [`HostFailure`] where the last log lines could not be kept.
    pub async fn close(self) -> Result<(), HostFailure> {
        self.leave().await;
        self.shared.flush().await?;
        let mut open = self.shared.open.subscribe();
        drop(self);
        // It never changes: an error says that it has gone.
        let _ = tokio::time::timeout(CLOSED_WITHIN, open.changed()).await;
        Ok(())
    }

    /// Says that the host is to leave, and does not wait.
    pub fn begin_leaving(&self) {
        self.shared.leave();
    }

    /// The data directory.
    pub fn data_dir(&self) -> &Path {
        self.shared.data.path()
    }

    async fn take_up(
        &self,
        loaded: Arc<Loaded>,
        run: Run,
        tail: Tail,
        first: Input,
    ) -> Result<Carried, HostFailure> {
        let id = run.id();
        let (mut carrier, inbox, updates) =
            Carrier::new(Arc::clone(&self.shared), loaded, run, tail);
        carrier.begin(first).await?;
        Ok(self.carry(id, carrier, inbox, updates))
    }

    fn carry(
        &self,
        run: RunId,
        carrier: Carrier,
        inbox: mpsc::UnboundedSender<Wake>,
        updates: broadcast::Sender<Arc<Update>>,
    ) -> Carried {
        let (done, rest) = watch::channel(None);
        let carried = Carried { inbox, updates, rest };
        self.shared.now_carried(run, carried.clone());
        tokio::spawn(carrier.carry(done));
        carried
    }

    fn records(&self, run: RunId) -> Result<RunRecords, SayFailed> {
        let records = self.shared.journal.records(run).map_err(HostFailure::from)?;
        records.ok_or(SayFailed::NoSuchRun)
    }

    /// Folds a run from its journal.
    async fn fold(&self, id: RunId) -> Result<(Arc<Loaded>, Run, Tail), SayFailed> {
        let records = self.records(id)?;
        let host = self.clone();
        off_the_loop(move || host.fold_records(id, &records)).await.map_err(SayFailed::Host)
    }

    fn fold_records(
        &self,
        id: RunId,
        records: &RunRecords,
    ) -> Result<(Arc<Loaded>, Run, Tail), HostFailure> {
        let start = look::started(id, records)?;
        let components = |name: &str| start.components.get(name).copied();
        let loaded = self
            .shared
            .load_recorded(start.manifest, Path::new(&start.folder), &components)
            .map_err(|what| look::unreadable(id, what))?;
        let loaded = self.shared.remember_loaded(loaded);
        let (run, _) = look::fold(id, &loaded.pipeline, records)?;
        Ok((loaded, run, records.tail))
    }
}

impl Following {
    fn begin(host: Host, run: RunId, carried: Carried) -> Self {
        let updates = carried.updates.subscribe();
        let whole = Some(carried.ask_where_it_stands());
        Self { host, run, updates, carried, whole, is_over: false }
    }

    /// The next update; none once the run is no longer carried. The first tells where the run
    /// stands, and so does the first after some were missed. The last is one of
    /// [`Update::Rests`], [`Update::Left`] and [`Update::HostFailed`].
    pub async fn next(&mut self) -> Option<Arc<Update>> {
        if self.is_over {
            return None;
        }
        let update = self.next_or_last().await?;
        self.is_over =
            matches!(*update, Update::Rests(_) | Update::Left(_) | Update::HostFailed(_));
        Some(update)
    }

    async fn next_or_last(&mut self) -> Option<Arc<Update>> {
        loop {
            // Kept while it is waited for: whoever waits may turn to something else meanwhile.
            if let Some(answer) = &mut self.whole {
                let answered = self.carried.answered(answer).await;
                self.whole = None;
                // Where it came to rest instead, that is told.
                if let Some(summary) = answered {
                    return Some(Arc::new(Update::Stands(summary)));
                }
            }
            let rest = self.carried.rest.borrow().clone();
            match rest {
                None => {}
                // It was given up to wait just before it was followed.
                Some(Rest::Parks(_)) => match self.host.carried_or_rests(self.run).await {
                    Ok(Ok(carried)) => {
                        *self = Self::begin(self.host.clone(), self.run, carried);
                        continue;
                    }
                    Ok(Err(summary)) => return Some(Arc::new(Update::of_uncarried(summary))),
                    Err(_) => return None,
                },
                Some(rest) => match self.updates.try_recv() {
                    Ok(update) => return Some(update),
                    Err(broadcast::error::TryRecvError::Lagged(_)) => continue,
                    // It was told just before it was followed.
                    Err(_) => return rest.last_update().map(Arc::new),
                },
            }
            let has_missed_some = tokio::select! {
                biased;
                update = self.updates.recv() => match update {
                    Ok(update) => return Some(update),
                    Err(broadcast::error::RecvError::Lagged(_)) => true,
                    Err(broadcast::error::RecvError::Closed) => return None,
                },
                // The last update was sent before this: look again.
                _ = self.carried.rest.wait_for(Option::is_some) => false,
            };
            if has_missed_some {
                self.whole = Some(self.carried.ask_where_it_stands());
            }
        }
    }
}

/// Takes parked runs up when they are due, for as long as the host is there. It does not keep the
/// host: whoever lets go of it gives the directory up.
async fn wake_parked(parked: Arc<Parked>, shared: Weak<Shared>) {
    // The longest sleep: the machine may be suspended meanwhile.
    const SLEEP_MAX: std::time::Duration = std::time::Duration::from_secs(60);
    loop {
        let Some(shared) = shared.upgrade().filter(|shared| !shared.is_leaving()) else { return };
        let now = shared.now();
        match parked.due(now) {
            Ok(due) => {
                let host = Host { shared };
                for run in due {
                    // What goes wrong with one run is told to whoever asks for it.
                    let _ = host.carried_or_rests(run).await;
                }
            }
            Err(next) => {
                drop(shared);
                let sleep = next.map_or(SLEEP_MAX, |at| at.since(now).min(SLEEP_MAX));
                tokio::select! {
                    () = tokio::time::sleep(sleep) => {}
                    () = parked.change() => {}
                }
            }
        }
    }
}

/// Does slow work, such as compiling, where it holds up no run.
async fn off_the_loop<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
}

/// The instance that a user's `name` or `name[3]` means.
///
/// # Errors
/// [`SayFailed::NoSuchStep`] where the run has none.
pub fn find_instance(run: &Run, name: &str) -> Result<InstanceId, SayFailed> {
    let unknown = || SayFailed::NoSuchStep(name.into());
    let (step, element) = match name.strip_suffix(']').and_then(|rest| rest.split_once('[')) {
        Some((step, element)) => (step, Some(element.parse::<u32>().map_err(|_| unknown())?)),
        None => (name, None),
    };
    let step = find_step(run, step)?;
    let instance = InstanceId { step, element };
    run.find(instance).map(|_| instance).ok_or_else(unknown)
}

/// The step of this name.
///
/// # Errors
/// [`SayFailed::NoSuchStep`] where the run has none.
pub fn find_step(run: &Run, name: &str) -> Result<StepIndex, SayFailed> {
    run.pipeline().index_of(name).ok_or_else(|| SayFailed::NoSuchStep(name.into()))
}
