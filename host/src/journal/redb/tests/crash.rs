//! The disk stops after its n-th write or sync, for every n, and what was not synced is lost, torn or
//! out of order. Everything that was acknowledged is there afterwards, and no half of a commit, of
//! a removal or of a move of pages. The same where the next start is cut off, too.

use super::super::super::batch::{Batch, Record};
use super::super::super::contract::{Pen, step_ended};
use super::super::super::store::{Commit, Journal, JournalError, KeyOwner, Removal};
use super::super::open::builder;
use super::super::{Check, RedbJournal};
use super::ID;
use super::disk::{Disk, Survives};
use std::collections::BTreeMap;
use std::io::ErrorKind;

/// Something that a host does to its journal, durable as a whole or not at all.
enum Deed {
    Commit(Vec<Batch>),
    /// And who has its key then.
    Remove(Removal, KeyOwner),
    Compact,
}

/// What one life of the host did: deeds, how many were acknowledged, and why no more.
struct Life {
    deeds: Vec<Deed>,
    acknowledged: usize,
    error: Option<JournalError>,
}

const KEY: &str = "monday";

/// The journal's two files on one disk.
#[derive(Clone)]
pub(super) struct Files {
    tables: Disk,
    wal: Disk,
}

/// What a machine finds in them.
pub(super) type Images = (Vec<u8>, Vec<u8>);

/// A log that has room for a few entries only, so that every story has checkpoints, and larger ones.
const WAL_BYTES: usize = 6 << 10;

impl Files {
    pub(super) fn holding((tables, wal): Images) -> Self {
        let tables = Disk::holding(tables);
        Self { wal: tables.beside(wal), tables }
    }

    fn failing_after(self, operations: usize, failure: ErrorKind) -> Self {
        Self { tables: self.tables.failing_after(operations, failure), ..self }
    }

    /// Opens the journal in them; its log has so many bytes where it is made now.
    pub(super) fn open(&self, wal_bytes: usize) -> Result<RedbJournal, JournalError> {
        super::super::guarded(|| {
            let database = builder(Check::OnRead).create_with_backend(self.tables.clone())?;
            RedbJournal::over(database, ID, None, Some((Box::new(self.wal.clone()), wal_bytes)))
        })
    }

    pub(super) fn after_power_failure(&self, (tables, wal): (Survives, Survives)) -> Images {
        (self.tables.after_power_failure(tables), self.wal.after_power_failure(wal))
    }
}

/// As a directory is made: without a log.
fn new_journal() -> Images {
    (super::new_database(), Vec::new())
}

pub(super) fn open(files: &Files) -> Result<RedbJournal, JournalError> {
    files.open(WAL_BYTES)
}

/// Three runs, one of them with a key, log lines, a removal and a move of pages.
fn deeds(fence: u64) -> Vec<Deed> {
    let [mut one, mut two, mut three] = [1, 2, 3].map(|number| Pen::new(number, fence));
    two.row.key = Some(KEY.into());
    let large = format!("\"{}\"", "x".repeat(20_000));
    let mut deeds = vec![
        Deed::Commit(vec![one.start()]),
        Deed::Commit(vec![one.write(&[step_ended("1"), step_ended("2")]), two.start()]),
        Deed::Commit(vec![two.write(&[step_ended(&large)])]),
        Deed::Commit(vec![two.write(&[step_ended("1")]), one.finish()]),
        Deed::Commit(vec![two.finish(), three.start()]),
    ];
    let ended_at = two.row.ended_at.expect("it should have ended");
    let pruned = KeyOwner::Pruned { run: two.run(), ended_at };
    deeds.push(Deed::Remove(two.removal(), pruned));
    deeds.push(Deed::Commit(vec![three.write(&[step_ended("1")])]));
    deeds.push(Deed::Compact);
    deeds.push(Deed::Commit(vec![three.finish()]));
    deeds
}

/// What happens after each deed. In either case the tables take in what only the log has: at once, or with
/// checkpoints before the log is full.
#[derive(Debug, Clone, Copy)]
enum Then {
    Nothing,
    SomebodyReads,
    TheWriterSettles,
}

/// Lives until the disk stops.
fn live(files: &Files, then: Then) -> Life {
    let opened = open(files).and_then(|journal| journal.take_fence().map(|fence| (journal, fence)));
    let (journal, fence) = match opened {
        Ok(opened) => opened,
        Err(error) => {
            return Life { deeds: Vec::new(), acknowledged: 0, error: Some(error) };
        }
    };
    let mut life = Life { deeds: deeds(fence), acknowledged: 0, error: None };
    for deed in &life.deeds {
        if let Err(error) = act(&journal, fence, deed) {
            assert_eq!(journal.commit(&[], &[]), Err(error.clone()), "no second try");
            assert_eq!(journal.take_fence(), Err(error.clone()), "no second try");
            life.error = Some(error);
            return life;
        }
        life.acknowledged += 1;
        let followed = match then {
            Then::Nothing => Ok(()),
            Then::TheWriterSettles => journal.settle(),
            Then::SomebodyReads => state_of(&journal).map(|found| {
                let expected = state_after(&life.deeds[..life.acknowledged]);
                assert!(found == expected, "what was acknowledged should be read");
            }),
        };
        // The tables had no room in memory, or were to be written, and the disk is gone.
        if let Err(error) = followed {
            assert_eq!(journal.commit(&[], &[]), Err(error.clone()), "no second try");
            life.error = Some(error);
            return life;
        }
    }
    life
}

fn act(journal: &RedbJournal, fence: u64, deed: &Deed) -> Result<(), JournalError> {
    let verdicts = match deed {
        Deed::Commit(batches) => {
            let line = Pen::new(1, fence).line("charge", 1);
            journal.commit(batches, &[line])?
        }
        Deed::Remove(removal, _) => journal.remove(fence, &[*removal])?,
        Deed::Compact => {
            assert!(journal.compact()?.is_some(), "nobody reads");
            Vec::new()
        }
    };
    assert!(verdicts.iter().all(Result::is_ok), "{verdicts:?}");
    Ok(())
}

/// The records of each run, and who has the key.
type State = (BTreeMap<u128, Vec<Record>>, Option<KeyOwner>);

/// What is kept after the first so many deeds.
fn state_after(deeds: &[Deed]) -> State {
    let (mut runs, mut owner) = (BTreeMap::<u128, Vec<Record>>::new(), None);
    for deed in deeds {
        match deed {
            Deed::Commit(batches) => {
                for batch in batches {
                    let records = runs.entry(batch.run().bits()).or_default();
                    records.extend(batch.records.clone());
                    if batch.row.key.is_some() {
                        owner = Some(KeyOwner::Kept(batch.run()));
                    }
                }
            }
            Deed::Remove(removal, pruned) => {
                runs.remove(&removal.run.bits()).expect("it should be there");
                owner = Some(*pruned);
            }
            Deed::Compact => {}
        }
    }
    (runs, owner)
}

fn state_of(journal: &RedbJournal) -> Result<State, JournalError> {
    let mut runs = BTreeMap::new();
    for number in 1..=3 {
        let run = Pen::new(number, 0).run();
        if let Some(found) = journal.records(run)? {
            runs.insert(run.bits(), found.records);
        }
    }
    Ok((runs, journal.run_by_key(KEY)?))
}

fn check_after(life: &Life, images: Images, context: &str) {
    let journal = open(&Files::holding(images)).unwrap_or_else(|e| panic!("{context}: {e}"));
    let found = state_of(&journal).unwrap_or_else(|e| panic!("{context}: {e}"));
    let acknowledged = life.acknowledged;
    // The deed that was cut off may be done, but only as a whole.
    let with_the_last = (acknowledged + 1).min(life.deeds.len());
    assert!(
        found == state_after(&life.deeds[..acknowledged])
            || found == state_after(&life.deeds[..with_the_last]),
        "{context}: {acknowledged} deeds were acknowledged, found {:?}, {:?}",
        found.0.iter().map(|(run, records)| (run, records.len())).collect::<Vec<_>>(),
        found.1
    );
    journal.verify().unwrap_or_else(|e| panic!("{context}: {e}"));
    journal.take_fence().unwrap_or_else(|e| panic!("{context}: {e}"));
}

/// All ways in which something may survive that are tried, in each file its own.
fn survivals(seed: u64) -> Vec<(Survives, Survives)> {
    let plain = [Survives::Nothing, Survives::Everything, Survives::AllButATornEnd];
    let mut all: Vec<_> =
        plain.iter().flat_map(|one| plain.iter().map(|other| (*one, *other))).collect();
    let draws = |n: u64| (n * 1_000 + seed, n * 1_000 + seed + 500);
    all.extend((0..16).map(draws).map(|(one, other)| (Survives::Some(one), Survives::Some(other))));
    all.extend(
        (0..8)
            .map(draws)
            .map(|(one, other)| (Survives::Reordered(one), Survives::Reordered(other))),
    );
    all
}

#[test]
fn nothing_acknowledged_is_lost_wherever_the_disk_stops() {
    for then in [Then::Nothing, Then::SomebodyReads, Then::TheWriterSettles] {
        let least = stop_at_each_operation(then);
        assert!(least > 50, "the story should need more than {least} operations");
    }
}

/// Returns how many operations the whole story takes.
fn stop_at_each_operation(then: Then) -> usize {
    let images = new_journal();
    for operations in 0.. {
        let files = Files::holding(images.clone()).failing_after(operations, ErrorKind::Other);
        let life = live(&files, then);
        for survives in survivals(operations as u64) {
            let context =
                format!("stopped after {operations} operations, {survives:?} survives, {then:?}");
            check_after(&life, files.after_power_failure(survives), &context);
        }
        if life.error.is_none() {
            return operations;
        }
    }
    unreachable!("a story has an end")
}

/// The machine stops again while the next start mends what the last stop left.
#[test]
fn nothing_is_lost_where_the_next_start_stops_too() {
    let images = new_journal();
    let (mut lives, mut starts) = (0, 0);
    for operations in 0.. {
        let files = Files::holding(images.clone()).failing_after(operations, ErrorKind::Other);
        let life = live(&files, Then::TheWriterSettles);
        for (n, survives) in
            [Survives::Everything, Survives::Some(operations as u64)].into_iter().enumerate()
        {
            let left = files.after_power_failure((survives, survives));
            for again in 0.. {
                let second = Files::holding(left.clone()).failing_after(again, ErrorKind::Other);
                let is_done = open(&second).and_then(|journal| journal.take_fence()).is_ok();
                let survives = [Survives::Nothing, Survives::Some(again as u64)][n];
                let context = format!("stopped after {operations} operations, then after {again}");
                check_after(&life, second.after_power_failure((survives, survives)), &context);
                starts += 1;
                if is_done {
                    break;
                }
            }
        }
        lives += 1;
        if life.error.is_none() {
            break;
        }
    }
    assert!(starts > 4 * lives, "only {starts} starts were cut off in {lives} lives");
}

#[test]
fn a_full_disk_is_said_and_loses_nothing() {
    let images = new_journal();
    for operations in 0.. {
        let files =
            Files::holding(images.clone()).failing_after(operations, ErrorKind::StorageFull);
        let life = live(&files, Then::Nothing);
        let everything = (Survives::Everything, Survives::Everything);
        check_after(&life, files.after_power_failure(everything), "after a full disk");
        match life.error {
            Some(error) => assert_eq!(error, JournalError::Full),
            None => return,
        }
    }
}
