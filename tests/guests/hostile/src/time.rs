//! Owns attacks that want time, or that end in a way of their own.
//! Never returns from those that go on for ever.

use std::hint::black_box;
use std::thread::sleep;
use std::time::Duration;

use piton_step::bindings::http::wasi::clocks::monotonic_clock;
use piton_step::{Failure, Level, log};

use crate::{Attack, Done, Input, MIB};

pub(crate) const ATTACKS: &[Attack] = &[
    ("loop", endless),
    ("sleep", asleep),
    ("fill", fill),
    ("clock-reads", clock_reads),
    ("host-calls", host_calls),
    ("trap", |_| trap()),
    ("panic", |_| panic!("told to panic")),
    ("exit", |_| std::process::exit(7)),
    ("fail-unknown", |_| Err(Failure::unknown("lost", "it may have happened"))),
];

/// Computes for ever.
fn endless(_: &Input) -> Done {
    loop {
        black_box(());
    }
}

/// Waits an hour, and uses nothing meanwhile.
fn asleep(_: &Input) -> Done {
    sleep(Duration::from_secs(3_600));
    Ok("\"awake\"".to_owned())
}

/// Has the machine fill memory, in instructions that each take milliseconds and count as one.
fn fill(_: &Input) -> Done {
    let mut taken = vec![0_u8; 40 * MIB];
    for round in 0..100_000_u32 {
        taken.fill(round as u8);
        black_box(&mut taken);
    }
    Ok("{}".to_owned())
}

/// Asks for the time ten million times: host calls use little of its own fuel.
fn clock_reads(_: &Input) -> Done {
    for _ in 0..10_000_000 {
        black_box(monotonic_clock::now());
    }
    Ok("{}".to_owned())
}

/// Calls the host for ever.
fn host_calls(_: &Input) -> Done {
    loop {
        log(Level::Trace, "");
    }
}

/// Does what no machine can.
#[cfg(target_arch = "wasm32")]
fn trap() -> ! {
    core::arch::wasm32::unreachable()
}

#[cfg(not(target_arch = "wasm32"))]
fn trap() -> ! {
    panic!("a trap")
}
