//! The file is changed behind the journal's back. What is read is then an error or what was
//! written, never anything else, and nothing panics.

use super::super::super::batch::RunRecords;
use super::super::super::contract::{Pen, commit, step_ended};
use super::super::super::log_line::LogLine;
use super::super::super::row::RunRow;
use super::super::super::store::{Journal, JournalError, KeyOwner, Page, Query};
use super::super::{Check, RedbJournal};
use super::ID;
use super::crash::{Files, Images};
use super::disk::Draw;
use piton_core::RunStatus;
use std::path::Path;

const RUNS: u128 = 40;

/// redb's own.
const HEADER_BYTES: usize = 320;

/// A journal with 40 runs, and the bytes of its two files.
fn written(folder: &Path) -> Images {
    let file = folder.join("whole.redb");
    RedbJournal::create(&file, ID).expect("a journal should be made");
    let journal = RedbJournal::open(&file, ID, Check::OnRead).expect("the journal should open");
    let fence = journal.take_fence().expect("the fence should be taken");
    for number in 1..=RUNS {
        let mut pen = Pen::new(number, fence);
        pen.row.key = Some(format!("key {number}"));
        let mut batches = vec![pen.start(), pen.write(&[step_ended("1"), step_ended("[2]")])];
        if number % 4 != 0 {
            batches.push(pen.finish());
        }
        commit(&journal, &batches, &[pen.line("charge", 1), pen.line("charge", 2)]);
    }
    drop(journal);
    let read = |file: &Path| std::fs::read(file).expect("the file should be read");
    (read(&file), read(&file.with_extension("wal")))
}

/// All that can be asked, each as it was answered.
#[derive(Debug, Default)]
struct Answers {
    records: Vec<Result<Option<RunRecords>, JournalError>>,
    rows: Vec<Result<Option<RunRow>, JournalError>>,
    keys: Vec<Result<Option<KeyOwner>, JournalError>>,
    log_lines: Vec<Result<Vec<LogLine>, JournalError>>,
    pages: Vec<Result<Page, JournalError>>,
    unfinished: Vec<Result<Vec<RunRow>, JournalError>>,
}

fn ask(journal: &RedbJournal) -> Answers {
    let mut answers = Answers::default();
    for number in 0..=RUNS + 1 {
        let run = Pen::new(number, 0).run();
        answers.records.push(journal.records(run));
        answers.rows.push(journal.row(run));
        answers.keys.push(journal.run_by_key(&format!("key {number}")));
        answers.log_lines.push(journal.log_lines(run, None));
    }
    let whole = Query { status: None, pipeline: None, before: None, limit: usize::MAX };
    answers.pages.push(journal.list(&whole));
    answers.pages.push(journal.list(&Query { status: Some(RunStatus::Running), ..whole.clone() }));
    answers.pages.push(journal.list(&Query { pipeline: Some("order".into()), ..whole }));
    answers.unfinished.push(journal.unfinished());
    answers
}

impl Answers {
    /// How many answers are neither an error nor what they should be.
    fn wrong(&self, right: &Self) -> Vec<String> {
        fn pairs<T: PartialEq + std::fmt::Debug>(
            what: &str,
            found: &[Result<T, JournalError>],
            right: &[Result<T, JournalError>],
            wrong: &mut Vec<String>,
        ) {
            for (n, (found, right)) in found.iter().zip(right).enumerate() {
                if found.is_ok() && found != right {
                    wrong.push(format!("{what} {n}: {found:?} in place of {right:?}"));
                }
            }
        }
        let mut wrong = Vec::new();
        pairs("records", &self.records, &right.records, &mut wrong);
        pairs("row", &self.rows, &right.rows, &mut wrong);
        pairs("key", &self.keys, &right.keys, &mut wrong);
        pairs("log lines", &self.log_lines, &right.log_lines, &mut wrong);
        pairs("page", &self.pages, &right.pages, &mut wrong);
        pairs("unfinished", &self.unfinished, &right.unfinished, &mut wrong);
        wrong
    }
}

/// Asks everything of a damaged file, held in memory; says whether it opened at all.
fn check(tables: Vec<u8>, wal: &[u8], right: &Answers, context: &str) -> bool {
    let Ok(journal) = super::crash::open(&Files::holding((tables, wal.to_vec()))) else {
        return false;
    };
    let wrong = ask(&journal).wrong(right);
    assert_eq!(wrong, [""; 0], "{context}");
    true
}

/// The bytes of a journal's tables and of its log, and all right answers.
fn whole() -> (Vec<u8>, Vec<u8>, Answers) {
    let folder = tempfile::tempdir().expect("a folder should be made");
    let (tables, wal) = written(folder.path());
    let journal = super::crash::open(&Files::holding((tables.clone(), wal.clone())));
    let right = ask(&journal.expect("the journal should open"));
    (tables, wal, right)
}

#[test]
fn a_flipped_bit_is_found_or_changes_nothing() {
    let (bytes, wal, right) = whole();
    let mut draw = Draw(1);
    // Most of the file is not in use, so most flips go where something is.
    let used: Vec<usize> = (0..bytes.len()).filter(|place| bytes[*place] != 0).collect();
    let mut opened = 0;
    for round in 0..600 {
        let mut damaged = bytes.clone();
        let place =
            if round % 6 == 0 { draw.below(bytes.len()) } else { used[draw.below(used.len())] };
        let bit = draw.below(8);
        damaged[place] ^= 1 << bit;
        opened += usize::from(check(damaged, &wal, &right, &format!("bit {bit} of byte {place}")));
    }
    assert!(opened > 300, "most damage should leave other runs readable: {opened}");
}

#[test]
fn a_file_cut_off_or_overwritten_is_an_error() {
    let (bytes, wal, right) = whole();
    let mut draw = Draw(2);
    for _ in 0..40 {
        let length = draw.below(bytes.len()).max(1);
        check(bytes[..length].to_vec(), &wal, &right, &format!("cut to {length} bytes"));
        let mut damaged = bytes.clone();
        let (from, count) = (draw.below(bytes.len()), draw.below(5000));
        let to = (from + count).min(bytes.len());
        damaged[from..to].iter_mut().for_each(|byte| *byte = draw.below(256) as u8);
        check(damaged, &wal, &right, &format!("bytes {from} to {to} overwritten"));
    }
}

#[test]
fn what_is_no_journal_is_refused_and_kept() {
    let folder = tempfile::tempdir().expect("a folder should be made");
    let (bytes, _) = written(folder.path());
    let file = folder.path().join("damaged.redb");
    let other = b"SQLite format 3\0 and more of it, as another program wrote it".repeat(100);
    let cut = [0, 1, 8, 9, 64, 320, 4095, 4096, 8192].map(|length| bytes[..length].to_vec());
    for content in cut.into_iter().chain([other]) {
        std::fs::write(&file, &content).expect("the file should be written");
        assert!(RedbJournal::open(&file, ID, Check::OnRead).is_err(), "{} bytes", content.len());
        let after = std::fs::read(&file).expect("the file should be read");
        // redb may have noted in its header how long it found the file.
        let rest = |bytes: &[u8]| bytes.get(HEADER_BYTES..).map(<[u8]>::to_vec);
        assert_eq!(after.len(), content.len(), "nothing should be made of it");
        assert!(
            rest(&after) == rest(&content),
            "nothing should be made of {} bytes",
            content.len()
        );
    }
}

#[test]
fn a_journal_of_another_directory_is_refused() {
    let folder = tempfile::tempdir().expect("a folder should be made");
    let file = folder.path().join("journal.redb");
    RedbJournal::create(&file, ID).expect("a journal should be made");
    let error = RedbJournal::open(&file, [8; 16], Check::OnRead).err();
    let error = error.expect("another journal should be refused").to_string();
    assert!(error.contains("another data directory"), "{error}");
    assert!(RedbJournal::create(&file, ID).is_err(), "an existing file is never overwritten");
}
