//! All attacks at once beside 64 honest runs, for as many minutes as its argument says (default 10):
//! `cargo run -p piton-tests --bin soak -- 10`. The steps must be built: `cargo xtask guests`.
//! Prints tables for `host/docs/security.md`, and fails where an honest run did not complete, memory
//! grew, the journal does not verify, or something of an attack was printed as it came.
//!
//! Memory is flat where the middle of what the host held in the second half of the last phase is not
//! above that of the first half by more than a tenth, the first fifth, in which it warms up, left out.

use piton_tests::{Chain, GRANT, Home, Manner, Running, Server, attack_manifest};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Attacks that need nothing but a call.
const ATTACKS: [&str; 43] = [
    "loop",
    "sleep",
    "fill",
    "clock-reads",
    "host-calls",
    "trap",
    "panic",
    "exit",
    "fail-unknown",
    "grow",
    "deep",
    "pollables",
    "fields",
    "big-output",
    "big-failure",
    "long-message",
    "bad-json",
    "bad-utf8",
    "nan",
    "huge-number",
    "lone-surrogate",
    "two-values",
    "deep-json",
    "many-values",
    "name-twice",
    "retry-never",
    "control-codes",
    "stdout-flood",
    "stderr-flood",
    "log-flood",
    "progress-flood",
    "memo-flood",
    "memo-big",
    "memo-big-keys",
    "usage-overflow",
    "usage-bad-unit",
    "usage-many-units",
    "env",
    "write-outside",
    "open-files",
    "bad-names",
    "fill-disk",
    "inside-addresses",
];

/// Attacks by way of a service.
const REQUESTS: [&str; 7] = [
    "odd-requests",
    "follow-redirect",
    "read-slowly",
    "big-upload",
    "many-headers",
    "many-connections",
    "post-and-trap",
];

/// Honest runs at once.
const HONEST: usize = 64;
/// Attacks at once, where all are.
const AT_ONCE: &str = "8";
/// How often calm and one attacker take turns.
const TURNS: u32 = 6;
/// What the host may hold in the second half, in hundredths of what it held in the first.
const GROWTH_MOST: u64 = 110;
/// Of a phase, what is left out while memory warms up: one part in so many.
const WARMING: usize = 5;
/// Into how many parts the table of memory divides the last phase.
const PARTS: usize = 10;

fn main() -> ExitCode {
    let minutes = std::env::args().nth(1).and_then(|text| text.parse::<f64>().ok());
    let whole = Duration::from_secs_f64(minutes.unwrap_or(10.0) * 60.0);
    let mut soak = Soak::start();
    let (mut calm, mut beside_one) = (Phase::new("calm"), Phase::new("beside one attacker"));
    // In turns, so that what else the machine does falls on both.
    for _ in 0..TURNS {
        calm.add(soak.phase("calm", whole / 10 / TURNS, None));
        beside_one.add(soak.phase("beside one attacker", whole / 10 / TURNS, Some("1")));
    }
    let beside_all = soak.phase("beside all at once", whole - whole / 5, Some(AT_ONCE));
    soak.tell(&[calm, beside_one, beside_all])
}

/// A host, and what came of all that it was made to carry.
struct Soak {
    home: Home,
    host: Running,
    _servers: Vec<Server>,
    ends: BTreeMap<String, (u64, BTreeSet<String>)>,
    faults: Vec<String>,
}

/// What was seen in a phase.
struct Phase {
    name: &'static str,
    took: Duration,
    honest: u64,
    attacks: u64,
    samples: Vec<Sample>,
}

/// What the host held at one moment.
#[derive(Clone, Copy)]
struct Sample {
    /// All that is in memory, in MiB.
    all: u64,
    /// That of it which is not a file's, in KiB.
    own_kib: u64,
    threads: u64,
    /// What is kept on the disk, in MiB.
    kept: u64,
}

impl Phase {
    fn new(name: &'static str) -> Self {
        Self { name, took: Duration::ZERO, honest: 0, attacks: 0, samples: Vec::new() }
    }

    fn add(&mut self, more: Self) {
        self.took += more.took;
        self.honest += more.honest;
        self.attacks += more.attacks;
        self.samples.extend(more.samples);
    }

    fn pace(&self) -> f64 {
        self.honest as f64 / self.took.as_secs_f64()
    }

    /// The most memory, in MiB.
    fn most(&self) -> u64 {
        self.samples.iter().map(|sample| sample.all).max().unwrap_or(0)
    }

    /// The middle of what was held in each half after warming up, in KiB.
    fn halves(&self) -> [u64; 2] {
        let warm = &self.samples[self.samples.len() / WARMING..];
        let (first, second) = warm.split_at(warm.len() / 2);
        [first, second].map(|half| middle(half, |sample| sample.own_kib))
    }

    /// A table of how memory, threads and the disk went on.
    fn tell_course(&self) {
        println!(
            "\n| part | own memory | all memory, at most | threads | kept |\n| --- | --- | --- | --- | --- |"
        );
        let length = self.samples.len().div_ceil(PARTS).max(1);
        for (part, samples) in self.samples.chunks(length).enumerate() {
            let own = middle(samples, |sample| sample.own_kib) >> 10;
            let most = samples.iter().map(|sample| sample.all).max().unwrap_or(0);
            let threads = middle(samples, |sample| sample.threads);
            let kept = samples.last().map_or(0, |sample| sample.kept);
            let part = part + 1;
            println!("| {part} | {own} MiB | {most} MiB | {threads} | {kept} MiB |");
        }
    }
}

impl Soak {
    fn start() -> Self {
        let home = Home::new();
        home.write("stay.toml", "[pipeline]\nname = \"stay\"\n[steps.it]\nwait = \"10d\"\n");
        home.write("honest.toml", Chain::new(4, 20).manifest());
        home.write("honest.ndjson", "{}\n".repeat(HONEST));
        let redirect =
            "HTTP/1.1 302 Found\r\nlocation: http://169.254.169.254/\r\ncontent-length: 0\r\n\r\n";
        let servers: Vec<Server> =
            [Manner::Drips, Manner::Pours, Manner::Says(redirect.into()), Manner::Echoes]
                .into_iter()
                .map(Server::start)
                .collect();
        home.write("attacks.ndjson", attacks(&servers));
        home.write("attack.toml", manifest(&servers));
        let mut host = home.start(&["run", "--json", "stay.toml"]);
        host.run_id();
        host.wait_until("others can ask it", |_| home.data().join("socket").exists());
        Self { home, host, _servers: servers, ends: BTreeMap::new(), faults: Vec::new() }
    }

    /// Has honest runs carried for a time, beside so many attacks at once.
    fn phase(&mut self, name: &'static str, time: Duration, attackers: Option<&str>) -> Phase {
        eprintln!("{name}, for {} s", time.as_secs());
        let began = Instant::now();
        let is_over = AtomicBool::new(false);
        let (home, host, is_over) = (&self.home, &self.host, &is_over);
        let (honest, attacks, samples) = thread::scope(|scope| {
            let attacks = scope.spawn(move || {
                attackers.map_or_else(Vec::new, |at_once| {
                    rounds(home, is_over, "attacks.ndjson", at_once, "attack.toml")
                })
            });
            let memory = scope.spawn(move || watch(home, host, is_over));
            // Attacks may outlast it.
            let honest = scope.spawn(move || {
                let done = rounds(home, is_over, "honest.ndjson", "64", "honest.toml");
                (done, began.elapsed())
            });
            thread::sleep(time);
            is_over.store(true, Ordering::SeqCst);
            (honest.join(), attacks.join(), memory.join())
        });
        let told = "a thread of this program should not panic";
        let ((honest, took), attacks) = (honest.expect(told), attacks.expect(told));
        self.judge(&honest, &attacks);
        let (honest, attacks) = (honest.len() as u64, attacks.len() as u64);
        Phase { name, took, honest, attacks, samples: samples.expect(told) }
    }

    fn judge(&mut self, honest: &[Value], attacks: &[Value]) {
        for run in honest {
            if run["status"] != "completed" || run["output"] != json!({ "n": 4 }) {
                self.faults.push(format!("an honest run did not complete: {run}"));
            }
        }
        for run in attacks {
            let how = run["input"]["how"].as_str().unwrap_or_default().to_owned();
            let end = run["failure"]["end"].as_str().or(run["status"].as_str());
            let (count, ends) = self.ends.entry(how).or_default();
            *count += 1;
            ends.insert(end.unwrap_or("nothing").to_owned());
        }
        if self.host.has_ended() {
            self.faults.push(format!("the host has ended: {}", self.host.stderr()));
        }
    }

    /// Tells what was seen, and looks at what is left.
    fn tell(mut self, phases: &[Phase]) -> ExitCode {
        println!("| attack | times | ended as |\n| --- | --- | --- |");
        for (how, (count, ends)) in &self.ends {
            let ends: Vec<&str> = ends.iter().map(String::as_str).collect();
            println!("| `{how}` | {count} | {} |", ends.join(", "));
        }
        let calm = phases.first().map_or(1.0, Phase::pace);
        println!(
            "\n| phase | honest runs | a second | of calm | attacks | most memory |\n| --- | --- | --- | --- | --- | --- |"
        );
        for phase in phases {
            let Phase { name, honest, attacks, .. } = phase;
            let (pace, most) = (phase.pace(), phase.most());
            println!(
                "| {name} | {honest} | {pace:.1} | {:.0} % | {attacks} | {most} MiB |",
                100.0 * pace / calm
            );
        }
        if let Some(last) = phases.last() {
            last.tell_course();
            let [first, second] = last.halves();
            println!(
                "\nThe middle of the second half: {} % of the first.",
                100 * second / first.max(1)
            );
            if second * 100 > first * GROWTH_MOST {
                self.faults.push(format!("memory grew from {first} to {second} KiB"));
            }
        }
        if self.ends.len() != ATTACKS.len() + REQUESTS.len() {
            self.faults.push(format!("only {} of the attacks were tried", self.ends.len()));
        }
        let size = kept_mib(&self.home);
        self.host.kill().expect_inert();
        let verified = self.home.run(&["verify"]);
        println!("\nWhat is kept has {size} MiB. verify: {}", verified.stderr.trim());
        if verified.code != Some(0) {
            self.faults.push(verified.to_string());
        }
        self.faults.iter().take(20).for_each(|fault| eprintln!("error: {fault}"));
        if self.faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

/// An input for each attack, a line each.
fn attacks(servers: &[Server]) -> String {
    let mut lines: Vec<Value> = ATTACKS.iter().map(|how| json!({ "how": how })).collect();
    for (at, how) in REQUESTS.iter().enumerate() {
        let server = match *how {
            "read-slowly" => &servers[0],
            "many-connections" => &servers[1],
            "follow-redirect" => &servers[2],
            _ => &servers[3],
        };
        lines.insert(at * 6, json!({ "how": how, "url": server.url() }));
    }
    lines.iter().map(|line| format!("{line}\n")).collect()
}

fn manifest(servers: &[Server]) -> String {
    let hosts: Vec<String> = servers.iter().map(|server| format!("\"{}\"", server.url())).collect();
    let hosts = hosts.join(", ");
    let settings = format!("timeout = \"500ms\"\n{GRANT}\ngrants.http = [{hosts}]");
    attack_manifest("steps/hostile", &settings)
}

/// Has these runs carried again and again until it is over, and returns their summaries.
fn rounds(
    home: &Home,
    is_over: &AtomicBool,
    inputs: &str,
    at_once: &str,
    manifest: &str,
) -> Vec<Value> {
    let mut summaries = Vec::new();
    while !is_over.load(Ordering::SeqCst) {
        let round = home.run(&["run", "--json", "--each", inputs, "--parallel", at_once, manifest]);
        round.expect_inert();
        summaries.extend(round.json_lines());
    }
    summaries
}

/// What the host holds, again and again until it is over.
fn watch(home: &Home, host: &Running, is_over: &AtomicBool) -> Vec<Sample> {
    let mut samples = Vec::new();
    while !is_over.load(Ordering::SeqCst) {
        samples.push(Sample {
            all: host.memory_bytes() >> 20,
            own_kib: host.own_memory_bytes() >> 10,
            threads: host.threads(),
            kept: kept_mib(home),
        });
        thread::sleep(Duration::from_millis(50));
    }
    samples
}

/// What lies in the data directory itself, journal and all, in MiB.
fn kept_mib(home: &Home) -> u64 {
    let files = std::fs::read_dir(home.data()).into_iter().flatten().flatten();
    files.filter_map(|file| file.metadata().ok()).map(|known| known.len()).sum::<u64>() >> 20
}

/// The middle of some numbers.
fn middle(samples: &[Sample], which: impl Fn(&Sample) -> u64) -> u64 {
    let mut numbers: Vec<u64> = samples.iter().map(which).collect();
    numbers.sort_unstable();
    numbers.get(numbers.len() / 2).copied().unwrap_or(0)
}
