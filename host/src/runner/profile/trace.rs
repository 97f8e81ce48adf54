//! A profile in the Trace Event Format, which Perfetto and `chrome://tracing` open: a process for
//! the host and one for each run, a row for each step. Slices of one row nest, and never cross.
//! Writes names of our own and of the manifest's author, and nothing that a step was given or said.

use super::slice::{AttemptNote, Nanos, Row, Slice, Split, What};
use super::{HostCallKind, Recording};
use piton_core::RunId;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::time::Duration;

/// The host's own rows belong to this process of the picture.
const HOST: u64 = 1;

impl Recording {
    /// Whether it holds nothing of any run.
    pub fn is_empty(&self) -> bool {
        !self.rows.iter().any(|row| row.run().is_some()) && self.sums.attempts.count == 0
    }

    /// Writes it as JSON.
    ///
    /// # Errors
    /// Where `out` cannot be written.
    pub fn write_trace(&self, out: &mut dyn Write) -> io::Result<()> {
        out.write_all(b"{\"displayTimeUnit\":\"ms\",\"otherData\":")?;
        write!(out, "{}", self.totals())?;
        out.write_all(b",\"traceEvents\":[\n")?;
        let mut events = Events { out, has_begun: false };
        self.write_events(&mut events)?;
        events.out.write_all(b"\n]}\n")
    }

    fn write_events(&self, events: &mut Events<'_>) -> io::Result<()> {
        let mut by_row: Vec<Vec<&Slice>> = vec![Vec::new(); self.rows.len()];
        for slice in &self.slices {
            by_row[slice.row as usize].push(slice);
        }
        events.metadata(HOST, 0, "process_name", json!({ "name": "piton" }))?;
        let mut processes: BTreeMap<RunId, u64> = BTreeMap::new();
        let mut tid = 0;
        let mut rows: Vec<_> = self.rows.iter().zip(by_row).collect();
        // What began first stands on top.
        rows.sort_by_key(|(_, slices)| slices.iter().map(|slice| slice.from).min());
        for (row, slices) in rows {
            let pid = match row.run() {
                None => HOST,
                Some(run) => {
                    let next = HOST + 1 + processes.len() as u64;
                    let is_new = !processes.contains_key(&run);
                    let pid = *processes.entry(run).or_insert(next);
                    if is_new {
                        let name = json!({ "name": format!("run {run}") });
                        events.metadata(pid, 0, "process_name", name)?;
                    }
                    pid
                }
            };
            for (nth, lane) in lanes(slices).into_iter().enumerate() {
                tid += 1;
                let name =
                    if nth == 0 { row.name() } else { format!("{} · {}", row.name(), nth + 1) };
                events.metadata(pid, tid, "thread_name", json!({ "name": name }))?;
                events.metadata(pid, tid, "thread_sort_index", json!({ "sort_index": tid }))?;
                for slice in lane {
                    events.slice(pid, tid, row, slice)?;
                }
            }
        }
        Ok(())
    }

    /// The sums, in microseconds.
    fn totals(&self) -> Value {
        let sums = &self.sums;
        let calls = HostCallKind::ALL.iter().zip(sums.calls);
        let calls: serde_json::Map<String, Value> =
            calls.map(|(kind, share)| (kind.word().into(), micros(share.time))).collect();
        json!({
            "wall_us": micros(sums.wall),
            "added_up_us": micros(sums.all()),
            "attempts_us": micros(sums.attempts.time),
            "queue_us": micros(sums.queue.time),
            "instantiate_us": micros(sums.instantiate.time),
            "guest_us": micros(sums.guest.time),
            "host_calls_us": calls,
            "idle_us": micros(sums.idle.time),
            "commit_us": micros(sums.commit.time),
            "load_us": micros(sums.load.time),
            "compile_us": micros(sums.compile.time),
            "backoff_us": micros(sums.backoff.time),
            "wait_us": micros(sums.wait.time),
            "attempts": sums.attempts.count,
            "slices_left_out": sums.slices_left_out,
        })
    }
}

impl Row {
    const fn run(&self) -> Option<RunId> {
        match self {
            Self::Loading | Self::Compiler | Self::Writer => None,
            Self::Commits(run) | Self::Step(run, _) => Some(*run),
        }
    }

    fn name(&self) -> String {
        match self {
            Self::Loading => "loading".into(),
            Self::Compiler => "compiler".into(),
            Self::Writer => "journal's writer".into(),
            Self::Commits(_) => "waiting for the journal".into(),
            Self::Step(_, name) => name.clone(),
        }
    }
}

/// Where the events go, one a line.
struct Events<'a> {
    out: &'a mut dyn Write,
    has_begun: bool,
}

impl Events<'_> {
    fn event(&mut self, event: &Value) -> io::Result<()> {
        if std::mem::replace(&mut self.has_begun, true) {
            self.out.write_all(b",\n")?;
        }
        write!(self.out, "{event}")
    }

    fn metadata(&mut self, pid: u64, tid: u64, name: &str, args: Value) -> io::Result<()> {
        self.event(&json!({ "name": name, "ph": "M", "pid": pid, "tid": tid, "args": args }))
    }

    fn slice(&mut self, pid: u64, tid: u64, row: &Row, slice: &Slice) -> io::Result<()> {
        let (name, category, args) = slice.what.told(row);
        self.event(&json!({
            "name": name,
            "cat": category,
            "ph": "X",
            "ts": micros(Duration::from_nanos(slice.from)),
            "dur": micros(Duration::from_nanos(slice.to - slice.from)),
            "pid": pid,
            "tid": tid,
            "args": args,
        }))
    }
}

impl What {
    /// Its name, its category and its arguments.
    fn told(&self, row: &Row) -> (String, &'static str, Value) {
        match self {
            Self::Attempt(note) => {
                let name = format!("{} {}", note.phase.word(), note.attempt);
                (name, "attempt", note.told(row))
            }
            Self::Queue => ("queue".into(), "queue", json!({})),
            Self::Instantiate => ("instantiate".into(), "instantiate", json!({})),
            Self::Guest(split) => ("guest".into(), "guest", split.told()),
            Self::Call(call, None) => (call.word().into(), "call", json!({})),
            Self::Call(call, Some(status)) => {
                (call.word().into(), "call", json!({ "status": status }))
            }
            Self::Commit => ("commit".into(), "commit", json!({})),
            Self::Write { batches, log_lines } => {
                ("write".into(), "writer", json!({ "batches": batches, "log_lines": log_lines }))
            }
            Self::Load => ("load".into(), "load", json!({})),
            Self::Compile(digest) => {
                ("compile".into(), "compile", json!({ "component": digest.to_string() }))
            }
            Self::Backoff(None) => ("backoff".into(), "backoff", json!({})),
            Self::Backoff(Some(attempt)) => {
                ("backoff".into(), "backoff", json!({ "attempt": attempt }))
            }
            Self::Wait => ("wait".into(), "wait", json!({})),
        }
    }
}

impl AttemptNote {
    fn told(&self, row: &Row) -> Value {
        json!({
            "step": row.name(),
            "phase": self.phase.word(),
            "attempt": self.attempt,
            "key": self.key.to_string(),
            "end": self.end.unwrap_or("dropped"),
            "fuel": self.fuel,
            "memory_peak_bytes": self.memory_peak_bytes,
            "calls_left_out": self.calls_left_out,
        })
    }
}

impl Split {
    fn told(&self) -> Value {
        let of = |nanos| micros(Duration::from_nanos(nanos));
        let mut told = serde_json::Map::new();
        told.insert("computing_us".into(), of(self.computing));
        told.insert("idle_us".into(), of(self.waiting));
        for (nth, kind) in HostCallKind::ALL.iter().enumerate() {
            if self.counts[nth] > 0 {
                told.insert(format!("{}_us", kind.word()), of(self.calls[nth]));
                told.insert(format!("{}_calls", kind.word()), self.counts[nth].into());
            }
        }
        told.into()
    }
}

/// Microseconds, to the nanosecond.
fn micros(time: Duration) -> Value {
    let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    if nanos.is_multiple_of(1_000) { json!(nanos / 1_000) } else { json!(nanos as f64 / 1_000.0) }
}

/// Lays the slices of one row, in the order they were kept, into lanes whose slices nest: what an
/// attempt consists of stays with it, and only requests that cross others go elsewhere.
fn lanes(slices: Vec<&Slice>) -> Vec<Vec<&Slice>> {
    let mut groups: Vec<Vec<&Slice>> = Vec::new();
    for slice in slices {
        match groups.last_mut() {
            Some(group) if slice.what.is_part() => group.push(slice),
            _ => groups.push(vec![slice]),
        }
    }
    groups.sort_by_key(|group| group[0].from);
    let mut lanes = Lanes::default();
    let mut crossing = Vec::new();
    for mut group in groups {
        // The sort is stable: of two that are alike, the first kept is the outer one.
        group.sort_by_key(|slice| (slice.from, std::cmp::Reverse(slice.to)));
        let (nesting, others) = nest(group);
        lanes.put(nesting, 0);
        crossing.extend(others);
    }
    crossing.sort_by_key(|slice| slice.from);
    let above = lanes.0.len();
    for slice in crossing {
        lanes.put(vec![slice], above);
    }
    lanes.0.into_iter().map(|(_, lane)| lane).collect()
}

/// The slices that lie within each other, and those that cross one of them. What the host is asked
/// for lies in nothing else that it is asked for: one did not call the other.
fn nest(group: Vec<&Slice>) -> (Vec<&Slice>, Vec<&Slice>) {
    let mut open: Vec<&Slice> = Vec::new();
    group.into_iter().partition(|slice| {
        while open.last().is_some_and(|last| last.to <= slice.from && last.to < slice.to) {
            open.pop();
        }
        let holds = |last: &&Slice| slice.to <= last.to && !matches!(last.what, What::Call(..));
        let fits = open.last().is_none_or(holds);
        if fits {
            open.push(slice);
        }
        fits
    })
}

/// Lanes, each with the moment from which it is free.
#[derive(Default)]
struct Lanes<'a>(Vec<(Nanos, Vec<&'a Slice>)>);

impl<'a> Lanes<'a> {
    /// Puts slices that nest into the first free lane, from this one on.
    fn put(&mut self, slices: Vec<&'a Slice>, first: usize) {
        let from = slices[0].from;
        let to = slices[0].to;
        match self.0[first..].iter_mut().find(|(free, _)| *free <= from) {
            Some((free, lane)) => {
                lane.extend(slices);
                *free = to;
            }
            None => self.0.push((to, slices)),
        }
    }
}

impl What {
    /// Whether it is part of the attempt before it.
    const fn is_part(&self) -> bool {
        matches!(self, Self::Queue | Self::Instantiate | Self::Guest(_) | Self::Call(..))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::HostCall;

    fn slice(from: Nanos, to: Nanos, what: What) -> Slice {
        Slice { row: 0, from, to, what }
    }

    fn check(slices: &[Slice], expected: &[&[(Nanos, Nanos)]]) {
        let found: Vec<Vec<_>> = lanes(slices.iter().collect())
            .iter()
            .map(|lane| lane.iter().map(|slice| (slice.from, slice.to)).collect())
            .collect();
        assert_eq!(found, expected);
    }

    fn guest() -> What {
        What::Guest(Box::default())
    }

    #[test]
    fn requests_that_cross_go_to_lanes_of_their_own() {
        let http = |from, to| slice(from, to, What::Call(HostCall::Http, Some(200)));
        check(
            &[
                slice(0, 30, What::Wait),
                slice(9, 30, guest()),
                http(10, 20),
                http(12, 22),
                http(21, 25),
            ],
            &[&[(0, 30), (9, 30), (10, 20), (21, 25)], &[(12, 22)]],
        );
    }

    #[test]
    fn what_comes_while_another_has_not_ended_goes_beside_it() {
        check(
            &[slice(5, 9, What::Load), slice(0, 6, What::Load), slice(6, 7, What::Load)],
            &[&[(0, 6), (6, 7)], &[(5, 9)]],
        );
    }

    #[test]
    fn a_slice_of_no_time_stays_where_it_is() {
        check(
            &[slice(4, 4, What::Queue), slice(4, 8, guest()), slice(8, 8, What::Wait)],
            &[&[(4, 8), (4, 4), (8, 8)]],
        );
    }
}
