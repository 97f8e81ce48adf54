//! One scene of a step check: a step of a run that never was, with folders of its own, a server without
//! a past, and every call in a fresh instance.
//! Never judges what a call did.

use super::StepCheck;
use super::folders::{Files, Folders};
use super::server::{Cut, Effect};
use crate::runner::{TryCall, TryMemos, TryPart};
use crate::sandbox::{Ended, inert};
use piton_core::{End, HostEnd, IdempotencyKey, Json, Phase};
use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

/// What is kept of a text from a guest.
const SAID_CHARACTERS_MAX: usize = 160;
/// Changes that are told one by one.
const CHANGES_TOLD: usize = 2;

/// What all scenes share.
pub(super) struct Stage<'a> {
    pub(super) check: &'a StepCheck<'a>,
    tally: Mutex<Tally>,
}

/// What is known of all calls so far.
#[derive(Debug, Clone, Default)]
pub(super) struct Tally {
    pub(super) calls: u32,
    pub(super) longest: Duration,
    /// The first call whose time was up.
    pub(super) timed_out: Option<&'static str>,
    /// The fuel of each first `execute` that succeeded.
    pub(super) fuel: Vec<u64>,
    /// First calls of `execute`, and how the first that failed ended.
    pub(super) executes: u32,
    pub(super) execute_failed: Option<String>,
}

/// A step that has not been called yet.
pub(super) struct Scene<'a> {
    stage: &'a Stage<'a>,
    folders: Folders,
    part: TryPart,
    undo_key: IdempotencyKey,
    ask_key: IdempotencyKey,
}

/// Everything outside the step, at a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct State {
    pub(super) files: Files,
    pub(super) effects: BTreeSet<Effect>,
}

impl<'a> Stage<'a> {
    pub(super) fn new(check: &'a StepCheck<'a>) -> Self {
        Self { check, tally: Mutex::default() }
    }

    /// A scene with nothing in it but copies of the granted folders.
    pub(super) fn scene(&self) -> Result<Scene<'_>, String> {
        let folders = Folders::copy(self.check.grants)?;
        let part = TryPart::first();
        self.check.server.begin(part.execute_key.to_string());
        let key = || IdempotencyKey::from_bits(rand::random());
        Ok(Scene { stage: self, folders, part, undo_key: key(), ask_key: key() })
    }

    /// Whether an `execute` has failed: further ones would cost time and show nothing.
    pub(super) fn has_failed(&self) -> bool {
        self.lock().execute_failed.is_some()
    }

    pub(super) fn tally(&self) -> Tally {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().expect("no holder panics")
    }

    fn note(&self, phase: Phase, attempt: u32, ended: &Ended) {
        let mut tally = self.lock();
        tally.calls += 1;
        tally.longest = tally.longest.max(ended.elapsed);
        if matches!(ended.end, End::Host(HostEnd::TimedOut, _)) {
            tally.timed_out.get_or_insert(phase.word());
        }
        if phase == Phase::Execute && attempt == 1 {
            tally.executes += 1;
            match &ended.end {
                End::Succeeded(_) => tally.fuel.push(ended.fuel_used),
                end => drop(tally.execute_failed.get_or_insert_with(|| told(end))),
            }
        }
    }
}

impl Scene<'_> {
    pub(super) async fn execute(&self, attempt: u32) -> End {
        self.call(Phase::Execute, attempt, None).await
    }

    pub(super) async fn compensate(&self, attempt: u32, output: Option<&Json>) -> End {
        self.call(Phase::Compensate, attempt, output).await
    }

    pub(super) async fn reconcile(&self) -> End {
        self.call(Phase::Reconcile, 1, None).await
    }

    /// Makes the first call of a phase, and cuts it off, as a crash of the host would.
    pub(super) async fn cut_off(&self, phase: Phase, cut: Cut, output: Option<&Json>) {
        let StepCheck { checking, candidate, server, .. } = self.stage.check;
        server.enter(phase, Some(cut));
        let call = self.call_of(phase, 1, output);
        tokio::select! {
            () = server.is_cut() => {}
            _ = checking.try_call(candidate, call, |_| ()) => {}
        }
    }

    /// What is outside now.
    pub(super) fn state(&self) -> Result<State, String> {
        let files = self.folders.files()?;
        Ok(State { files, effects: self.stage.check.server.effects() })
    }

    pub(super) async fn call(&self, phase: Phase, attempt: u32, output: Option<&Json>) -> End {
        let StepCheck { checking, candidate, server, .. } = self.stage.check;
        server.enter(phase, None);
        let call = self.call_of(phase, attempt, output);
        let ended = checking.try_call(candidate, call, |_| ()).await.ended;
        self.stage.note(phase, attempt, &ended);
        ended.end
    }

    fn call_of(&self, phase: Phase, attempt: u32, output: Option<&Json>) -> TryCall {
        let TryPart { run, execute_key, .. } = self.part;
        let key = match phase {
            Phase::Execute => execute_key,
            Phase::Compensate => self.undo_key,
            Phase::Reconcile => self.ask_key,
        };
        let memos: TryMemos = self.part.memos.clone();
        TryCall {
            phase,
            input: self.stage.check.input.clone(),
            output: output.cloned(),
            limits: self.stage.check.limits.clone(),
            grants: self.folders.grants.clone(),
            timeout: self.stage.check.timeout,
            part: TryPart { run, attempt, key, execute_key, memos },
        }
    }
}

impl State {
    /// What has changed since then, in words; none where nothing has.
    pub(super) fn changed_since(&self, before: &Self) -> Option<String> {
        let mut changes = Vec::new();
        for (path, digest) in &self.files {
            match before.files.get(path) {
                None => changes.push(format!("`{}` is new", shown(path))),
                Some(was) if was != digest => changes.push(format!("`{}` changed", shown(path))),
                Some(_) => {}
            }
        }
        let gone = before.files.keys().filter(|path| !self.files.contains_key(*path));
        changes.extend(gone.map(|path| format!("`{}` is gone", shown(path))));
        let more = self.effects.difference(&before.effects);
        changes.extend(
            more.map(|effect| {
                format!("the server took `{} {}`", effect.method, shown(&effect.url))
            }),
        );
        match changes.len() {
            0 => None,
            count if count <= CHANGES_TOLD => Some(changes.join(", ")),
            count => {
                let more = count - CHANGES_TOLD;
                Some(format!("{}, and {more} more", changes[..CHANGES_TOLD].join(", ")))
            }
        }
    }
}

/// How a call ended, for people: the guest's words in a form that is fit to be shown.
pub(super) fn told(end: &End) -> String {
    match end {
        End::Succeeded(_) | End::Reconciled(_) => end.word().to_owned(),
        End::Host(..) => format!("{}: {}", end.word(), shown(end.message())),
        End::Failed(_) => {
            format!("{}: {}: {}", end.word(), shown(end.code()), shown(end.message()))
        }
    }
}

/// A stranger's text on one line, and not too long.
pub(super) fn shown(text: &str) -> String {
    let mut shown: String = text.chars().take(SAID_CHARACTERS_MAX).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    inert(&shown).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::digest_of;

    fn state(files: &[(&str, &str)]) -> State {
        let files =
            files.iter().map(|(path, text)| ((*path).to_owned(), digest_of(text.as_bytes())));
        State { files: files.collect(), effects: BTreeSet::new() }
    }

    #[test]
    fn changes_are_told_by_name_and_not_all_of_them() {
        let before = state(&[("/data/a", "1"), ("/data/b", "1")]);
        let check = |files: &[(&str, &str)], expected: Option<&str>| {
            assert_eq!(state(files).changed_since(&before).as_deref(), expected);
        };
        check(&[("/data/a", "1"), ("/data/b", "1")], None);
        check(&[("/data/a", "2"), ("/data/b", "1")], Some("`/data/a` changed"));
        check(
            &[("/data/b", "1"), ("/data/c\n", "1")],
            Some("`/data/c\\n` is new, `/data/a` is gone"),
        );
        check(
            &[("/data/c", "1"), ("/data/d", "1")],
            Some("`/data/c` is new, `/data/d` is new, and 2 more"),
        );
    }

    #[test]
    fn a_strangers_words_stay_on_one_line() {
        let end = End::Host(HostEnd::Trapped, format!("a\nb{}", "c".repeat(1_000)));
        let told = told(&end);
        assert!(told.starts_with("trapped: a\\nbcc") && told.ends_with("cc…"), "{told}");
        assert!(told.chars().count() < 200, "{told}");
    }
}
