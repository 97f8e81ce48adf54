//! The disk stops after its n-th write or sync, for every n, and what was not synced is lost or
//! torn. Everything that was acknowledged is there afterwards, and no half of a commit.

use super::super::super::batch::{Batch, Record};
use super::super::super::contract::{Pen, step_ended};
use super::super::super::store::{Journal, JournalError};
use super::super::open::{builder, fill};
use super::super::{Check, RedbJournal};
use super::ID;
use super::disk::{Disk, Survives};
use std::io::ErrorKind;

/// What one life of the host did: batches by commit, and how many commits were acknowledged.
struct Life {
    commits: Vec<Vec<Batch>>,
    acknowledged: usize,
    error: Option<JournalError>,
}

fn new_journal() -> Vec<u8> {
    let disk = Disk::holding(Vec::new());
    let database = builder(Check::OnRead).create_with_backend(disk.clone());
    let database = database.expect("a database should be made");
    fill(&database, ID).expect("the tables should be made");
    drop(database);
    disk.after_power_failure(Survives::Nothing)
}

pub(super) fn open(disk: &Disk) -> Result<RedbJournal, JournalError> {
    super::super::guarded(|| {
        let database = builder(Check::OnRead).create_with_backend(disk.clone())?;
        RedbJournal::over(database, ID, None)
    })
}

/// Two runs over six commits, one of them with both runs and log lines, until the disk stops.
fn live(disk: &Disk) -> Life {
    let mut life = Life { commits: Vec::new(), acknowledged: 0, error: None };
    let opened = open(disk).and_then(|journal| journal.take_fence().map(|fence| (journal, fence)));
    let (journal, fence) = match opened {
        Ok(opened) => opened,
        Err(error) => {
            life.error = Some(error);
            return life;
        }
    };
    let (mut one, mut two) = (Pen::new(1, fence), Pen::new(2, fence));
    two.row.key = Some("monday".into());
    let large = format!("\"{}\"", "x".repeat(20_000));
    life.commits = vec![
        vec![one.start()],
        vec![one.write(&[step_ended("1"), step_ended("2")]), two.start()],
        vec![two.write(&[step_ended(&large)])],
        vec![two.write(&[step_ended("1")]), one.finish()],
        vec![two.finish()],
    ];
    for batches in &life.commits {
        match journal.commit(batches, &[one.line("charge", 1)]) {
            Ok(verdicts) => assert!(verdicts.iter().all(Result::is_ok), "{verdicts:?}"),
            Err(error) => {
                assert_eq!(journal.commit(batches, &[]), Err(error.clone()), "no second try");
                assert_eq!(journal.take_fence(), Err(error.clone()), "no second try");
                life.error = Some(error);
                return life;
            }
        }
        life.acknowledged += 1;
    }
    life
}

/// All records of the first so many commits, by run.
fn records_of(commits: &[Vec<Batch>]) -> [Vec<Record>; 2] {
    [1, 2].map(|number| {
        let run = Pen::new(number, 0).run();
        let batches = commits.iter().flatten().filter(|batch| batch.run() == run);
        batches.flat_map(|batch| batch.records.clone()).collect()
    })
}

fn check_after(life: &Life, image: Vec<u8>, context: &str) {
    let journal = open(&Disk::holding(image)).unwrap_or_else(|e| panic!("{context}: {e}"));
    let found = [1, 2].map(|number| {
        let records = journal.records(Pen::new(number, 0).run());
        let records = records.unwrap_or_else(|e| panic!("{context}: {e}"));
        records.map(|records| records.records).unwrap_or_default()
    });
    let acknowledged = life.acknowledged;
    // The commit that was cut off may be there, but only as a whole.
    let with_the_last = (acknowledged + 1).min(life.commits.len());
    assert!(
        found == records_of(&life.commits[..acknowledged])
            || found == records_of(&life.commits[..with_the_last]),
        "{context}: {acknowledged} commits were acknowledged, found {found:?}"
    );
    journal.verify().unwrap_or_else(|e| panic!("{context}: {e}"));
    journal.take_fence().unwrap_or_else(|e| panic!("{context}: {e}"));
}

#[test]
fn nothing_acknowledged_is_lost_wherever_the_disk_stops() {
    let image = new_journal();
    for operations in 0.. {
        let disk = Disk::holding(image.clone()).failing_after(operations, ErrorKind::Other);
        let life = live(&disk);
        let mut survivals = vec![Survives::Nothing, Survives::Everything];
        survivals.extend((0..20).map(|n| Survives::Some(n * 1_000 + operations as u64)));
        for survives in survivals {
            let context = format!("stopped after {operations} operations, {survives:?} survives");
            check_after(&life, disk.after_power_failure(survives), &context);
        }
        if life.error.is_none() {
            assert!(operations > 30, "the story should need more than {operations} operations");
            return;
        }
    }
}

#[test]
fn a_full_disk_is_said_and_loses_nothing() {
    let image = new_journal();
    for operations in 0.. {
        let disk = Disk::holding(image.clone()).failing_after(operations, ErrorKind::StorageFull);
        let life = live(&disk);
        check_after(&life, disk.after_power_failure(Survives::Everything), "after a full disk");
        match life.error {
            Some(error) => assert_eq!(error, JournalError::Full),
            None => return,
        }
    }
}
