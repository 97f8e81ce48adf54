//! Names of runs, steps, calls and contents.
//! Owns their textual forms; never makes one up: ids are drawn, hashed and keyed at the edge.

use std::fmt;
use std::str::FromStr;

/// A text that is not the id it was taken for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseIdError {
    /// What was expected, as a noun phrase.
    pub expected: &'static str,
}

impl fmt::Display for ParseIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected {}", self.expected)
    }
}

impl std::error::Error for ParseIdError {}

/// Digits of numbers to the base of 16.
const HEX: &[u8; 16] = b"0123456789abcdef";

/// Whether a hyphen stands at this place of a UUID.
const fn is_hyphen(place: usize) -> bool {
    matches!(place, 8 | 13 | 18 | 23)
}

/// Makes a newtype over a UUID's 128 bits, written in lower-case hyphenated form.
macro_rules! uuid_type {
    ($(#[$doc:meta])* $name:ident, $expected:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u128);

        impl $name {
            /// Takes the id's 128 bits, most significant first.
            pub const fn from_bits(bits: u128) -> Self {
                Self(bits)
            }

            /// The id's 128 bits.
            pub const fn bits(self) -> u128 {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                // Written several times for each call, so without the machinery of formatting.
                let (mut text, mut bits) = ([b'-'; 36], self.0);
                for place in (0..text.len()).rev().filter(|place| !is_hyphen(*place)) {
                    text[place] = HEX[(bits & 15) as usize];
                    bits >>= 4;
                }
                f.write_str(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;

            fn from_str(text: &str) -> Result<Self, ParseIdError> {
                let error = ParseIdError { expected: $expected };
                let hyphens_right = text.len() == 36
                    && text.bytes().enumerate().all(|(i, byte)| {
                        if is_hyphen(i) {
                            byte == b'-'
                        } else {
                            byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte)
                        }
                    });
                if !hyphens_right {
                    return Err(error);
                }
                let hex: String = text.chars().filter(|c| *c != '-').collect();
                u128::from_str_radix(&hex, 16).map(Self).map_err(|_| error)
            }
        }
    };
}

uuid_type! {
    /// One execution of a pipeline: a UUIDv7 (RFC 9562), so that ids sort by their start.
    RunId, "a run's id, such as `0190b5f2-7c3a-7e11-8000-0123456789ab`"
}

uuid_type! {
    /// What all calls of one phase of one step in one run carry, and no other: a UUIDv8 (RFC 9562).
    IdempotencyKey, "an idempotency key, a UUID in lower case"
}

/// The SHA-256 of a content: a component, a manifest, an input.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// Takes the hash's 32 bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The hash's 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.0.iter().flat_map(|byte| [byte >> 4, byte & 15]);
        let text: String = digits.map(|digit| char::from(HEX[usize::from(digit)])).collect();
        f.write_str(&text)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Digest {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        let error = ParseIdError { expected: "a SHA-256 in 64 lower-case hexadecimal digits" };
        let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if text.len() != 64 || !text.bytes().all(is_hex) {
            return Err(error);
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
            let pair = std::str::from_utf8(pair).map_err(|_| error.clone())?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| error.clone())?;
        }
        Ok(Self(bytes))
    }
}

/// A step's place in its [`Pipeline`](crate::Pipeline), from 0, in the order of the manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StepIndex(pub u32);

/// One thing to call: a step, or one element of a step with `map`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InstanceId {
    /// The step.
    pub step: StepIndex,
    /// The element's index where the step is a map; none for the step itself.
    pub element: Option<u32>,
}

impl InstanceId {
    /// The step itself, or the whole of a map.
    pub const fn of(step: StepIndex) -> Self {
        Self { step, element: None }
    }

    /// One element of a map.
    pub const fn element(step: StepIndex, element: u32) -> Self {
        Self { step, element: Some(element) }
    }
}

/// Which of a step's functions a call is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// Does the work.
    Execute,
    /// Asks what became of an `execute` whose result was lost.
    Reconcile,
    /// Undoes the work.
    Compensate,
}

impl Phase {
    /// All phases.
    pub const ALL: [Self; 3] = [Self::Execute, Self::Reconcile, Self::Compensate];

    /// The word for it in the journal and on the command line.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Execute => "execute",
            Self::Reconcile => "reconcile",
            Self::Compensate => "compensate",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_read_back_what_they_write() {
        let run = RunId::from_bits(0x0190_b5f2_7c3a_7e11_8000_0123_4567_89ab);
        assert_eq!(run.to_string(), "0190b5f2-7c3a-7e11-8000-0123456789ab");
        assert_eq!(run.to_string().parse(), Ok(run));
        let digest = Digest::from_bytes([0xa5; 32]);
        assert_eq!(digest.to_string().parse(), Ok(digest));
    }

    #[test]
    fn what_is_no_id_is_refused() {
        for text in
            ["", "x", "0190B5F2-7c3a-7e11-8000-0123456789ab", "0190b5f27c3a7e1180000123456789ab"]
        {
            assert!(text.parse::<RunId>().is_err(), "{text}");
        }
        assert!("A5".repeat(32).parse::<Digest>().is_err());
        assert!("a5".repeat(31).parse::<Digest>().is_err());
    }
}
