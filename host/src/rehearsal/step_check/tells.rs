//! What is told of all calls together: whether they succeeded, where they sent requests, how long they
//! took and how much fuel they used.
//! Calls nothing.

use super::row::Row;
use super::scene::{Tally, shown};
use super::server::Heard;
use std::time::Duration;

/// How much more fuel than the least a call may use, in percent of the least.
///
/// A limit on fuel is chosen from what a call used before, with some room. What differs honestly
/// between calls with one input, keys of hash maps and the digits of a clock, stays far below this;
/// work that grows with what was done before, or that is drawn at random, does not.
const FUEL_SPREAD_MAX: u64 = 20;
/// Hosts that are told by name.
const HOSTS_TOLD: usize = 3;

pub(super) fn executes(tally: &Tally) -> Row {
    let count = tally.executes;
    match &tally.execute_failed {
        Some(end) => Row::fail("executes", format!("`execute` ended as {end}")),
        None => Row::pass("executes", format!("{count} calls under fresh keys succeeded")),
    }
}

pub(super) fn only_declared_hosts(heard: &Heard) -> Row {
    const CHECK: &str = "only-declared-hosts";
    let count = heard.requests;
    if !heard.denied.is_empty() {
        let denied = named(heard.denied.iter().map(|what| format!("`{}`", shown(what))));
        return Row::fail(CHECK, format!("not granted: {denied}"));
    }
    match count {
        0 => Row::pass(CHECK, "it sent no request"),
        _ => {
            let hosts = named(heard.hosts.iter().map(|host| format!("`{}`", shown(host))));
            Row::pass(CHECK, format!("{count} requests, all to {hosts}"))
        }
    }
}

fn named(all: impl ExactSizeIterator<Item = String>) -> String {
    let more = all.len().saturating_sub(HOSTS_TOLD);
    let named: Vec<String> = all.take(HOSTS_TOLD).collect();
    let more = if more > 0 { format!(", and {more} more") } else { String::new() };
    named.join(", ") + &more
}

pub(super) fn ends_in_time(tally: &Tally, timeout: Duration) -> Row {
    const CHECK: &str = "ends-in-time";
    let (calls, limit) = (tally.calls, seconds(timeout));
    if let Some(phase) = tally.timed_out {
        return Row::fail(CHECK, format!("a call of `{phase}` was ended after {limit}"));
    }
    let longest = tally.longest.as_millis();
    let share = tally.longest.as_secs_f64() / timeout.as_secs_f64() * 100.0;
    let told = format!("the longest of {calls} calls took {longest} ms of {limit} ({share:.1} %)");
    Row::pass(CHECK, told)
}

fn seconds(span: Duration) -> String {
    format!("{} s", span.as_secs_f64())
}

pub(super) fn fuel_stable(tally: &Tally) -> Row {
    const CHECK: &str = "fuel-stable";
    let count = tally.fuel.len();
    let (Some(least), Some(most)) = (tally.fuel.iter().min(), tally.fuel.iter().max()) else {
        return Row::not_tried(CHECK, "no `execute` succeeded");
    };
    if tally.execute_failed.is_some() {
        return Row::not_tried(CHECK, "some `execute` failed");
    }
    let spread = spread_percent(*least, *most);
    let told = format!("{count} calls of `execute` used {least} to {most} ({spread:.1} % more)");
    let most_allowed = u128::from(*least) * u128::from(100 + FUEL_SPREAD_MAX);
    if u128::from(*most) * 100 > most_allowed {
        return Row::fail(CHECK, format!("{told}, and may differ by {FUEL_SPREAD_MAX} %"));
    }
    Row::pass(CHECK, told)
}

/// How much more the most is than the least. For people: a float is exact enough.
fn spread_percent(least: u64, most: u64) -> f64 {
    (most - least) as f64 / (least.max(1)) as f64 * 100.0
}

#[cfg(test)]
mod tests {
    use super::super::row::Verdict;
    use super::*;

    fn tally(fuel: &[u64]) -> Tally {
        Tally { fuel: fuel.to_vec(), ..Tally::default() }
    }

    #[test]
    fn fuel_may_differ_by_a_fifth() {
        for (fuel, expected) in [
            (vec![100, 100, 120], Verdict::Pass),
            (vec![121, 100], Verdict::Fail),
            (vec![u64::MAX, u64::MAX], Verdict::Pass),
            (vec![u64::MAX, 1], Verdict::Fail),
            (vec![], Verdict::NotTried),
        ] {
            assert_eq!(fuel_stable(&tally(&fuel)).verdict, expected, "{fuel:?}");
        }
        let told = fuel_stable(&tally(&[100, 105])).evidence;
        assert_eq!(told, "2 calls of `execute` used 100 to 105 (5.0 % more)");
    }

    #[test]
    fn the_longest_call_is_told_with_its_share() {
        let tally = Tally { calls: 3, longest: Duration::from_millis(250), ..Tally::default() };
        let row = ends_in_time(&tally, Duration::from_secs(1));
        assert_eq!(
            row,
            Row::pass("ends-in-time", "the longest of 3 calls took 250 ms of 1 s (25.0 %)")
        );
        let tally = Tally { timed_out: Some("compensate"), ..tally };
        let row = ends_in_time(&tally, Duration::from_millis(500));
        assert_eq!(row, Row::fail("ends-in-time", "a call of `compensate` was ended after 0.5 s"));
    }

    #[test]
    fn only_so_many_hosts_are_named() {
        let mut heard = Heard { requests: 9, ..Heard::default() };
        heard.hosts.extend(["http://a", "http://b", "http://c", "http://d"].map(str::to_owned));
        let told = only_declared_hosts(&heard).evidence;
        assert_eq!(told, "9 requests, all to `http://a`, `http://b`, `http://c`, and 1 more");
        heard.denied.insert("GET http://e\n".into());
        let row = only_declared_hosts(&heard);
        assert_eq!(row, Row::fail("only-declared-hosts", "not granted: `GET http://e\\n`"));
    }
}
