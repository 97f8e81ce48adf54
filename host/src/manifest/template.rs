//! Values with expressions in them: the `input` of a step, the `[output]` of a pipeline.
//! Compiled into pieces of JSON text that are put together for each call; never parses CEL.

use super::complaint::{Complaints, Place};
use super::expression::{Expression, Spot};
use super::scope::Scope;
use super::shape::{Value, integer_of};
use super::value::{check_size, push_characters, push_text};
use super::variables::Variables;
use piton_core::{EvaluationError, Json};
use toml::de::DeValue;

/// A value, known but for its expressions.
#[derive(Debug, Default)]
pub(super) struct Template {
    pieces: Vec<Piece>,
}

#[derive(Debug)]
enum Piece {
    /// JSON text as it is.
    Literal(String),
    /// The value of an expression.
    Value(Expression),
    /// The value of an expression within a text.
    Text(Expression),
}

impl Template {
    /// Compiles a TOML value; what is wrong in it is complained about and left out.
    pub(super) fn compile(
        text: &str,
        value: &Value<'_>,
        variables: &mut Variables<'_>,
        complaints: &mut Complaints,
    ) -> Self {
        let mut compiler = Compiler { text, variables, complaints, template: Self::default() };
        compiler.value(value);
        compiler.template
    }

    /// Puts the value together.
    pub(super) fn json(&self, scope: &dyn Scope) -> Result<Json, EvaluationError> {
        if let [Piece::Value(expression)] = self.pieces.as_slice() {
            return expression.json(scope);
        }
        let mut json = String::new();
        for piece in &self.pieces {
            check_size(&json).map_err(EvaluationError::new)?;
            match piece {
                Piece::Literal(text) => json.push_str(text),
                Piece::Value(expression) => json.push_str(expression.json(scope)?.as_str()),
                Piece::Text(expression) => {
                    let value = expression.json(scope)?;
                    match serde_json::from_str::<String>(value.as_str()) {
                        Ok(text) => push_characters(&text, &mut json),
                        Err(_) => push_characters(value.as_str(), &mut json),
                    }
                }
            }
        }
        Ok(Json::from_checked(json))
    }

    /// Whether it holds no expression.
    pub(super) fn is_constant(&self) -> bool {
        self.pieces.iter().all(|piece| matches!(piece, Piece::Literal(_)))
    }

    /// The JSON text of a template that holds no expression.
    pub(super) fn constant(&self) -> Option<String> {
        let literal = |piece: &Piece| match piece {
            Piece::Literal(text) => Some(text.clone()),
            Piece::Value(_) | Piece::Text(_) => None,
        };
        self.pieces.iter().map(literal).collect()
    }
}

struct Compiler<'a, 'n> {
    /// The manifest's text.
    text: &'a str,
    variables: &'a mut Variables<'n>,
    complaints: &'a mut Complaints,
    template: Template,
}

impl Compiler<'_, '_> {
    /// Recurses as deep as the value is nested: TOML's parser stops at 80.
    fn value(&mut self, value: &Value<'_>) {
        match value.get_ref() {
            DeValue::String(string) => self.string(string, &value.span()),
            DeValue::Integer(_) => match integer_of(value) {
                Some(integer) => self.literal().push_str(&integer.to_string()),
                None => {
                    let message = "the number does not fit into 64 bits";
                    self.complaints.error(&value.span(), message);
                }
            },
            DeValue::Float(float) => {
                let number = float.as_str().parse().ok().and_then(serde_json::Number::from_f64);
                match number {
                    Some(number) => self.literal().push_str(&number.to_string()),
                    None => {
                        self.complaints.error(&value.span(), "JSON has no such number");
                    }
                }
            }
            DeValue::Boolean(boolean) => self.literal().push_str(&boolean.to_string()),
            DeValue::Datetime(datetime) => push_text(&datetime.to_string(), self.literal()),
            DeValue::Array(elements) => {
                self.literal().push('[');
                for (nth, element) in elements.iter().enumerate() {
                    if nth > 0 {
                        self.literal().push(',');
                    }
                    self.value(element);
                }
                self.literal().push(']');
            }
            DeValue::Table(table) => {
                self.literal().push('{');
                for (nth, (key, value)) in table.iter().enumerate() {
                    if nth > 0 {
                        self.literal().push(',');
                    }
                    push_text(key.get_ref(), self.literal());
                    self.literal().push(':');
                    self.value(value);
                }
                self.literal().push('}');
            }
        }
    }

    /// The JSON text that further literal text is added to.
    fn literal(&mut self) -> &mut String {
        if !matches!(self.template.pieces.last(), Some(Piece::Literal(_))) {
            self.template.pieces.push(Piece::Literal(String::new()));
        }
        match self.template.pieces.last_mut() {
            Some(Piece::Literal(text)) => text,
            _ => unreachable!("a literal piece was just put last"),
        }
    }

    fn string(&mut self, string: &str, place: &Place) {
        let spot = spot_of(self.text, string, place);
        let parts = parts_of(string, &spot, self.complaints);
        if let [Part::Expression(range)] = parts.as_slice() {
            let expression = self.expression(&string[range.clone()], &spot.further(range.start));
            self.template.pieces.extend(expression.map(Piece::Value));
            return;
        }
        self.literal().push('"');
        for part in parts {
            match part {
                Part::Text(text) => push_characters(&text, self.literal()),
                Part::Expression(range) => {
                    let spot = spot.further(range.start);
                    let expression = self.expression(&string[range], &spot);
                    self.template.pieces.extend(expression.map(Piece::Text));
                }
            }
        }
        self.literal().push('"');
    }

    fn expression(&mut self, text: &str, spot: &Spot) -> Option<Expression> {
        Expression::parse(text, spot, self.variables, self.complaints)
    }
}

/// A part of a string.
#[derive(Debug, PartialEq)]
enum Part {
    /// Text, with `$${` already read as `${`.
    Text(String),
    /// What stands between `${` and `}`.
    Expression(std::ops::Range<usize>),
}

/// Takes a string apart.
fn parts_of(string: &str, spot: &Spot, complaints: &mut Complaints) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut text = String::new();
    let mut at = 0;
    while let Some(dollar) = string[at..].find('$').map(|offset| at + offset) {
        text.push_str(&string[at..dollar]);
        let rest = &string[dollar..];
        if rest.starts_with("$${") {
            text.push_str("${");
            at = dollar + 3;
        } else if rest.starts_with("${") {
            let start = dollar + 2;
            let Some(length) = expression_length(&string[start..]) else {
                complaints
                    .error(&spot.at(dollar..start), "`${` is not closed")
                    .hint("close it with `}`, or write `$${` for the two characters themselves");
                return Vec::new();
            };
            if !text.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut text)));
            }
            parts.push(Part::Expression(start..start + length));
            at = start + length + 1;
        } else {
            text.push('$');
            at = dollar + 1;
        }
    }
    text.push_str(&string[at..]);
    if !text.is_empty() || parts.is_empty() {
        parts.push(Part::Text(text));
    }
    parts
}

/// How long the expression is that a text begins with: up to the `}` that no `{` within it opened.
fn expression_length(text: &str) -> Option<usize> {
    let mut open = 0_usize;
    let mut quote = None;
    let mut escaped = false;
    for (at, character) in text.char_indices() {
        match (quote, character) {
            (Some(_), _) if escaped => escaped = false,
            (Some(_), '\\') => escaped = true,
            (Some(quoted), _) if character == quoted => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(character),
            (None, '{') => open += 1,
            (None, '}') if open == 0 => return Some(at),
            (None, '}') => open -= 1,
            (None, _) => {}
        }
    }
    None
}

/// An expression that is a text of its own, with or without `${` and `}` around it.
pub(super) fn bare_expression<'s>(string: &'s str, spot: &Spot) -> (&'s str, Spot) {
    let trimmed = string.trim();
    let inner = trimmed
        .strip_prefix("${")
        .filter(|inner| expression_length(inner).is_some_and(|length| length + 1 == inner.len()));
    match inner {
        Some(inner) => {
            let start = string.len() - string.trim_start().len() + 2;
            (&inner[..inner.len() - 1], spot.further(start))
        }
        None => (string, spot.clone()),
    }
}

/// Where a string's own first byte is in the manifest's text: known where the text between its
/// quotes is the string itself.
pub(super) fn spot_of(text: &str, string: &str, place: &Place) -> Spot {
    let quoted = text.get(place.clone()).unwrap_or("");
    let openings = ["\"\"\"\r\n", "'''\r\n", "\"\"\"\n", "'''\n", "\"\"\"", "'''", "\"", "'"];
    let start = openings.into_iter().find_map(|opening| {
        let quotes = opening.trim_end();
        let inner = quoted.strip_prefix(opening)?.strip_suffix(quotes)?;
        (inner == string).then_some(place.start + opening.len())
    });
    Spot { whole: place.clone(), start }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(string: &str, expected: &[&str]) {
        let mut complaints = Complaints::default();
        let spot = Spot { whole: 0..0, start: None };
        let parts: Vec<String> = parts_of(string, &spot, &mut complaints)
            .into_iter()
            .map(|part| match part {
                Part::Text(text) => text,
                Part::Expression(range) => format!("<{}>", &string[range]),
            })
            .collect();
        assert_eq!(parts, expected, "{string}");
    }

    #[test]
    fn strings_are_taken_apart() {
        check("", &[""]);
        check("plain $5", &["plain $5"]);
        check("${a}", &["<a>"]);
        check("x ${a} y${b}", &["x ", "<a>", " y", "<b>"]);
        check("$${a}", &["${a}"]);
        check("$$${a}", &["$${a}"]);
        check("${ {'k': 1}.k }", &["< {'k': 1}.k >"]);
        check("${'}' + \"\\\"}\"}!", &["<'}' + \"\\\"}\">", "!"]);
        check("${open", &[]);
    }

    #[test]
    fn a_string_without_escapes_has_exact_places() {
        for (text, string, expected) in [
            ("\"ab\"", "ab", Some(1)),
            ("'ab'", "ab", Some(1)),
            ("'''\nab'''", "ab", Some(4)),
            ("\"\"\"ab\"\"\"", "ab", Some(3)),
            ("\"a\\u0062\"", "ab", None),
        ] {
            assert_eq!(spot_of(text, string, &(0..text.len())).start, expected, "{text}");
        }
    }
}
