//! The order of writes: what is recorded is durable first, in the write-ahead log or in the tables, and is
//! added to what others can read only then.
//! Never decides what is recorded, nor which batch is refused.

use super::super::batch::Batch;
use super::super::log_line::LogLine;
use super::super::store::{JournalError, Verdicts};
use super::ahead::Ahead;
use super::tables::{META, META_WAL, seal_meta};
use super::wal::{Brought, Content, Wal};
use ::redb::{Database, WriteTransaction};
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What the one who writes knows.
#[derive(Default)]
pub(super) struct State {
    pub(super) fence: u64,
    /// None for a store in memory.
    pub(super) file: Option<PathBuf>,
    /// What makes commits durable; without one each transaction is durable itself.
    pub(super) wal: Option<Wal>,
}

/// A journal's tables, and what they do not have yet.
pub(super) struct Stores<'a> {
    pub(super) database: &'a Database,
    pub(super) ahead: &'a Mutex<Ahead>,
}

impl<'a> Stores<'a> {
    /// Nobody who holds it waits for the disk, but for an entry that is too large for the log.
    pub(super) fn ahead(&self) -> MutexGuard<'a, Ahead> {
        // What was interrupted is told as broken.
        self.ahead.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has the tables take in all that the log has: whoever reads wants it.
    pub(super) fn catch_up(&self) -> Result<(), JournalError> {
        self.ahead().catch_up(self.database)
    }
}

impl State {
    /// Makes durable what `add` then adds to what can be read.
    fn record(
        &mut self,
        stores: &Stores<'_>,
        brought: Brought<'_>,
        add: impl FnOnce(&mut Ahead) -> Result<(), JournalError>,
    ) -> Result<(), JournalError> {
        if let Some(wal) = &mut self.wal {
            if wal.append(brought)? {
                return add(&mut stores.ahead());
            }
            // A log that begins anew may have room.
            if !wal.is_empty() {
                self.checkpoint(stores)?;
                return self.record(stores, brought, add);
            }
        }
        // Nobody reads it before it is durable.
        let mut ahead = stores.ahead();
        add(&mut ahead)?;
        ahead.take_in(stores.database, |transaction| self.ends_epoch(transaction))?;
        self.begins_epoch()
    }

    /// Makes durable in the tables what they have and what is in the log, and begins the log anew.
    pub(super) fn checkpoint(&mut self, stores: &Stores<'_>) -> Result<(), JournalError> {
        stores.catch_up()?;
        self.checkpoint_with(stores.database.begin_write()?)
    }

    /// The same, with a transaction of somebody who has had the tables catch up before.
    pub(super) fn checkpoint_with(
        &mut self,
        mut transaction: WriteTransaction,
    ) -> Result<(), JournalError> {
        self.ends_epoch(&mut transaction)?;
        transaction.commit()?;
        self.begins_epoch()
    }

    /// With "quick repair" a transaction also saves which pages are free: else the first opening after a crash,
    /// and every journal that has a log is left like one, would walk the whole file.
    fn ends_epoch(&self, transaction: &mut WriteTransaction) -> Result<(), JournalError> {
        let Some(wal) = &self.wal else { return Ok(()) };
        let epoch = seal_meta(META_WAL, &wal.next_epoch().to_be_bytes());
        transaction.open_table(META)?.insert(META_WAL, &*epoch)?;
        transaction.set_quick_repair(true);
        Ok(())
    }

    fn begins_epoch(&mut self) -> Result<(), JournalError> {
        self.wal.as_mut().map_or(Ok(()), Wal::begin_anew)
    }
}

pub(super) fn commit(
    stores: &Stores<'_>,
    state: &mut State,
    batches: &[Batch],
    log_lines: &[LogLine],
) -> Result<Verdicts, JournalError> {
    let verdicts = stores.ahead().admit(stores.database, state.fence, batches, log_lines)?;
    let taken = batches.iter().zip(&verdicts).filter(|(_, verdict)| verdict.is_ok());
    let taken: Vec<&Batch> = taken.map(|(batch, _)| batch).collect();
    if !taken.is_empty() || !log_lines.is_empty() {
        let brought = Brought::Commit(&taken, log_lines);
        state.record(stores, brought, |ahead| ahead.add(&taken, log_lines))?;
    }
    Ok(verdicts)
}

/// Has the tables take in what there is, where that is a lot; and makes a checkpoint where the log is about to
/// be full. Either may be left out: a commit that finds no room makes one.
pub(super) fn settle(stores: &Stores<'_>, state: &mut State) -> Result<(), JournalError> {
    if state.wal.as_ref().is_some_and(Wal::is_nearly_full) {
        return state.checkpoint(stores);
    }
    stores.ahead().catch_up_sometimes(stores.database)
}

pub(super) fn take_fence(stores: &Stores<'_>, state: &mut State) -> Result<u64, JournalError> {
    let fence = state.fence.checked_add(1);
    let fence = fence.ok_or_else(|| JournalError::corrupt_store("its `fence` is used up"))?;
    state.record(stores, Brought::Fence(fence), |ahead| {
        ahead.add_fence(fence);
        Ok(())
    })?;
    state.fence = fence;
    Ok(fence)
}

/// Takes in again what the log had and the tables had not.
pub(super) fn replay(
    stores: &Stores<'_>,
    state: &mut State,
    contents: &[Content],
) -> Result<(), JournalError> {
    let mut ahead = stores.ahead();
    for (number, content) in contents.iter().enumerate() {
        let fits = match content {
            Content::Commit(batches, log_lines) => {
                let verdicts = ahead.admit(stores.database, state.fence, batches, log_lines)?;
                let taken: Vec<&Batch> = batches.iter().collect();
                let fits = verdicts.iter().all(Result::is_ok);
                if fits {
                    ahead.add(&taken, log_lines)?;
                }
                fits
            }
            Content::Fence(fence) => {
                let follows = *fence > state.fence;
                ahead.add_fence(*fence);
                state.fence = *fence;
                follows
            }
        };
        if !fits {
            let what = format!("entry {number} of `journal.wal` does not follow the tables");
            return Err(JournalError::corrupt_store(what));
        }
    }
    // Damage is told now, and not when somebody reads.
    ahead.catch_up(stores.database)
}
