//! Owns what `cargo gate count` counts of the core: a chain of steps, decided from its start to its end,
//! and its fold. The gate runs this under valgrind, twice, and takes the difference.
//! Never looks at a clock: instructions do not depend on the machine's mood.
//!
//! `count SCENARIO STEPS` prints how many events it dealt with. Scenarios: `nothing` makes the pipeline and
//! all that is given, `decide` goes through it, `fold` does that and then folds what was decided.

mod chain;

use chain::Chain;
use piton_core::{Event, Timestamp};

#[expect(clippy::disallowed_macros, reason = "it answers the gate; the core prints nothing")]
fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // `cargo bench` adds `--bench`, and names no scenario.
    let [scenario, steps] = arguments.as_slice() else {
        println!("`cargo gate count` runs this");
        return;
    };
    let steps = steps.parse().expect("the number of steps should be a number");
    let chain = Chain::new(steps);
    let events = match scenario.as_str() {
        "nothing" => 0,
        "decide" => chain.decided().len(),
        "fold" => fold(&chain, &chain.decided()),
        other => panic!("there is no scenario `{other}`"),
    };
    println!("{events} events");
}

fn fold(chain: &Chain, events: &[Event]) -> usize {
    let mut run = chain.run();
    for (event, at) in events.iter().zip(1_000..) {
        run.apply(Timestamp::from_millis(at), event).expect("the event should fit");
    }
    assert!(run.finished_at().is_some(), "the fold should be at its end");
    events.len()
}
