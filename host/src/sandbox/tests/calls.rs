//! What passes between a guest and its host when all goes well, and what is capped on the way.

use super::*;
use piton_core::{Failure, FailureKind, Reconciled};

/// Calls a function of the contract with texts from the guest's data, and returns its input.
fn calling(code: &str, data: &str) -> Wat {
    Wat::executing(&format!("{code} (call $ok (local.get $input) (local.get $input_len))"))
        .with(&format!("(data (i32.const 1024) \"{data}\")"))
}

#[tokio::test]
async fn an_echo_returns_its_input() {
    let rig = Rig::new();
    let ended = rig.run(&Wat::echo(), call()).await;
    assert_eq!(ended.end, succeeded("{\"n\":1}"));
    assert!(ended.fuel_used > 0 && ended.usage.is_empty() && ended.logs_cut_bytes == 0);
    assert_eq!(ended.memory_peak_bytes, 2 << 16);
}

#[tokio::test]
async fn an_output_goes_on_as_one_line_with_each_name_once() {
    let rig = Rig::new();
    let guest = Wat::returning("{\n  \"a\": 1,\n  \"a\": 2\n}");
    assert_eq!(rig.run(&guest, call()).await.end, succeeded("{\"a\":2}"));
}

#[tokio::test]
async fn a_failure_keeps_its_words() {
    let rig = Rig::new();
    let guest = Wat::executing(
        "(i32.store8 (i32.const 0) (i32.const 1))
        (i32.store8 (i32.const 8) (i32.const 1)) (i64.store (i32.const 16) (i64.const 1500))
        (i32.store8 (i32.const 24) (i32.const 1))
        (i32.store (i32.const 28) (i32.const 1024)) (i32.store (i32.const 32) (i32.const 4))
        (i32.store (i32.const 36) (i32.const 1028)) (i32.store (i32.const 40) (i32.const 5))
        (i32.const 0)",
    )
    .with("(data (i32.const 1024) \"busytoday\")");
    let expected = Failure {
        kind: FailureKind::RetryAfter(Duration::from_millis(1_500)),
        clean: true,
        code: "busy".into(),
        message: "today".into(),
        details: None,
    };
    assert_eq!(rig.run(&guest, call()).await.end, End::Failed(expected));
}

#[tokio::test]
async fn compensate_is_told_what_execute_returned_and_why() {
    let rig = Rig::new();
    // Traps unless there is an output, a cause, and in it the kind that is permanent.
    let guest = Wat {
        compensate: "
            (if (i32.eqz (i32.load8_u offset=56 (local.get $arguments))) (then unreachable))
            (if (i32.eqz (i32.load8_u offset=72 (local.get $arguments))) (then unreachable))
            (if (i32.ne (i32.load8_u offset=80 (local.get $arguments)) (i32.const 2))
                (then unreachable))
            (i32.store8 (i32.const 0) (i32.const 0)) (i32.const 0)"
            .into(),
        ..Wat::default()
    };
    let cause = Failure {
        kind: FailureKind::Permanent,
        clean: false,
        code: "no-stock".into(),
        message: "none left".into(),
        details: None,
    };
    let output = Some(Json::from_checked("[1]"));
    let undo = Call { phase: Phase::Compensate, output, cause: Some(cause), ..call() };
    assert_eq!(rig.run(&guest, undo.clone()).await.end, End::Succeeded(None));
    let without = Call { output: None, ..undo };
    assert_eq!(host_end(&rig.run(&guest, without).await).0, HostEnd::Trapped);
}

#[tokio::test]
async fn reconcile_tells_what_became_of_a_call() {
    let rig = Rig::new();
    let done = "(i32.store8 (i32.const 0) (i32.const 0)) (i32.store8 (i32.const 8) (i32.const 0))
        (i32.store (i32.const 12) (local.get $input))
        (i32.store (i32.const 16) (local.get $input_len)) (i32.const 0)";
    let case = |case: u32| {
        format!(
            "(i32.store8 (i32.const 0) (i32.const 0))
            (i32.store8 (i32.const 8) (i32.const {case})) (i32.const 0)"
        )
    };
    for (code, expected) in [
        (done.to_owned(), Reconciled::Done(Json::from_checked("{\"n\":1}"))),
        (case(1), Reconciled::NotDone),
        (case(2), Reconciled::Unknown),
    ] {
        let guest = Wat { reconcile: Some(code), ..Wat::default() };
        assert!(rig.load(&guest).reconciles());
        let ended = rig.run(&guest, Call { phase: Phase::Reconcile, ..call() }).await;
        assert_eq!(ended.end, End::Reconciled(expected));
    }
}

#[tokio::test]
async fn a_step_without_reconcile_is_not_asked() {
    let rig = Rig::new();
    assert!(!rig.load(&Wat::echo()).reconciles());
    let ended = rig.run(&Wat::echo(), Call { phase: Phase::Reconcile, ..call() }).await;
    assert_eq!(host_end(&ended), (HostEnd::Denied, "it does not export `reconcile`"));
}

#[tokio::test]
async fn log_lines_keep_their_level_and_their_limit() {
    let rig = Rig::new();
    let log = "(call $log (i32.const 3) (i32.const 1024) (i32.const 6))";
    let limits = Limits { log_bytes: 2 * 16 + 6 + 4, ..Limits::default() };
    let guest = calling(&log.repeat(3), "warned");
    let ended = rig.run(&guest, Call { limits, ..call() }).await;
    let lines = rig.services.lines.lock().expect("no test panics here");
    let line = |text: &str| (Level::Warn, Source::Log, text.to_owned());
    assert_eq!(*lines, [line("warned"), line("warn")]);
    assert_eq!(ended.logs_cut_bytes, 2 + 6);
}

#[tokio::test]
async fn progress_is_never_more_than_all() {
    let rig = Rig::new();
    let progress = "(call $progress
        (i64.const 9) (i32.const 1) (i64.const 4) (i32.const 1024) (i32.const 4))";
    rig.run(&calling(progress, "most"), call()).await;
    let heard = rig.services.progress.lock().expect("no test panics here");
    assert_eq!(*heard, [(4, Some(4), "most".to_owned())]);
}

#[tokio::test]
async fn usage_rides_with_the_next_memo_or_the_end() {
    let rig = Rig::new();
    let usage = "(call $usage (i32.const 1024) (i32.const 3) (i64.const 5))";
    let remember = "(call $remember (i32.const 1024) (i32.const 1) (i32.const 1024) (i32.const 3) (i32.const 64))";
    let ended = rig.run(&calling(&format!("{usage}{usage}{remember}{usage}"), "usd"), call()).await;
    let spent = rig.services.spent.lock().expect("no test panics here");
    assert_eq!(spent.iter().map(|usage| usage.micros("usd")).collect::<Vec<_>>(), [10]);
    assert_eq!(ended.usage.micros("usd"), 5);
}

#[tokio::test]
async fn usage_that_cannot_be_counted_ends_the_attempt_and_keeps_the_rest() {
    let rig = Rig::new();
    let most = "(call $usage (i32.const 1024) (i32.const 3) (i64.const -1))";
    let one = "(call $usage (i32.const 1024) (i32.const 3) (i64.const 1))";
    let no_unit = "(call $usage (i32.const 1027) (i32.const 4) (i64.const 1))";
    let ended = rig.run(&calling(&format!("{most}{one}"), "usd"), call()).await;
    let expected = "it reported usage, and the sum of `usd` is more than can be counted";
    assert_eq!(host_end(&ended), (HostEnd::Denied, expected));
    assert_eq!(ended.usage.micros("usd"), u64::MAX);
    let ended = rig.run(&calling(&format!("{one}{no_unit}"), "usdUSD!"), call()).await;
    assert!(host_end(&ended).1.contains("which is no unit"), "{ended:?}");
    assert_eq!(ended.usage.micros("usd"), 1);
}

#[tokio::test]
async fn memos_are_recalled_and_the_first_stays() {
    let rig = Rig::new();
    let known = ("k".to_owned(), "\"first\"".to_owned());
    rig.services.memos.lock().expect("no test panics here").extend([known]);
    let answer = "(call $ok (i32.load (i32.const 64)) (i32.load (i32.const 68)))";
    let remember = format!(
        "(call $remember (i32.const 1024) (i32.const 1) (i32.const 1024) (i32.const 1) (i32.const 64))
        {answer}"
    );
    let recall = "(call $recall (i32.const 1024) (i32.const 1) (i32.const 64))
        (call $ok (i32.load (i32.const 68)) (i32.load (i32.const 72)))";
    for code in [remember.as_str(), recall] {
        let guest = Wat::executing(code).with("(data (i32.const 1024) \"k\")");
        assert_eq!(rig.run(&guest, call()).await.end, succeeded("\"first\""));
    }
    let spent = rig.services.spent.lock().expect("no test panics here");
    assert!(spent.is_empty(), "nothing new should be written");
}

#[tokio::test]
async fn memos_of_earlier_attempts_count_against_the_limit() {
    let rig = Rig::new();
    let remember = "(call $remember (i32.const 1024) (i32.const 1) (i32.const 1025) (i32.const 1) (i32.const 64))";
    let guest = calling(remember, "kv");
    let limits = Limits { memo_count: 2, memo_bytes: 10, ..Limits::default() };
    for (count, bytes, expected) in [
        (2, 2, "it remembered more than 2 values (`memo_count_max`)"),
        (1, 9, "it remembered more than 10 bytes (`memo_max`)"),
    ] {
        let memos_kept = MemosKept { count, bytes };
        let ended = rig.run(&guest, Call { limits: limits.clone(), memos_kept, ..call() }).await;
        assert_eq!(host_end(&ended), (HostEnd::Denied, expected));
    }
    let memos_kept = MemosKept { count: 1, bytes: 8 };
    let ended = rig.run(&guest, Call { limits, memos_kept, ..call() }).await;
    assert_eq!(ended.end, succeeded("{\"n\":1}"));
}

#[tokio::test]
async fn a_memo_that_the_host_cannot_keep_is_not_the_guests_fault() {
    let rig = Rig::new();
    *rig.services.trouble.lock().expect("no test panics here") = Some(Trouble::Fails);
    let remember = "(call $remember (i32.const 1024) (i32.const 1) (i32.const 1025) (i32.const 1) (i32.const 64))";
    let ended = rig.run(&calling(remember, "kv"), call()).await;
    let expected = "the host could not keep what it remembered: the disk is full";
    assert_eq!(host_end(&ended), (HostEnd::Lost, expected));
}

#[tokio::test]
async fn a_guest_sees_the_variables_and_folders_it_is_granted() {
    let rig = Rig::new();
    let count = |list: &str| {
        Wat::executing(&format!(
            "(call ${list} (i32.const 64)) (call $number (i32.load (i32.const 68)))"
        ))
    };
    let folder = tempfile::tempdir().expect("a temporary folder should be made");
    let dir = |guest: &str| ResolvedDir {
        host: folder.path().to_owned(),
        guest: guest.into(),
        write: false,
    };
    let grants = ResolvedGrants {
        dirs: vec![dir("/a"), dir("/b")],
        env: ["TZ", "A", "B"].map(|name| (name.into(), "x".into())).into(),
        ..ResolvedGrants::default()
    };
    for (list, granted) in [("environment", "3"), ("folders", "2")] {
        let ended = rig.run(&count(list), call()).await;
        assert_eq!(ended.end, succeeded("0"), "{list}: nothing is granted");
        let ended = rig.run(&count(list), Call { grants: grants.clone(), ..call() }).await;
        assert_eq!(ended.end, succeeded(granted), "{list}");
    }
}

#[tokio::test]
async fn a_folder_that_is_gone_is_named() {
    let rig = Rig::new();
    let dir = ResolvedDir { host: "/no/such/folder".into(), guest: "/data".into(), write: true };
    let grants = ResolvedGrants { dirs: vec![dir], ..ResolvedGrants::default() };
    let ended = rig.run(&Wat::echo(), Call { grants, ..call() }).await;
    let (end, message) = host_end(&ended);
    assert_eq!(end, HostEnd::Denied);
    assert!(message.starts_with("folder `/no/such/folder`, granted as `/data`"), "{message}");
}
