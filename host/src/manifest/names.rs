//! The names of steps: which are allowed, and which step each is.
//! Never reads a step.

use super::complaint::{Complaints, Place};
use piton_core::StepIndex;
use std::collections::HashMap;

/// The longest name, in bytes.
const NAME_BYTES_MAX: usize = 64;

/// Words that an expression cannot use as a field's name, so that no step can be called so.
/// Source: the Common Expression Language's specification, "Syntax", `RESERVED`.
pub(super) const RESERVED: [&str; 21] = [
    "as",
    "break",
    "const",
    "continue",
    "else",
    "false",
    "for",
    "function",
    "if",
    "import",
    "in",
    "let",
    "loop",
    "null",
    "package",
    "namespace",
    "return",
    "true",
    "var",
    "void",
    "while",
];

/// The steps of a manifest by name, in the order of the manifest.
#[derive(Debug, Default)]
pub(super) struct Names<'t> {
    in_order: Vec<&'t str>,
    indexes: HashMap<&'t str, StepIndex>,
}

impl<'t> Names<'t> {
    pub(super) fn of(in_order: Vec<&'t str>) -> Self {
        let indexes = in_order.iter().zip(0..).map(|(name, index)| (*name, StepIndex(index)));
        Self { indexes: indexes.collect(), in_order }
    }

    pub(super) fn index_of(&self, name: &str) -> Option<StepIndex> {
        self.indexes.get(name).copied()
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &'t str> + '_ {
        self.in_order.iter().copied()
    }
}

/// Whether `name` is one that expressions can use: snake_case, from a letter on.
pub(super) fn is_snake_case(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    name.starts_with(|first: char| first.is_ascii_lowercase()) && name.bytes().all(allowed)
}

/// Complains about a name that cannot be one. `what` has it, such as "a step".
pub(super) fn check_name(
    what: &str,
    name: &str,
    place: &Place,
    complaints: &mut Complaints,
) -> bool {
    if name.len() > NAME_BYTES_MAX {
        let label = format!("at most {NAME_BYTES_MAX} characters");
        complaints.error(place, format!("the name of {what} is too long")).label(label);
        return false;
    }
    if !is_snake_case(name) {
        let better = snake_cased(name).map(|better| format!("write `{better}`"));
        complaints
            .error(place, format!("`{name}` cannot be the name of {what}"))
            .label("names are lower-case letters, digits and `_`, a letter first")
            .hint_if(better);
        return false;
    }
    if RESERVED.contains(&name) {
        complaints
            .error(place, format!("`{name}` cannot be the name of {what}"))
            .label("this word is reserved in expressions");
        return false;
    }
    true
}

/// The name as it would be in snake_case, if that is one.
fn snake_cased(name: &str) -> Option<String> {
    let mut better = String::new();
    for character in name.chars() {
        match character {
            'a'..='z' | '0'..='9' => better.push(character),
            'A'..='Z' => {
                if !better.is_empty() && !better.ends_with('_') {
                    better.push('_');
                }
                better.push(character.to_ascii_lowercase());
            }
            _ if better.ends_with('_') || better.is_empty() => {}
            _ => better.push('_'),
        }
    }
    let better = better.trim_end_matches('_');
    is_snake_case(better).then(|| better.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_better_name_is_offered() {
        for (name, expected) in [
            ("reserve-stock", Some("reserve_stock")),
            ("reserveStock", Some("reserve_stock")),
            ("Reserve Stock!", Some("reserve_stock")),
            ("1st", None),
            ("\u{e9}", None),
        ] {
            assert_eq!(snake_cased(name).as_deref(), expected, "{name}");
        }
    }
}
