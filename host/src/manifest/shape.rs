//! Reads TOML values as what they should be, and complains with a place where they are not.
//! Owns types, ranges and unknown keys; never knows what a value is for.

use super::complaint::{Complaints, Place, nearest};
use super::keys::TableKind;
use super::{duration, size};
use std::time::Duration;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A value of TOML, with its place.
pub(super) type Value<'t> = Spanned<DeValue<'t>>;

/// Something with its place in the text.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Placed<T> {
    pub(super) value: T,
    pub(super) place: Place,
}

/// A table whose keys are known.
pub(super) struct Table<'t> {
    kind: &'static TableKind,
    entries: Vec<Entry<'t>>,
    /// The keys that were meant where unknown ones stand, as far as that can be guessed.
    misspelt: Vec<&'static str>,
    pub(super) place: Place,
}

/// A key of a table, and its value.
#[derive(Clone)]
pub(super) struct Entry<'t> {
    pub(super) key: &'static str,
    pub(super) key_place: Place,
    pub(super) value: &'t Value<'t>,
}

impl<'t> Table<'t> {
    /// Reads a value that should be a table; unknown keys are complained about and left out.
    pub(super) fn read(
        kind: &'static TableKind,
        value: &'t Value<'t>,
        complaints: &mut Complaints,
    ) -> Option<Self> {
        let Some(table) = value.get_ref().as_table() else {
            let message = format!("{} must be a table", kind.name);
            complaints.error(&value.span(), message).label(found(value));
            return None;
        };
        Some(Self::of(kind, table, value.span(), complaints))
    }

    /// As [`Table::read`], of what is known to be a table.
    pub(super) fn of(
        kind: &'static TableKind,
        table: &'t DeTable<'t>,
        place: Place,
        complaints: &mut Complaints,
    ) -> Self {
        let mut entries = Vec::with_capacity(table.len());
        let mut misspelt = Vec::new();
        for (key, value) in table.iter() {
            let name = key.get_ref().as_ref();
            match kind.keys.iter().find(|known| **known == name) {
                Some(key_name) => {
                    entries.push(Entry { key: key_name, key_place: key.span(), value });
                }
                None => {
                    // Past the last complaint that is kept, guessing is only work.
                    let candidates = kind.keys.iter().copied().filter(|_| !complaints.is_full());
                    let meant = nearest(name, candidates);
                    misspelt.extend(meant);
                    let hint = meant.map(|meant| format!("did you mean `{meant}`?"));
                    let message = format!("{} has no key `{name}`", kind.name);
                    let otherwise = format!("it may hold {}", listed(kind.keys));
                    complaints.error(&key.span(), message).hint(otherwise).hint_if(hint);
                }
            }
        }
        Self { kind, entries, misspelt, place }
    }

    /// The entry with this key.
    ///
    /// # Panics
    /// Where the table knows no such key: a bug, since it would be read and refused at once.
    pub(super) fn get(&self, key: &str) -> Option<&Entry<'t>> {
        assert!(self.kind.keys.contains(&key), "`{key}` should be a key of {}", self.kind.name);
        self.entries.iter().find(|entry| entry.key == key)
    }

    /// Whether an unknown key was probably meant to be one of these: then they are not missing.
    pub(super) fn misspells_any(&self, keys: &[&str]) -> bool {
        self.misspelt.iter().any(|meant| keys.contains(meant))
    }

    /// All entries with known keys.
    pub(super) fn entries(&self) -> &[Entry<'t>] {
        &self.entries
    }
}

/// `a`, `b` and `c`, in backticks.
pub(super) fn listed(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        _ => quoted.concat(),
    }
}

/// What a value is, for labels.
pub(super) fn found(value: &Value<'_>) -> &'static str {
    match value.get_ref() {
        DeValue::String(_) => "this is a text",
        DeValue::Integer(_) => "this is a whole number",
        DeValue::Float(_) => "this is a fraction",
        DeValue::Boolean(_) => "this is a boolean",
        DeValue::Datetime(_) => "this is a date or time",
        DeValue::Array(_) => "this is a list",
        DeValue::Table(_) => "this is a table",
    }
}

/// A TOML integer, if 64 bits hold it.
pub(super) fn integer_of(value: &Value<'_>) -> Option<i64> {
    let integer = value.get_ref().as_integer()?;
    i64::from_str_radix(integer.as_str(), integer.radix()).ok()
}

/// A TOML float or integer.
pub(super) fn number_of(value: &Value<'_>) -> Option<f64> {
    match value.get_ref() {
        DeValue::Float(float) => float.as_str().parse().ok(),
        _ => integer_of(value).map(|integer| integer as f64),
    }
}

impl<'t> Entry<'t> {
    pub(super) fn place(&self) -> Place {
        self.value.span()
    }

    pub(super) fn placed<T>(&self, value: T) -> Placed<T> {
        Placed { value, place: self.place() }
    }

    fn refuse<'c>(&self, what: &str, complaints: &'c mut Complaints) -> &'c mut super::Complaint {
        let message = format!("`{}` must be {what}", self.key);
        complaints.error(&self.place(), message).label(found(self.value))
    }

    /// A text that is not empty, and holds no expression.
    pub(super) fn text(&self, complaints: &mut Complaints) -> Option<&'t str> {
        let Some(text) = self.value.get_ref().as_str() else {
            self.refuse("a text in quotes", complaints);
            return None;
        };
        if text.trim().is_empty() {
            complaints.error(&self.place(), format!("`{}` is empty", self.key));
            return None;
        }
        if text.contains("${") {
            let message = format!("`{}` takes no expression", self.key);
            complaints.error(&self.place(), message).hint("write the text itself");
            return None;
        }
        Some(text)
    }

    pub(super) fn boolean(&self, complaints: &mut Complaints) -> Option<bool> {
        let boolean = self.value.get_ref().as_bool();
        if boolean.is_none() {
            self.refuse("`true` or `false`", complaints);
        }
        boolean
    }

    /// A whole number within a range.
    pub(super) fn integer(
        &self,
        least: u64,
        most: u64,
        complaints: &mut Complaints,
    ) -> Option<u64> {
        if !self.value.get_ref().is_integer() {
            self.refuse("a whole number", complaints);
            return None;
        }
        let integer = integer_of(self.value).and_then(|integer| u64::try_from(integer).ok());
        let integer = integer.filter(|integer| (least..=most).contains(integer));
        if integer.is_none() {
            let message = format!("`{}` is out of range", self.key);
            let range = format!("it may be from {least} to {most}");
            complaints.error(&self.place(), message).label(range);
        }
        integer
    }

    /// As [`Entry::integer`], of 32 bits.
    pub(super) fn count(&self, least: u32, most: u32, complaints: &mut Complaints) -> Option<u32> {
        let count = self.integer(u64::from(least), u64::from(most), complaints)?;
        u32::try_from(count).ok()
    }

    /// A number, whole or not, within a range.
    pub(super) fn number(&self, least: f64, most: f64, complaints: &mut Complaints) -> Option<f64> {
        let Some(number) = number_of(self.value) else {
            self.refuse("a number", complaints);
            return None;
        };
        if !(least..=most).contains(&number) {
            let message = format!("`{}` is out of range", self.key);
            let range = format!("it may be from {least:?} to {most:?}");
            complaints.error(&self.place(), message).label(range);
            return None;
        }
        Some(number)
    }

    /// One of some words.
    pub(super) fn choice<T: Copy>(
        &self,
        choices: &[(&str, T)],
        complaints: &mut Complaints,
    ) -> Option<T> {
        let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
        let Some(text) = self.value.get_ref().as_str() else {
            self.refuse("a word in quotes", complaints).hint(format!("one of {}", listed(&words)));
            return None;
        };
        let choice = choices.iter().find(|(word, _)| *word == text);
        if choice.is_none() {
            let hint = complaints.did_you_mean(text, words.iter().copied());
            let message = format!("`{}` cannot be `{text}`", self.key);
            let otherwise = format!("it is one of {}", listed(&words));
            complaints.error(&self.place(), message).hint(otherwise).hint_if(hint);
        }
        choice.map(|(_, choice)| *choice)
    }

    /// A span of time, at least `least`.
    pub(super) fn duration(
        &self,
        least: Duration,
        complaints: &mut Complaints,
    ) -> Option<Duration> {
        let Some(text) = self.value.get_ref().as_str() else {
            self.refuse("a duration in quotes", complaints).hint(duration::NOTATION);
            return None;
        };
        match duration::parse(text) {
            Ok(span) if span < least => {
                let label = format!("it is at least {}", duration::format(least));
                complaints
                    .error(&self.place(), format!("`{}` is too short", self.key))
                    .label(label);
                None
            }
            Ok(span) => Some(span),
            Err(reason) => {
                let message = format!("`{}` is no duration", self.key);
                complaints.error(&self.place(), message).label(reason).hint(duration::NOTATION);
                None
            }
        }
    }

    /// An amount of bytes within a range.
    pub(super) fn size(&self, least: u64, most: u64, complaints: &mut Complaints) -> Option<u64> {
        let Some(text) = self.value.get_ref().as_str() else {
            self.refuse("a size in quotes", complaints).hint(size::NOTATION);
            return None;
        };
        match size::parse(text) {
            Ok(bytes) if !(least..=most).contains(&bytes) => {
                let message = format!("`{}` is out of range", self.key);
                let range =
                    format!("it may be from {} to {}", size::format(least), size::format(most));
                complaints.error(&self.place(), message).label(range);
                None
            }
            Ok(bytes) => Some(bytes),
            Err(reason) => {
                let message = format!("`{}` is no size", self.key);
                complaints.error(&self.place(), message).label(reason).hint(size::NOTATION);
                None
            }
        }
    }

    /// The values of a list.
    pub(super) fn list(&self, complaints: &mut Complaints) -> Option<&'t [Value<'t>]> {
        let Some(list) = self.value.get_ref().as_array() else {
            self.refuse("a list in brackets", complaints);
            return None;
        };
        Some(list)
    }
}
