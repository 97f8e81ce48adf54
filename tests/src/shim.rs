//! A library in front of the system's: it counts the binary's writes to its journal, and has the
//! process die, or the disk be full or broken, after the n-th. So a crash comes exactly after a commit.
//! It also sets the process's clock, and stands for the network.
//! Never changes what is written.
//!
//! It is compiled by `cc`, which is there wherever Rust can link.

use crate::Home;
use std::path::{Path, PathBuf};
use std::process::Command;

const SOURCE: &str = include_str!("shim.c");

/// The compiled library.
pub struct Shim {
    library: PathBuf,
}

/// What happens, and when.
#[derive(Clone, Copy, Debug)]
pub enum Moment {
    /// The process is killed once the journal has been synced so often.
    KilledAfterSync(u64),
    /// The process is killed once the journal has been written to so often.
    KilledAfterWrite(u64),
    /// Whatever is written to the data directory after so many writes finds no space.
    FullAfterWrite(u64),
    /// Whatever the disk is to make durable after so many times, it says it cannot.
    BrokenAfterSync(u64),
    /// The clock is ahead by so many seconds, from the beginning.
    ClockAhead(i64),
    /// The clock is ahead by as many seconds as the file `clock` in the home says at that moment.
    ClockOfFile,
    /// The clock of time passed fails whoever does nothing but read it.
    ClockFails,
    /// Each name has these addresses: `,` between those of one look-up and the next, `+` between several
    /// of one. Look-ups and connections are noted in the file `network` in the home; all of these are
    /// refused.
    Names(&'static str),
}

impl Moment {
    pub(crate) fn variables(self) -> [(&'static str, String); 1] {
        match self {
            Self::KilledAfterSync(count) => [("SHIM_KILL_AFTER_SYNC", count.to_string())],
            Self::KilledAfterWrite(count) => [("SHIM_KILL_AFTER_WRITE", count.to_string())],
            Self::BrokenAfterSync(count) => [("SHIM_BROKEN_AFTER_SYNC", count.to_string())],
            Self::ClockOfFile => [("SHIM_CLOCK_OF_FILE", "1".into())],
            Self::ClockFails => [("SHIM_CLOCK_FAILS", "1".into())],
            Self::Names(addresses) => [("SHIM_NAMES", addresses.into())],
            Self::ClockAhead(seconds) => [("SHIM_CLOCK_AHEAD", seconds.to_string())],
            Self::FullAfterWrite(count) => [("SHIM_FULL_AFTER_WRITE", count.to_string())],
        }
    }
}

impl Shim {
    /// Compiles it in a home.
    ///
    /// # Panics
    /// Where there is no compiler.
    pub fn build(home: &Home) -> Self {
        let source = home.write("shim.c", SOURCE);
        let library = home.path("shim.so");
        let mut cc = Command::new("cc");
        cc.args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o"]).arg(&library).arg(source);
        let output = cc.output().expect("there should be a C compiler: Rust links with it");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "the shim cannot be compiled:\n{said}");
        Self { library }
    }

    pub(crate) fn library(&self) -> &Path {
        &self.library
    }
}
