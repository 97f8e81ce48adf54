//! Owns `cargo gate count`: how many instructions an event and an attempt cost, held against the table in
//! `tests/bench/counts.txt`. valgrind counts them, the same number each time however busy the machine is.
//! Never compares what was counted in other circumstances, and never goes by time.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::chore::{At, Problem, ask, repository, say};
use crate::{guests, programs};

const TABLE: &str = "tests/bench/counts.txt";

const HEAD: &str = "\
# Instructions, by what valgrind counts: `cargo gate count` compares, `cargo xtask count` writes.
";

/// How far a count may be from the table's, in percent: below that, it is a matter of what lies where.
const TOLERANCE_PERCENT: u64 = 3;

/// What is counted: what one scenario takes more than another, for each thing it deals with.
struct Scenario {
    name: &'static str,
    program: Program,
    whole: &'static [&'static str],
    without: &'static [&'static str],
    /// How many things lie between the two; none: as many as the whole says.
    things: Option<u64>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Program {
    /// `host/core/benches`, optimised: it has no dependency, so that is soon done.
    Core,
    /// `host/benches`, in the profile of the tests: nobody has to build wasmtime twice.
    Host,
}

const SCENARIOS: [Scenario; 7] = [
    of_core("decide-100", &["decide", "100"], &["nothing", "100"]),
    of_core("fold-100", &["fold", "100"], &["decide", "100"]),
    of_core("decide-10000", &["decide", "10000"], &["nothing", "10000"]),
    of_core("fold-10000", &["fold", "10000"], &["decide", "10000"]),
    of_host("encode", &["encode", "100"], &["nothing", "100"], None),
    of_host("decode", &["decode", "100"], &["encode", "100"], None),
    of_host("attempt", &["attempt", "220"], &["attempt", "20"], Some(200)),
];

const fn of_core(
    name: &'static str,
    whole: &'static [&'static str],
    without: &'static [&'static str],
) -> Scenario {
    Scenario { name, program: Program::Core, whole, without, things: None }
}

const fn of_host(
    name: &'static str,
    whole: &'static [&'static str],
    without: &'static [&'static str],
    things: Option<u64>,
) -> Scenario {
    Scenario { name, program: Program::Host, whole, without, things }
}

/// Holds what is counted now against the table. Where valgrind is missing, says so and is content.
pub(crate) fn check() -> Result<(), Problem> {
    let Some(circumstances) = circumstances() else {
        say("count: skipped: there is no valgrind here; `apt-get install valgrind` brings it");
        return Ok(());
    };
    let path = repository().join(TABLE);
    let text = fs::read_to_string(&path).at(&path)?;
    let table = Table::parse(&text)
        .ok_or_else(|| Problem::new(format!("`{TABLE}` cannot be read"), WRITE_IT))?;
    if table.circumstances != circumstances {
        let Table { circumstances: theirs, .. } = table;
        say(&format!("count: skipped: the table is for {theirs}, and here is {circumstances}"));
        return Ok(());
    }
    let now = Table { circumstances, counts: count_all()? };
    let faults = now.differences(&table);
    if faults.is_empty() {
        return Ok(());
    }
    Err(Problem::new(format!("counts have changed\n  {}", faults.join("\n  ")), WRITE_IT))
}

const WRITE_IT: &str = "if that is meant, write them anew by `cargo xtask count`, and say why";

/// Counts, and writes the table anew.
pub(crate) fn write() -> Result<(), Problem> {
    let circumstances = circumstances().ok_or_else(|| {
        Problem::new("there is no valgrind here", "run `apt-get install valgrind`")
    })?;
    let path = repository().join(TABLE);
    let table = Table { circumstances, counts: count_all()? };
    fs::write(&path, table.text()).at(&path)
}

/// All that a count depends on besides the code; none where nothing can be counted.
fn circumstances() -> Option<String> {
    let first_line = |program: &str, argument: &str| {
        let said = ask(Command::new(program).arg(argument)).ok()?;
        said.lines().next().map(str::to_owned)
    };
    let valgrind = first_line("valgrind", "--version")?;
    let rustc = first_line("rustc", "--version")?;
    let library = first_line("ldd", "--version").unwrap_or_default();
    // The C library copies memory in other ways, and cranelift compiles otherwise.
    let processor = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let vectors = if processor.contains(" avx2 ") { "AVX2" } else { "no AVX2" };
    Some(format!("{rustc}, {valgrind}, {library}, {}, {vectors}", std::env::consts::ARCH))
}

fn count_all() -> Result<Vec<(String, u64)>, Problem> {
    guests::build(&[guests::GUESTS])?;
    let core = programs::build("piton-core", "count", "release")?;
    let host = programs::build("piton", "count", "dev")?;
    let counter = Counter { core, host, folder: repository().join("target/count") };
    fs::create_dir_all(&counter.folder).at(&counter.folder)?;
    // Compiles the step, which the others then find.
    counter.count(Program::Host, &["attempt", "1"])?;
    let mut counts = Vec::new();
    for scenario in &SCENARIOS {
        let (whole, things) = counter.count(scenario.program, scenario.whole)?;
        let (without, _) = counter.count(scenario.program, scenario.without)?;
        let each = whole.saturating_sub(without) / scenario.things.unwrap_or(things).max(1);
        say(&format!("count: {} {each}", scenario.name));
        counts.push((scenario.name.to_owned(), each));
    }
    Ok(counts)
}

/// The programs, and where they may keep what they compile.
struct Counter {
    core: PathBuf,
    host: PathBuf,
    folder: PathBuf,
}

impl Counter {
    /// The instructions of a whole process, and with how many things it dealt.
    fn count(&self, program: Program, words: &[&str]) -> Result<(u64, u64), Problem> {
        let log = self.folder.join("valgrind.log");
        let mut valgrind = Command::new("valgrind");
        valgrind.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]);
        valgrind.arg(format!("--log-file={}", log.display())).env_clear();
        match program {
            Program::Core => valgrind.arg(&self.core).args(words),
            Program::Host => {
                let component = repository().join("tests/guests/echo/target/step.wasm");
                valgrind.arg(&self.host).args(words).arg(&self.folder).arg(component)
            }
        };
        valgrind.env("PATH", "/usr/local/bin:/usr/bin:/bin");
        let printed = ask(&mut valgrind)?;
        let things = printed.split_whitespace().next().and_then(|word| word.parse().ok());
        let counted = collected(&fs::read_to_string(&log).at(&log)?);
        let missing = || Problem::new(format!("valgrind counted nothing of {words:?}"), "");
        counted.zip(things).ok_or_else(missing)
    }
}

/// From a line such as `==123== Collected : 456`.
fn collected(log: &str) -> Option<u64> {
    let number = log.lines().find_map(|line| line.split_once("Collected :"))?.1;
    number.trim().parse().ok()
}

/// Counts, and in which circumstances they hold.
struct Table {
    circumstances: String,
    counts: Vec<(String, u64)>,
}

impl Table {
    fn parse(text: &str) -> Option<Table> {
        let mut lines = text.lines().filter(|line| !line.starts_with('#'));
        let circumstances = lines.next()?.to_owned();
        let count = |line: &str| {
            let (name, number) = line.split_once(' ')?;
            Some((name.to_owned(), number.trim().parse().ok()?))
        };
        let counts = lines.map(count).collect::<Option<_>>()?;
        Some(Table { circumstances, counts })
    }

    fn text(&self) -> String {
        let counts = self.counts.iter().map(|(name, count)| format!("{name:<14}{count:>10}\n"));
        format!("{HEAD}{}\n{}", self.circumstances, counts.collect::<String>())
    }

    /// What is not as the other table says, within the tolerance.
    fn differences(&self, expected: &Table) -> Vec<String> {
        let mut faults = Vec::new();
        for (name, count) in &self.counts {
            let before = expected.counts.iter().find(|(other, _)| other == name);
            let Some((_, before)) = before else {
                faults.push(format!("{name}: {count}, and the table has none"));
                continue;
            };
            if count.abs_diff(*before) * 100 > before * TOLERANCE_PERCENT {
                let ratio = *count as f64 / *before as f64;
                faults
                    .push(format!("{name}: {count} instead of {before}, {ratio:.2} times as many"));
            }
        }
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(counts: &[(&str, u64)]) -> Table {
        let counts = counts.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect();
        Table { circumstances: "rustc 1, valgrind 2".into(), counts }
    }

    #[test]
    fn a_table_is_read_as_it_was_written() {
        let written = table(&[("decide-100", 2768), ("attempt", 51_234)]);
        let read = Table::parse(&written.text()).expect("it should be read");
        assert_eq!((read.circumstances, read.counts), (written.circumstances, written.counts));
        assert!(Table::parse("rustc 1\ndecide many\n").is_none());
    }

    #[test]
    fn only_what_leaves_the_tolerance_is_told() {
        let before = table(&[("decide", 1_000), ("fold", 1_000), ("encode", 1_000)]);
        let now = table(&[("decide", 1_030), ("fold", 1_031), ("encode", 969), ("decode", 1)]);
        let faults = now.differences(&before);
        assert_eq!(faults.len(), 3, "{faults:?}");
        assert_eq!(faults[0], "fold: 1031 instead of 1000, 1.03 times as many");
    }

    #[test]
    fn the_count_is_found_in_the_log() {
        let log = "==1== Events    : Ir\n==1== Collected : 444404\n==1== \n";
        assert_eq!(collected(log), Some(444_404));
        assert_eq!(collected("==1== killed\n"), None);
    }
}
