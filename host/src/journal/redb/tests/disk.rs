//! Files in memory on a disk that stops after so many operations and forgets what was not synced.
//! Owns what may survive a power failure; knows nothing of a journal.

use ::redb::StorageBackend;
use std::io::{Error, ErrorKind};
use std::sync::{Arc, Mutex, MutexGuard};

/// A file of a disk; clones are the same file.
#[derive(Debug, Clone)]
pub(super) struct Disk(Arc<Mutex<State>>);

/// How many operations still succeed, on all files of the disk together, and how the next one fails.
#[derive(Debug)]
struct Life {
    operations_left: usize,
    failure: ErrorKind,
}

#[derive(Debug)]
struct State {
    /// What the next sync will have made durable, and reads return.
    seen: Vec<u8>,
    /// What is durable.
    synced: Vec<u8>,
    /// What happened since the last sync, in order.
    unsynced: Vec<Change>,
    life: Arc<Mutex<Life>>,
}

#[derive(Debug, Clone)]
enum Change {
    Write(u64, Vec<u8>),
    Length(u64),
}

/// What survives of what was not synced.
#[derive(Debug, Clone, Copy)]
pub(super) enum Survives {
    Nothing,
    Everything,
    /// Everything but the second half of the last write.
    AllButATornEnd,
    /// Some of it, some of that in part, drawn from this seed.
    Some(u64),
    /// All of it, but not in its order, up to a place: both drawn from this seed.
    Reordered(u64),
}

impl Disk {
    pub(super) fn holding(bytes: Vec<u8>) -> Self {
        let life = Life { operations_left: usize::MAX, failure: ErrorKind::Other };
        Self::with(bytes, Arc::new(Mutex::new(life)))
    }

    /// Another file of the same disk.
    pub(super) fn beside(&self, bytes: Vec<u8>) -> Self {
        Self::with(bytes, Arc::clone(&self.state().life))
    }

    fn with(bytes: Vec<u8>, life: Arc<Mutex<Life>>) -> Self {
        let (seen, synced) = (bytes.clone(), bytes);
        Self(Arc::new(Mutex::new(State { seen, synced, unsynced: Vec::new(), life })))
    }

    pub(super) fn failing_after(self, operations: usize, failure: ErrorKind) -> Self {
        *self.state().life.lock().expect("no holder panics") =
            Life { operations_left: operations, failure };
        self
    }

    /// What a machine finds that starts again after the power failed.
    pub(super) fn after_power_failure(&self, survives: Survives) -> Vec<u8> {
        let state = self.state();
        let mut bytes = state.synced.clone();
        let whole = |bytes: &mut Vec<u8>, changes: &[Change]| {
            changes.iter().for_each(|change| change.apply(bytes, usize::MAX));
        };
        match survives {
            Survives::Nothing => {}
            Survives::Everything => whole(&mut bytes, &state.unsynced),
            Survives::AllButATornEnd => {
                if let Some((last, before)) = state.unsynced.split_last() {
                    whole(&mut bytes, before);
                    last.apply(&mut bytes, last.length() / 2);
                }
            }
            Survives::Some(seed) => {
                let mut draw = Draw(seed);
                state.unsynced.iter().for_each(|change| change.apply_some(&mut bytes, &mut draw));
            }
            Survives::Reordered(seed) => {
                let (mut draw, mut changes) = (Draw(seed), state.unsynced.clone());
                for end in (1..changes.len()).rev() {
                    changes.swap(end, draw.below(end + 1));
                }
                let end = draw.below(changes.len() + 1);
                whole(&mut bytes, &changes[..end]);
            }
        }
        bytes
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no test should panic while it holds the disk")
    }

    fn change(&self, change: Change) -> Result<(), Error> {
        let mut state = self.state();
        state.operate()?;
        change.apply(&mut state.seen, usize::MAX);
        state.unsynced.push(change);
        Ok(())
    }
}

impl State {
    fn operate(&self) -> Result<(), Error> {
        let mut life = self.life.lock().expect("no holder panics");
        match life.operations_left.checked_sub(1) {
            Some(left) => life.operations_left = left,
            None => return Err(life.failure.into()),
        }
        Ok(())
    }
}

/// What a disk writes as a whole, at best.
const SECTOR_BYTES: usize = 512;

impl Change {
    fn length(&self) -> usize {
        match self {
            Self::Length(_) => 0,
            Self::Write(_, data) => data.len(),
        }
    }

    /// Does it, or not, or the beginning of it, or some sectors of it.
    fn apply_some(&self, bytes: &mut Vec<u8>, draw: &mut Draw) {
        match (draw.below(4), self) {
            (0, _) | (1, Self::Length(_)) => {}
            (1, Self::Write(..)) => self.apply(bytes, draw.below(self.length() + 1)),
            (2, Self::Write(offset, data)) => {
                for (number, sector) in data.chunks(SECTOR_BYTES).enumerate() {
                    if draw.below(2) == 0 {
                        let offset = offset + (number * SECTOR_BYTES) as u64;
                        Self::Write(offset, sector.to_vec()).apply(bytes, usize::MAX);
                    }
                }
            }
            _ => self.apply(bytes, usize::MAX),
        }
    }

    /// Does it to `bytes`, a write only up to its first `part` bytes.
    fn apply(&self, bytes: &mut Vec<u8>, part: usize) {
        match self {
            Self::Length(length) => bytes.resize(*length as usize, 0),
            Self::Write(offset, data) => {
                let data = &data[..part.min(data.len())];
                let end = *offset as usize + data.len();
                if bytes.len() < end {
                    bytes.resize(end, 0);
                }
                bytes[*offset as usize..end].copy_from_slice(data);
            }
        }
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> Result<u64, Error> {
        Ok(self.state().seen.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), Error> {
        let state = self.state();
        let end = (offset as usize).checked_add(out.len());
        let bytes = end.and_then(|end| state.seen.get(offset as usize..end));
        out.copy_from_slice(bytes.ok_or(ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, length: u64) -> Result<(), Error> {
        self.change(Change::Length(length))
    }

    fn sync_data(&self) -> Result<(), Error> {
        let mut state = self.state();
        state.operate()?;
        state.synced = state.seen.clone();
        state.unsynced.clear();
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<(), Error> {
        self.change(Change::Write(offset, data.to_vec()))
    }
}

/// Numbers drawn from a seed: splitmix64.
pub(super) struct Draw(pub(super) u64);

impl Draw {
    pub(super) fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % end as u64) as usize
    }
}
