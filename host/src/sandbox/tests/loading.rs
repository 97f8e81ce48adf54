//! What is taken as a step and what is not, and what becomes of compiled code.

use super::*;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

type Notices = Arc<Mutex<Vec<Notice>>>;

/// A sandbox over `folder` that keeps its notices.
fn sandbox(folder: &Path, change: impl FnOnce(&mut Settings)) -> (Sandbox, Notices) {
    let notices = Notices::default();
    let mut settings = Settings::new(folder.join("code"), [7; 32], Compiler::InProcess);
    settings.slots = 2;
    settings.notify = Arc::new({
        let notices = notices.clone();
        move |notice| notices.lock().expect("no test panics here").push(notice)
    });
    change(&mut settings);
    (Sandbox::new(settings).expect("a sandbox should start"), notices)
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder should be made")
}

fn parse(text: &str) -> Vec<u8> {
    wat::parse_str(text).expect("the text should parse")
}

fn load(sandbox: &Sandbox, bytes: &[u8]) -> Result<Arc<Program>, LoadError> {
    sandbox.load(digest_of(bytes), || Ok(bytes.to_vec()))
}

fn count(notices: &Notices, which: impl Fn(&Notice) -> bool) -> usize {
    notices.lock().expect("no test panics here").iter().filter(|notice| which(notice)).count()
}

fn compilations(notices: &Notices) -> usize {
    count(notices, |notice| matches!(notice, Notice::Compiling(_)))
}

fn rejections(notices: &Notices) -> usize {
    count(notices, |notice| matches!(notice, Notice::CacheRejected(..)))
}

/// A file of the cache.
fn cached(folder: &Path, extension: &str) -> PathBuf {
    let files = fs::read_dir(folder.join("code")).expect("the folder should be there");
    let mut paths = files.map(|file| file.expect("it should be readable").path());
    paths.find(|path| path.extension().is_some_and(|e| e == extension)).expect("it should be there")
}

#[test]
fn what_is_no_component_is_told_apart() {
    let folder = folder();
    let (sandbox, _) = sandbox(folder.path(), |_| ());
    let compiled = sandbox.engine.precompile_component(&Wat::echo().bytes());
    let compiled = compiled.expect("the guest should compile");
    for (bytes, expected) in [
        (b"#!/bin/sh".to_vec(), LoadError::NotWasm),
        (Vec::new(), LoadError::NotWasm),
        (parse("(module)"), LoadError::CoreModule),
        (compiled, LoadError::Precompiled),
    ] {
        assert_eq!(load(&sandbox, &bytes).err(), Some(expected));
    }
    let mut damaged = Wat::echo().bytes();
    damaged.truncate(damaged.len() / 2);
    assert!(matches!(load(&sandbox, &damaged), Err(LoadError::Invalid(_))));
}

#[test]
fn a_component_that_is_no_step_is_told_what_it_lacks_and_has() {
    let folder = folder();
    let (sandbox, notices) = sandbox(folder.path(), |_| ());
    let check = |text: &str, expected: &str| {
        let error = load(&sandbox, &parse(text)).expect_err("it should be refused");
        assert_eq!(error.to_string(), expected);
    };
    check("(component)", "no step: it does not export `piton:step/step@0.1.0`; it exports nothing");
    check(
        "(component (instance $run) (export \"wasi:cli/run@0.2.0\" (instance $run)))",
        "no step: it does not export `piton:step/step@0.1.0`; it exports `wasi:cli/run@0.2.0`",
    );
    check(
        "(component (instance $step) (export \"piton:step/step@0.2.0\" (instance $step)))",
        "no step: it does not export `piton:step/step@0.1.0`; it exports `piton:step/step@0.2.0`, \
         and so was built for another version of the contract",
    );
    assert_eq!(compilations(&notices), 0, "nothing of it should be compiled");
}

#[test]
fn a_step_with_other_types_is_refused() {
    let folder = folder();
    let (sandbox, _) = sandbox(folder.path(), |_| ());
    let text = "(component (instance $step) (export \"piton:step/step@0.1.0\" (instance $step)))";
    let error = load(&sandbox, &parse(text)).expect_err("it should be refused");
    assert!(matches!(&error, LoadError::WrongTypes(_)), "{error}");
    assert!(error.to_string().contains("execute"), "{error}");
}

#[test]
fn an_import_that_is_not_there_is_named_with_a_hint() {
    let folder = folder();
    let (sandbox, _) = sandbox(folder.path(), |_| ());
    for (name, expected) in [
        ("wasi:http/outgoing-handler@0.2.0", "http (to send requests)"),
        ("acme:billing/api@1.0.0", "compose it with the component that it needs"),
        ("piton:step/log@0.9.0", "another version of the contract"),
        ("wasi:cli/stdout@0.3.0", "this host has WASI 0.2"),
    ] {
        let step = "(instance $step) (export \"piton:step/step@0.1.0\" (instance $step))";
        let import = format!("(import \"{name}\" (instance (export \"f\" (func))))");
        let error = load(&sandbox, &parse(&format!("(component {import} {step})")));
        let error = error.expect_err("it should be refused");
        assert!(matches!(&error, LoadError::Import { name: n, .. } if n == name), "{error:?}");
        assert!(error.to_string().contains(expected), "{error}");
    }
}

#[test]
fn what_this_host_leaves_out_is_refused() {
    let folder = folder();
    let (sandbox, _) = sandbox(folder.path(), |_| ());
    for more in ["(memory i64 1)", "(memory 1 2 shared)", "(type (struct))"] {
        let refused = load(&sandbox, &Wat::echo().with(more).bytes());
        assert!(matches!(refused, Err(LoadError::Invalid(_))), "{more}");
    }
    let memories = "(memory 1)".repeat(4);
    let refused = load(&sandbox, &Wat::echo().with(&memories).bytes());
    let error = refused.expect_err("it should be refused");
    assert!(error.is_refusal() && error.to_string().contains("5 Wasm linear memories"), "{error}");
}

#[test]
fn size_and_imports_are_capped_before_compiling() {
    let folder = folder();
    let (sandbox, notices) =
        sandbox(folder.path(), |settings| settings.component_bytes_max = 50_000);
    let imports: String = (0..1_001).map(|n| format!("(import \"a{n}\" (func))")).collect();
    let refused = load(&sandbox, &parse(&format!("(component {imports})")));
    let expected = LoadError::TooManyImports { imports: 1_001, imports_max: 1_000 };
    assert_eq!(refused.err(), Some(expected));
    let refused = load(&sandbox, &[0; 50_001]);
    assert_eq!(refused.err(), Some(LoadError::TooLarge { bytes: 50_001, bytes_max: 50_000 }));
    assert_eq!(compilations(&notices), 0);
}

#[test]
fn other_bytes_than_the_digests_are_refused() {
    let folder = folder();
    let (sandbox, _) = sandbox(folder.path(), |_| ());
    let (one, other) = (Wat::echo().bytes(), Wat::returning("1").bytes());
    let refused = sandbox.load(digest_of(&one), || Ok(other.clone()));
    let expected = LoadError::WrongDigest { expected: digest_of(&one), found: digest_of(&other) };
    assert_eq!(refused.err(), Some(expected));
}

#[test]
fn compiled_code_is_found_again_without_the_component() {
    let folder = folder();
    let bytes = Wat::echo().bytes();
    let (first, notices) = sandbox(folder.path(), |_| ());
    let program = load(&first, &bytes).expect("the guest should load");
    let again = load(&first, &bytes).expect("the guest should load");
    assert!(Arc::ptr_eq(&program, &again));
    assert_eq!(compilations(&notices), 1);
    let (second, notices) = sandbox(folder.path(), |_| ());
    let loaded = second.load(digest_of(&bytes), || panic!("the bytes should not be asked for"));
    assert_eq!(loaded.expect("the guest should load").digest(), digest_of(&bytes));
    assert_eq!(compilations(&notices), 0);
}

#[test]
fn code_that_this_host_did_not_make_is_made_anew() {
    let folder = folder();
    let bytes = Wat::echo().bytes();
    let (first, _) = sandbox(folder.path(), |_| ());
    load(&first, &bytes).expect("the guest should load");
    let check = |change: &dyn Fn(), secret: u8| {
        change();
        let (sandbox, notices) =
            sandbox(folder.path(), |settings| settings.cache_secret = [secret; 32]);
        load(&sandbox, &bytes).expect("the guest should load");
        assert_eq!((rejections(&notices), compilations(&notices)), (1, 1));
    };
    let flip = |extension: &str| {
        let path = cached(folder.path(), extension);
        let mut content = fs::read(&path).expect("it should be readable");
        let middle = content.len() / 2;
        content[middle] ^= 1;
        fs::write(path, content).expect("it should be writable");
    };
    check(&|| flip("cwasm"), 7);
    check(&|| flip("mac"), 7);
    check(&|| (), 8);
    let loosen = || {
        let path = cached(folder.path(), "cwasm");
        fs::set_permissions(path, fs::Permissions::from_mode(0o666)).expect("it should be ours");
    };
    check(&loosen, 8);
}

#[test]
fn only_old_drafts_are_swept_away() {
    let folder = folder();
    let code = folder.path().join("code");
    let (first, _) = sandbox(folder.path(), |_| ());
    load(&first, &Wat::echo().bytes()).expect("the guest should load");
    for name in ["digest.1.0.draft", "digest.1.0.input", "digest.1.0.mac", "digest.2.0.draft"] {
        let file = fs::File::create(code.join(name)).expect("a file should be made");
        if name.starts_with("digest.1") {
            let old = std::time::SystemTime::UNIX_EPOCH;
            file.set_modified(old).expect("it should be ours");
        }
    }
    let (second, notices) = sandbox(folder.path(), |_| ());
    load(&second, &Wat::echo().bytes()).expect("the guest should load");
    assert_eq!(compilations(&notices), 0, "compiled code should stay");
    let left = fs::read_dir(&code).expect("the folder should be there").count();
    assert_eq!(left, 3, "its two files, and the young draft");
}

#[test]
fn a_folder_that_others_may_write_is_refused() {
    let folder = folder();
    let code = folder.path().join("code");
    fs::create_dir(&code).expect("a folder should be made");
    fs::set_permissions(&code, fs::Permissions::from_mode(0o777)).expect("it should be ours");
    let refused = Sandbox::new(Settings::new(&code, [7; 32], Compiler::InProcess));
    let error = refused.expect_err("it should be refused").to_string();
    assert!(error.contains("others may write to"), "{error}");
}

#[test]
fn a_compiler_that_is_stopped_by_its_limit_is_told_from_one_that_fails() {
    for (script, expected) in [
        ("kill -XCPU $$", "it took more than 120s of processor time"),
        ("echo 'memory allocation of 9 bytes failed' >&2; kill -ABRT $$", "more than 4096 MiB"),
        ("exec sleep 600", "it took longer than 50ms"),
        (
            "echo 'no such opcode' >&2; exit 1",
            "not WebAssembly that this host takes: no such opcode",
        ),
        ("echo 'gone' >&2; exit 2", "the compiler failed (exit status: 2): gone"),
    ] {
        let folder = folder();
        let exe = folder.path().join("compiler");
        fs::write(&exe, format!("#!/bin/sh\n{script}\n")).expect("a script should be written");
        fs::set_permissions(&exe, fs::Permissions::from_mode(0o700)).expect("it should be ours");
        let (sandbox, notices) = sandbox(folder.path(), |settings| {
            settings.compiler = Compiler::Child(exe);
            if script.starts_with("exec") {
                settings.compile_limits.wall = Duration::from_millis(50);
            }
        });
        let bytes = Wat::echo().bytes();
        let error = load(&sandbox, &bytes).expect_err("it should not be compiled");
        assert!(error.to_string().contains(expected), "{error}");
        // What was refused would be refused again, after as long, and is not tried.
        let again = load(&sandbox, &bytes).expect_err("it should not be compiled");
        assert_eq!(again, error);
        assert_eq!(compilations(&notices), if error.is_refusal() { 1 } else { 2 });
        let left = fs::read_dir(folder.path().join("code")).expect("the folder should be there");
        assert_eq!(left.count(), 0, "no draft should be left");
    }
}

#[test]
fn a_component_is_described_without_being_compiled() {
    let folder = folder();
    let (sandbox, notices) = sandbox(folder.path(), |_| ());
    let bytes = Wat { reconcile: Some("unreachable".into()), ..Wat::default() }.bytes();
    let found = sandbox.inspect(&bytes).expect("it should be a component");
    assert_eq!(found.world, Some(World::ReconcilablePlugin));
    assert_eq!((found.digest, found.size_bytes), (digest_of(&bytes), bytes.len() as u64));
    assert_eq!(found.exports, ["piton:step/step@0.1.0", "piton:step/reconcile@0.1.0"]);
    let imports: Vec<_> = found.imports.iter().map(|i| (i.name.as_str(), i.grant)).collect();
    assert_eq!(imports[0], ("piton:step/log@0.1.0", None));
    assert_eq!(imports[3], ("wasi:cli/environment@0.2.0", Some("grants.env")));
    assert!(found.imports.iter().all(|import| import.meaning.is_some()));
    let command =
        parse("(component (instance $run) (export \"wasi:cli/run@0.2.0\" (instance $run)))");
    assert_eq!(sandbox.inspect(&command).expect("it should be a component").world, None);
    assert_eq!(compilations(&notices), 0);
}
