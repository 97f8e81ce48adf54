//! Owns the command line of the bench.
//! Never looks at anything else.

use crate::workloads;
use std::path::PathBuf;

/// What is to be measured, and how often.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Options {
    /// The binary to measure.
    pub(crate) binary: PathBuf,
    /// The program that only calls and writes, to hold it against.
    pub(crate) floor: PathBuf,
    /// The workloads named; all where there are none.
    pub(crate) workloads: Vec<String>,
    /// How often each is repeated.
    pub(crate) repeat: u32,
    /// How many finished runs the journal of `kept` holds.
    pub(crate) runs_kept: u32,
    /// Whether the table is printed as JSON.
    pub(crate) is_json: bool,
}

impl Options {
    /// Reads the arguments; where they are wrong, says what is.
    pub(crate) fn parse(arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let (mut binary, mut floor) = (None, None);
        let (mut workloads, mut repeat, mut runs_kept, mut is_json) =
            (Vec::new(), 5, 20_000, false);
        let mut arguments = arguments;
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--binary" => binary = Some(path(&argument, &mut arguments)?),
                "--floor" => floor = Some(path(&argument, &mut arguments)?),
                "--repeat" => repeat = number(&argument, &mut arguments)?,
                "--runs-kept" => runs_kept = number(&argument, &mut arguments)?,
                "--json" => is_json = true,
                name if workloads::ALL.iter().any(|workload| workload.name == name) => {
                    workloads.push(argument);
                }
                other => return Err(format!("there is no workload or option `{other}`")),
            }
        }
        let binary =
            binary.ok_or("no binary is named; `cargo xtask bench` builds and names one")?;
        let floor = floor.ok_or("no floor is named; `cargo xtask bench` builds and names one")?;
        Ok(Self { binary, floor, workloads, repeat, runs_kept, is_json })
    }
}

/// Tells the arguments, and all workloads.
pub(crate) fn usage() -> String {
    let mut text = String::from(
        "usage: cargo xtask bench [WORKLOAD…] [--repeat N] [--runs-kept N] [--binary PATH] [--floor PATH] [--release] [--json]\n",
    );
    for workload in workloads::ALL {
        text.push_str(&format!("\n  {:<9} {}", workload.name, workload.about));
    }
    text
}

fn value_of(option: &str, rest: &mut impl Iterator<Item = String>) -> Result<String, String> {
    rest.next().ok_or_else(|| format!("`{option}` needs a value"))
}

/// Absolute, as processes are started in folders of their own.
fn path(option: &str, rest: &mut impl Iterator<Item = String>) -> Result<PathBuf, String> {
    let path = PathBuf::from(value_of(option, rest)?);
    std::path::absolute(&path).map_err(|error| error.to_string())
}

fn number(option: &str, rest: &mut impl Iterator<Item = String>) -> Result<u32, String> {
    let value = value_of(option, rest)?;
    match value.parse() {
        Ok(number @ 1..) => Ok(number),
        _ => Err(format!("`{option}` needs a whole number from 1, not `{value}`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &str) -> Result<Options, String> {
        Options::parse(arguments.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn workloads_and_options_mix() {
        let options = parse("w1 --repeat 3 --binary /piton w4 --floor /floor --json")
            .expect("it should parse");
        assert_eq!(options.workloads, ["w1", "w4"]);
        assert_eq!((options.repeat, options.runs_kept, options.is_json), (3, 20_000, true));
    }

    #[test]
    fn mistakes_are_told() {
        assert_eq!(parse("--binary /piton w9"), Err("there is no workload or option `w9`".into()));
        let needs = "`--repeat` needs a whole number from 1, not `0`";
        assert_eq!(parse("--repeat 0"), Err(needs.into()));
        assert!(parse("w1").is_err_and(|mistake| mistake.starts_with("no binary is named")));
        let no_floor = parse("w1 --binary /piton");
        assert!(no_floor.is_err_and(|mistake| mistake.starts_with("no floor is named")));
    }
}
