//! One expression: parsed once, with every name in it resolved, then evaluated as often as needed.
//! Owns plain paths, which are most expressions; what computes is in `program`.

use super::complaint::{Complaints, Place};
use super::path::{Found, Path, Segment};
use super::program::Program;
use super::scope::Scope;
use super::value;
use super::variables::{Field, Variables};
use piton_core::{EvaluationError, Json};
use std::ops::Range;

/// An expression, ready to be evaluated.
#[derive(Debug)]
pub(super) struct Expression {
    /// As the manifest writes it.
    text: String,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    /// Needs no CEL: most expressions just name a value.
    Path(Path),
    Cel(Box<Program>),
}

/// Where in the manifest's text an expression stands.
#[derive(Debug, Clone)]
pub(super) struct Spot {
    /// The whole text it is in.
    pub(super) whole: Place,
    /// Where its first byte is; none where escapes make that unknowable.
    pub(super) start: Option<usize>,
}

impl Spot {
    /// The place of a range within the expression.
    pub(super) fn at(&self, range: Range<usize>) -> Place {
        match self.start {
            Some(start) => start + range.start..start + range.end,
            None => self.whole.clone(),
        }
    }

    /// The spot of what begins that much further on.
    pub(super) fn further(&self, offset: usize) -> Self {
        Self { whole: self.whole.clone(), start: self.start.map(|start| start + offset) }
    }
}

impl Expression {
    /// Parses an expression and resolves its names; none where something is wrong with it.
    pub(super) fn parse(
        text: &str,
        spot: &Spot,
        variables: &mut Variables<'_>,
        complaints: &mut Complaints,
    ) -> Option<Self> {
        let trimmed = text.trim_start();
        let spot = spot.further(text.len() - trimmed.len());
        let text = trimmed.trim_end();
        let kind = match plain_path(text) {
            Some((root, fields)) => {
                Kind::Path(variables.resolve(root, &fields, &spot, complaints)?)
            }
            None => Kind::Cel(Box::new(Program::parse(text, &spot, variables, complaints)?)),
        };
        Some(Self { text: text.to_owned(), kind })
    }

    /// Evaluates to JSON.
    pub(super) fn json(&self, scope: &dyn Scope) -> Result<Json, EvaluationError> {
        match &self.kind {
            Kind::Path(path) => path.find(scope).map(Found::into_json),
            Kind::Cel(program) => program
                .evaluate(scope)
                .and_then(|value| value::to_json(&value))
                .map(Json::from_checked),
        }
        .map_err(|reason| self.error(&reason))
    }

    /// Evaluates to true or false.
    pub(super) fn boolean(&self, scope: &dyn Scope) -> Result<bool, EvaluationError> {
        let json = self.json(scope)?;
        match json.as_str().trim() {
            "true" => Ok(true),
            "false" => Ok(false),
            other => {
                let kind = super::path::kind_of(other);
                Err(self.error(&format!("it is {kind}, and must be true or false")))
            }
        }
    }

    fn error(&self, reason: &str) -> EvaluationError {
        let cut: String = self.text.chars().take(120).collect();
        let dots = if cut.len() < self.text.len() { "…" } else { "" };
        EvaluationError::new(format!("`{cut}{dots}` has no value: {reason}"))
    }
}

/// The parts of `a.b[3].c`, if the text is nothing more than that.
fn plain_path(text: &str) -> Option<(&str, Vec<Field>)> {
    let identifier = |text: &str| {
        let bytes = text.bytes();
        let length = bytes.take_while(|b| b.is_ascii_alphanumeric() || *b == b'_').count();
        let name = &text[..length];
        let fits = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
        (fits && !super::names::RESERVED.contains(&name)).then_some(length)
    };
    let root = identifier(text)?;
    let mut at = root;
    let mut fields = Vec::new();
    while at < text.len() {
        // Anything but the two signs below may be longer than one byte.
        let rest = text.get(at + 1..)?;
        match text.as_bytes()[at] {
            b'.' => {
                let length = identifier(rest)?;
                let segment = Segment::Field(rest[..length].to_owned());
                fields.push(Field { segment, range: at + 1..at + 1 + length });
                at += 1 + length;
            }
            b'[' => {
                let length = rest.bytes().take_while(u8::is_ascii_digit).count();
                let index = rest[..length].parse().ok()?;
                if rest.as_bytes().get(length) != Some(&b']') {
                    return None;
                }
                fields.push(Field { segment: Segment::Element(index), range: at..at + length + 2 });
                at += length + 2;
            }
            _ => return None,
        }
    }
    Some((&text[..root], fields))
}
