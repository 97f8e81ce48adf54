//! What a lock file says, what differs from it, and what is refused for that.

use super::super::tests::good;
use super::*;

const ALL_GRANTS: &str = r#"grants.dirs = [{ host = "out \"1\"", guest = "/data", write = true }, { host = "in", guest = "/in" }]
grants.env = { TZ = "UTC", "odd name" = "a\nb" }
grants.http = ["a.example", { host = "http://*.b.example:8080", methods = ["GET", "PUT"], idempotency_key = false }]
grants.secrets.KEY = { header = "authorization", format = "Bearer ${secret}!", hosts = ["a.example"] }
grants.secrets.OTHER = { header = "x-key", hosts = ["a.example"], file = "secrets/other" }
"#;

fn manifest(step: &str) -> String {
    format!("[pipeline]\nname = \"it\"\n[steps.it]\ncomponent = \"it.wasm\"\n{step}\n")
}

fn digest(byte: u8) -> Digest {
    Digest::from_bytes([byte; 32])
}

fn pins(step: &str, component: u8) -> Pins {
    pins_of(&good(&manifest(step)), &[Some(digest(component))])
}

#[test]
fn what_is_written_reads_back() {
    let mut lock = Lock::default();
    assert_eq!(Lock::read(&lock.write()), Ok(lock.clone()));
    lock.pin("order.toml", pins(ALL_GRANTS, 1));
    lock.pin("a \"b\".toml", pins("", 2));
    lock.pin("waits.toml", Pins::new());
    let text = lock.write();
    let read = Lock::read(&text).unwrap_or_else(|complaints| panic!("{complaints:?}\n{text}"));
    assert_eq!(read.pins("order.toml"), lock.pins("order.toml"), "{text}");
    assert_eq!(read.pins("a \"b\".toml"), lock.pins("a \"b\".toml"), "{text}");
    assert_eq!(read.write(), text);
}

#[test]
fn a_lock_file_is_a_table_for_each_manifest_and_step() {
    let mut lock = Lock::default();
    lock.pin("order.toml", pins("grants.http = [\"a.example\"]", 0xa5));
    let a5 = "a5".repeat(32);
    let expected = format!(
        "\nversion = 1\n\n[manifests.\"order.toml\".it]\ncomponent = \"sha256:{a5}\"\n\
         grants.http = [{{ host = \"https://a.example\" }}]\n"
    );
    let written = lock.write();
    assert!(written.starts_with("# ") && written.ends_with(&expected), "{written}");
}

#[test]
fn damage_is_told_with_its_place() {
    for (text, place, message) in [
        ("versio = 1", "versio", "`piton.lock` has no key `versio`"),
        ("", "", "the lock file has no `version`"),
        ("version = 2", "2", "this version of piton does not know this lock file"),
        ("version = 1\nmanifests = 1", "1", "`manifests` must be a table"),
        ("version = 1\n[manifests]\na = 1", "1", "a manifest must be a table of its steps"),
        ("version = 1\n[manifests.a]\nit = 1", "1", "a pinned step must be a table"),
        ("version = 1\n[manifests.a.it]", "it", "a pinned step needs `component`"),
        (
            "version = 1\n[manifests.a.it]\ncomponent = \"x\"",
            "\"x\"",
            "this is no digest of a component",
        ),
        ("version = 1\n[manifests.a.it]\ngrant = 1", "grant", "a pinned step has no key `grant`"),
        ("version = 1\n[manifests.a.it]\ngrants.htp = 1", "htp", "`grants` has no key `htp`"),
        ("version = [", "", "the lock file is not TOML"),
    ] {
        let complaints = Lock::read(text).expect_err(text);
        let told = complaints.iter().find(|told| told.message == message);
        let told = told.unwrap_or_else(|| panic!("{text}: {complaints:?}"));
        let found = told.place.clone().and_then(|place| text.get(place)).unwrap_or_default();
        assert!(found.contains(place), "{text}: {found}");
    }
}

#[test]
fn nothing_differs_from_itself() {
    let pins = pins(ALL_GRANTS, 1);
    assert_eq!(pin_changes(&pins, &pins), []);
}

#[track_caller]
fn check(before: &str, after: &str, added: &[&str], removed: &[&str], is_wider: bool) {
    let changes = pin_changes(&pins(before, 1), &pins(after, 1));
    let [change] = changes.as_slice() else { panic!("one step should differ: {changes:?}") };
    assert_eq!((&change.added[..], &change.removed[..]), (&owned(added)[..], &owned(removed)[..]));
    assert_eq!((change.is_wider, change.is_refused()), (is_wider, is_wider));
}

fn owned(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

#[test]
fn a_wider_grant_differs_from_a_narrower_one() {
    let (one, both) =
        ("grants.http = [\"a.example\"]", "grants.http = [\"a.example\", \"b.example\"]");
    check(one, both, &["may send HTTP to https://b.example"], &[], true);
    check(both, one, &[], &["may send HTTP to https://b.example"], false);
    check(
        "grants.http = [\"*.example.com\"]",
        "grants.http = [\"a.example.com\"]",
        &["may send HTTP to https://a.example.com"],
        &["may send HTTP to https://*.example.com"],
        false,
    );
    let dir = |write: bool| {
        format!("grants.dirs = [{{ host = \"out\", guest = \"/data\", write = {write} }}]")
    };
    let told = |how: &str| format!("may {how} files in the folder `out`, as `/data`");
    let (read, write) = (told("read"), told("read and write"));
    check(&dir(false), &dir(true), &[&write], &[&read], true);
    check(&dir(true), &dir(false), &[&read], &[&write], false);
}

#[test]
fn a_new_step_is_wider_and_a_gone_one_is_not() {
    let some = pins("", 1);
    let changes = pin_changes(&Pins::new(), &some);
    assert!(changes[0].is_wider && changes[0].is_refused() && changes[0].before.is_none());
    let changes = pin_changes(&some, &Pins::new());
    assert!(!changes[0].is_refused() && changes[0].after.is_none());
}

#[test]
fn another_component_differs_and_is_no_wider() {
    let changes = pin_changes(&pins("", 1), &pins("", 2));
    assert_eq!((changes[0].before, changes[0].after), (Some(digest(1)), Some(digest(2))));
    assert!(changes[0].is_refused() && !changes[0].is_wider);
}

/// What is told of a step that is pinned as `pinned`, each as `place: message (label)`.
fn told(pinned: &Pins, step: &str, component: u8) -> Vec<String> {
    let text = manifest(step);
    let refused =
        refuse_unpinned(&good(&text), &[Some(digest(component))], pinned, "dir/order.toml");
    let show = |complaint: Complaint| {
        assert_eq!(
            complaint.hint.as_deref(),
            Some(
                "see what changed with `piton lock dir/order.toml`; take it with `piton lock \
                 dir/order.toml --accept`"
            )
        );
        let label = complaint.label.map(|label| format!(" ({label})")).unwrap_or_default();
        format!("{}: {}{label}", &text[complaint.place.expect("a place")], complaint.message)
    };
    refused.into_iter().map(show).collect()
}

#[test]
fn what_is_pinned_or_less_is_not_refused() {
    assert_eq!(told(&pins(ALL_GRANTS, 1), ALL_GRANTS, 1), owned(&[]));
    assert_eq!(told(&pins(ALL_GRANTS, 1), "", 1), owned(&[]));
}

#[test]
fn what_is_not_pinned_is_refused_at_its_place() {
    assert_eq!(
        told(&pins("", 0xa5), "", 0x5a),
        ["\"it.wasm\": the component of step `it` is not the one in `piton.lock` (this is \
          sha256:5a5a5a5a5a5a…, pinned is sha256:a5a5a5a5a5a5…)"]
    );
    assert_eq!(
        told(&pins("", 1), "grants.http = [\"a.example\"]\ngrants.env = { TZ = \"UTC\" }", 1),
        [
            "\"a.example\": step `it` is granted more than `piton.lock` says (it may send HTTP to \
             https://a.example)",
            "TZ: step `it` is granted more than `piton.lock` says (it is given the variable `TZ` as \
             \"UTC\")",
        ]
    );
    assert_eq!(told(&Pins::new(), "", 1), ["\"it.wasm\": step `it` is not in `piton.lock`"]);
}
