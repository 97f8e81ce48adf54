//! Lets JSON from a guest in: one strict look, after which every reader sees the same value.
//! Never keeps a parsed value; what goes on is text.

use piton_core::Json;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

/// Values in one text, counted at all depths. A parsed value takes many times the memory of its
/// text: `[0,0,…]` of 4 MiB would be 64 MiB.
const VALUES_MAX: u32 = 500_000;
/// The longest text in which a name that occurs twice is put right rather than refused.
const REPAIR_BYTES_MAX: usize = 1 << 20;
/// Names in one object up to which comparing each with each is quicker than hashing.
const FEW_NAMES: usize = 16;

/// Checks a text and takes the white space between its values out, so that it is one line.
///
/// It must be one value (RFC 8259), nested at most 128 deep, of at most 500,000 values, with numbers
/// that an IEEE double can hold and no lone surrogates. Where an object has a name twice, the last
/// one counts, as most readers have it, and only that goes on.
///
/// # Errors
/// What is wrong with the text, as a fragment that follows "the output is".
pub fn admit(text: &str) -> Result<Json, String> {
    let mut survey = Survey { values: 0, doubled: None };
    let mut reader = serde_json::Deserializer::from_str(text);
    let read = Strict(&mut survey).deserialize(&mut reader).and_then(|()| reader.end());
    read.map_err(|error| format!("not JSON that this host takes: {error}"))?;
    let Some(doubled) = survey.doubled else {
        return Ok(Json::from_checked(without_space(text)));
    };
    if text.len() > REPAIR_BYTES_MAX {
        return Err(format!("too large to be put right: an object in it has `{doubled}` twice"));
    }
    let value: serde_json::Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    Ok(Json::from_checked(value.to_string()))
}

/// What a look at a text found.
struct Survey {
    values: u32,
    doubled: Option<String>,
}

/// Reads one value and forgets it.
struct Strict<'a>(&'a mut Survey);

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        self.0.values += 1;
        if self.0.values > VALUES_MAX {
            return Err(D::Error::custom(format_args!("more than {VALUES_MAX} values")));
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items.next_element_seed(Strict(self.0))?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let mut names = Names::default();
        while let Some(name) = entries.next_key_seed(Name)? {
            if let Some(doubled) = names.insert(name) {
                self.0.doubled = Some(doubled.into_owned());
            }
            entries.next_value_seed(Strict(self.0))?;
        }
        Ok(())
    }
}

/// Reads a member's name, borrowed where it has no escapes.
struct Name;

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Name {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(name))
    }

    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(name.to_owned()))
    }
}

/// The names of one object so far.
#[derive(Default)]
struct Names<'de> {
    few: Vec<Cow<'de, str>>,
    many: HashSet<Cow<'de, str>>,
}

impl<'de> Names<'de> {
    /// Adds a name; gives it back where it was there before.
    fn insert(&mut self, name: Cow<'de, str>) -> Option<Cow<'de, str>> {
        if self.few.contains(&name) || self.many.contains(&name) {
            return Some(name);
        }
        if self.few.len() < FEW_NAMES {
            self.few.push(name);
        } else {
            self.many.insert(name);
        }
        None
    }
}

/// A valid text without the white space between its values.
fn without_space(text: &str) -> Cow<'_, str> {
    let is_space = |byte: u8| matches!(byte, b' ' | b'\n' | b'\r' | b'\t');
    if !text.bytes().any(is_space) {
        return Cow::Borrowed(text);
    }
    let mut compact = String::with_capacity(text.len());
    let (mut kept, mut in_string, mut escaped) = (0, false, false);
    for (at, byte) in text.bytes().enumerate() {
        if in_string {
            in_string = escaped || byte != b'"';
            escaped = !escaped && byte == b'\\';
        } else if byte == b'"' {
            in_string = true;
        } else if is_space(byte) {
            // Space is ASCII, so that both ends of the slice are character boundaries.
            compact.push_str(&text[kept..at]);
            kept = at + 1;
        }
    }
    compact.push_str(&text[kept..]);
    Cow::Owned(compact)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        assert_eq!(admit(text).as_ref().map(Json::as_str), Ok(expected), "{text}");
    }

    #[test]
    fn valid_texts_go_on_as_they_are() {
        for text in
            ["null", "0", "-1.5e300", "\"ä \\u00e4 \\\" b\"", "[]", "{\"a\":[1,{\"b\":{}}]}"]
        {
            check(text, text);
        }
        check("123456789012345678901234567890", "123456789012345678901234567890");
    }

    #[test]
    fn space_between_values_goes_and_space_in_texts_stays() {
        check(" { \"a b\" :\n\t[ 1 , \"x \\\" y\\\\\" ] }\r\n", "{\"a b\":[1,\"x \\\" y\\\\\"]}");
    }

    #[test]
    fn the_last_of_two_equal_names_counts() {
        check("{\"a\":1,\"\\u0061\":2}", "{\"a\":2}");
        check("[{\"b\":{\"a\":1,\"a\":[]}}]", "[{\"b\":{\"a\":[]}}]");
        let many: Vec<_> = (0..40).map(|n| format!("\"n{n}\":{n}")).collect();
        let doubled = format!("{{{},\"n39\":0}}", many.join(","));
        assert!(!admit(&doubled).expect("the text should be JSON").as_str().contains("39\":39"));
    }

    #[test]
    fn what_readers_could_disagree_on_is_refused() {
        let deep = "[".repeat(100_000) + &"]".repeat(100_000);
        let many = format!("[0{}]", ",0".repeat(VALUES_MAX as usize));
        for text in [
            "",
            "{",
            "nul",
            "NaN",
            "1e999",
            "01",
            "+1",
            "'a'",
            "\"\\ud800\"",
            "1 2",
            "[1,]",
            "{a:1}",
            "\"\n\"",
            "\u{feff}1",
            &deep,
            &many,
        ] {
            assert!(admit(text).is_err(), "{}", &text[..text.len().min(20)]);
        }
    }

    #[test]
    fn nesting_is_counted_from_the_outside() {
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert!(admit(&nested(127)).is_ok());
        assert!(admit(&nested(129)).is_err());
    }
}
