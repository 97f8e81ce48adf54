//! The checksum that everything in the journal carries: the first 16 bytes of a SHA-256.
//! redb does not check pages when it reads them, so a flipped bit would come back as data.
//! Owns how it is computed; never says what it is computed over: that is each record's own.

use sha2::{Digest as _, Sha256};
use std::fmt;

/// What a checksum is for, so that one kind of record can never pass as another.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Record = b'r' as isize,
    Row = b'i' as isize,
    Key = b'k' as isize,
    PrunedKey = b'p' as isize,
    LogLine = b'l' as isize,
    Meta = b'm' as isize,
    Secret = b's' as isize,
    Entry = b'w' as isize,
}

/// The first 16 bytes of a SHA-256.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Checksum([u8; Self::BYTES]);

impl Checksum {
    pub(super) const BYTES: usize = 16;

    /// Over the parts, one after the other. All but the last must have a fixed length, so that no
    /// byte can move from one part to the next unseen.
    pub(super) fn over(kind: Kind, parts: &[&[u8]]) -> Self {
        let mut hasher = Sha256::new();
        hasher.update([kind as u8]);
        parts.iter().for_each(|part| hasher.update(part));
        let hash = hasher.finalize();
        let mut bytes = [0; Self::BYTES];
        bytes.copy_from_slice(&hash[..Self::BYTES]);
        Self(bytes)
    }

    pub(super) const fn from_bytes(bytes: [u8; Self::BYTES]) -> Self {
        Self(bytes)
    }

    /// The 16 bytes.
    pub const fn as_bytes(&self) -> &[u8; Self::BYTES] {
        &self.0
    }
}

impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
