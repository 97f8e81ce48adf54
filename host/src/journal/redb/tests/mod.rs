//! The redb store against the contract, and against disks that fail or lie.
//! Owns the disk that fails; never tests what the contract says already.

mod crash;
mod damage;
mod disk;

use super::super::contract::keeps_the_contract;
use super::open::{builder, fill};
use super::{Check, RedbJournal};
use ::redb::backends::InMemoryBackend;

const ID: [u8; 16] = [9; 16];

keeps_the_contract!(|| {
    let database = builder(Check::OnRead).create_with_backend(InMemoryBackend::new());
    let database = database.expect("a database should be made");
    fill(&database, ID).expect("the tables should be made");
    RedbJournal::over(database, ID, None, None).expect("the journal should open")
});
