//! Readers while somebody writes: each sees all that was acknowledged before it began, and nothing by halves.

use super::super::super::contract::{Pen, commit, step_ended};
use super::super::super::store::{Journal, Query};
use super::super::RedbJournal;
use super::crash::Files;
use super::disk::Survives;
use piton_core::RunStatus;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

const COMMITS: u64 = 400;

/// A new journal whose log has so many bytes, and who writes a run into it.
fn begun(wal_bytes: usize) -> (Files, RedbJournal, Pen) {
    let files = Files::holding((super::new_database(), Vec::new()));
    let journal = files.open(wal_bytes).expect("the journal should open");
    let fence = journal.take_fence().expect("the fence should be taken");
    (files, journal, Pen::new(1, fence))
}

#[test]
fn readers_see_all_that_was_acknowledged() {
    // A few dozen entries, so that checkpoints come in between.
    let (_, journal, mut pen) = begun(16 << 10);
    let run = pen.run();
    commit(&journal, &[pen.start()], &[]);
    let acknowledged = AtomicU64::new(1);
    let looks = thread::scope(|scope| {
        let readers: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    let mut looks = 0_u64;
                    loop {
                        let before = acknowledged.load(Ordering::SeqCst);
                        let found = journal.records(run).expect("it should be read");
                        let found = found.expect("it should be there");
                        assert!(found.tail.seq >= before, "{} of {before}", found.tail.seq);
                        assert_eq!(found.records.len() as u64, found.tail.seq);
                        looks += 1;
                        if before > COMMITS {
                            return looks;
                        }
                    }
                })
            })
            .collect();
        for number in 0..COMMITS {
            let line = pen.line("charge", number + 1);
            commit(&journal, &[pen.write(&[step_ended("1")])], &[line]);
            acknowledged.store(number + 2, Ordering::SeqCst);
        }
        readers.into_iter().map(|reader| reader.join().expect("no look should fail")).sum::<u64>()
    });
    assert!(looks > 2, "somebody should have looked");
    let lines = journal.log_lines(run, None).expect("they should be read");
    assert_eq!(lines.len() as u64, COMMITS);
    journal.verify().expect("it should hold");
}

/// A row is written when the tables take it in, and only then: what was in between is in its records.
#[test]
fn where_a_run_went_on_often_its_last_status_is_listed() {
    let (files, journal, mut pen) = begun(64 << 10);
    commit(&journal, &[pen.start()], &[]);
    for status in [RunStatus::Waiting, RunStatus::Running, RunStatus::RollingBack] {
        pen.row.status = status;
        commit(&journal, &[pen.write(&[step_ended("1")])], &[]);
    }
    let listed = |journal: &dyn Journal, status| {
        let query = Query { status: Some(status), pipeline: None, before: None, limit: 10 };
        journal.list(&query).expect("it should be listed").rows.len()
    };
    assert_eq!(listed(&journal, RunStatus::Running), 0);
    assert_eq!(listed(&journal, RunStatus::RollingBack), 1);
    let left = files.after_power_failure((Survives::Nothing, Survives::Nothing));
    let journal = Files::holding(left).open(64 << 10).expect("the journal should open");
    assert_eq!(listed(&journal, RunStatus::Waiting), 0);
    assert_eq!(listed(&journal, RunStatus::RollingBack), 1);
    journal.verify().expect("it should hold");
}
