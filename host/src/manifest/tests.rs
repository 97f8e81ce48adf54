//! What `check` says to whole manifests: each rule with its complaint and the place of it.

use super::*;
use piton_core::{
    Effect, Jitter, OnExhausted, OnSiblingFailure, RetryPolicy, RuleVerdict, SecretSource,
    StepKind, Tolerance, Waiting,
};
use std::time::Duration;

mod drawing;
mod evaluation;
mod hostile;
mod reference;

/// The start of a manifest whose steps follow.
const HEAD: &str = "[pipeline]\nname = \"order\"\n[defaults]\neffect = \"none\"\n";

pub(super) fn good(text: &str) -> Manifest {
    match check(text) {
        Ok((manifest, _)) => manifest,
        Err(complaints) => panic!("{}", render("m.toml", text, &complaints, false, 100)),
    }
}

/// The steps of a manifest without mistakes.
fn steps(text: &str) -> Manifest {
    good(&format!("{HEAD}{text}"))
}

/// Each complaint as `level text: message (label) | hint`, where `text` is what is underlined.
fn told(text: &str) -> Vec<String> {
    let complaints = match check(text) {
        Ok((_, complaints)) | Err(complaints) => complaints,
    };
    complaints
        .into_iter()
        .map(|complaint| {
            let level = format!("{:?}", complaint.level).to_lowercase();
            let place = complaint.place.map(|place| format!(" `{}`", &text[place]));
            let label = complaint.label.map(|label| format!(" ({label})"));
            let hint = complaint.hint.map(|hint| format!(" | {hint}"));
            format!(
                "{level}{}: {}{}{}",
                place.unwrap_or_default(),
                complaint.message,
                label.unwrap_or_default(),
                hint.unwrap_or_default()
            )
        })
        .collect()
}

/// What is said to a manifest of these steps.
#[track_caller]
fn check_steps(steps: &str, expected: &[&str]) {
    assert_eq!(told(&format!("{HEAD}{steps}")), expected, "{steps}");
}

/// What is said to one step that calls a component, and says this besides.
#[track_caller]
fn check_step(rest: &str, expected: &[&str]) {
    check_steps(&format!("[steps.a]\ncomponent = \"a.wasm\"\n{rest}"), expected);
}

#[test]
fn seven_mistakes_are_drawn_in_one_go() {
    let text = "\
[pipeline]
name = \"order\"

[steps.reserve]
componnent = \"../plugins/reserve_stock\"
timeout = \"30 seconds\"

[steps.charge]
component = \"../plugins/charge_card\"
after = [\"reserv\"]
input = { amount = \"${steps.reserve.output.price * inptu.quantity}\" }
retry = { attempts = 0, base = \"2m\" }
grants.http = [\"api.payments.example/v1\"]
";
    let complaints = check(text).expect_err("it should be refused");
    let drawn = render("manifests/order.toml", text, &complaints, false, 100);
    assert_eq!(drawn, include_str!("tests/seven_mistakes.txt"), "\n{drawn}");
}

#[test]
fn a_manifest_becomes_a_pipeline() {
    let manifest = good(
        r#"
[pipeline]
name = "order"
input_schema = "order.schema.json"
deadline = "2h"
on_sibling_failure = "interrupt"
compensation_parallel = 4

[defaults]
timeout = "10s"
memory = "128MiB"
effect = "idempotent"
retry = { attempts = 3, rules = [{ code = "busy", attempts = 9 }] }

[steps.reserve]
component = "../plugins/reserve_stock"
grants.dirs = [{ host = "out", guest = "/data/", write = true }]
grants.env = { TZ = "UTC" }

[steps.charge]
component = "../plugins/charge_card"
input = { amount = "${steps.reserve.output.price}" }
idempotency_window = "24h"
timeout = "1m"
[steps.charge.retry]
base = "2s"
jitter = "none"
[[steps.charge.retry.rules]]
code = "card-*"
as = "permanent"

[steps.each]
component = "each.wasm"
map = "${steps.charge.output.lines}"
tolerate = "5%"
effect = "none"

[steps.ask]
approval = { from = "finance", ask = "pay?", due = "3d", on_timeout = "fail" }
after = ["each", "charge", "each"]
"#,
    );
    let pipeline = &manifest.pipeline;
    assert_eq!(pipeline.name, "order");
    assert_eq!(pipeline.deadline, Some(Duration::from_secs(7_200)));
    assert_eq!(pipeline.on_sibling_failure, OnSiblingFailure::Interrupt);
    assert_eq!(pipeline.compensation_parallel, 4);
    assert_eq!(
        manifest.input_schema.as_ref().map(|file| file.path.as_str()),
        Some("order.schema.json")
    );
    let [reserve, charge, each, ask] = pipeline.steps.as_slice() else {
        panic!("there should be four steps");
    };
    let order = |after: &[u32]| after.iter().copied().map(StepIndex).collect::<Vec<_>>();
    assert_eq!(reserve.after, order(&[]));
    assert_eq!(charge.after, order(&[0]));
    assert_eq!(each.after, order(&[1]));
    assert_eq!(ask.after, order(&[1, 2]));
    assert_eq!(
        (reserve.timeout, charge.timeout),
        (Duration::from_secs(10), Duration::from_secs(60))
    );
    assert_eq!(charge.idempotency_window, Some(Duration::from_secs(86_400)));
    assert_eq!((reserve.effect, each.effect), (Effect::Idempotent, Effect::None));
    let StepKind::Map(map) = &each.kind else { panic!("`each` should be a map") };
    assert_eq!((map.tolerate, map.items_max), (Tolerance::Percent(5.0), 10_000));
    let Waiting::Approval { from, due } = (match &ask.kind {
        StepKind::Wait(waiting) => waiting,
        _ => panic!("`ask` should wait"),
    }) else {
        panic!("`ask` should be an approval");
    };
    assert_eq!((from.as_str(), *due), ("finance", Some(Duration::from_secs(3 * 86_400))));
    assert_eq!(manifest.steps[3].ask.as_deref(), Some("pay?"));
    assert_eq!(manifest.steps[3].component, None);
    let settings = &manifest.steps[0];
    assert_eq!(settings.limits.memory_bytes, 128 << 20);
    assert_eq!(settings.grants.dirs[0].guest, "/data");
    assert_eq!(settings.grants.env["TZ"], "UTC");
}

#[test]
fn a_policy_is_laid_over_the_defaults() {
    let manifest = good(
        "[pipeline]\nname = \"p\"\n[defaults.retry]\nattempts = 3\nfactor = 3\n\
         rules = [{ code = \"busy\", attempts = 9 }]\n\
         [steps.a]\ncomponent = \"a\"\n[steps.a.retry]\nbase = \"2s\"\n\
         rules = [{ code = \"no-*\", as = \"permanent\" }]\n\
         [steps.b]\ncomponent = \"b\"\n[steps.b.undo]\nattempts = 2\n",
    );
    let defaults = RetryPolicy::for_execute();
    let a = &manifest.pipeline.steps[0].retry;
    assert_eq!((a.attempts, a.backoff.factor), (3, 3.0));
    assert_eq!((a.backoff.base, a.backoff.cap), (Duration::from_secs(2), defaults.backoff.cap));
    assert_eq!(a.backoff.jitter, Jitter::Full);
    let codes: Vec<&str> = a.rules.iter().map(|rule| rule.code.as_str()).collect();
    assert_eq!(codes, ["no-*", "busy"], "a step's own rules come first");
    assert_eq!((a.rules[0].verdict, &a.rules[0].policy), (Some(RuleVerdict::Permanent), &None));
    let busy = a.rules[1].policy.as_ref().expect("the rule should change the policy");
    assert_eq!((busy.attempts, busy.backoff.base), (9, Duration::from_secs(2)));
    let b = &manifest.pipeline.steps[1];
    assert_eq!((b.retry.attempts, b.undo.attempts), (3, 2));
    assert_eq!(b.undo.backoff.cap, RetryPolicy::for_compensate().backoff.cap);
}

#[test]
fn what_is_left_out_is_as_the_core_says() {
    let manifest = steps("[steps.a]\ncomponent = \"a\"\n");
    let mut expected = piton_core::Step::call("a", Vec::new());
    expected.effect = Effect::None;
    assert_eq!(manifest.pipeline.steps, [expected]);
    assert_eq!(manifest.steps[0].limits, Limits::default());
    assert_eq!(manifest.steps[0].grants, Grants::default());
}

#[test]
fn steps_are_in_the_order_of_the_manifest() {
    let manifest = steps("[steps.z]\ncomponent = \"z\"\n[steps.a]\ncomponent = \"a\"\n");
    let names: Vec<&str> = manifest.pipeline.steps.iter().map(|step| step.name.as_str()).collect();
    assert_eq!(names, ["z", "a"]);
}

#[test]
fn behind_a_pivot_exhaustion_pauses_by_default() {
    let manifest = steps(
        "[steps.a]\ncomponent = \"a\"\npivot = true\n\
         [steps.b]\ncomponent = \"b\"\nafter = [\"a\"]\n\
         [steps.c]\ncomponent = \"c\"\nafter = [\"b\"]\non_exhausted = \"continue\"\n",
    );
    let pipeline = &manifest.pipeline;
    let said: Vec<OnExhausted> = pipeline.steps.iter().map(|step| step.on_exhausted).collect();
    assert_eq!(said, [OnExhausted::Compensate, OnExhausted::Pause, OnExhausted::Continue]);
    assert!(pipeline.is_behind_a_pivot(StepIndex(2)));
}

#[test]
fn the_assumed_effect_is_noted_once() {
    let step = |name: &str| format!("[steps.{name}]\ncomponent = \"x\"\n");
    let text = format!(
        "[pipeline]\nname = \"p\"\n{}{}{}{}[steps.w]\nwait = \"1s\"\n",
        step("a"),
        step("b"),
        step("c"),
        step("d")
    );
    let hint = "an attempt with unknown outcome is repeated with the same idempotency key; say so \
                if that may not be done";
    assert_eq!(
        told(&text),
        [format!(
            "note: `effect = \"idempotent\"` is assumed for `a`, `b`, `c` and 1 more | {hint}"
        )]
    );
}

#[test]
fn syntax_is_told_with_its_place() {
    assert_eq!(
        told("[pipeline]\nname = \"p\nx = 1"),
        ["error ``: the manifest is not TOML (invalid basic string, expected `\"`) \
          | the other mistakes show once this one is mended"]
    );
    let deep = format!("a = {}", "[".repeat(100_000));
    assert_eq!(told(&deep), ["error: the manifest is nested too deep"]);
    let dotted = format!("{} = 1", vec!["a"; 100_000].join("."));
    assert_eq!(told(&dotted), ["error: the manifest is nested too deep"]);
}

#[test]
fn a_pipeline_needs_a_name_and_steps() {
    assert_eq!(
        told(""),
        [
            "error ``: the pipeline has no name | begin with `[pipeline]` and `name = \"…\"`",
            "error ``: the pipeline has no steps | add one: `[steps.NAME]` with a `component`",
        ]
    );
    assert_eq!(
        told("steps = 3\n[pipeline]\nname = \"my-order\"\n"),
        [
            "error `3`: `steps` must hold a table for each step | write `[steps.NAME]`",
            "error `\"my-order\"`: `my-order` cannot be the name of a pipeline (names are \
             lower-case letters, digits and `_`, a letter first) | write `my_order`",
        ]
    );
}

#[test]
fn unknown_keys_are_errors() {
    check_steps(
        "[steps.a]\ncomponent = \"a\"\ntimout = \"1s\"\n[budgets]\n",
        &[
            "error `timout`: a step has no key `timout` | did you mean `timeout`?",
            "error `budgets`: the manifest has no key `budgets` | did you mean `budget`?",
        ],
    );
    check_step(
        "approvals = 1\nretry = { rulez = 1, x = 2 }\n",
        &[
            "error `approvals`: a step has no key `approvals` | did you mean `approval`?",
            "error `rulez`: a retry policy has no key `rulez` | did you mean `rules`?",
            "error `x`: a retry policy has no key `x` | it may hold `attempts`, `base`, `factor`, \
             `cap`, `floor`, `jitter`, `max_elapsed`, `retry_after_max`, `throttled_attempts` and \
             `rules`",
        ],
    );
}

#[test]
fn a_budget_is_exact_or_refused() {
    let step = "[steps.a]\ncomponent = \"a\"\n";
    let text = format!("[pipeline]\nname = \"p\"\n{step}[budget]\nusd = 2.05\non = \"rollback\"\n");
    let (manifest, _) = super::check(&text).expect("the manifest should be good");
    let budget = manifest.pipeline.budget.clone().expect("it should have a budget");
    assert_eq!(budget.limits.iter().collect::<Vec<_>>(), [("usd", 2_050_000)]);
    assert_eq!(budget.on, piton_core::OnBudget::RollBack);
    for (table, expected) in [
        (
            "Usd = 1",
            "error `Usd`: `Usd` is no unit that a step can report | a unit is up to 32 of a-z, 0-9, `_` and `-`, a letter first",
        ),
        (
            "usd = 1e3",
            "error `1e3`: the budget of `usd` cannot be this (it must be written in digits, without an exponent)",
        ),
        (
            "on = \"pause\"",
            "error `[budget]`: the budget has no limit | name a unit that the steps report, such as `usd = 2.00`",
        ),
        (
            "usd = 1\non = \"roll\"",
            "error `\"roll\"`: `on` cannot be `roll` | it is one of `pause` and `rollback`",
        ),
    ] {
        check_steps(&format!("{step}[budget]\n{table}\n"), &[expected]);
    }
}

#[test]
fn values_are_of_their_type_and_in_range() {
    check_step(
        "timeout = 30\nfuel = \"many\"\nmemory = \"64MB\"\npivot = \"yes\"\nafter = \"b\"\n\
         lost_attempts_max = 0\nidle_timeout = \"0s\"\nlog_max = \"2GiB\"\n\
         effect = \"idempotnet\"\non_exhausted = 3\n",
        &[
            "error `30`: `timeout` must be a duration in quotes (this is a whole number) | write \
             whole numbers with `d`, `h`, `m`, `s` or `ms`, the largest first, such as \"1m30s\"",
            "error `\"many\"`: `fuel` must be a whole number (this is a text)",
            "error `\"64MB\"`: `memory` is no size (`MB` is no unit of size) | write a whole number \
             with `B`, `KiB`, `MiB` or `GiB`, such as \"64MiB\"",
            "error `\"yes\"`: `pivot` must be `true` or `false` (this is a text)",
            "error `\"b\"`: `after` must be a list in brackets (this is a text)",
            "error `0`: `lost_attempts_max` is out of range (it may be from 1 to 1000)",
            "error `\"0s\"`: `idle_timeout` is too short (it is at least 1ms)",
            "error `\"2GiB\"`: `log_max` is out of range (it may be from 0B to 1GiB)",
            "error `\"idempotnet\"`: `effect` cannot be `idempotnet` | did you mean `idempotent`?",
            "error `3`: `on_exhausted` must be a word in quotes (this is a whole number) | one of \
             `compensate`, `pause` and `continue`",
        ],
    );
}

#[test]
fn a_policy_must_make_sense_as_a_whole() {
    check_step(
        "[steps.a.retry]\nattempts = 0\nfactor = 0.5\nbase = \"2m\"\nfloor = \"90s\"\n\
         [[steps.a.retry.rules]]\ncode = \"x\"\ncap = \"1s\"\n\
         [[steps.a.retry.rules]]\nas = \"permanent\"\n\
         [[steps.a.retry.rules]]\ncode = \"y\"\n",
        &[
            "error `0`: `attempts` is out of range (it may be from 1 to 10000)",
            "error `0.5`: `factor` is out of range (it may be from 1.0 to 1000.0)",
            "error `\"2m\"`: `base` is above `cap` (`base` is 2m, `cap` is 1m)",
            "error `\"90s\"`: `floor` is above `cap` (`floor` is 1m30s, `cap` is 1m)",
            "error `\"1s\"`: `base` is above `cap` (`base` is 2m, `cap` is 1s)",
            "error `\"1s\"`: `floor` is above `cap` (`floor` is 1m30s, `cap` is 1s)",
            "error `[[steps.a.retry.rules]]`: a retry rule needs a `code` | write the failure's \
             code, such as `code = \"card-*\"`",
            "warning `\"y\"`: this rule changes nothing | say what it is taken `as`, or give it a \
             field of the policy",
        ],
    );
    check_step(
        "timeout = \"5s\"\nidle_timeout = \"5s\"\n",
        &[
            "warning `\"5s\"`: `idle_timeout` is not shorter than `timeout` (the attempt ends after \
           5s anyway)",
        ],
    );
}

#[test]
fn a_step_does_one_thing() {
    check_steps(
        "[steps.a]\nafter = []\n[steps.b]\ncomponent = \"b\"\nwait = \"1s\"\n\
         [steps.c]\nwait = \"1s\"\ntimeout = \"1s\"\n\
         [steps.d]\ncomponent = \"d\"\nmax_parallel = 2\n",
        &[
            "error `a`: step `a` has no `component` | say what it calls, or what it waits for: \
             `wait`, `wait_until`, `signal` and `approval`",
            "error `wait`: step `b` does two things (`wait`) | make two steps of it, one `after` \
             the other",
            "error `timeout`: `timeout` has no meaning for a step that waits | it calls no component",
            "error `max_parallel`: `max_parallel` has no meaning without `map` | `map = \"${…}\"` \
             says which list the step is called for",
        ],
    );
}

#[test]
fn waiting_nodes_are_checked() {
    check_steps(
        "[steps.a]\nwait_until = \"tomorrow\"\n[steps.b]\nwait_until = 2026-01-01T00:00:00Z\n\
         [steps.c]\nsignal = \"Paid\"\n[steps.d]\napproval = { on_timeout = \"fail\" }\n\
         [steps.e]\napproval = { from = \"x\", on_timeout = \"fail\" }\n\
         [steps.f]\nwait_until = \"${input.at}\"\n",
        &[
            "error `\"tomorrow\"`: `wait_until` is no moment (`tomorrow` is not written as RFC 3339 \
             does, with its time zone) | write it as RFC 3339 does, with its time zone: \
             \"2026-01-31T09:00:00Z\"",
            "error `\"Paid\"`: `Paid` cannot be the name of a signal (names are lower-case letters, \
             digits and `_`, a letter first) | write `paid`",
            "error `approval`: an `approval` needs `from` | say who is asked, such as `from = \
             \"finance\"`",
            "error `on_timeout`: `on_timeout` has no meaning without `due`",
        ],
    );
}

#[test]
fn a_step_that_stays_says_why() {
    check_step(
        "compensate = \"none\"\n",
        &[
            "error `\"none\"`: a step that is never undone needs a `compensate_reason` | say in one \
           sentence why its effect may stay",
        ],
    );
    check_step(
        "compensate_reason = \"mail\"\n",
        &["error `compensate_reason`: `compensate_reason` has no meaning without `compensate = \
           \"none\"`"],
    );
    let manifest = steps(
        "[steps.a]\ncomponent = \"a\"\ncompensate = \"none\"\ncompensate_reason = \"a mail is sent\"\n",
    );
    assert!(!manifest.pipeline.steps[0].compensates);
    assert_eq!(manifest.steps[0].compensate_reason.as_deref(), Some("a mail is sent"));
}

#[test]
fn grants_are_checked() {
    check_step(
        "grants.dirs = [\n{ host = \"a\", guest = \"data\" },\n{ host = \"b\", guest = \"/d\" },\n\
         { host = \"c\", guest = \"/d/e\" },\n{ guest = \"/x\", write = 1 }]\n\
         grants.env = { A = 1, \"B=\" = \"x\", C = \"${input.x}\" }\n",
        &[
            "error `\"data\"`: the guest's path must be absolute and plain | such as \"/data\": from \
             `/` on, without `.`, `..`, `//` or `\\`",
            "error `\"/d/e\"`: two granted folders overlap in the guest (`/d/e`) | give each a path \
             that is not within the other's",
            "error `{ guest = \"/x\", write = 1 }`: a granted folder needs `host` | such as `{ host \
             = \"out\", guest = \"/data\", write = true }`; `write` is false unless given",
            "error `1`: `write` must be `true` or `false` (this is a whole number)",
            "error `1`: the variable `A` must be a text in quotes (this is a whole number)",
            "error `\"B=\"`: `B=` cannot be a variable's name",
            "error `\"${input.x}\"`: a variable of the environment takes no expression | pass what \
             changes from run to run as `input`",
        ],
    );
}

#[test]
fn http_grants_are_read() {
    let manifest = good(
        r#"
[pipeline]
name = "it"
[steps.a]
component = "a"
[steps.a.grants]
http = ["api.example.com", { host = "http://127.0.0.1:8080", methods = ["GET", "POST"], idempotency_key = false }]
[steps.a.grants.secrets]
KEY = { header = "Authorization", format = "Bearer ${secret}", hosts = ["api.example.com"] }
OTHER = { header = "x-key", hosts = ["http://127.0.0.1:8080"], file = "key.txt" }
"#,
    );
    let grants = &manifest.steps[0].grants;
    assert_eq!(grants.http[0].target.to_string(), "https://api.example.com");
    assert!(grants.http[0].methods.is_empty() && grants.http[0].idempotency_key);
    assert_eq!(grants.http[1].methods, ["GET", "POST"]);
    assert!(!grants.http[1].idempotency_key);
    let [key, other] = grants.secrets.as_slice() else { panic!("two secrets should be read") };
    assert_eq!((key.header.as_str(), key.before.as_str()), ("authorization", "Bearer "));
    assert_eq!(key.source, SecretSource::Variable("KEY".into()));
    assert_eq!(other.source, SecretSource::File("key.txt".into()));
    assert_eq!(manifest.steps[0].grant_places.len(), manifest.steps[0].grants.each().count());
}

#[test]
fn http_grants_are_checked() {
    const NOTATION: &str = "such as \"api.example.com\", \"https://*.example.com\" or \
                            \"http://127.0.0.1:8080\"";
    check_step(
        "grants.http = [\"localhost\", 1, { methods = [\"get\"] }, { host = \"a.example\", methods = [] }]\n",
        &[
            &format!(
                "error `\"localhost\"`: `localhost` is no host that can be granted (name this \
                 machine by its address, such as `http://127.0.0.1:8080`) | {NOTATION}"
            ),
            &format!(
                "error `1`: `http` must hold hosts in quotes, or tables (this is a whole number) | \
                 {NOTATION}"
            ),
            "error `{ methods = [\"get\"] }`: a grant of HTTP needs `host` | such as `{ host = \
             \"api.example.com\", methods = [\"GET\"] }`",
            "error `\"get\"`: `methods` must hold methods in capitals and quotes, such as \"GET\" | \
             write `\"GET\"`",
            "error `[]`: `methods` is empty, so that nothing could be sent | leave the key out to \
             allow every method",
        ],
    );
}

#[test]
fn secrets_are_checked() {
    check_step(
        "grants.http = [\"a.example\", \"http://b.example\"]\n\
         grants.secrets.A = { header = \"host\", hosts = [\"a.example\"], format = \"${key}\" }\n\
         grants.secrets.B = { header = \"x-b\", hosts = [\"c.example\"], env = \"B\", file = \"b\" }\n\
         grants.secrets.C = { header = \"x-c\", hosts = [\"http://b.example\"] }\n\
         grants.secrets.D = { header = \"x-c\", hosts = [\"http://b.example\"] }\n",
        &[
            "error `\"host\"`: the header `host` cannot carry a secret (the host sets it itself)",
            "error `\"${key}\"`: `format` must be a text that holds `${secret}` once | such as \
             \"Bearer ${secret}\"; without `format` it is the secret alone",
            "error `\"c.example\"`: no request may go to `https://c.example` | add \
             \"https://c.example\" to `grants.http`",
            "error `file`: the secret `B` is in two places | leave one of them out",
            "warning `\"http://b.example\"`: the secret would be sent as plain text | use `https://`",
            "error `D`: two secrets would go into the header `x-c` of one request | give each its \
             own header, or its own `hosts`",
            "warning `\"http://b.example\"`: the secret would be sent as plain text | use `https://`",
        ],
    );
}

#[test]
fn names_in_expressions_are_resolved() {
    check_steps(
        "[steps.reserve]\ncomponent = \"r\"\n[steps.b]\ncomponent = \"b\"\n\
         input = { a = \"${inptu.x}\", b = \"${steps.reserv.output}\", c = '${steps.reserve.outptu}', \
         d = \"${steps}\", e = \"${item.x}\", f = \"${run.idd}\", g = \"n: ${reserve.x + 1}!\", \
         h = \"${steps.reserve.output.x.map(x, x * y)}\", i = \"${foo(1)}\", \
         j = \"${input.x.matches('a')}\" }\nafter = [\"reserv\"]\n",
        &[
            "error `inptu`: expressions have no variable `inptu` | did you mean `input`?",
            "error `reserv`: this pipeline has no step `reserv` | did you mean `reserve`?",
            "error `outptu`: of a step, expressions know its `output` only | write \
             `steps.reserve.output`",
            "error `steps`: `steps` is no value of its own | write `steps.NAME.output`",
            "error `item`: `item` exists only in a map | a step with `map = \"${…}\"` has it in its \
             `input`",
            "error `idd`: `run` has no field `idd` | did you mean `id`?",
            "error `reserve`: expressions have no variable `reserve` | write `steps.reserve.output`",
            "error `y`: expressions have no variable `y` | there are `input`, `steps` and `run`",
            "error `foo`: there is no function `foo` | compute it in a step where no function does it",
            "error `matches`: there is no function `matches` | expressions have no regular \
             expressions; `contains`, `startsWith` and `endsWith` may do",
            "error `\"reserv\"`: step `b` runs after `reserv`, which this pipeline does not have | \
             did you mean `reserve`?",
        ],
    );
}

#[test]
fn expressions_are_parsed_with_their_place() {
    check_step(
        "input = { a = \"${1 +}\", b = \"${input.x ++ 2}\", c = \"${input.x\", d = \"${}\", \
         e = \"${(1}\", f = \"${if}\", g = \"\\t${1 ~ 2}\", h = \"${'é' ~}\" }\n",
        &[
            "error `+`: the expression cannot be read (it ends too early)",
            "error `+`: the expression cannot be read (`+` does not fit here)",
            "error `${`: `${` is not closed | close it with `}`, or write `$${` for the two \
             characters themselves",
            "error `\"${}\"`: the expression is empty",
            "error `1`: the expression cannot be read (`)` is missing)",
            "error `if`: the expression cannot be read (`if` is a reserved word)",
            "error `\"\\t${1 ~ 2}\"`: the expression cannot be read (`~` does not fit here)",
            "error `~`: the expression cannot be read (`~` does not fit here)",
        ],
    );
    check_step(
        "when = true\nmap = 3\n",
        &[
            "error `true`: `when` must be an expression in quotes (this is a boolean) | such as \
             `when = \"input.total > 100\"`",
            "error `3`: `map` must be a list, or an expression for one (this is a whole number) | \
             such as `map = \"${input.items}\"`",
        ],
    );
}

#[test]
fn the_work_of_expressions_is_bounded() {
    let deep = format!("when = \"{}1{} == 1\"\n", "(".repeat(200), ")".repeat(200));
    let long = format!("when = \"{}1 == 1\"\n", "1+".repeat(500));
    let nested = "when = \"input.a.all(x, x.all(y, y.all(z, z > 0)))\"\n";
    for (rest, message) in [
        (deep.as_str(), "the expression is too long"),
        (&long, "the expression is too long"),
        (nested, "`map`, `filter` and the like are nested more than 2 deep"),
    ] {
        let text = format!("{HEAD}[steps.a]\ncomponent = \"a\"\n{rest}");
        let complaints = check(&text).expect_err("it should be refused");
        assert_eq!(complaints[0].message, message);
    }
    steps("[steps.a]\ncomponent = \"a\"\nwhen = \"input.a.all(x, x.all(y, y > 0))\"\n");
    let deep = format!("when = \"{}1{} == 1\"\n", "(".repeat(150), ")".repeat(150));
    check_step(
        &deep,
        &[&format!(
            "error `{}1{} == 1`: the expression is nested too deep",
            "(".repeat(150),
            ")".repeat(150)
        )],
    );
}

#[test]
fn a_cycle_is_shown_with_its_places() {
    let steps = "[steps.a]\ncomponent = \"a\"\nafter = [\"c\"]\n\
                 [steps.b]\ncomponent = \"b\"\ninput = \"${steps.a.output}\"\n\
                 [steps.c]\ncomponent = \"c\"\nwhen = \"steps.b.output > 1\"\n\
                 [steps.d]\ncomponent = \"d\"\nafter = [\"d\"]\n";
    check_steps(
        steps,
        &[
            "error `\"c\"`: these steps wait for each other: `a` → `b` → `c` → `a` (`a` waits for \
             `c`) | one of them must do without the other",
            "error `\"d\"`: step `d` refers to itself | its output is known only once it has ended",
        ],
    );
    let text = format!("{HEAD}{steps}");
    let complaints = check(&text).expect_err("it should be refused");
    let others: Vec<(&str, &str)> = complaints[0]
        .others
        .iter()
        .map(|(place, label)| (&text[place.clone()], label.as_str()))
        .collect();
    assert_eq!(others, [("steps.a", "`b` waits for `a`"), ("steps.b", "`c` waits for `b`")]);
}

#[test]
fn cycles_apart_are_all_told() {
    let pair = |a: &str, b: &str| {
        format!(
            "[steps.{a}]\ncomponent = \"x\"\nafter = [\"{b}\"]\n\
             [steps.{b}]\ncomponent = \"x\"\nafter = [\"{a}\"]\n"
        )
    };
    let told = told(&format!("{HEAD}{}{}", pair("a", "b"), pair("c", "d")));
    assert_eq!(told.len(), 2, "{told:?}");
}

#[test]
fn pivots_are_ordered_against_what_may_be_undone() {
    let steps = "[pipeline]\nname = \"p\"\n[steps.a]\ncomponent = \"a\"\npivot = true\n\
                 [steps.b]\ncomponent = \"b\"\n[steps.c]\ncomponent = \"c\"\nafter = [\"a\", \"b\"]\n\
                 on_exhausted = \"compensate\"\n[steps.d]\ncomponent = \"d\"\npivot = true\n\
                 after = [\"b\"]\n";
    assert_eq!(
        told(steps),
        [
            "error `b`: nothing orders `b` against the pivot `a` (it may have to be undone when it \
             is too late for that) | say `after = [\"a\"]` here, or `after = [\"b\"]` there",
            "error `c`: nothing orders `c` against the pivot `d` (it may have to be undone when it \
             is too late for that) | say `after = [\"d\"]` here, or `after = [\"c\"]` there",
            "error `\"compensate\"`: `c` cannot turn back: it runs behind a pivot | write \"pause\" \
             or \"continue\"; \"pause\" is the default here",
            "error `pivot`: nothing orders the pivots `a` and `d` | say `after = [\"a\"]` in `d`",
        ]
    );
}

#[test]
fn a_null_that_is_read_is_warned_of() {
    check_steps(
        "[steps.a]\ncomponent = \"a\"\non_exhausted = \"continue\"\n\
         [steps.b]\ncomponent = \"b\"\ninput = \"${steps.a.output}\"\n\
         [steps.c]\ncomponent = \"c\"\non_exhausted = \"continue\"\n\
         [steps.d]\ncomponent = \"d\"\nafter = [\"c\"]\n",
        &["warning `\"continue\"`: the output of `a` is null once it has failed | make sure that \
           null will do there"],
    );
}

#[test]
fn colour_is_never_the_only_carrier() {
    let text = "[pipeline]\nname = \"a\\u001B[31mb\"\n[steps.a]\ncomponent = \"a\"\n";
    let complaints = check(text).expect_err("it should be refused");
    let plain = render("m.toml", text, &complaints, false, 80);
    assert!(plain.contains("`a\\u{1b}[31mb` cannot be the name of a pipeline"), "{plain}");
    assert!(!plain.contains('\u{1b}'), "control characters should not reach a terminal");
    let colored = render("m.toml", text, &complaints, true, 80);
    assert!(colored.contains('\u{1b}'));
}
