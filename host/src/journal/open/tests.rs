//! A data directory that is new, unfinished, damaged, newer, held or open to others.

use super::super::contract::{Pen, commit};
use super::*;
use std::os::unix::fs::PermissionsExt;

struct Folder {
    _all: tempfile::TempDir,
    path: std::path::PathBuf,
}

/// Where a data directory may be made.
fn folder() -> Folder {
    let all = tempfile::tempdir().expect("a folder should be made");
    let path = all.path().join("deep/data");
    Folder { path, _all: all }
}

/// A data directory with one run in it, closed.
fn used() -> Folder {
    let folder = folder();
    let opened = Opened::or_make(&folder.path).expect("a data directory should be made");
    let fence = opened.journal.take_fence().expect("the fence should be taken");
    commit(&*opened.journal, &[Pen::new(1, fence).start()], &[]);
    opened.components.put(b"a component").expect("a content should be kept");
    folder
}

fn mode(path: &Path) -> u32 {
    path.metadata().expect("it should be there").permissions().mode() & 0o777
}

/// The message of an open that must fail, and the files as they are after it.
fn refused(path: &Path) -> String {
    let error = Opened::or_make(path).err().expect("opening should be refused");
    let looking = Opened::existing(path, Check::OnRead).err();
    looking.expect("looking should be refused, too");
    error.to_string()
}

#[test]
fn a_new_directory_is_its_owners_alone() {
    let folder = folder();
    let missing = Opened::existing(&folder.path, Check::OnRead).err();
    let expected = DataDirError::Missing { path: folder.path.clone() };
    assert_eq!(missing, Some(OpenError::DataDir(expected)));
    assert!(!folder.path.exists(), "looking should make nothing");

    let opened = Opened::or_make(&folder.path).expect("a data directory should be made");
    assert_eq!(mode(&folder.path), 0o700);
    assert_eq!(mode(&folder.path.join("secret")), 0o600);
    assert_eq!(opened.data_dir.path(), folder.path);
}

#[test]
fn what_was_written_is_there_again() {
    let folder = used();
    let run = Pen::new(1, 0).run();
    let key =
        |opened: &Opened| opened.secret.idempotency_key(run, "charge", piton_core::Phase::Execute);
    let opened = Opened::or_make(&folder.path).expect("the directory should open");
    let before = key(&opened);
    assert!(opened.journal.row(run).expect("a row should be read").is_some());
    assert_eq!(opened.journal.take_fence(), Ok(2));
    drop(opened);
    let opened = Opened::existing(&folder.path, Check::Whole).expect("the directory should open");
    assert_eq!(key(&opened), before);
    assert_eq!(opened.journal.take_fence(), Ok(3));
}

#[test]
fn a_second_host_is_told_who_is_first() {
    let folder = used();
    let _first = Opened::or_make(&folder.path).expect("the directory should open");
    let expected = DataDirError::InUse { pid: Some(std::process::id()) };
    let second = Opened::existing(&folder.path, Check::OnRead).err();
    assert_eq!(second, Some(OpenError::DataDir(expected)));
}

#[test]
fn a_newer_format_is_refused_and_nothing_touched() {
    let folder = used();
    let format = folder.path.join("format");
    let text = std::fs::read_to_string(&format).expect("the file should be read");
    std::fs::write(&format, text.replace("format 1", "format 2")).expect("it should be written");
    std::fs::remove_file(folder.path.join("lock")).expect("it should be removed");
    let journal = std::fs::read(folder.path.join("journal.redb")).expect("it should be read");
    let error = Opened::or_make(&folder.path).err();
    let expected = DataDirError::NewerFormat { found: 2, supported: 1 };
    assert_eq!(error, Some(OpenError::DataDir(expected)));
    assert!(!folder.path.join("lock").exists());
    let after = std::fs::read(folder.path.join("journal.redb")).expect("it should be read");
    assert!(journal == after);
}

#[test]
fn a_missing_part_never_becomes_an_empty_journal() {
    for part in ["journal.redb", "format", "secret"] {
        let folder = used();
        std::fs::remove_file(folder.path.join(part)).expect("it should be removed");
        for _ in 0..2 {
            let error = refused(&folder.path);
            assert!(error.contains("missing") && error.contains(part), "{part}: {error}");
        }
        assert!(!folder.path.join(part).exists(), "{part} should not be made anew");
    }
    let folder = used();
    for part in ["journal.redb", "format"] {
        std::fs::remove_file(folder.path.join(part)).expect("it should be removed");
    }
    let error = Opened::or_make(&folder.path).err().expect("contents alone should be refused");
    assert!(error.to_string().contains("is missing"), "{error}");
}

#[test]
fn an_empty_or_foreign_part_is_refused_and_kept() {
    for part in ["journal.redb", "format", "secret"] {
        for content in ["", "something else, long enough to be taken for a file of any kind"] {
            let folder = used();
            std::fs::write(folder.path.join(part), content).expect("it should be written");
            let error = refused(&folder.path);
            assert!(error.contains(part) || error.contains("journal"), "{part}: {error}");
            let after = std::fs::read_to_string(folder.path.join(part));
            assert_eq!(after.expect("it should be read"), content, "{part}");
        }
    }
}

#[test]
fn a_beginning_that_was_cut_off_is_made_anew() {
    // Whatever was there before `format` was: nothing, an empty or a torn file.
    for part in ["secret", "secret.new", "journal.redb.new", "format.new"] {
        for content in ["", "torn"] {
            let folder = folder();
            std::fs::create_dir_all(folder.path.join("components")).expect("it should be made");
            std::fs::set_permissions(&folder.path, PermissionsExt::from_mode(0o700))
                .expect("its mode should be set");
            std::fs::write(folder.path.join(part), content).expect("it should be written");
            let opened = Opened::or_make(&folder.path).expect("a data directory should be made");
            assert_eq!(opened.journal.unfinished(), Ok(Vec::new()));
        }
    }
}

#[test]
fn the_last_renaming_may_be_owed() {
    let folder = used();
    let name = |name: &str| folder.path.join(name);
    std::fs::rename(name("journal.redb"), name("journal.redb.new")).expect("it should be renamed");
    let opened = Opened::existing(&folder.path, Check::OnRead).expect("the directory should open");
    assert!(opened.journal.row(Pen::new(1, 0).run()).expect("a row should be read").is_some());
}

#[test]
fn a_directory_that_others_can_write_is_refused() {
    let folder = used();
    for unsafe_mode in [0o770, 0o702, 0o777] {
        std::fs::set_permissions(&folder.path, PermissionsExt::from_mode(unsafe_mode))
            .expect("its mode should be set");
        let error = refused(&folder.path);
        assert!(error.contains("can be written by others"), "{error}");
    }
    let file = folder.path.join("format");
    let error = Opened::existing(&file, Check::OnRead).err().expect("a file should be refused");
    assert!(matches!(error, OpenError::DataDir(_)), "{error}");
}

#[test]
fn a_journal_of_another_directory_is_refused() {
    let (one, two) = (used(), used());
    std::fs::copy(one.path.join("journal.redb"), two.path.join("journal.redb"))
        .expect("it should be copied");
    let error = refused(&two.path);
    assert!(error.contains("another data directory"), "{error}");
}
