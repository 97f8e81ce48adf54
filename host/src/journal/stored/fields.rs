//! All fields that any stored event has, read as they are found.
//! Owns how a single field is written down; never says which event needs which: that is
//! `decode.rs`. Fields it does not know are passed over, so that a later version may add some.

use piton_core::{Digest, Json};
use serde::de::{Deserialize, Deserializer, Error, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// The fields of one event.
#[derive(serde::Deserialize)]
pub(super) struct Fields<'a> {
    #[serde(borrow)]
    pub(super) event: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) step: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(super) phase: Option<Cow<'a, str>>,
    pub(super) attempt: Option<u32>,
    pub(super) digest: Option<Parsed<Digest>>,
    pub(super) input_hash: Option<Parsed<Digest>>,
    pub(super) key: Option<String>,
    pub(super) deadline_ms: Option<u64>,
    pub(super) fence: Option<u64>,
    pub(super) value: Option<String>,
    pub(super) usage: Option<BTreeMap<String, u64>>,
    #[serde(borrow)]
    pub(super) end: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(super) said_by: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub(super) output: Payload<'a>,
    #[serde(borrow, default)]
    pub(super) details: Payload<'a>,
    #[serde(borrow, default)]
    pub(super) input: Payload<'a>,
    #[serde(borrow, default)]
    pub(super) data: Payload<'a>,
    #[serde(borrow)]
    pub(super) items: Option<Vec<&'a RawValue>>,
    pub(super) clean: Option<bool>,
    pub(super) code: Option<String>,
    pub(super) message: Option<String>,
    #[serde(borrow)]
    pub(super) limit: Option<Cow<'a, str>>,
    pub(super) log_cursor: Option<u64>,
    pub(super) due_ms: Option<u64>,
    #[serde(borrow)]
    pub(super) delay_ms: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) retry_after_ms: Option<&'a RawValue>,
    pub(super) rule: Option<u32>,
    pub(super) until_ms: Option<u64>,
    pub(super) unit: Option<String>,
    pub(super) spent: Option<u64>,
    pub(super) budget: Option<u64>,
    pub(super) name: Option<String>,
    pub(super) by: Option<String>,
    pub(super) because: Option<String>,
    #[serde(borrow)]
    pub(super) verdict: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(super) cause: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(super) settlement: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(super) status: Option<Cow<'a, str>>,
    pub(super) pipeline: Option<String>,
    pub(super) manifest: Option<Parsed<Digest>>,
    pub(super) folder: Option<String>,
    pub(super) components: Option<BTreeMap<String, Parsed<Digest>>>,
}

/// A payload as it stands in the record. `null` is a payload, too: only a field that is not there
/// is none, which an `Option` alone would not tell apart.
#[derive(Default)]
pub(super) struct Payload<'a>(Option<&'a RawValue>);

impl Payload<'_> {
    pub(super) fn get(&self) -> Option<Json> {
        self.0.map(|raw| Json::from_checked(raw.get()))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Payload<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <&RawValue>::deserialize(deserializer).map(|raw| Self(Some(raw)))
    }
}

/// A value that is written as its text.
pub(super) struct Parsed<T>(pub(super) T);

impl<'de, T: FromStr<Err: fmt::Display>> Deserialize<'de> for Parsed<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text<T>(std::marker::PhantomData<T>);

        impl<T: FromStr<Err: fmt::Display>> Visitor<'_> for Text<T> {
            type Value = Parsed<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Parsed<T>, E> {
                text.parse().map(Parsed).map_err(E::custom)
            }
        }

        deserializer.deserialize_str(Text(std::marker::PhantomData))
    }
}

/// Reads milliseconds with up to six decimals.
pub(super) fn span(text: &str) -> Option<Duration> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if !is_number(whole) || !is_number(decimals) || decimals.len() > 6 {
        return None;
    }
    let millis: u128 = whole.parse().ok()?;
    let nanos: u32 = format!("{decimals:0<6}").parse().ok()?;
    let seconds = u64::try_from(millis / 1000).ok()?;
    let sub_millis = u32::try_from(millis % 1000).ok()?;
    Some(Duration::new(seconds, sub_millis * 1_000_000 + nanos))
}
