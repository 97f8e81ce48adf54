//! Owns the step that attacks its host: each `how` is one thing that a step must not be able to do, or
//! must not be able to do without limit.
//! Never hides what it got: where it is denied something, its output says what it saw.
//!
//! Input: `{ "how": "…" }`, with `"phase": "compensate"` to do it there (default `execute`).
//!
//! | `how` | does | output, where it comes that far |
//! | --- | --- | --- |
//! | `loop`, `deep`, `trap`, `panic`, `exit`, `sleep` | never ends, recurses, traps, panics, exits with 7, sleeps an hour | none |
//! | `grow` | takes memory until there is none | none |
//! | `big-output`, `big-failure` | returns 100 MiB of output, or of message | `"xxx…"` |
//! | `bad-json`, `bad-utf8`, `nan`, `deep-json` | returns what is no JSON, no UTF-8, `NaN`, arrays 100,000 deep | itself |
//! | `many-values` | returns `[0,0,…]` of 4 MiB | itself |
//! | `control-codes` | logs, prints and fails with ANSI, OSC, bidi and newlines in all texts | a permanent failure |
//! | `stdout-flood`, `stderr-flood` | prints 100 MiB in lines, then 16 MiB without an end | `{"printed":…}` |
//! | `log-flood`, `progress-flood` | 200,000 lines, then one of 16 MiB; 200,000 reports with `done > total` | `{"sent":…}` |
//! | `memo-flood`, `memo-big` | 200,000 notes; one of 64 MiB | `{"notes":…}` |
//! | `usage-flood` | twice the largest number, and a unit of 1 MiB | `{"sent":3}` |
//! | `retry-never` | fails with the longest `retry-after` there is | a failure |
//! | `read-file:PATH` | reads a file | `{"read":"…"}` or `{"denied":"…"}` |
//! | `env` | looks around: arguments, environment, folders, standard input | an object of all it saw |
//! | `write-outside` | makes files, links and folders outside `/data` | `{"ways":{"…":"denied: …"}}` |

use std::collections::BTreeMap;
use std::fs;
use std::hint::black_box;
use std::io::{self, Read, Write};
use std::thread::sleep;
use std::time::Duration;

use piton_step::raw::{RawStep, read_input, write_output};
use piton_step::{Context, Failure, Level, log, memo, progress, usage};
use serde::Deserialize;
use serde_json::{Value, json};

const MIB: usize = 1 << 20;
const FLOOD: u64 = 200_000;

/// Red, a title, a link, cursor moves, right-to-left, a lone return, a bell, and a forged line.
const CODES: &str = "\x1b[31mred\x1b[0m \x1b]0;title\x07 \x1b]8;;http://evil.example\x1b\\link\x1b]8;;\x1b\\ \
    \x1b[2J\x1b[1;1H \u{202e}gnp.exe\u{202c} \u{9b}31m one\rtwo\u{8}\u{0}\nerror: forged line\n";

#[derive(Deserialize)]
struct Input {
    how: String,
    #[serde(default = "execute")]
    phase: String,
}

fn execute() -> String {
    "execute".to_owned()
}

struct Misbehave;

impl RawStep for Misbehave {
    fn execute(_: &Context, input: String) -> Result<String, Failure> {
        let Input { how, phase } = read_input(&input)?;
        if phase == "execute" { misbehave(&how) } else { Ok("{}".to_owned()) }
    }

    fn compensate(
        _: &Context,
        input: String,
        _: Option<String>,
        _: Option<Failure>,
    ) -> Result<(), Failure> {
        let Input { how, phase } = read_input(&input)?;
        if phase == "compensate" { misbehave(&how).map(drop) } else { Ok(()) }
    }
}

fn misbehave(how: &str) -> Result<String, Failure> {
    if let Some(path) = how.strip_prefix("read-file:") {
        return write_output(&read_file(path));
    }
    match how {
        "loop" => loop {
            black_box(());
        },
        "deep" => Ok(dive(black_box(1)).to_string()),
        "trap" => trap(),
        "panic" => panic!("told to panic"),
        "exit" => std::process::exit(7),
        "sleep" => {
            sleep(Duration::from_secs(3_600));
            Ok("\"awake\"".to_owned())
        }
        "grow" => grow(),
        "big-output" => Ok(format!("\"{}\"", "x".repeat(100 * MIB))),
        "big-failure" => Err(Failure::permanent("big", "x".repeat(100 * MIB))),
        "bad-json" => Ok(r#"{"half":"#.to_owned()),
        "bad-utf8" => Ok(bad_utf8()),
        "nan" => Ok("NaN".to_owned()),
        "deep-json" => Ok("[".repeat(100_000) + &"]".repeat(100_000)),
        "many-values" => Ok(format!("[0{}]", ",0".repeat(2 * MIB))),
        "control-codes" => control_codes(),
        "stdout-flood" => flood(&mut io::stdout()),
        "stderr-flood" => flood(&mut io::stderr()),
        "log-flood" => {
            for n in 0..FLOOD {
                log(Level::Info, &format!("line {n}"));
            }
            log(Level::Info, &"x".repeat(16 * MIB));
            write_output(&json!({ "sent": FLOOD + 1 }))
        }
        "progress-flood" => {
            for n in 0..FLOOD {
                progress(u64::MAX - n, n, "more than all");
            }
            write_output(&json!({ "sent": FLOOD }))
        }
        "memo-flood" => {
            for n in 0..FLOOD {
                memo::remember(&format!("note {n}"), &n)?;
            }
            write_output(&json!({ "notes": FLOOD }))
        }
        "memo-big" => {
            memo::remember("big", &"x".repeat(64 * MIB))?;
            write_output(&json!({ "notes": 1 }))
        }
        "usage-flood" => {
            usage("usd", u64::MAX);
            usage("usd", u64::MAX);
            usage(&"u".repeat(MIB), 1);
            write_output(&json!({ "sent": 3 }))
        }
        "retry-never" => Err(Failure::retry_after(Duration::MAX, "never", "come back never")),
        "env" => write_output(&look_around()),
        "write-outside" => write_output(&write_outside()),
        _ => Err(Failure::permanent("bad-input", format!("no such way: `{how}`")).clean()),
    }
}

/// Not a loop in disguise: the two operations do not fold into one.
#[inline(never)]
fn dive(depth: u64) -> u64 {
    if depth == 0 { 1 } else { dive(depth.wrapping_add(1)).wrapping_mul(31) ^ depth }
}

fn grow() -> ! {
    let mut taken = Vec::new();
    loop {
        taken.push(black_box(vec![1_u8; MIB]));
    }
}

#[cfg(target_arch = "wasm32")]
fn trap() -> ! {
    core::arch::wasm32::unreachable()
}

#[cfg(not(target_arch = "wasm32"))]
fn trap() -> ! {
    panic!("a trap")
}

#[expect(unsafe_code, reason = "a step in another language may return any bytes")]
fn bad_utf8() -> String {
    let bytes = b"\"\xff\xfe\xed\xa0\x80\"".to_vec();
    // SAFETY: nothing here reads it as text; it goes straight to the host, which has to notice.
    unsafe { String::from_utf8_unchecked(bytes) }
}

fn control_codes() -> Result<String, Failure> {
    for level in [Level::Trace, Level::Debug, Level::Info, Level::Warn, Level::Error] {
        log(level, CODES);
    }
    println!("{CODES}");
    eprintln!("{CODES}");
    progress(1, 2, CODES);
    Err(Failure::permanent(format!("code{CODES}"), CODES).details(&json!({ CODES: CODES })))
}

fn flood(stream: &mut dyn Write) -> Result<String, Failure> {
    let line = [&[b'x'; 1023][..], b"\n"].concat();
    let mut printed = 0;
    for _ in 0..100 * MIB / line.len() {
        stream.write_all(&line)?;
        printed += line.len();
    }
    for _ in 0..16 {
        stream.write_all(&vec![b'y'; MIB])?;
        printed += MIB;
    }
    write_output(&json!({ "printed": printed }))
}

fn read_file(path: &str) -> Value {
    match fs::read(path) {
        Ok(bytes) => json!({ "read": String::from_utf8_lossy(&bytes) }),
        Err(error) => json!({ "denied": error.to_string() }),
    }
}

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
    for (name, target) in [("absolute", "/etc/passwd"), ("upwards", "../outside")] {
        let link = format!("/data/{name}");
        ways.insert(format!("link {target}"), said(symlink(target, &link)));
        ways.insert(format!("read by link {target}"), said(fs::read(&link).map(drop)));
        ways.insert(format!("write by link {target}"), said(fs::write(&link, "outside")));
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

piton_step::export!(Misbehave);
