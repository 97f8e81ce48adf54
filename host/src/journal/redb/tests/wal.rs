//! The write-ahead log is changed behind the journal's back, or is not there, or another one.
//! All but its last entry is there afterwards, or it is an error; nothing is left out in silence.

use super::super::super::batch::{Batch, Record};
use super::super::super::contract::{Pen, commit, step_ended};
use super::super::super::store::{Journal, JournalError};
use super::super::RedbJournal;
use super::crash::{Files, Images, open};
use super::disk::Survives;

/// Entries behind the fence's.
const ENTRIES: usize = 6;

/// As a crash leaves it: what was recorded since the last checkpoint is in the log alone.
struct Left {
    images: Images,
    /// The records of the run after each entry.
    after: Vec<Vec<Record>>,
    /// Where each entry begins, and where the log ends.
    places: Vec<usize>,
}

fn left() -> Left {
    let database = super::new_database();
    let files = Files::holding((database, Vec::new()));
    let journal = open_with_room(&files);
    let fence = journal.take_fence().expect("the fence should be taken");
    let mut pen = Pen::new(1, fence);
    let mut batches: Vec<Batch> = vec![pen.start()];
    for number in 1..ENTRIES {
        batches.push(pen.write(&[step_ended(&number.to_string())]));
    }
    let mut after = vec![Vec::new()];
    for batch in &batches {
        commit(&journal, std::slice::from_ref(batch), &[pen.line("charge", 1)]);
        let found = journal.records(pen.run()).expect("it should be read");
        after.push(found.expect("it should be there").records);
    }
    let images = files.after_power_failure((Survives::Nothing, Survives::Nothing));
    let places = places(&images.1);
    assert_eq!(places.len(), ENTRIES + 2, "the fence, the batches, and the end");
    Left { images, after, places }
}

fn open_with_room(files: &Files) -> RedbJournal {
    files.open(64 << 10).expect("the journal should open")
}

/// Entries begin at multiples of 64 behind the first 4096 bytes; their length stands at byte 16.
fn places(wal: &[u8]) -> Vec<usize> {
    let mut places = vec![4096];
    loop {
        let at = places[places.len() - 1];
        let length = wal[at + 16..at + 24].try_into().expect("eight bytes");
        match u64::from_be_bytes(length) as usize {
            0 => return places,
            length => places.push((at + 40 + length).next_multiple_of(64)),
        }
    }
}

fn records(images: Images) -> Result<Vec<Record>, JournalError> {
    let journal = open(&Files::holding(images))?;
    let found = journal.records(Pen::new(1, 0).run())?;
    journal.verify()?;
    Ok(found.map_or_else(Vec::new, |found| found.records))
}

#[test]
fn what_only_the_log_has_is_taken_in() {
    let Left { images, after, .. } = left();
    assert_eq!(records(images), Ok(after[ENTRIES].clone()));
}

#[test]
fn a_changed_byte_before_the_last_entry_is_told() {
    let Left { images: (tables, wal), after, places } = left();
    let (last, end) = (places[ENTRIES], places[ENTRIES + 1]);
    for place in (0..48).chain(places[0]..end + 64) {
        let mut damaged = wal.clone();
        damaged[place] ^= 0x11;
        let found = records((tables.clone(), damaged));
        if place < last {
            let is_padding = found == Ok(after[ENTRIES].clone());
            let told = matches!(&found, Err(JournalError::Corrupt { what, .. }) if what.contains("journal.wal"));
            assert!(told || is_padding, "byte {place}: {found:?}");
        } else {
            // Nobody can tell it from one that a crash cut off.
            let whole_or_without =
                found == Ok(after[ENTRIES].clone()) || found == Ok(after[ENTRIES - 1].clone());
            assert!(whole_or_without, "byte {place}: {found:?}");
        }
    }
}

#[test]
fn a_log_cut_off_within_its_entries_loses_no_more_than_the_cut() {
    let Left { images: (tables, wal), after, places } = left();
    for (number, place) in places.iter().enumerate().skip(1) {
        let found = records((tables.clone(), wal[..*place].to_vec()));
        assert_eq!(found, Ok(after[number - 1].clone()), "cut behind entry {number}");
    }
    for length in [0, 1, 4095] {
        let found = records((tables.clone(), wal[..length].to_vec()));
        assert!(matches!(found, Err(JournalError::Corrupt { .. })), "{length} bytes: {found:?}");
    }
}

#[test]
fn entries_in_another_order_or_of_another_epoch_are_no_entries() {
    let Left { images: (tables, wal), places, .. } = left();
    let mut swapped = wal.clone();
    let entry = wal[places[2]..places[3]].to_vec();
    swapped[places[1]..places[1] + entry.len()].copy_from_slice(&entry);
    assert!(records((tables.clone(), swapped)).is_err());
    // The tables are one checkpoint further: all the log has is theirs already.
    let files = Files::holding((tables, wal.clone()));
    drop(open(&files).expect("the journal should open"));
    let (tables, _) = files.after_power_failure((Survives::Nothing, Survives::Nothing));
    let found = records((tables.clone(), wal)).expect("the journal should open");
    let right = files.after_power_failure((Survives::Nothing, Survives::Nothing));
    assert_eq!(Ok(found), records(right));
}

#[test]
fn a_log_of_another_journal_is_refused() {
    let Left { images: (tables, wal), .. } = left();
    let mut foreign = wal;
    foreign[40] ^= 1;
    let error = records((tables, foreign)).expect_err("it should be refused");
    assert!(error.to_string().contains("belongs to another journal"), "{error}");
}

/// The log has no room for it: the tables become durable with it.
#[test]
fn what_is_larger_than_the_log_is_kept() {
    let files = Files::holding((super::new_database(), Vec::new()));
    let journal = open(&files).expect("the journal should open");
    let fence = journal.take_fence().expect("the fence should be taken");
    let mut pen = Pen::new(1, fence);
    let large = format!("\"{}\"", "x".repeat(1 << 20));
    commit(&journal, &[pen.start()], &[]);
    commit(&journal, &[pen.write(&[step_ended(&large)])], &[]);
    let before = journal.records(pen.run()).expect("it should be read").map(|found| found.records);
    let left = files.after_power_failure((Survives::Nothing, Survives::Nothing));
    assert_eq!(records(left).ok(), before);
}
