//! Removes contents and compiled code that no kept run refers to.
//! Never removes what a run may begin with any moment, and nothing where a run cannot be read.

use super::shared::code_folder;
use super::{Host, HostFailure, look};
use crate::journal::Content;
use piton_core::{Digest, RunId};
use std::collections::BTreeSet;

/// What became of the contents.
#[derive(Default)]
pub(super) struct Swept {
    pub(super) contents: Vec<Content>,
    /// Of compiled code.
    pub(super) code_bytes: u64,
    /// Why all were kept; none where they were looked at.
    pub(super) problem: Option<String>,
}

impl Host {
    /// Removes what only runs in `gone` refer to, and what no run does. In a dry run those are
    /// still there, and nothing is removed.
    pub(super) fn sweep_contents(
        &self,
        gone: &BTreeSet<RunId>,
        is_dry_run: bool,
    ) -> Result<Swept, HostFailure> {
        let trouble = |error: &dyn std::fmt::Display| HostFailure::new(error.to_string(), "");
        // In this order: a manifest that is in use now may be so no more once its run has ended,
        // but that run is then in the journal; and no further one comes into use.
        let _nobody_keeps = self.shared.contents_may_go();
        let mut needed = self.shared.contents_in_use();
        if let Err(problem) = self.add_recorded(gone, &mut needed)? {
            return Ok(Swept { problem: Some(problem), ..Swept::default() });
        }
        let store = &self.shared.components;
        let kept = store.list().map_err(|error| trouble(&error))?;
        let unneeded = kept.into_iter().filter(|content| !needed.contains(&content.digest));
        let contents: Vec<Content> = unneeded.collect();
        if is_dry_run {
            return Ok(Swept { contents, ..Swept::default() });
        }
        store.remove(&contents).map_err(|error| trouble(&error))?;
        let mut code_bytes = 0;
        if code_folder(self.data_dir()).is_dir() {
            let sandbox = self.shared.sandbox()?;
            for content in &contents {
                let bytes = sandbox.forget(content.digest).map_err(|error| trouble(&error))?;
                code_bytes += bytes;
            }
        }
        Ok(Swept { contents, code_bytes, problem: None })
    }

    /// Adds what recorded runs began with. The inner error: a run that cannot be read, so that
    /// nobody knows what it needs.
    fn add_recorded(
        &self,
        gone: &BTreeSet<RunId>,
        needed: &mut BTreeSet<Digest>,
    ) -> Result<Result<(), String>, HostFailure> {
        let mut problem = Ok(());
        self.each_row::<HostFailure>(None, |row| {
            if gone.contains(&row.run) || problem.is_err() {
                return Ok(());
            }
            let records = self.shared.journal.records(row.run);
            let started = match records {
                Ok(Some(records)) => look::started(row.run, &records),
                // Removed since the page was read: only by this very chore, so it is in `gone`.
                Ok(None) => Err(look::unreadable(row.run, "it is not there")),
                Err(error) => Err(error.into()),
            };
            match started {
                Ok(started) => {
                    needed.insert(started.manifest);
                    needed.extend(started.components.values());
                }
                Err(failure) => {
                    problem = Err(format!(
                        "no content was removed, because it is not known what one run needs: {failure}"
                    ));
                }
            }
            Ok(())
        })?;
        Ok(problem)
    }
}
