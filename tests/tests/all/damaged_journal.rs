//! A journal that is not what it was: cut off, overwritten, swapped, gone, or made by a newer
//! version. Each command then says so, or tells the runs exactly as they were; never anything
//! else, and never that there are none.

use piton_tests::{Chain, Finished, Home, Random};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// A home with a run that completed and one that was killed on its way, and what was known of
/// both.
struct Kept {
    home: Home,
    files: BTreeMap<String, Vec<u8>>,
    unfinished: String,
    known: BTreeMap<&'static str, String>,
}

impl Kept {
    fn new() -> Self {
        let home = Home::with(Chain::new(3, 0).manifest());
        home.run(&["run", "--key", "done", "pipeline.toml"]).expect_code(0);
        home.write("slow.toml", Chain::new(2, 1_000).manifest());
        let mut running = home.start(&["run", "--key", "cut", "slow.toml"]);
        let unfinished = running.run_id();
        running.wait_for_stderr("s02: attempt 1");
        running.kill();
        let known = LOOKS.iter().map(|look| {
            let told = home.run(look.1).expect_code(0);
            (look.0, told.stdout)
        });
        let known = known.collect();
        let files = files_of(&home.data());
        Self { home, files, unfinished, known }
    }

    /// Makes the data directory what it was, with the journal replaced by this.
    fn put(&self, journal: Option<&[u8]>) {
        for (name, bytes) in &self.files {
            fs::write(self.home.data().join(name), bytes).expect("a file should be written");
        }
        let path = self.home.data().join("journal.redb");
        match journal {
            Some(bytes) => fs::write(path, bytes).expect("the journal should be written"),
            None => fs::remove_file(path).expect("the journal should be removed"),
        }
    }

    fn journal(&self) -> &[u8] {
        &self.files["journal.redb"]
    }

    /// Looks at all that was known, and goes on with what was unfinished.
    #[track_caller]
    fn check(&self, what: &str) {
        for (name, arguments) in LOOKS {
            let told = self.home.run(arguments);
            match told.code {
                Some(0) => assert_eq!(told.stdout, self.known[name], "{what}: {name} differs"),
                _ => check_is_clear(what, &told),
            }
        }
        let resumed = self.home.run(&["resume", "--json", &self.unfinished]);
        match resumed.code {
            Some(0) => {
                let summary: Value = resumed.json();
                assert_eq!(summary["output"]["n"], 2, "{what}: a wrong result\n{resumed}");
                assert_eq!(summary["run"], self.unfinished.as_str());
            }
            _ => check_is_clear(what, &resumed),
        }
    }

    /// Looks, and starts another run: that must fail, too.
    #[track_caller]
    fn check_is_refused(&self, what: &str) {
        for (_, arguments) in LOOKS {
            check_is_clear(what, &self.home.run(arguments));
        }
        check_is_clear(what, &self.home.run(&["run", "pipeline.toml"]));
        check_is_clear(what, &self.home.run(&["resume", "--all"]));
    }
}

const LOOKS: [(&str, &[&str]); 4] = [
    ("runs", &["runs", "--json"]),
    ("show", &["show", "--json"]),
    ("events", &["events", "--json"]),
    ("text", &["runs"]),
];

#[track_caller]
fn check_is_clear(what: &str, told: &Finished) {
    assert!(matches!(told.code, Some(1 | 2)), "{what}\n{told}");
    assert!(told.stderr.contains("error: "), "{what}\n{told}");
    assert!(!told.stderr.contains("no runs"), "{what}\n{told}");
}

fn files_of(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(folder).expect("there should be a data directory").flatten();
    let files = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file()));
    let read = |entry: fs::DirEntry| {
        let bytes = fs::read(entry.path()).expect("a file should be readable");
        (entry.file_name().to_string_lossy().into_owned(), bytes)
    };
    files.map(read).collect()
}

#[test]
fn an_untouched_journal_tells_the_same() {
    let kept = Kept::new();
    kept.put(Some(kept.journal()));
    kept.check("untouched");
}

#[test]
fn a_truncated_journal_is_never_believed() {
    let kept = Kept::new();
    let mut random = Random::new("truncated journal");
    let length = kept.journal().len();
    let mut cuts = vec![1, 8, 512, 4_095, 4_096, length / 2, length - 1];
    cuts.extend((0..9).map(|_| random.below(length as u64) as usize));
    for cut in cuts {
        kept.put(Some(&kept.journal()[..cut]));
        kept.check(&format!("cut off at {cut}"));
    }
}

#[test]
fn an_overwritten_journal_is_never_believed() {
    let kept = Kept::new();
    let mut random = Random::new("overwritten journal");
    for round in 0..32 {
        let mut journal = kept.journal().to_vec();
        let count = [1, 4, 64, 4_096][round % 4];
        let place = random.below((journal.len() - count) as u64) as usize;
        journal[place..place + count].copy_from_slice(&random.bytes(count));
        kept.put(Some(&journal));
        kept.check(&format!("{count} bytes overwritten at {place}"));
    }
}

#[test]
fn a_zeroed_page_is_never_believed() {
    let kept = Kept::new();
    let mut random = Random::new("zeroed page");
    for _ in 0..12 {
        let mut journal = kept.journal().to_vec();
        let place = random.below(journal.len() as u64 / 4_096) as usize * 4_096;
        journal[place..place + 4_096].fill(0);
        kept.put(Some(&journal));
        kept.check(&format!("page zeroed at {place}"));
    }
}

#[test]
fn an_empty_other_or_missing_journal_is_refused() {
    let kept = Kept::new();
    kept.put(Some(&[]));
    kept.check_is_refused("empty");
    kept.put(Some(b"this is no journal"));
    kept.check_is_refused("a text");
    kept.put(Some(&vec![0; kept.journal().len()]));
    kept.check_is_refused("zeroes");
    kept.put(None);
    kept.check_is_refused("missing");
    let other = Kept::new();
    kept.put(Some(other.journal()));
    kept.check_is_refused("another directory's");
}

#[test]
fn a_newer_format_is_refused_and_untouched() {
    let kept = Kept::new();
    let format = String::from_utf8(kept.files["format"].clone()).expect("a text");
    let newer = format.replace("\nformat 1\n", "\nformat 99\n");
    assert_ne!(format, newer);
    kept.home.write(".piton/format", newer);
    let before = files_of(&kept.home.data());
    kept.check_is_refused("newer");
    kept.home.run(&["runs"]).expect_code(2).expect_said("format version 99");
    assert_eq!(files_of(&kept.home.data()), before, "something was touched");
}

#[test]
fn a_damaged_format_or_secret_is_refused() {
    let kept = Kept::new();
    for name in ["format", "secret"] {
        for bytes in [&b""[..], b"\xff\xfe", b"nonsense\n"] {
            kept.put(Some(kept.journal()));
            fs::write(kept.home.data().join(name), bytes).expect("a file should be written");
            kept.check_is_refused(&format!("{name} is {bytes:?}"));
        }
        kept.put(Some(kept.journal()));
        fs::remove_file(kept.home.data().join(name)).expect("a file should be removed");
        kept.check_is_refused(&format!("{name} is gone"));
    }
}

#[test]
fn a_data_directory_of_others_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let kept = Kept::new();
    fs::set_permissions(kept.home.data(), fs::Permissions::from_mode(0o777))
        .expect("permissions should be set");
    kept.check_is_refused("others can write");
}

/// A component that is damaged keeps nobody from seeing where its run stands.
#[test]
fn a_run_whose_component_is_damaged_is_shown() {
    let kept = Kept::new();
    let contents = fs::read_dir(kept.home.data().join("components")).expect("a folder").flatten();
    let mut count = 0;
    for path in contents.map(|entry| entry.path()) {
        if fs::read(&path).expect("a content should be read").starts_with(b"\0asm") {
            fs::write(&path, b"\0asm, or so it says").expect("a content should be overwritten");
            count += 1;
        }
    }
    assert!(count > 0, "a component should be kept");
    let shown = kept.home.run(&["show", &kept.unfinished]).expect_code(0);
    for step in [Chain::step(1), Chain::step(2)] {
        assert!(shown.stdout.contains(&format!("damaged   step `{step}`: what is at")), "{shown}");
    }
    let told = kept.home.summary(&kept.unfinished);
    assert_eq!(told["damaged"].as_array().map(Vec::len), Some(2), "{told}");
    assert_eq!(told["steps"][0]["status"], "succeeded", "{told}");
    kept.home.run(&["events", &kept.unfinished]).expect_code(0);
    let verified = kept.home.run(&["verify"]).expect_code(1);
    assert!(verified.stdout.contains("put the same file there again"), "{verified}");
}
