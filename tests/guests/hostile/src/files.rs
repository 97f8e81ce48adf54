//! Owns attacks on files: outside of what is granted, through links, between folders, and by many.
//! Never fails where something is denied: its output says what came of each way.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read};

use piton_step::raw::write_output;
use serde_json::{Value, json};

use crate::{Attack, Done, Input, MIB};

pub(crate) const ATTACKS: &[Attack] = &[
    ("env", |_| write_output(&look_around())),
    ("write-outside", |_| write_output(&write_outside())),
    ("cross-folders", |_| write_output(&cross_folders())),
    ("read-fifo", |_| read_file("/data/fifo")),
    ("open-files", open_files),
    ("bad-names", |_| write_output(&bad_names())),
    ("fill-disk", fill_disk),
];

/// Reads one file, wherever it lies.
pub(crate) fn read_file(path: &str) -> Done {
    write_output(&match fs::read(path) {
        Ok(bytes) => json!({ "read": String::from_utf8_lossy(&bytes) }),
        Err(error) => json!({ "denied": error.to_string() }),
    })
}

/// Looks for all there is to see: arguments, environment, folders, standard input.
fn look_around() -> Value {
    let environment: BTreeMap<String, String> = std::env::vars().collect();
    let folders: BTreeMap<&str, Value> =
        ["/", ".", "..", "/data", "/etc", "/home", "/proc", "/tmp"]
            .into_iter()
            .map(|folder| (folder, list(folder)))
            .collect();
    let mut standard_input = Vec::new();
    let read = io::stdin().read_to_end(&mut standard_input);
    json!({
        "arguments": std::env::args().collect::<Vec<_>>(),
        "environment": environment,
        "folders": folders,
        "standard_input": read.map_err(|error| error.to_string()),
    })
}

fn list(folder: &str) -> Value {
    match fs::read_dir(folder) {
        Ok(entries) => entries
            .flatten()
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect(),
        Err(error) => json!({ "denied": error.to_string() }),
    }
}

/// Makes files, links and folders outside of `/data`, and reads and writes through them.
fn write_outside() -> Value {
    let mut ways = BTreeMap::new();
    for path in [
        "/outside",
        "outside",
        "../outside",
        "/data/../outside",
        "/data/a/../../outside",
        "/tmp/outside",
    ] {
        ways.insert(format!("write {path}"), said(fs::write(path, "outside")));
    }
    // In itself no harm, but what is then read or written through the link would be.
    for (name, target) in [("absolute", "/etc/passwd"), ("upwards", "../outside"), ("up", "..")] {
        let link = format!("/data/{name}");
        ways.insert(format!("link {target}"), said(symlink(target, &link)));
        ways.insert(format!("read by link {target}"), said(fs::read(&link).map(drop)));
        ways.insert(format!("write by link {target}"), said(fs::write(&link, "outside")));
        ways.insert(
            format!("list by link {target}/"),
            said(fs::read_dir(format!("{link}/")).map(drop)),
        );
        ways.insert(
            format!("write below link {target}"),
            said(fs::write(format!("{link}/outside"), "outside")),
        );
        ways.insert(format!("rename out by link {target}/"), {
            said(
                fs::write("/data/inside", "inside")
                    .and_then(|()| fs::rename("/data/inside", format!("{link}/moved"))),
            )
        });
    }
    ways.insert("folder /data/../made".to_owned(), said(fs::create_dir("/data/../made")));
    ways.insert("rename out".to_owned(), {
        said(
            fs::write("/data/inside", "inside")
                .and_then(|()| fs::rename("/data/inside", "/data/../moved")),
        )
    });
    ways.insert("remove /data".to_owned(), said(fs::remove_dir_all("/data/..")));
    json!({ "ways": ways })
}

/// Turns a file that it may only read, in `/fixed`, into one that it may write, in `/data`.
fn cross_folders() -> Value {
    let mut ways = BTreeMap::new();
    let kept = "/fixed/kept.txt";
    let open = |options: &mut fs::OpenOptions| said(options.open(kept).map(drop));
    ways.insert("hard link out", said(fs::hard_link(kept, "/data/linked")));
    ways.insert(
        "hard link in",
        said(fs::write("/data/own", "own").and_then(|()| fs::hard_link("/data/own", "/fixed/own"))),
    );
    ways.insert("rename out", said(fs::rename(kept, "/data/moved")));
    ways.insert(
        "rename in",
        said(fs::write("/data/own", "own").and_then(|()| fs::rename("/data/own", kept))),
    );
    ways.insert("truncate", open(fs::OpenOptions::new().write(true).truncate(true)));
    ways.insert("append", open(fs::OpenOptions::new().append(true)));
    ways.insert("create", said(fs::write("/fixed/new.txt", "new")));
    ways.insert("remove", said(fs::remove_file(kept)));
    ways.insert("set length", said(fs::File::open(kept).and_then(|file| file.set_len(0))));
    ways.insert(
        "write by link",
        said(
            symlink("../fixed/kept.txt", "/data/link")
                .and_then(|()| fs::write("/data/link", "outside")),
        ),
    );
    json!({ "ways": ways })
}

/// Holds a hundred thousand open files.
fn open_files(_: &Input) -> Done {
    let mut held = Vec::new();
    fs::write("/data/one", "one")?;
    for _ in 0..100_000 {
        held.push(fs::File::open("/data/one")?);
    }
    write_output(&json!({ "held": held.len() }))
}

/// Makes files whose names would do something to a terminal.
fn bad_names() -> Value {
    let mut ways = BTreeMap::new();
    for name in ["\u{1b}[31mred", "one\ntwo", "\u{202e}gnp.exe", "<script>"] {
        ways.insert(name, said(fs::write(format!("/data/{name}"), "")));
    }
    json!({ "ways": ways })
}

/// Writes 64 MiB.
fn fill_disk(_: &Input) -> Done {
    for n in 0..64 {
        fs::write(format!("/data/large{n}"), vec![b'x'; MIB])?;
    }
    write_output(&json!({ "written": 64 * MIB }))
}

/// std has no stable way to make a symbolic link here, the C library under it has.
#[cfg(target_os = "wasi")]
#[expect(unsafe_code, reason = "a call of the C library")]
fn symlink(target: &str, link: &str) -> io::Result<()> {
    use std::ffi::{CString, c_char, c_int};
    unsafe extern "C" {
        fn symlink(target: *const c_char, link: *const c_char) -> c_int;
    }
    let (target, link) = (CString::new(target)?, CString::new(link)?);
    // SAFETY: both texts end with a zero and outlive the call, which keeps neither.
    match unsafe { symlink(target.as_ptr(), link.as_ptr()) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(not(target_os = "wasi"))]
fn symlink(_: &str, _: &str) -> io::Result<()> {
    Err(io::Error::other("not outside a component"))
}

fn said(result: io::Result<()>) -> String {
    match result {
        Ok(()) => "done".to_owned(),
        Err(error) => format!("denied: {error}"),
    }
}
