//! A host of the rehearsal's own: folders that go with it, a journal that may die, and the host
//! opened anew after each death. Never decides about a run, and never judges one.

use super::copy::{Copy, copy_of};
use super::faults::FaultPlan;
use super::fragile::Fragile;
use super::stage::Stage;
use crate::journal::{DataDirError, Journal, OpenError, Opened, RunRecords};
use crate::rehearsal::folder::Folder;
use crate::runner::{CheckedManifest, Following, Host, Prepared, SayFailed, Settings, Update};
use crate::sandbox::Notice;
use piton_core::{Input, Json, Pipeline, RunId, StepKind, Waiting};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The copy of the manifest, in the rehearsal's folder.
const MANIFEST: &str = "manifest.toml";
/// How long a dead host may need to let go of its folder.
const RELEASE_MAX: Duration = Duration::from_secs(20);

/// Hosts, one after the other, and what they share.
pub(super) struct Rig {
    pub(super) stage: Arc<Stage>,
    settings: Settings,
    pipeline: Arc<Pipeline>,
    folders: Vec<PathBuf>,
    life: Option<Life>,
    folder: Folder,
}

/// One life of the host.
struct Life {
    host: Host,
    prepared: Prepared,
    journal: Arc<dyn Journal>,
}

/// Why a rehearsal cannot go on: for people.
pub(super) type Failed = String;

/// What came of following a run.
enum Followed {
    Rests,
    Died,
}

impl Rig {
    /// Makes the folders and the copy of the manifest.
    pub(super) fn new(
        checked: &CheckedManifest,
        pipeline: Arc<Pipeline>,
        settings: &Settings,
    ) -> Result<Self, Failed> {
        let folder = Folder::make("chaos")?;
        let Copy { text, folders } = copy_of(checked, &folder.path().join("granted"))?;
        std::fs::write(folder.path().join(MANIFEST), text).map_err(|error| error.to_string())?;
        let stage = Arc::new(Stage::default());
        let mut settings = settings.clone();
        settings.meddler = Some(Arc::clone(&stage) as _);
        // Its folders are the rehearsal's own.
        settings.operator = settings.operator.map(|operator| Arc::new(operator.for_rehearsal()));
        // That the same components are compiled once more is nobody's concern.
        let notify = Arc::clone(&settings.notify);
        settings.notify = Arc::new(move |notice| match notice {
            Notice::Compiling(_) | Notice::Compiled(..) => {}
            notice => notify(notice),
        });
        Ok(Self { stage, settings, pipeline, folders, life: None, folder })
    }

    /// Carries one run to its rest, through all that its plan has in store.
    pub(super) async fn run(
        &mut self,
        plan: FaultPlan,
        input: &str,
        key: &str,
    ) -> Result<RunId, Failed> {
        self.empty_folders()?;
        if self.life.is_none() {
            self.life = Some(self.open().await?);
        }
        self.stage.set(plan);
        loop {
            let Some(life) = &self.life else {
                self.life = Some(self.open().await?);
                continue;
            };
            let deaths = self.stage.deaths();
            match self.follow(life, input, key).await {
                Ok((run, Followed::Rests)) => return Ok(run),
                Ok((_, Followed::Died)) => self.bury().await,
                // The host may have died while something was asked of it.
                Err(_) if self.stage.deaths() > deaths => self.bury().await,
                Err(failed) => return Err(failed),
            }
        }
    }

    /// The records of a run.
    pub(super) fn records(&self, run: RunId) -> Result<RunRecords, Failed> {
        let life = self.life.as_ref().ok_or("the host is gone")?;
        let records = life.journal.records(run).map_err(|error| error.to_string())?;
        records.ok_or_else(|| "the run is gone".into())
    }

    async fn open(&self) -> Result<Life, Failed> {
        let since = Instant::now();
        let mut opened = loop {
            match Opened::or_make(&self.folder.path().join("data")) {
                Ok(opened) => break opened,
                Err(OpenError::DataDir(DataDirError::InUse { .. }))
                    if since.elapsed() < RELEASE_MAX =>
                {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                Err(error) => return Err(error.to_string()),
            }
        };
        let journal = Arc::clone(&opened.journal);
        opened.journal = Arc::new(Fragile::new(Arc::clone(&journal), Arc::clone(&self.stage)));
        let host = Host::new(opened, self.settings.clone()).map_err(|error| error.to_string())?;
        let prepared = host.prepare(&self.folder.path().join(MANIFEST)).await;
        let (prepared, _) = prepared.map_err(|failed| format!("{failed:?}"))?;
        Ok(Life { host, prepared, journal })
    }

    /// Lets a dead host go, with all that it runs.
    async fn bury(&mut self) {
        if let Some(life) = self.life.take() {
            life.host.begin_leaving();
        }
    }

    async fn follow(
        &self,
        life: &Life,
        input: &str,
        key: &str,
    ) -> Result<(RunId, Followed), Failed> {
        let started = life.host.start(&life.prepared, input, Some(key.into())).await;
        let run = started.map_err(|failed| format!("{failed:?}"))?.run;
        let following = life.host.follow(run).await.map_err(|failed| format!("{failed:?}"))?;
        let Ok(mut following) = following else { return Ok((run, Followed::Rests)) };
        let followed = self.follow_to_the_end(life, run, &mut following).await?;
        Ok((run, followed))
    }

    async fn follow_to_the_end(
        &self,
        life: &Life,
        run: RunId,
        following: &mut Following,
    ) -> Result<Followed, Failed> {
        let mut answered = BTreeSet::new();
        self.answer(life, run, &mut answered).await?;
        while let Some(update) = following.next().await {
            match &*update {
                Update::Rests(_) => return Ok(Followed::Rests),
                Update::HostFailed(_) if self.stage.deaths() > 0 => return Ok(Followed::Died),
                Update::HostFailed(failure) => return Err(failure.to_string()),
                Update::Stands(_) | Update::Changed(_) => {
                    self.answer(life, run, &mut answered).await?
                }
                Update::Left(_) => return Err("the host left the run".into()),
                Update::Event { .. } | Update::Progress { .. } => {}
            }
        }
        Err("the host fell silent about the run".into())
    }

    /// Tells nodes that wait for somebody what they wait for.
    async fn answer(
        &self,
        life: &Life,
        run: RunId,
        answered: &mut BTreeSet<String>,
    ) -> Result<(), Failed> {
        if !self.pipeline.steps.iter().any(|step| matches!(step.kind, StepKind::Wait(_))) {
            return Ok(());
        }
        let summary = life.host.summary(run).await.map_err(|failed| format!("{failed:?}"))?;
        let waiting = summary.steps.iter().filter(|step| step.status == "waiting");
        for step in waiting {
            let Some(index) = self.pipeline.index_of(&step.step) else { continue };
            let by = "rehearsal".to_owned();
            let input = match &self.pipeline.step(index).kind {
                StepKind::Wait(Waiting::Signal(name)) => {
                    Input::Signal { name: name.clone(), data: Json::null(), by }
                }
                StepKind::Wait(Waiting::Approval { .. }) => {
                    let said = r#"{"approved":true,"by":"rehearsal","because":"rehearsed"}"#;
                    Input::Approve { step: index, output: Json::from_checked(said) }
                }
                _ => continue,
            };
            if !answered.insert(step.step.clone()) {
                continue;
            }
            match life.host.say(run, |_| Ok(input.clone())).await {
                // It may have stopped waiting meanwhile.
                Ok(()) | Err(SayFailed::Refused(_)) => {}
                Err(failed) => return Err(format!("{failed:?}")),
            }
        }
        Ok(())
    }

    fn empty_folders(&self) -> Result<(), Failed> {
        let granted = self.folder.path().join("granted");
        for folder in std::fs::read_dir(&granted).into_iter().flatten().flatten() {
            empty(&folder.path()).map_err(|error| error.to_string())?;
        }
        for folder in &self.folders {
            std::fs::create_dir_all(folder).map_err(|error| error.to_string())?;
        }
        Ok(())
    }
}

/// Removes what is in a folder; the folder itself stays what it was.
fn empty(folder: &Path) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            std::fs::remove_dir_all(entry.path())?;
        } else {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}
