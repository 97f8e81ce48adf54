//! Whether a run's input is what the pipeline expects.
//! Checks a JSON text against a JSON Schema; never loads a schema, and follows no remote `$ref`.

use piton_core::Json;
use serde_json::Value;
use std::fmt;

/// The longest schema, in bytes.
pub const SCHEMA_BYTES_MAX: usize = 1 << 20;
/// The most mistakes that are told.
const MISTAKES_MAX: usize = 100;
/// The most memory that a pattern may take once compiled, in bytes.
const PATTERN_BYTES_MAX: usize = 1 << 20;

/// One mistake in a run's input, or in its schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputMistake {
    /// Where it is.
    pub place: InputPlace,
    /// What is wrong, as a fragment.
    pub message: String,
}

/// Where a mistake in an input is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InputPlace {
    /// In the input, at this JSON Pointer (RFC 6901); empty: the input as a whole.
    Input(String),
    /// In the schema: the user's mistake was made earlier.
    Schema,
}

impl fmt::Display for InputMistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            InputPlace::Input(pointer) if pointer.is_empty() => {
                write!(f, "the input: {}", self.message)
            }
            InputPlace::Input(pointer) => write!(f, "`{pointer}` of the input: {}", self.message),
            InputPlace::Schema => write!(f, "the input's schema: {}", self.message),
        }
    }
}

fn input_mistake(pointer: impl Into<String>, message: impl Into<String>) -> InputMistake {
    InputMistake { place: InputPlace::Input(pointer.into()), message: message.into() }
}

fn schema_mistake(message: impl Into<String>) -> InputMistake {
    InputMistake { place: InputPlace::Schema, message: message.into() }
}

/// Checks an input and writes it anew: of a key that comes twice, the last value is both what was
/// checked and what is passed on.
pub(super) fn check_input(
    input_json: &str,
    schema_text: Option<&str>,
) -> Result<Json, Vec<InputMistake>> {
    let input: Value = serde_json::from_str(input_json)
        .map_err(|error| vec![input_mistake("", format!("it is not JSON: {error}"))])?;
    if let Some(schema) = schema_text {
        check_against(&input, schema)?;
    }
    Ok(Json::from_checked(input.to_string()))
}

fn check_against(input: &Value, schema: &str) -> Result<(), Vec<InputMistake>> {
    if schema.len() > SCHEMA_BYTES_MAX {
        return Err(vec![schema_mistake("it is larger than 1 MiB")]);
    }
    let schema: Value = serde_json::from_str(schema)
        .map_err(|error| vec![schema_mistake(format!("it is not JSON: {error}"))])?;
    // This engine's patterns take linear time, whatever the pattern.
    let patterns = jsonschema::PatternOptions::regex()
        .size_limit(PATTERN_BYTES_MAX)
        .dfa_size_limit(PATTERN_BYTES_MAX);
    let validator = jsonschema::options()
        .with_pattern_options(patterns)
        .build(&schema)
        .map_err(|error| vec![schema_mistake(cut(&error.to_string()))])?;
    let mistakes: Vec<InputMistake> = validator
        .iter_errors(input)
        .take(MISTAKES_MAX)
        .map(|error| input_mistake(error.instance_path().to_string(), cut(&error.to_string())))
        .collect();
    if mistakes.is_empty() { Ok(()) } else { Err(mistakes) }
}

/// Values in messages may be long.
fn cut(text: &str) -> String {
    let cut: String = text.chars().take(300).collect();
    if cut.len() < text.len() { cut + "…" } else { cut }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(input: &str, schema: Option<&str>, expected: Result<&str, &[&str]>) {
        let checked = check_input(input, schema);
        let checked = checked
            .map(|json| json.as_str().to_owned())
            .map_err(|mistakes| mistakes.iter().map(ToString::to_string).collect::<Vec<_>>());
        let expected = expected
            .map(str::to_owned)
            .map_err(|mistakes| mistakes.iter().map(|m| (*m).to_owned()).collect::<Vec<_>>());
        assert_eq!(checked, expected, "{input}");
    }

    const SCHEMA: &str = r#"{
        "type": "object",
        "required": ["sku"],
        "properties": {
            "sku": { "type": "string", "pattern": "^[a-z]+$" },
            "lines": { "type": "array", "items": { "type": "integer" } }
        }
    }"#;

    #[test]
    fn an_input_is_written_anew() {
        check(" { \"a\" : 1, \"b\": 1.0, \"a\": 2 } ", None, Ok(r#"{"a":2,"b":1.0}"#));
        check("12345678901234567", None, Ok("12345678901234567"));
    }

    #[test]
    fn each_mistake_has_its_path() {
        check(r#"{"sku":"pen"}"#, Some(SCHEMA), Ok(r#"{"sku":"pen"}"#));
        check(
            r#"{"sku":"PEN","lines":[1,"2"]}"#,
            Some(SCHEMA),
            Err(&[
                r#"`/lines/1` of the input: "2" is not of type "integer""#,
                r#"`/sku` of the input: "PEN" does not match "^[a-z]+$""#,
            ]),
        );
        check("{}", Some(SCHEMA), Err(&[r#"the input: "sku" is a required property"#]));
    }

    #[test]
    fn what_is_not_json_is_told_apart() {
        check(
            "{",
            None,
            Err(&["the input: it is not JSON: EOF while parsing an object at line 1 column 1"]),
        );
        check(
            "{}",
            Some("{"),
            Err(&[
                "the input's schema: it is not JSON: EOF while parsing an object at line 1 column 1",
            ]),
        );
    }

    #[test]
    fn a_remote_reference_is_refused() {
        let schema = r#"{ "$ref": "https://schemas.example/order.json" }"#;
        let mistakes = check_input("{}", Some(schema)).expect_err("it should not be followed");
        assert_eq!(mistakes[0].place, InputPlace::Schema);
    }

    #[test]
    fn a_schema_that_refers_to_itself_ends() {
        check("{}", Some(r##"{ "$ref": "#" }"##), Ok("{}"));
        let list = r##"{ "items": { "$ref": "#" }, "type": "array" }"##;
        check("[[[]]]", Some(list), Ok("[[[]]]"));
    }
}
