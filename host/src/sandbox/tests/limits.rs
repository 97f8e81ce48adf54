//! Guests that want more than they may have, or never end.

use super::*;

const FOREVER: &str = "(loop $again (br $again)) unreachable";

#[tokio::test]
async fn an_endless_loop_ends_while_other_calls_go_on() {
    // One thread: what goes on can only do so because the loop gives way.
    let rig = Rig::new();
    let (looping, echo) = (rig.load(&Wat::executing(FOREVER)), rig.load(&Wat::echo()));
    let call_loop = Call { time_limit: SHORT, ..call() };
    let endless = rig.sandbox.call(&looping, call_loop, rig.services.clone());
    let honest = async {
        let mut ends = Vec::new();
        for _ in 0..50 {
            tokio::task::yield_now().await;
            ends.push(rig.sandbox.call(&echo, call(), rig.services.clone()).await.end);
        }
        ends
    };
    let (endless, honest) = tokio::join!(endless, honest);
    assert_eq!(host_end(&endless).0, HostEnd::TimedOut);
    assert!(host_end(&endless).1.contains("200ms"), "{endless:?}");
    assert_eq!(honest, vec![succeeded("{\"n\":1}"); 50]);
}

#[tokio::test]
async fn an_endless_start_function_ends_at_the_deadline() {
    let rig = Rig::new();
    let guest = Wat::echo().with("(func $forever (loop $again (br $again))) (start $forever)");
    let ended = rig.run(&guest, Call { time_limit: SHORT, ..call() }).await;
    assert_eq!(host_end(&ended).0, HostEnd::TimedOut);
}

#[tokio::test]
async fn an_endless_compensate_and_reconcile_end_at_the_deadline() {
    let rig = Rig::new();
    let forever = || FOREVER.to_owned();
    let guest = Wat { compensate: forever(), reconcile: Some(forever()), ..Wat::default() };
    for phase in [Phase::Compensate, Phase::Reconcile] {
        let ended = rig.run(&guest, Call { phase, time_limit: SHORT, ..call() }).await;
        assert_eq!(host_end(&ended).0, HostEnd::TimedOut, "{phase}");
    }
}

#[tokio::test]
async fn a_host_call_that_waits_ends_at_the_deadline() {
    let rig = Rig::new();
    *rig.services.trouble.lock().expect("no test panics here") = Some(Trouble::Waits);
    let guest = Wat::executing(
        "(call $remember (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 64))
        unreachable",
    );
    let ended = rig.run(&guest, Call { time_limit: SHORT, ..call() }).await;
    assert_eq!(host_end(&ended).0, HostEnd::TimedOut);
    assert_eq!(Arc::strong_count(&rig.services), 1, "the host call should be dropped");
}

#[tokio::test]
async fn no_progress_ends_a_call_before_its_time() {
    let rig = Rig::new();
    let limits = Limits { idle_timeout: Some(SHORT), ..Limits::default() };
    let ended = rig.run(&Wat::executing(FOREVER), Call { limits, ..call() }).await;
    assert_eq!(host_end(&ended), (HostEnd::TimedOut, "no progress for 200ms (`idle_timeout`)"));
}

#[tokio::test]
async fn fuel_ends_at_the_same_place_each_time() {
    let rig = Rig::new();
    let limits = Limits { fuel: 1_000_000, ..Limits::default() };
    let guest = Wat::executing("(call $forever) unreachable")
        .with("(func $forever (loop $again (br $again)))");
    let ended = rig.run(&guest, Call { limits, ..call() }).await;
    let (end, message) = host_end(&ended);
    assert_eq!(end, HostEnd::OutOfFuel);
    assert!(message.contains("1000000 instructions; in forever < execute"), "{message}");
    assert_eq!(ended.fuel_used, 1_000_000);
}

#[tokio::test]
async fn memory_that_is_refused_is_named_with_its_limit() {
    let rig = Rig::new();
    // Grows by a page until it cannot, and then gives up.
    let guest = Wat::executing(
        "(loop $again (br_if $again (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))
        unreachable",
    );
    let limits = Limits { memory_bytes: 1 << 20, ..Limits::default() };
    let ended = rig.run(&guest, Call { limits, ..call() }).await;
    let (end, message) = host_end(&ended);
    assert_eq!(end, HostEnd::OutOfMemory);
    assert!(
        message.contains("asked for 1114112 bytes of memory, and may have 1048576"),
        "{message}"
    );
    assert_eq!(ended.memory_peak_bytes, 1 << 20);
}

#[tokio::test]
async fn several_memories_share_one_limit() {
    let rig = Rig::new();
    let guest = Wat::echo().with("(memory 10) (memory 10)");
    let limits = Limits { memory_bytes: 21 << 16, ..Limits::default() };
    let ended = rig.run(&guest, Call { limits, ..call() }).await;
    assert_eq!(host_end(&ended).0, HostEnd::OutOfMemory);
    let limits = Limits { memory_bytes: 22 << 16, ..Limits::default() };
    let ended = rig.run(&guest, Call { limits, ..call() }).await;
    assert_eq!(ended.end, succeeded("{\"n\":1}"));
}

#[tokio::test]
async fn a_table_grows_up_to_its_limit() {
    let rig = Rig::new();
    let guest = Wat::executing(
        "(if (i32.eq (table.grow $table (ref.null func) (i32.const 10000000)) (i32.const -1))
            (then unreachable))
        unreachable",
    )
    .with("(table $table 1 funcref)");
    let ended = rig.run(&guest, call()).await;
    let (end, message) = host_end(&ended);
    assert_eq!(end, HostEnd::OutOfMemory);
    assert!(message.contains("table elements, and may have 100000"), "{message}");
}

#[tokio::test]
async fn deep_recursion_is_an_end_of_its_own() {
    let rig = Rig::new();
    let guest = Wat::executing("(call $dive (i32.const 1))").with(
        "(func $dive (param i32) (result i32)
            (i32.add (call $dive (i32.add (local.get 0) (i32.const 1))) (local.get 0)))",
    );
    let ended = rig.run(&guest, call()).await;
    let (end, message) = host_end(&ended);
    assert_eq!(end, HostEnd::StackOverflow);
    assert!(message.ends_with("; in dive"), "{message}");
}

#[tokio::test]
async fn a_trap_tells_what_and_where() {
    let rig = Rig::new();
    let guest = Wat::executing("(call $inner)").with("(func $inner (result i32) unreachable)");
    let ended = rig.run(&guest, call()).await;
    let expected = "wasm `unreachable` instruction executed; in inner < execute";
    assert_eq!(host_end(&ended), (HostEnd::Trapped, expected));
}

#[tokio::test]
async fn an_output_above_its_limit_is_refused() {
    let rig = Rig::new();
    for (mebibytes, expected) in [(5_u32, "has 5242880 bytes"), (40, "is too large")] {
        let mut guest =
            Wat::executing(&format!("(call $ok (i32.const 1024) (i32.const {}))", mebibytes << 20));
        guest.pages = (mebibytes << 4) + 1;
        let ended = rig.run(&guest, call()).await;
        let (end, message) = host_end(&ended);
        assert_eq!(end, HostEnd::InvalidOutput);
        assert!(message.contains(expected), "{message}");
    }
}

#[tokio::test]
async fn an_input_above_its_limit_never_reaches_the_guest() {
    let rig = Rig::new();
    let limits = Limits { input_bytes: 6, ..Limits::default() };
    let ended = rig.run(&Wat::echo(), Call { limits, ..call() }).await;
    let expected = "its input has 7 bytes, and may have 6 (`input_max`)";
    assert_eq!(host_end(&ended), (HostEnd::Denied, expected));
    assert_eq!(ended.fuel_used, 0);
}

#[tokio::test]
async fn what_is_no_json_is_an_invalid_output() {
    let rig = Rig::new();
    let outside = Wat::executing("(call $ok (i32.const -8) (i32.const 16))");
    let no_utf8 = Wat::executing("(call $ok (i32.const 1024) (i32.const 1))")
        .with("(data (i32.const 1024) \"\\ff\")");
    let guests =
        [Wat::returning("{\"a\":"), Wat::returning("NaN"), Wat::returning(""), outside, no_utf8];
    for guest in guests {
        let ended = rig.run(&guest, call()).await;
        assert_eq!(host_end(&ended).0, HostEnd::InvalidOutput, "{ended:?}");
    }
}

#[tokio::test]
async fn a_dropped_call_leaves_nothing_behind() {
    let rig = Rig::new();
    let program = rig.load(&Wat::executing(FOREVER));
    {
        let mut endless = std::pin::pin!(rig.sandbox.call(&program, call(), rig.services.clone()));
        // Once into the guest, and back out of it by its first tick.
        std::future::poll_fn(|context| {
            assert!(endless.as_mut().poll(context).is_pending());
            std::task::Poll::Ready(())
        })
        .await;
        assert!(Arc::strong_count(&rig.services) > 1);
    }
    assert_eq!(Arc::strong_count(&rig.services), 1);
    let ended = rig.run(&Wat::echo(), call()).await;
    assert_eq!(ended.end, succeeded("{\"n\":1}"));
}

#[tokio::test]
async fn a_panic_of_the_host_is_an_end_and_the_sandbox_lives() {
    let rig = Rig::new();
    *rig.services.trouble.lock().expect("no test panics here") = Some(Trouble::Panics);
    let guest = Wat::executing(
        "(call $remember (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 64))
        unreachable",
    );
    let ended = rig.run(&guest, call()).await;
    let (end, message) = host_end(&ended);
    assert_eq!(end, HostEnd::Trapped);
    assert!(message.contains("told to panic; this is a mistake in piton"), "{message}");
    *rig.services.trouble.lock().expect("no test panics here") = None;
    let ended = rig.run(&guest, call()).await;
    let (end, message) = host_end(&ended);
    assert_eq!(end, HostEnd::Denied);
    assert!(message.contains("calls it no more"), "{message}");
    assert_eq!(rig.run(&Wat::echo(), call()).await.end, succeeded("{\"n\":1}"));
}

#[tokio::test]
async fn more_calls_than_slots_wait_for_their_turn() {
    let rig = Rig::new();
    let program = rig.load(&Wat::echo());
    let calls = (0..12).map(|_| rig.sandbox.call(&program, call(), rig.services.clone()));
    let mut ends = Vec::new();
    let mut calls: Vec<_> = calls.map(Box::pin).collect();
    for call in &mut calls {
        ends.push(call.as_mut().await.end);
    }
    assert_eq!(ends, vec![succeeded("{\"n\":1}"); 12]);
}
