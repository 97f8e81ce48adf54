//! What the expression language says, in the words of this program.
//! Owns the list of functions, and the wording of its errors; never evaluates.

use super::complaint::{Complaints, did_you_mean};
use super::expression::Spot;
use cel::{ExecutionError, ParseErrors};

/// The functions that expressions may call, besides operators.
pub(super) const FUNCTIONS: [&str; 25] = [
    "all",
    "bool",
    "bytes",
    "contains",
    "double",
    "dyn",
    "endsWith",
    "exists",
    "exists_one",
    "filter",
    "has",
    "hasValue",
    "int",
    "map",
    "none",
    "of",
    "ofNonZeroValue",
    "or",
    "orValue",
    "size",
    "startsWith",
    "string",
    "type",
    "uint",
    "value",
];

/// The types that an expression may compare `type(…)` with.
const TYPES: [&str; 10] =
    ["bool", "bytes", "double", "int", "list", "map", "null_type", "string", "type", "uint"];

/// Whether there is such a function, or the name is an operator's.
pub(super) fn is_function(name: &str) -> bool {
    !name.starts_with(|first: char| first.is_ascii_alphabetic()) || FUNCTIONS.contains(&name)
}

/// What to say to a function that is none.
pub(super) fn function_hint(name: &str) -> String {
    if name == "matches" {
        return "expressions have no regular expressions; `contains`, `startsWith` and `endsWith` \
                may do"
            .to_owned();
    }
    did_you_mean(name, FUNCTIONS)
        .unwrap_or_else(|| "compute it in a step where no function does it".to_owned())
}

/// Whether this is the name of a type.
pub(super) fn is_type(name: &str) -> bool {
    TYPES.contains(&name)
}

/// Complains about an expression that cannot be parsed: about the first mistake only, since those
/// after it mostly follow from it.
pub(super) fn complain(text: &str, spot: &Spot, errors: &ParseErrors, complaints: &mut Complaints) {
    let Some(error) = errors.errors.first() else {
        complaints.error(&spot.whole, "the expression cannot be read");
        return;
    };
    let message = error.msg.strip_prefix("Syntax error: ").unwrap_or(&error.msg);
    if message.contains("Recursion limit") {
        complaints.error(&spot.at(0..text.len()), "the expression is nested too deep");
        return;
    }
    let (label, length) = reworded(message);
    let start = offset_of(text, error.pos).min(text.len());
    let end = (start + length.max(1)).min(text.len());
    let place = if start == end { start.saturating_sub(1)..end } else { start..end };
    complaints.error(&spot.at(place), "the expression cannot be read").label(label);
}

/// What the parser says, reworded, and how many bytes it is about.
fn reworded(message: &str) -> (String, usize) {
    let quoted = |after: &str| {
        let rest = message.split_once(after)?.1;
        let rest = rest.strip_prefix('\'')?;
        let end = rest.find("' expecting").or_else(|| rest.rfind('\''))?;
        Some(rest[..end].to_owned())
    };
    if message.contains("'<EOF>'") {
        let missing = message.strip_prefix("missing '").and_then(|rest| rest.split('\'').next());
        return match missing {
            Some(missing) => (format!("`{missing}` is missing"), 1),
            None => ("it ends too early".to_owned(), 1),
        };
    }
    if let Some(word) = message.strip_prefix("reserved identifier: ") {
        return (format!("`{word}` is a reserved word"), word.len());
    }
    for after in ["input ", "at: ", "at "] {
        if let Some(found) = quoted(after) {
            return (format!("`{found}` does not fit here"), found.len());
        }
    }
    (message.chars().take(100).collect(), 1)
}

/// The byte at a line and column, both from 1, the column in characters.
fn offset_of(text: &str, (line, column): (isize, isize)) -> usize {
    let line = usize::try_from(line - 1).unwrap_or(0);
    let column = usize::try_from(column - 1).unwrap_or(0);
    let start: usize = text.split_inclusive('\n').take(line).map(str::len).sum();
    let rest = text.get(start..).unwrap_or("");
    start + rest.char_indices().nth(column).map_or(rest.len(), |(offset, _)| offset)
}

/// Why an evaluation failed, as a fragment. Values are not shown: they may be long, or secret.
pub(super) fn told(error: &ExecutionError) -> String {
    match error {
        ExecutionError::NoSuchKey(key) => format!("there is no field `{}`", cut(key)),
        ExecutionError::NoSuchOverload(overload) => {
            let types: Vec<&str> = overload.argument_types().iter().map(String::as_str).collect();
            mismatch(overload.function(), &types)
        }
        ExecutionError::UnsupportedBinaryOperator(operator, left, right) => {
            let (left, right) = (left.type_of().to_string(), right.type_of().to_string());
            mismatch(operator, &[&left, &right])
        }
        ExecutionError::UnexpectedType { got, want } => format!("it is {got} where {want} is due"),
        ExecutionError::DivisionByZero(_) | ExecutionError::RemainderByZero(_) => {
            "it divides by zero".to_owned()
        }
        ExecutionError::Overflow(..) => "a number does not fit into 64 bits".to_owned(),
        ExecutionError::IndexOutOfBounds(_) => "there is no element at that index".to_owned(),
        ExecutionError::UnsupportedIndex(..) => "that cannot be indexed so".to_owned(),
        ExecutionError::DuplicateKey(_) => "it names one key twice".to_owned(),
        ExecutionError::UnsupportedKeyType(key) => {
            format!("a value of type {} cannot be a key", key.type_of())
        }
        ExecutionError::UndeclaredReference(name) => format!("there is no `{}`", cut(name)),
        ExecutionError::FunctionError { message, .. } => cut(message),
        ExecutionError::ValuesNotComparable(left, right) => {
            format!("{} and {} cannot be compared", left.type_of(), right.type_of())
        }
        ExecutionError::UnsupportedTargetType { target }
        | ExecutionError::NotSupportedAsMethod { target, .. } => {
            format!("a value of type {} has no such function", target.type_of())
        }
        other => cut(&other.to_string()),
    }
}

fn cut(text: &str) -> String {
    text.chars().take(200).collect()
}

/// An operator or function, applied to types that it does not take.
fn mismatch(function: &str, types: &[&str]) -> String {
    let sign = match function {
        "add" => "+",
        "sub" => "-",
        "mul" => "*",
        "div" => "/",
        "rem" => "%",
        "_._" => return no_field(types),
        other => other.trim_matches('_'),
    };
    let types: Vec<&str> = types.iter().map(|name| type_word(name)).collect();
    let mixed =
        types.contains(&"double") && types.iter().any(|name| matches!(*name, "int" | "uint"));
    let hint = if mixed {
        "; write `double(…)` around the int, or keep money in integers"
    } else if types.contains(&"null") {
        "; `… != null` asks before"
    } else {
        ""
    };
    format!("`{sign}` does not take {}{hint}", types.join(" and "))
}

fn no_field(types: &[&str]) -> String {
    let kind = types.first().map_or("the value", |name| type_word(name));
    format!("{kind} has no fields; `.?field.orValue(…)` gives something else instead")
}

fn type_word(name: &str) -> &str {
    match name {
        "null_type" => "null",
        "float" => "double",
        other => other,
    }
}
