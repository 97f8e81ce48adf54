//! Owns the floors: what one durable record costs when nothing else is done.
//! Never writes more than a record, and knows nothing of piton's.

use crate::process::Trouble;
use redb::{Database, Durability, TableDefinition};
use std::fs::{self, File};
use std::io::{Seek, Write};
use std::path::Path;
use std::time::Instant;

/// About what a step records.
const RECORD: [u8; 400] = [b'x'; 400];

/// In order of arrival, as the host's own table of records.
const RECORDS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("records");

/// Seconds of one append to a file, with its `fdatasync`.
pub(crate) fn append_seconds(folder: &Path, count: u32) -> Result<f64, Trouble> {
    write_seconds(&folder.join("floor.log"), 0, count)
}

/// Seconds of one write over zeros that are there already, with its `fdatasync`: an entry of a log as
/// the host has it.
pub(crate) fn log_seconds(folder: &Path, count: u32) -> Result<f64, Trouble> {
    write_seconds(&folder.join("floor.wal"), RECORD.len() * count as usize, count)
}

/// Seconds of one record, written from the beginning of a file that has so many zeros.
fn write_seconds(path: &Path, zeros: usize, count: u32) -> Result<f64, Trouble> {
    let mut file = File::create(path)?;
    file.write_all(&vec![0; zeros])?;
    file.sync_all()?;
    file.rewind()?;
    let began = Instant::now();
    for _ in 0..count {
        file.write_all(&RECORD)?;
        file.sync_data()?;
    }
    let seconds = began.elapsed().as_secs_f64();
    fs::remove_file(path)?;
    Ok(seconds / f64::from(count))
}

/// How a commit is made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Commit {
    /// How many records it takes along.
    pub(crate) records: u32,
    /// Whether it also saves which pages are free, as the host does at a checkpoint.
    pub(crate) quick_repair: bool,
}

/// Seconds of one durable commit to a store as the host has it.
pub(crate) fn commit_seconds(folder: &Path, commit: Commit, count: u32) -> Result<f64, Trouble> {
    let path = folder.join("floor.redb");
    let seconds = commits(&path, commit, count);
    fs::remove_file(path)?;
    let seconds = seconds.map_err(|error| Trouble(format!("the store of the floor: {error}")))?;
    Ok(seconds / f64::from(count))
}

fn commits(path: &Path, commit: Commit, count: u32) -> Result<f64, redb::Error> {
    let database = Database::create(path)?;
    let mut arrival = 0;
    // The first commit makes the table, which no step pays for.
    take_along(&database, Commit { records: 1, ..commit }, &mut arrival)?;
    let began = Instant::now();
    for _ in 0..count {
        take_along(&database, commit, &mut arrival)?;
    }
    Ok(began.elapsed().as_secs_f64())
}

fn take_along(database: &Database, commit: Commit, arrival: &mut u64) -> Result<(), redb::Error> {
    let mut transaction = database.begin_write()?;
    transaction.set_durability(Durability::Immediate)?;
    transaction.set_quick_repair(commit.quick_repair);
    {
        let mut table = transaction.open_table(RECORDS)?;
        for _ in 0..commit.records {
            *arrival += 1;
            table.insert(*arrival, RECORD.as_slice())?;
        }
    }
    transaction.commit()?;
    Ok(())
}
