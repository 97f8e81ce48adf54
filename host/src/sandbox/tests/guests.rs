//! Components in WebAssembly text, made from what one of their functions does.
//! Each imports all of the contract and a little WASI, and exports a step.

/// A guest. Its core module finds memory from 1024 on free for data, and the functions of the
/// contract as `$log`, `$progress`, `$usage`, `$recall`, `$remember`, `$environment`, `$folders`.
pub(super) struct Guest {
    /// What `execute` does; it leaves the address of its result. `$input` and `$input_len` are there.
    pub(super) execute: String,
    /// What `compensate` does, given `$arguments`.
    pub(super) compensate: String,
    /// What `reconcile` does; it is only exported where this is given.
    pub(super) reconcile: Option<String>,
    /// More of the core module: data, functions, memories, tables.
    pub(super) more: String,
    /// More of the component, where it imports or defines what the core module then imports: last
    /// of it an instance `$outside`.
    pub(super) outside: String,
    /// What the core module imports from `outside`.
    pub(super) imports: String,
    /// The pages of the memory at first.
    pub(super) pages: u32,
}

impl Default for Guest {
    fn default() -> Self {
        Self {
            execute: "(call $ok (local.get $input) (local.get $input_len))".into(),
            compensate: "(i32.store8 (i32.const 0) (i32.const 0)) (i32.const 0)".into(),
            reconcile: None,
            more: String::new(),
            outside: String::new(),
            imports: String::new(),
            pages: 2,
        }
    }
}

impl Guest {
    /// A guest that returns its input.
    pub(super) fn echo() -> Self {
        Self::default()
    }

    /// A guest whose `execute` is this code.
    pub(super) fn executing(code: &str) -> Self {
        Self { execute: code.into(), ..Self::default() }
    }

    /// A guest that returns this text.
    pub(super) fn returning(text: &str) -> Self {
        let bytes: String = text.bytes().map(|byte| format!("\\{byte:02x}")).collect();
        Self {
            execute: format!("(call $ok (i32.const 1024) (i32.const {}))", text.len()),
            more: format!("(data (i32.const 1024) \"{bytes}\")"),
            pages: 2 + u32::try_from(text.len() >> 16).expect("a test's text should be small"),
            ..Self::default()
        }
    }

    /// More of the core module.
    pub(super) fn with(self, more: &str) -> Self {
        Self { more: more.into(), ..self }
    }

    /// The component.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let text = self.text().replace("    TYPES\n", TYPES);
        wat::parse_str(&text).unwrap_or_else(|error| panic!("the guest should parse: {error}"))
    }

    fn text(&self) -> String {
        let Self { execute, compensate, reconcile, more, outside, imports, pages } = self;
        let with_outside =
            if outside.is_empty() { "" } else { "(with \"outside\" (instance $outside))" };
        let asked = reconcile.as_deref().unwrap_or("unreachable");
        let reconcile = if reconcile.is_some() { RECONCILE } else { "" };
        format!(
            r#"(component
{IMPORTS}
(core module $memory_module
    (memory (export "memory") {pages})
    (global $next (mut i32) (i32.const 32768))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32)
        (local $at i32)
        (local.set $at (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))
        (global.set $next (i32.add (local.get $at) (local.get 3)))
        (local.get $at)))
(core instance $memory (instantiate $memory_module))
{LOWERED}
{outside}
(core module $module
    (import "memory" "memory" (memory 0))
    (import "host" "log" (func $log (param i32 i32 i32)))
    (import "host" "progress" (func $progress (param i64 i32 i64 i32 i32)))
    (import "host" "usage" (func $usage (param i32 i32 i64)))
    (import "host" "recall" (func $recall (param i32 i32 i32)))
    (import "host" "remember" (func $remember (param i32 i32 i32 i32 i32)))
    (import "host" "environment" (func $environment (param i32)))
    (import "host" "folders" (func $folders (param i32)))
    {imports}
    (func $ok (param $at i32) (param $len i32) (result i32)
        (i32.store8 (i32.const 0) (i32.const 0))
        (i32.store (i32.const 8) (local.get $at))
        (i32.store (i32.const 12) (local.get $len))
        (i32.const 0))
    ;; One digit.
    (func $number (param $number i32) (result i32)
        (i32.store8 (i32.const 512) (i32.add (local.get $number) (i32.const 48)))
        (call $ok (i32.const 512) (i32.const 1)))
    {more}
    (func $execute (export "execute")
        (param $run i32) (param $run_len i32) (param $step i32) (param $step_len i32)
        (param $attempt i32) (param $key i32) (param $key_len i32)
        (param $execute_key i32) (param $execute_key_len i32) (param $time_left i64)
        (param $input i32) (param $input_len i32) (result i32)
        {execute})
    (func $compensate (export "compensate") (param $arguments i32) (result i32)
        {compensate})
    (func $reconcile (export "reconcile")
        (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i64) (param $input i32) (param $input_len i32)
        (result i32)
        {asked}))
(core instance $main (instantiate $module
    (with "memory" (instance $memory)) (with "host" (instance $host))
    {with_outside}))
{STEP}
{reconcile})"#
        )
    }
}

const IMPORTS: &str = r#"
(import "piton:step/log@0.1.0" (instance $log
    (type $level' (enum "trace" "debug" "info" "warn" "error"))
    (export "level" (type $level (eq $level')))
    (export "log" (func (param "level" $level) (param "message" string)))))
(import "piton:step/report@0.1.0" (instance $report
    (export "progress"
        (func (param "done" u64) (param "total" (option u64)) (param "message" string)))
    (export "usage" (func (param "unit" string) (param "micros" u64)))))
(import "piton:step/memo@0.1.0" (instance $memo
    (export "recall" (func (param "key" string) (result (option string))))
    (export "remember" (func (param "key" string) (param "value" string) (result string)))))
(import "wasi:cli/environment@0.2.0" (instance $cli
    (export "get-environment" (func (result (list (tuple string string)))))))
(import "wasi:filesystem/types@0.2.0" (instance $files (export "descriptor" (type (sub resource)))))
(alias export $files "descriptor" (type $descriptor))
(import "wasi:filesystem/preopens@0.2.0" (instance $preopens
    (alias outer 1 $descriptor (type $descriptor'))
    (export "descriptor" (type $folder (eq $descriptor')))
    (export "get-directories" (func (result (list (tuple (own $folder) string)))))))
"#;

const LOWERED: &str = r#"
(alias core export $memory "memory" (core memory $mem))
(alias core export $memory "realloc" (core func $realloc))
(core func $log_lower (canon lower (func $log "log") (memory $mem)))
(core func $progress_lower (canon lower (func $report "progress") (memory $mem)))
(core func $usage_lower (canon lower (func $report "usage") (memory $mem)))
(core func $recall_lower (canon lower (func $memo "recall") (memory $mem) (realloc $realloc)))
(core func $remember_lower (canon lower (func $memo "remember") (memory $mem) (realloc $realloc)))
(core func $environment_lower
    (canon lower (func $cli "get-environment") (memory $mem) (realloc $realloc)))
(core func $folders_lower
    (canon lower (func $preopens "get-directories") (memory $mem) (realloc $realloc)))
(core instance $host
    (export "log" (func $log_lower))
    (export "progress" (func $progress_lower))
    (export "usage" (func $usage_lower))
    (export "recall" (func $recall_lower))
    (export "remember" (func $remember_lower))
    (export "environment" (func $environment_lower))
    (export "folders" (func $folders_lower)))
"#;

/// The contract's types, as the exported instances take and give them.
const TYPES: &str = r#"
    (type $kind' (variant
        (case "retryable") (case "retry-after" u64) (case "permanent") (case "unknown")))
    (import "kind" (type $kind (eq $kind')))
    (type $failure' (record (field "kind" $kind) (field "clean" bool) (field "code" string)
        (field "message" string) (field "details" (option string))))
    (import "failure" (type $failure (eq $failure')))
    (type $context' (record (field "run-id" string) (field "step" string) (field "attempt" u32)
        (field "idempotency-key" string) (field "execute-key" string) (field "time-left-ms" u64)))
    (import "context" (type $context (eq $context')))
    (export $kind_out "failure-kind" (type $kind'))
    (type $failure_out' (record (field "kind" $kind_out) (field "clean" bool) (field "code" string)
        (field "message" string) (field "details" (option string))))
    (export $failure_out "failure" (type $failure_out'))
    (export $context_out "context" (type $context'))
"#;

const STEP: &str = r#"
(type $kind (variant (case "retryable") (case "retry-after" u64) (case "permanent") (case "unknown")))
(type $failure (record (field "kind" $kind) (field "clean" bool) (field "code" string)
    (field "message" string) (field "details" (option string))))
(type $context (record (field "run-id" string) (field "step" string) (field "attempt" u32)
    (field "idempotency-key" string) (field "execute-key" string) (field "time-left-ms" u64)))
(func $execute (param "ctx" $context) (param "input" string)
    (result (result string (error $failure)))
    (canon lift (core func $main "execute") (memory $mem) (realloc $realloc)))
(func $compensate (param "ctx" $context) (param "input" string) (param "output" (option string))
    (param "cause" (option $failure)) (result (result (error $failure)))
    (canon lift (core func $main "compensate") (memory $mem) (realloc $realloc)))
(component $step_types
    TYPES
    (import "execute" (func $execute (param "ctx" $context) (param "input" string)
        (result (result string (error $failure)))))
    (import "compensate" (func $compensate (param "ctx" $context) (param "input" string)
        (param "output" (option string)) (param "cause" (option $failure))
        (result (result (error $failure)))))
    (export "execute" (func $execute)
        (func (param "ctx" $context_out) (param "input" string)
            (result (result string (error $failure_out)))))
    (export "compensate" (func $compensate)
        (func (param "ctx" $context_out) (param "input" string) (param "output" (option string))
            (param "cause" (option $failure_out)) (result (result (error $failure_out))))))
(instance $step (instantiate $step_types
    (with "kind" (type $kind)) (with "failure" (type $failure)) (with "context" (type $context))
    (with "execute" (func $execute)) (with "compensate" (func $compensate))))
(export "piton:step/step@0.1.0" (instance $step))
"#;

const RECONCILE: &str = r#"
(type $outcome (variant (case "done" string) (case "not-done") (case "unknown")))
(func $reconcile (param "ctx" $context) (param "input" string)
    (result (result $outcome (error $failure)))
    (canon lift (core func $main "reconcile") (memory $mem) (realloc $realloc)))
(component $reconcile_types
    TYPES
    (type $outcome' (variant (case "done" string) (case "not-done") (case "unknown")))
    (import "outcome" (type $outcome (eq $outcome')))
    (import "reconcile" (func $reconcile (param "ctx" $context) (param "input" string)
        (result (result $outcome (error $failure)))))
    (export $outcome_out "outcome" (type $outcome'))
    (export "reconcile" (func $reconcile)
        (func (param "ctx" $context_out) (param "input" string)
            (result (result $outcome_out (error $failure_out))))))
(instance $reconcile_out (instantiate $reconcile_types
    (with "kind" (type $kind)) (with "failure" (type $failure)) (with "context" (type $context))
    (with "outcome" (type $outcome)) (with "reconcile" (func $reconcile))))
(export "piton:step/reconcile@0.1.0" (instance $reconcile_out))
"#;
