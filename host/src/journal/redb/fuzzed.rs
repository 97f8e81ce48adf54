//! A journal whose file was changed behind its back, at the places that a fuzzer says.
//! What is read is then an error or what was written, and nothing panics unguarded.

use super::super::store::{Journal, Query};
use super::guard::guarded;
use super::open::builder;
use super::{Check, RedbJournal};
use ::redb::StorageBackend;
use ::redb::backends::InMemoryBackend;
use piton_core::RunId;
use std::fmt::Debug;
use std::sync::OnceLock;

/// A journal of a few runs, as `piton` left it, and what ties it to its data directory.
const FILE: &[u8] = include_bytes!("../../../fuzz/journal/journal.redb");
const FORMAT: &str = include_str!("../../../fuzz/journal/format");

/// One change: three bytes for the place, one for what is put there.
const CHANGE_BYTES: usize = 4;

/// Opens, reads and checks the journal with these changes.
pub(crate) fn fuzzed_page(changes: &[u8]) {
    static RIGHT: OnceLock<Answers> = OnceLock::new();
    let right = RIGHT
        .get_or_init(|| Answers::of(FILE.to_vec(), &[]).expect("an unchanged journal should open"));
    let mut bytes = FILE.to_vec();
    for change in changes.chunks_exact(CHANGE_BYTES) {
        let place = u32::from_be_bytes([0, change[0], change[1], change[2]]) as usize;
        let place = place % bytes.len();
        bytes[place] = change[3];
    }
    if let Some(found) = Answers::of(bytes, &right.runs) {
        found.check(right);
    }
}

/// All that can be asked, each as it was answered; none for an error.
struct Answers {
    runs: Vec<RunId>,
    list: Option<String>,
    unfinished: Option<String>,
    records: Vec<Option<String>>,
    log_lines: Vec<Option<String>>,
    verified: Option<String>,
}

impl Answers {
    /// Asks everything of a file, about these runs besides those that it lists; none where it
    /// does not open.
    fn of(bytes: Vec<u8>, runs: &[RunId]) -> Option<Self> {
        let journal = open(bytes.clone(), Check::OnRead)?;
        let all = Query { status: None, pipeline: None, before: None, limit: usize::MAX };
        let page = journal.list(&all);
        let mut runs = runs.to_vec();
        if let (true, Ok(page)) = (runs.is_empty(), &page) {
            runs.extend(page.rows.iter().map(|row| row.run));
        }
        let answers = Self {
            list: told(page),
            unfinished: told(journal.unfinished()),
            records: runs.iter().map(|run| told(journal.records(*run))).collect(),
            log_lines: runs.iter().map(|run| told(journal.log_lines(*run, None))).collect(),
            verified: told(journal.verify()),
            runs,
        };
        journal.close_without_writing();
        // Where no page is damaged, it can be written, too. Where one is, redb may panic while it
        // cleans up after a panic, and nothing stops that.
        if let Some(journal) = open(bytes, Check::Whole) {
            let _ = journal.take_fence();
        }
        Some(answers)
    }

    fn check(&self, right: &Self) {
        same("the list", &self.list, &right.list);
        same("the unfinished runs", &self.unfinished, &right.unfinished);
        same("what was verified", &self.verified, &right.verified);
        for (found, right) in self.records.iter().zip(&right.records) {
            same("a run", found, right);
        }
        for (found, right) in self.log_lines.iter().zip(&right.log_lines) {
            same("log lines", found, right);
        }
    }
}

fn open(bytes: Vec<u8>, check: Check) -> Option<RedbJournal> {
    let id = FORMAT.lines().find_map(|line| line.strip_prefix("journal "));
    let id = u128::from_str_radix(id.expect("the format should name its journal"), 16);
    let id = id.expect("an id should be a number").to_be_bytes();
    let disk = InMemoryBackend::new();
    disk.set_len(bytes.len() as u64).and_then(|()| disk.write(0, &bytes)).expect("memory");
    guarded(|| {
        let database = builder(check).create_with_backend(disk)?;
        RedbJournal::over(database, id, None, None)
    })
    .ok()
}

fn told<T: Debug, E>(answer: Result<T, E>) -> Option<String> {
    answer.ok().map(|answer| format!("{answer:?}"))
}

fn same(what: &str, found: &Option<String>, right: &Option<String>) {
    assert!(found.is_none() || found == right, "{what}: {found:?} in place of {right:?}");
}
