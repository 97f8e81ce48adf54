//! The redb store against the contract, and against disks that fail or lie.
//! Owns the disk that fails; never tests what the contract says already.

mod ahead;
mod crash;
mod damage;
mod disk;
mod wal;

use super::super::contract::keeps_the_contract;
use super::open::{builder, fill};
use super::{Check, RedbJournal};
use ::redb::backends::InMemoryBackend;

const ID: [u8; 16] = [9; 16];

/// The tables of a journal as a data directory is made with them.
fn new_database() -> Vec<u8> {
    let disk = disk::Disk::holding(Vec::new());
    let database = builder(Check::OnRead).create_with_backend(disk.clone());
    let database = database.expect("a database should be made");
    fill(&database, ID).expect("the tables should be made");
    drop(database);
    disk.after_power_failure(disk::Survives::Nothing)
}

keeps_the_contract!(|| {
    let database = builder(Check::OnRead).create_with_backend(InMemoryBackend::new());
    let database = database.expect("a database should be made");
    fill(&database, ID).expect("the tables should be made");
    RedbJournal::over(database, ID, None, None).expect("the journal should open")
});

/// The same with a write-ahead log in front, which has room for a few entries only.
mod behind_a_log {
    use super::*;

    keeps_the_contract!(|| {
        let database = builder(Check::OnRead).create_with_backend(InMemoryBackend::new());
        let database = database.expect("a database should be made");
        fill(&database, ID).expect("the tables should be made");
        let wal = Some((Box::new(InMemoryBackend::new()) as Box<_>, 8 << 10));
        RedbJournal::over(database, ID, None, wal).expect("the journal should open")
    });
}
