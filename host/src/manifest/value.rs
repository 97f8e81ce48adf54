//! Values of JSON as expressions see them, and back.
//! Owns the conversion: integers stay integers, and an object is walked in the order of its keys.

use cel::Value;
use cel::common::types::{
    CelBool, CelDouble, CelInt, CelList, CelMap, CelMapKey, CelNull, CelString, CelUInt,
};
use cel::common::value::Val;
use cel::objects::Key;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use std::collections::HashMap;
use std::fmt::{self, Write as _};

/// The largest value that a manifest's expressions may put together, as JSON.
pub(super) const VALUE_BYTES_MAX: usize = 64 << 20;

/// Reads a JSON text as a value that borrows its strings.
///
/// # Errors
/// Where it is nested too deep.
pub(super) fn from_json(json: &str) -> Result<Box<dyn Val + '_>, String> {
    let read: Result<Read<'_>, _> = serde_json::from_str(json);
    read.map(|read| read.0).map_err(|error| format!("the value cannot be read: {error}"))
}

/// The value of a null.
pub(super) fn null<'v>() -> Box<dyn Val + 'v> {
    Box::new(CelNull)
}

struct Read<'v>(Box<dyn Val + 'v>);

impl<'v> Deserialize<'v> for Read<'v> {
    fn deserialize<D: Deserializer<'v>>(reader: D) -> Result<Self, D::Error> {
        reader.deserialize_any(Reader)
    }
}

struct Reader;

impl<'v> Visitor<'v> for Reader {
    type Value = Read<'v>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Read<'v>, E> {
        Ok(Read(null()))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Read<'v>, E> {
        Ok(Read(Box::new(CelBool::from(value))))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Read<'v>, E> {
        Ok(Read(Box::new(CelInt::from(value))))
    }

    /// JSON knows no unsigned numbers: what fits is an int, or `x * 2` would have no overload.
    fn visit_u64<E>(self, value: u64) -> Result<Read<'v>, E> {
        Ok(Read(match i64::try_from(value) {
            Ok(value) => Box::new(CelInt::from(value)),
            Err(_) => Box::new(CelUInt::from(value)),
        }))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Read<'v>, E> {
        Ok(Read(Box::new(CelDouble::from(value))))
    }

    fn visit_borrowed_str<E>(self, value: &'v str) -> Result<Read<'v>, E> {
        Ok(Read(Box::new(CelString::from(value))))
    }

    fn visit_str<E>(self, value: &str) -> Result<Read<'v>, E> {
        Ok(Read(Box::new(CelString::from(value.to_owned()))))
    }

    fn visit_string<E>(self, value: String) -> Result<Read<'v>, E> {
        Ok(Read(Box::new(CelString::from(value))))
    }

    fn visit_seq<A: SeqAccess<'v>>(self, mut list: A) -> Result<Read<'v>, A::Error> {
        let mut elements: Vec<Box<dyn Val + 'v>> = Vec::new();
        while let Some(Read(element)) = list.next_element()? {
            elements.push(element);
        }
        Ok(Read(Box::new(CelList::from(elements))))
    }

    fn visit_map<A: MapAccess<'v>>(self, mut map: A) -> Result<Read<'v>, A::Error> {
        let mut fields: HashMap<CelMapKey<'v>, Box<dyn Val + 'v>> = HashMap::new();
        while let Some(key) = map.next_key::<String>()? {
            fields.insert(CelMapKey::from(key), map.next_value::<Read<'v>>()?.0);
        }
        Ok(Read(Box::new(CelMap::from(fields))))
    }
}

/// Writes a value as JSON.
///
/// # Errors
/// What has no form in JSON, as a fragment.
pub(super) fn to_json(value: &Value) -> Result<String, String> {
    let mut json = String::new();
    write_json(value, &mut json)?;
    Ok(json)
}

/// Says no where a text that is put together has become too large.
pub(super) fn check_size(json: &str) -> Result<(), String> {
    if json.len() <= VALUE_BYTES_MAX {
        return Ok(());
    }
    Err(format!("the value has more than {} MiB", VALUE_BYTES_MAX >> 20))
}

fn write_json(value: &Value, json: &mut String) -> Result<(), String> {
    check_size(json)?;
    match value {
        Value::Null => json.push_str("null"),
        Value::Bool(value) => json.push_str(if *value { "true" } else { "false" }),
        Value::Int(value) => {
            let _ = write!(json, "{value}");
        }
        Value::UInt(value) => {
            let _ = write!(json, "{value}");
        }
        Value::Float(value) => {
            let number = serde_json::Number::from_f64(*value);
            let number = number.ok_or_else(|| format!("JSON has no number {value}"))?;
            let _ = write!(json, "{number}");
        }
        Value::String(value) => push_text(value, json),
        Value::List(elements) => {
            json.push('[');
            for (nth, element) in elements.iter().enumerate() {
                if nth > 0 {
                    json.push(',');
                }
                write_json(element, json)?;
            }
            json.push(']');
        }
        Value::Map(map) => write_object(&map.map, json)?,
        Value::Bytes(_) => return Err("bytes have no form in JSON; `string(…)` reads them".into()),
        Value::Opaque(_) => {
            return Err("an optional has no form in JSON; end it with `.orValue(…)`".into());
        }
        other => return Err(format!("a value of type {} has no form in JSON", other.type_of())),
    }
    Ok(())
}

/// Writes an object in the order of its keys: a hash map's own order differs from process to
/// process, and the same call must have the same input again.
fn write_object(fields: &HashMap<Key, Value>, json: &mut String) -> Result<(), String> {
    let mut in_order: Vec<(&str, &Value)> = Vec::with_capacity(fields.len());
    for (key, value) in fields {
        let Key::String(key) = key else {
            return Err(format!("the key of an object must be a text, and `{key}` is none"));
        };
        in_order.push((key, value));
    }
    in_order.sort_unstable_by_key(|(key, _)| *key);
    json.push('{');
    for (nth, (key, value)) in in_order.into_iter().enumerate() {
        if nth > 0 {
            json.push(',');
        }
        push_text(key, json);
        json.push(':');
        write_json(value, json)?;
    }
    json.push('}');
    Ok(())
}

/// Appends a text in quotes.
pub(super) fn push_text(text: &str, json: &mut String) {
    json.push('"');
    push_characters(text, json);
    json.push('"');
}

/// Appends what stands between the quotes of a text.
pub(super) fn push_characters(text: &str, json: &mut String) {
    let quoted = serde_json::Value::from(text).to_string();
    json.push_str(&quoted[1..quoted.len() - 1]);
}
