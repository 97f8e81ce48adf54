//! What expressions mean: values in, values out, and why there is none.

use super::super::scope::Scope;
use super::{good, steps};
use piton_core::{EvaluationError, Json, StepIndex, Timestamp};

/// A run as far as expressions see it: step 0 has the output, step 1 has none.
pub(super) struct World {
    input: Json,
    output: Json,
    element: Option<(Json, u32)>,
}

impl World {
    pub(super) fn of(input: &str, output: &str) -> Self {
        let json = |text: &str| Json::from_checked(text);
        Self { input: json(input), output: json(output), element: None }
    }
}

impl Scope for World {
    fn input(&self) -> &Json {
        &self.input
    }

    fn output_of(&self, step: StepIndex) -> Option<&Json> {
        (step == StepIndex(0)).then_some(&self.output)
    }

    fn element(&self) -> Option<(&Json, u32)> {
        self.element.as_ref().map(|(item, index)| (item, *index))
    }

    fn run_id(&self) -> String {
        "0190b5f2-7c3a-7e11-8000-0123456789ab".to_owned()
    }

    fn pipeline_name(&self) -> &str {
        "order"
    }

    fn started_at(&self) -> Timestamp {
        Timestamp::from_millis(1_767_225_600_500)
    }
}

pub(super) const INPUT: &str = r#"{"sku":"pen","quantity":3,"price":9.99,"big":18446744073709551615,
    "lines":[{"n":1},{"n":2},{"n":3}],"none":null,"flag":true,"text":"a \"b\"\n",
    "map":{"z":1,"y":2,"x":3,"w":4,"v":5,"u":6},"float":1.0,"exact":1.10}"#;
pub(super) const OUTPUT: &str = r#"{"price":250,"items":["a","b"]}"#;

fn texts(value: Result<Json, EvaluationError>) -> Result<String, String> {
    value.map(|json| json.as_str().to_owned()).map_err(|error| error.message)
}

/// Evaluates `input = VALUE` of the last of the steps `done`, `skipped`, `last`.
fn evaluate(value: &str) -> Result<String, String> {
    let text = format!(
        "[steps.done]\ncomponent = \"d\"\n[steps.skipped]\ncomponent = \"s\"\nwhen = \"false\"\n\
         [steps.last]\ncomponent = \"l\"\ninput = {value}\n"
    );
    let world = World::of(INPUT, OUTPUT);
    texts(steps(&text).programs.input_in(&world, StepIndex(2)))
}

#[track_caller]
fn check(value: &str, expected: &str) {
    assert_eq!(evaluate(value), Ok(expected.to_owned()), "{value}");
}

/// What the expression is, on its own.
#[track_caller]
fn check_expression(expression: &str, expected: &str) {
    check(&format!("'''${{{expression}}}'''"), expected);
}

/// Why the expression has no value.
#[track_caller]
fn check_refused(expression: &str, expected: &str) {
    let refused = evaluate(&format!("'''${{{expression}}}'''"));
    assert_eq!(refused, Err(format!("`{expression}` has no value: {expected}")));
}

#[test]
fn a_string_that_is_one_expression_keeps_its_type() {
    check("\"${input.quantity}\"", "3");
    check("\"${input.lines}\"", r#"[{"n":1},{"n":2},{"n":3}]"#);
    check("\"${input.none}\"", "null");
    check("\" ${input.quantity}\"", "\" 3\"");
}

#[test]
fn text_around_an_expression_makes_a_text() {
    check("\"n: ${input.quantity}, ${input.sku}\"", "\"n: 3, pen\"");
    check("\"${input.text}!\"", r#""a \"b\"\n!""#);
    check(
        "\"${input.none}/${input.flag}/${steps.done.output.items}\"",
        r#""null/true/[\"a\",\"b\"]""#,
    );
    check("\"$${input.sku} costs $5\"", "\"${input.sku} costs $5\"");
}

#[test]
fn a_plain_path_passes_the_text_on_as_it_is() {
    check("\"${steps.done.output}\"", OUTPUT);
    check("\"${input.exact}\"", "1.10");
    check("\"${input.lines[1].n}\"", "2");
    check("\"${ steps.done.output.items[0] }\"", "\"a\"");
    check("\"${run.pipeline}\"", "\"order\"");
    check(
        "\"${run}\"",
        r#"{"id":"0190b5f2-7c3a-7e11-8000-0123456789ab","pipeline":"order","started_at":"2026-01-01T00:00:00.500Z"}"#,
    );
}

#[test]
fn values_of_toml_become_json() {
    check(
        "{ a = 1, b = [true, 1.5, \"x\"], c = { d = 2026-01-01 } }",
        r#"{"a":1,"b":[true,1.5,"x"],"c":{"d":"2026-01-01"}}"#,
    );
    check("{ a = 0x10, \"k\\\"\" = \"${input.sku}\" }", r#"{"a":16,"k\"":"pen"}"#);
    check("{}", "{}");
}

#[test]
fn integers_stay_integers() {
    check_expression("input.quantity * 2", "6");
    check_expression("steps.done.output.price * input.quantity", "750");
    check_expression("input.big - 1u", "18446744073709551614");
    check_expression("input.float + 1.0", "2.0");
    check_expression("input.price * double(input.quantity)", "29.97");
    check_expression("7 / 2", "3");
}

#[test]
fn what_is_computed_becomes_json() {
    check_expression("{'b': [1, 'x'], 'a': null}", r#"{"a":null,"b":[1,"x"]}"#);
    check_expression("input.lines.map(l, l.n * 2)", "[2,4,6]");
    check_expression("input.lines.filter(l, l.n > 1).size()", "2");
    check_expression("input.sku + '-' + string(input.quantity)", "\"pen-3\"");
    check_expression("input.flag ? 'yes' : 'no'", "\"yes\"");
    check_expression("run.id.startsWith('0190') && run.pipeline == 'order'", "true");
    check_expression("type(input.quantity) == int", "true");
    check_expression("input.lines[0].n + 1", "2");
    check_expression("'}' + \"{\"", "\"}{\"");
}

#[test]
fn what_is_missing_can_be_asked_for() {
    check_expression("has(input.sku)", "true");
    check_expression("has(input.colour)", "false");
    check_expression("has(input.colour) ? input.colour : 'red'", "\"red\"");
    check_expression("input.?colour.orValue('red')", "\"red\"");
    check_expression("has(input.none.x)", "false");
    check_expression("has(input.lines[0].n)", "true");
    check_expression("input.none == null", "true");
}

#[test]
fn a_step_without_output_is_null_in_all_its_parts() {
    check_expression("steps.skipped.output", "null");
    check_expression("steps.skipped.output.tracking.id", "null");
    check_expression("steps.skipped.output.tracking == null ? 1 : 2", "1");
    check_expression("has(steps.skipped.output.tracking)", "false");
    check_expression("has(steps.done.output.price)", "true");
    check_expression("steps.skipped.output.?tracking.orValue('none')", "\"none\"");
    check("\"id ${steps.skipped.output.tracking}\"", "\"id null\"");
}

#[test]
fn a_map_is_walked_in_the_order_of_its_keys() {
    for _ in 0..20 {
        check_expression("input.map.map(key, key)", r#"["u","v","w","x","y","z"]"#);
        check_expression("{'b': 1, 'a': 2}.filter(key, true)", r#"["a","b"]"#);
    }
    check_expression("input.map.exists(key, key == 'w')", "true");
}

#[test]
fn names_within_a_comprehension_are_its_own() {
    check_expression("input.lines.map(input, input.n)", "[1,2,3]");
    check_expression("input.lines.map(steps, steps.n + input.quantity)", "[4,5,6]");
}

#[test]
fn why_there_is_no_value_is_told() {
    check_refused("input.skuu", "`input` has no field `skuu`; did you mean `sku`?");
    check_refused("input.sku.x", "`input.sku` is a text, so it has no field `x`");
    check_refused("input.none.x", "`input.none` is null, so it has no field `x`");
    check_refused("input.lines[7].n", "`input.lines` has 3 elements, so there is no `[7]`");
    check_refused("input[0]", "`input` is an object, so it has no `[0]`");
    check_refused("input.colour + 'x'", "there is no field `colour`");
    check_refused(
        "input.price * input.quantity",
        "`*` does not take double and int; write `double(…)` around the int, or keep money in \
         integers",
    );
    check_refused("input.sku + 1", "`+` does not take string and int");
    check_refused("input.quantity / 0", "it divides by zero");
    check_refused("9223372036854775807 + 1", "a number does not fit into 64 bits");
    check_refused("1.0 / 0.0", "JSON has no number inf");
    check_refused("{1: 2}", "the key of an object must be a text, and `1` is none");
    check_refused("b'x'", "bytes have no form in JSON; `string(…)` reads them");
    check_refused("input.?x", "an optional has no form in JSON; end it with `.orValue(…)`");
    check_refused(
        "input.none.x == 1",
        "null has no fields; `.?field.orValue(…)` gives something else instead",
    );
    check_refused("has(input.sku.x)", "`has` does not take string");
    check_refused("size(input.quantity)", "`size` does not take int");
}

#[test]
fn values_are_not_shown_in_errors() {
    let world = World::of(r#"{"secret":"hunter2"}"#, "null");
    for expression in ["input.secret * 2", "input.secret - 'x'", "input.secret[0]", "{input: 1}"] {
        let text = format!("[steps.a]\ncomponent = \"a\"\ninput = \"${{{expression}}}\"\n");
        let error = steps(&text).programs.input_in(&world, StepIndex(0)).expect_err(expression);
        assert!(!error.message.contains("hunter2"), "{}", error.message);
    }
}

#[test]
fn every_listed_function_exists() {
    for expression in [
        "[1].all(x, x > 0) && bool('true') && size(bytes('a')) == 1",
        "'abc'.contains('b') && double('1.5') > 1.0 && dyn(1) == 1 && 'abc'.endsWith('c')",
        "[1].exists(x, x == 1) && [1].exists_one(x, x == 1) && [1].filter(x, true).size() == 1",
        "has(input.sku) && optional.of(1).hasValue() && int('2') == 2 && [1].map(x, x) == [1]",
        "!optional.none().hasValue() && !optional.ofNonZeroValue(0).hasValue()",
        "optional.none().or(optional.of(1)).value() == 1 && optional.none().orValue(1) == 1",
        "'abc'.startsWith('a') && string(1) == '1' && type(uint(1)) == uint",
    ] {
        check_expression(expression, "true");
    }
}

#[test]
fn a_step_without_input_gets_the_runs() {
    let manifest = steps(
        "[steps.a]\ncomponent = \"a\"\n[steps.b]\ncomponent = \"b\"\nmap = \"${input}\"\n\
         [steps.c]\ncomponent = \"c\"\nmap = [1, 2]\ninput = { i = \"${index}\", x = \"${item.x}\", \
         y = \"${item.x + index}\" }\n",
    );
    let mut world = World::of("[1]", "null");
    assert_eq!(texts(manifest.programs.input_in(&world, StepIndex(0))), Ok("[1]".to_owned()));
    world.element = Some((Json::from_checked(r#"{"x":7}"#), 2));
    assert_eq!(
        texts(manifest.programs.input_in(&world, StepIndex(1))),
        Ok(r#"{"x":7}"#.to_owned())
    );
    assert_eq!(
        texts(manifest.programs.input_in(&world, StepIndex(2))),
        Ok(r#"{"i":2,"x":7,"y":9}"#.to_owned())
    );
}

#[test]
fn the_items_of_a_map_are_a_list() {
    let manifest = steps(
        "[steps.a]\ncomponent = \"a\"\nmap = \"${input.lines}\"\n\
         [steps.b]\ncomponent = \"b\"\nmap = [\"x\", \"${input.sku}\"]\n\
         [steps.c]\ncomponent = \"c\"\nmap = \"${input.sku}\"\n",
    );
    let world = World::of(INPUT, OUTPUT);
    let items = |step| {
        let items = manifest.programs.items_in(&world, StepIndex(step));
        let texts =
            |items: Vec<Json>| items.iter().map(|i| i.as_str().to_owned()).collect::<Vec<_>>();
        items.map(texts).map_err(|error| error.message)
    };
    assert_eq!(items(0), Ok(vec![r#"{"n":1}"#.into(), r#"{"n":2}"#.into(), r#"{"n":3}"#.into()]));
    assert_eq!(items(1), Ok(vec!["\"x\"".into(), "\"pen\"".into()]));
    assert_eq!(items(2), Err("`map` is a text, and must be a list".into()));
}

#[test]
fn when_is_true_or_false() {
    let manifest = steps(
        "[steps.a]\ncomponent = \"a\"\n[steps.b]\ncomponent = \"b\"\nwhen = \"${input.flag}\"\n\
         [steps.c]\ncomponent = \"c\"\nwhen = \"input.quantity > 100\"\n\
         [steps.d]\ncomponent = \"d\"\nwhen = \"input.quantity\"\n",
    );
    let world = World::of(INPUT, OUTPUT);
    let when = |step| manifest.programs.when_in(&world, StepIndex(step)).map_err(|e| e.message);
    assert_eq!(when(0), Ok(true));
    assert_eq!(when(1), Ok(true));
    assert_eq!(when(2), Ok(false));
    let refused = "`input.quantity` has no value: it is a number, and must be true or false";
    assert_eq!(when(3), Err(refused.to_owned()));
}

#[test]
fn a_moment_is_read_from_rfc_3339() {
    let manifest = steps(
        "[steps.a]\nwait_until = 2026-01-01T00:00:00Z\n[steps.b]\nwait_until = \"${input.at}\"\n\
         [steps.c]\nwait_until = \"${input.day}T09:00:00+01:00\"\n[steps.d]\nwait_until = \"${input.n}\"\n",
    );
    let world = World::of(r#"{"at":"1960-01-01T00:00:00Z","day":"2026-01-01","n":5}"#, "null");
    let until = |step| {
        let until = manifest.programs.until_in(&world, StepIndex(step));
        until.map(Timestamp::as_millis).map_err(|error| error.message)
    };
    assert_eq!(until(0), Ok(1_767_225_600_000));
    assert_eq!(until(1), Ok(0));
    assert_eq!(until(2), Ok(1_767_225_600_000 + 8 * 3_600_000));
    assert_eq!(
        until(3),
        Err("`wait_until` is no moment: it is a number, and must be a text".into())
    );
}

#[test]
fn the_output_is_that_of_what_comes_last() {
    let world = World::of(INPUT, OUTPUT);
    let output = |text: &str| texts(steps(text).programs.output_in(&world));
    let a = "[steps.a]\ncomponent = \"a\"\n";
    let b = "[steps.b]\ncomponent = \"b\"\n";
    assert_eq!(output(a), Ok(OUTPUT.to_owned()));
    assert_eq!(output(&format!("{a}{b}")), Ok(format!("{{\"a\":{OUTPUT},\"b\":null}}")));
    assert_eq!(output(&format!("{a}{b}after = [\"a\"]\n")), Ok("null".to_owned()));
    let with_output = format!("{a}[output]\ntotal = \"${{steps.a.output.price + 1}}\"\n");
    assert_eq!(output(&with_output), Ok(r#"{"total":251}"#.to_owned()));
    let one = good(
        "output = \"${steps.a.output.items}\"\n[pipeline]\nname = \"p\"\n[steps.a]\ncomponent = \"a\"\n",
    );
    assert_eq!(texts(one.programs.output_in(&world)), Ok(r#"["a","b"]"#.to_owned()));
}

#[test]
fn what_an_evaluation_walks_through_is_bounded() {
    let list: Vec<String> = (0..2_000).map(|n| n.to_string()).collect();
    let world = World::of(&format!("[{}]", list.join(",")), "null");
    let text = "[steps.a]\ncomponent = \"a\"\nwhen = \"input.all(x, input.all(y, y >= 0))\"\n";
    let error = steps(text).programs.when_in(&world, StepIndex(0)).expect_err("4,000,000 elements");
    assert!(
        error.message.ends_with("walks through more than 1000000 elements"),
        "{}",
        error.message
    );
    let text = "[steps.a]\ncomponent = \"a\"\nwhen = \"input.all(x, x in input)\"\n";
    assert_eq!(steps(text).programs.when_in(&world, StepIndex(0)), Ok(true));
}

/// Short to write, and more than any machine has.
#[test]
fn what_an_evaluation_makes_is_bounded() {
    let bomb = |step: &str| format!("[input]{}", step.repeat(28));
    let many = "[1,2,3,4,5,6,7,8,9,10]";
    for expression in [
        bomb(".map(x, x + x)"),
        bomb(".map(x, [x, x])"),
        bomb(".map(x, {'a': x, 'b': x})"),
        bomb(".map(x, [optional.of(x), x])"),
        format!("{many}.map(x, {many}.map(y, {{'a': input, 'b': [input, input]}}))"),
        format!("[{}]", vec!["input + input"; 100].join(",")),
    ] {
        let text = format!("[steps.a]\ncomponent = \"a\"\ninput = \"${{{expression}}}\"\n");
        // Escapes make it a text of its own, which is copied where others are borrowed.
        let world = World::of(&format!("\"\\u0061{}\"", "x".repeat(1 << 20)), "null");
        let made = steps(&text).programs.input_in(&world, StepIndex(0));
        let error = made.expect_err("it should be too much").message;
        assert!(error.ends_with("makes too much; compute it in a step instead"), "{error}");
    }
}

#[test]
fn what_an_evaluation_looks_at_is_bounded() {
    let list: Vec<String> = (0..10_000).map(|n| n.to_string()).collect();
    let text = "x".repeat(4 << 20);
    let world = World::of(
        &format!("{{\"l\":[{}],\"a\":\"{text}\",\"b\":\"{text}\"}}", list.join(",")),
        "null",
    );
    for expression in [
        "input.l.filter(x, input.a == input.b)",
        "input.l.map(x, input.a.contains('y'))",
        "input.l.map(x, size(input.a))",
        "input.l.map(x, x in input.l && input.a < input.b)",
    ] {
        let text = format!("[steps.a]\ncomponent = \"a\"\ninput = \"${{{expression}}}\"\n");
        let made = steps(&text).programs.input_in(&world, StepIndex(0));
        let error = made.expect_err("it should be too much").message;
        assert!(error.ends_with("looks at too much; compute it in a step instead"), "{error}");
    }
}

#[test]
fn large_lists_are_walked_through_all_the_same() {
    let lines: Vec<String> =
        (0..10_000).map(|n| format!("{{\"sku\":\"s{n}\",\"cents\":{n},\"tags\":[1,2]}}")).collect();
    let world =
        World::of(&format!("{{\"lines\":[{}],\"wanted\":\"s7\"}}", lines.join(",")), "null");
    for (expression, expected) in [
        (
            "size(input.lines.filter(l, l.cents > 5).map(l, {'sku': l.sku, 'cents': l.cents * 2}))",
            "9994",
        ),
        ("input.lines.filter(l, l.sku == input.wanted).map(l, l.sku + '!')", "[\"s7!\"]"),
        ("input.lines.exists_one(l, l.sku == input.wanted)", "true"),
        ("size(input.lines.map(l, size(l.tags)))", "10000"),
        ("input.lines.all(l, size(l.tags) == 2 || l.cents in [1, 2])", "true"),
    ] {
        let text = format!("[steps.a]\ncomponent = \"a\"\ninput = \"${{{expression}}}\"\n");
        let made = texts(steps(&text).programs.input_in(&world, StepIndex(0)));
        assert_eq!(made, Ok(expected.to_owned()), "{expression}");
    }
}

#[test]
fn what_is_put_together_is_bounded() {
    let world = World::of(&format!("\"{}\"", "x".repeat(4 << 20)), "null");
    let copies = vec!["\"${input}\""; 1_000].join(",");
    for input in [format!("[{copies}]"), format!("\"{}\"", "a${input}".repeat(1_000))] {
        let text = format!("[steps.a]\ncomponent = \"a\"\ninput = {input}\n");
        let made = steps(&text).programs.input_in(&world, StepIndex(0));
        assert_eq!(made.expect_err("4 GiB").message, "the value has more than 64 MiB");
    }
}
