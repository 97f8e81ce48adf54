//! Owns `cargo xtask bench`: measures the built binary beside the loop that one would write by hand and
//! beside the disk's own floor, and prints a table of ratios. `host/docs/performance.md` reads it.
//! Never asserts on time, and never leaves out in silence what could not be measured.

mod floor;
mod options;
mod process;
mod report;
mod samples;
mod stage;
mod workloads;

use options::Options;
use report::Report;
use stage::Bench;
use std::process::ExitCode;

fn main() -> ExitCode {
    let options = match Options::parse(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(mistake) => {
            eprintln!("error: {mistake}\n\n{}", options::usage());
            return ExitCode::from(2);
        }
    };
    let (is_json, repeat) = (options.is_json, options.repeat);
    let named = options.workloads.clone();
    let bench = Bench::new(options);
    let mut report = Report::new(repeat);
    for workload in workloads::ALL {
        if named.is_empty() || named.iter().any(|name| name == workload.name) {
            eprintln!("bench: {}: {}", workload.name, workload.about);
            let lines = (workload.measure)(&bench);
            // A bench that is cut short has told something.
            lines.iter().for_each(|line| eprintln!("bench: {}: {line}", workload.name));
            report.add(workload.name, lines);
        }
    }
    if is_json {
        println!("{}", report.to_json());
    } else {
        print!("{report}");
    }
    ExitCode::SUCCESS
}
