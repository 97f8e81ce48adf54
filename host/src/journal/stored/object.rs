//! Writes one flat JSON object, field by field, into a buffer.
//! Never knows what the fields mean. Hand-written, because an event is encoded for every durable
//! step and a payload must go in as it is, not parsed and printed again.

use piton_core::{Digest, Json, Usage};
use std::io::Write;
use std::time::Duration;

/// A JSON object under construction.
pub(in crate::journal) struct Object {
    text: Vec<u8>,
    /// The first field whose payload is not exactly one JSON value.
    no_json: Option<&'static str>,
}

impl Object {
    /// Opens an object for about `capacity` bytes.
    pub(in crate::journal) fn with_capacity(capacity: usize) -> Self {
        let mut text = Vec::with_capacity(capacity);
        text.push(b'{');
        Self { text, no_json: None }
    }

    /// Closes the object.
    ///
    /// # Errors
    /// The name of a field whose payload would not be read back as it was: it is no JSON, or has
    /// white space around it.
    pub(in crate::journal) fn finish(mut self) -> Result<Vec<u8>, &'static str> {
        self.text.push(b'}');
        self.no_json.map_or(Ok(self.text), Err)
    }

    pub(in crate::journal) fn text(&mut self, name: &'static str, value: &str) -> &mut Self {
        self.name(name);
        self.string(value);
        self
    }

    pub(in crate::journal) fn number(&mut self, name: &'static str, value: u64) -> &mut Self {
        self.name(name);
        self.digits(value);
        self
    }

    pub(in crate::journal) fn flag(&mut self, name: &'static str, value: bool) -> &mut Self {
        self.name(name);
        self.text.extend_from_slice(if value { b"true" } else { b"false" });
        self
    }

    pub(in crate::journal) fn digest(&mut self, name: &'static str, value: &Digest) -> &mut Self {
        self.name(name);
        self.hex(value);
        self
    }

    /// A span in milliseconds, with decimals down to the nanosecond where it has any: what is read
    /// back must be what the state was folded from.
    pub(in crate::journal) fn span(&mut self, name: &'static str, value: Duration) -> &mut Self {
        self.name(name);
        let nanos = value.subsec_nanos() % 1_000_000;
        write!(self.text, "{}", value.as_millis()).expect("a buffer should take all bytes");
        if nanos != 0 {
            write!(self.text, ".{nanos:06}").expect("a buffer should take all bytes");
        }
        self
    }

    pub(in crate::journal) fn usage(&mut self, name: &'static str, value: &Usage) -> &mut Self {
        self.name(name);
        self.text.push(b'{');
        for (nth, (unit, micros)) in value.iter().enumerate() {
            if nth > 0 {
                self.text.push(b',');
            }
            self.string(unit);
            self.text.push(b':');
            self.digits(micros);
        }
        self.text.push(b'}');
        self
    }

    /// Digests by name.
    pub(in crate::journal) fn digests<'a>(
        &mut self,
        name: &'static str,
        values: impl Iterator<Item = (&'a str, &'a Digest)>,
    ) -> &mut Self {
        self.name(name);
        self.text.push(b'{');
        for (nth, (key, digest)) in values.enumerate() {
            if nth > 0 {
                self.text.push(b',');
            }
            self.string(key);
            self.text.push(b':');
            self.hex(digest);
        }
        self.text.push(b'}');
        self
    }

    /// A payload, as it is.
    pub(in crate::journal) fn payload(&mut self, name: &'static str, value: &Json) -> &mut Self {
        self.name(name);
        self.raw(name, value);
        self
    }

    /// A list of payloads, each as it is.
    pub(in crate::journal) fn payloads(&mut self, name: &'static str, all: &[Json]) -> &mut Self {
        self.name(name);
        self.text.push(b'[');
        for (nth, value) in all.iter().enumerate() {
            if nth > 0 {
                self.text.push(b',');
            }
            self.raw(name, value);
        }
        self.text.push(b']');
        self
    }

    /// An object in the object.
    pub(in crate::journal) fn object(&mut self, name: &'static str, inner: Self) -> &mut Self {
        self.name(name);
        self.text.extend_from_slice(&inner.text);
        self.text.push(b'}');
        self.no_json = self.no_json.or(inner.no_json);
        self
    }

    fn name(&mut self, name: &'static str) {
        if self.text.len() > 1 {
            self.text.push(b',');
        }
        self.text.push(b'"');
        self.text.extend_from_slice(name.as_bytes());
        self.text.extend_from_slice(b"\":");
    }

    fn string(&mut self, value: &str) {
        serde_json::to_writer(&mut self.text, value).expect("a buffer should take all bytes");
    }

    fn digits(&mut self, value: u64) {
        write!(self.text, "{value}").expect("a buffer should take all bytes");
    }

    fn hex(&mut self, digest: &Digest) {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        self.text.push(b'"');
        for byte in digest.as_bytes() {
            self.text.push(DIGITS[usize::from(byte >> 4)]);
            self.text.push(DIGITS[usize::from(byte & 15)]);
        }
        self.text.push(b'"');
    }

    /// Checks what the caller promised: a payload that is no JSON would make a durable record that
    /// nobody can read, and the run with it.
    fn raw(&mut self, name: &'static str, value: &Json) {
        let text = value.as_str();
        let is_one_value = text.trim_ascii().len() == text.len()
            && serde_json::from_str::<&serde_json::value::RawValue>(text).is_ok();
        if !is_one_value {
            self.no_json.get_or_insert(name);
        }
        self.text.extend_from_slice(text.as_bytes());
    }
}
