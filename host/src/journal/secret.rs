//! The secret of a data directory, and the idempotency keys that are cut from it.
//! Never shows the secret, and never makes a second one: keys must be the same for ever.

use super::checksum::{Checksum, Kind};
use super::data_dir::{DataDirError, write_whole};
use hmac::{Hmac, KeyInit, Mac};
use piton_core::{IdempotencyKey, Phase, RunId};
use rand::TryRng;
use rand::rngs::SysRng;
use sha2::Sha256;
use std::fmt;
use std::path::Path;

/// 32 bytes that nobody outside of the data directory knows.
#[derive(Clone)]
pub struct Secret([u8; 32]);

impl Secret {
    /// Draws a secret and keeps it in `file`, readable by its owner alone.
    pub(super) fn create(file: &Path) -> Result<Self, DataDirError> {
        Self::keep(file, draw(file)?)
    }

    /// Keeps a secret in `file`, readable by its owner alone.
    pub(super) fn keep(file: &Path, bytes: [u8; 32]) -> Result<Self, DataDirError> {
        let checksum = Checksum::over(Kind::Secret, &[&bytes]);
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        write_whole(file, format!("{hex} {checksum}\n").as_bytes())?;
        Ok(Self(bytes))
    }

    /// Reads the secret. It has a checksum, because with one wrong bit all keys would differ and
    /// services would do again what they have done.
    pub(super) fn read(file: &Path) -> Result<Self, DataDirError> {
        let damaged = || DataDirError::damaged(file, "is missing or damaged");
        let text = match std::fs::read(file) {
            Ok(bytes) => String::from_utf8(bytes).map_err(|_| damaged())?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(damaged()),
            Err(error) => return Err(DataDirError::at(file)(error)),
        };
        let (hex, checksum) = text.trim_end().split_once(' ').ok_or_else(damaged)?;
        let secret: piton_core::Digest = hex.parse().map_err(|_| damaged())?;
        let expected = Checksum::over(Kind::Secret, &[secret.as_bytes()]);
        if expected.to_string() != checksum {
            return Err(damaged());
        }
        Ok(Self(*secret.as_bytes()))
    }

    /// Reads the secret of a data directory without taking hold of it.
    ///
    /// # Errors
    /// [`DataDirError`] where there is none, or it is damaged.
    pub fn of_data_dir(path: &Path) -> Result<Self, DataDirError> {
        Self::read(&path.join("secret"))
    }

    /// A secret that is kept nowhere, for what is thrown away with it.
    pub const fn of_the_moment(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The secret itself, for a backup.
    pub(super) const fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// A key for other uses of the host, such as the MAC of its code cache. Different uses get
    /// different keys, and none of them tells the secret.
    pub fn derive(&self, purpose: &str) -> [u8; 32] {
        self.mac(&["purpose", "/", purpose])
    }

    /// What all calls of one phase carry: a UUIDv8 (RFC 9562) cut from
    /// HMAC-SHA-256(secret, `run/step/phase`). The step is written `name` or `name[3]`.
    ///
    /// No two triples give one text: the run comes first and has a fixed form, and no phase holds
    /// a slash.
    pub fn idempotency_key(&self, run: RunId, step: &str, phase: Phase) -> IdempotencyKey {
        let mac = self.mac(&[&run.to_string(), "/", step, "/", phase.word()]);
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&mac[..16]);
        bytes[6] = (bytes[6] & 0x0f) | 0x80;
        bytes[8] = (bytes[8] & 0x3f) | 0x80;
        IdempotencyKey::from_bits(u128::from_be_bytes(bytes))
    }

    /// Of the parts, one after the other.
    fn mac(&self, parts: &[&str]) -> [u8; 32] {
        let mac = Hmac::<Sha256>::new_from_slice(&self.0);
        let mut mac = mac.expect("a key of any length should do");
        parts.iter().for_each(|part| mac.update(part.as_bytes()));
        mac.finalize().into_bytes().into()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// Draws bytes from the system; `file` is what they are for, should the system have none.
pub(super) fn draw<const N: usize>(file: &Path) -> Result<[u8; N], DataDirError> {
    let mut bytes = [0; N];
    SysRng.try_fill_bytes(&mut bytes).map_err(|error| DataDirError::Failed {
        path: file.to_owned(),
        what: format!("no random bytes: {error}"),
    })?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUN: RunId = RunId::from_bits(0x0190_b5f2_7c3a_7e11_8000_0123_4567_89ab);

    #[test]
    fn keys_are_the_same_for_ever() {
        let key = Secret([7; 32]).idempotency_key(RUN, "charge", Phase::Execute);
        // Computed apart: HMAC-SHA-256 by another implementation, version and variant set.
        assert_eq!(key.to_string(), "bef6361f-8e98-8557-aa75-0df373d8d61a");
    }

    #[test]
    fn keys_differ_by_secret_run_step_and_phase() {
        let other = RunId::from_bits(RUN.bits() + 1);
        let keys = [
            Secret([7; 32]).idempotency_key(RUN, "charge", Phase::Execute),
            Secret([8; 32]).idempotency_key(RUN, "charge", Phase::Execute),
            Secret([7; 32]).idempotency_key(other, "charge", Phase::Execute),
            Secret([7; 32]).idempotency_key(RUN, "charge[0]", Phase::Execute),
            Secret([7; 32]).idempotency_key(RUN, "charge", Phase::Compensate),
        ];
        let distinct: std::collections::BTreeSet<_> = keys.iter().collect();
        assert_eq!(distinct.len(), keys.len());
    }

    #[test]
    fn a_damaged_secret_is_refused() {
        let folder = tempfile::tempdir().expect("a folder should be made");
        let file = folder.path().join("secret");
        let secret = Secret::create(&file).expect("a secret should be made");
        let read = Secret::read(&file).expect("the secret should be read");
        assert_eq!(secret.0, read.0);
        let good = std::fs::read(&file).expect("the file should be read");
        for place in 0..good.len() - 1 {
            let mut bytes = good.clone();
            bytes[place] ^= 1;
            std::fs::write(&file, &bytes).expect("the file should be written");
            assert!(Secret::read(&file).is_err(), "a flip at {place}");
        }
        std::fs::remove_file(&file).expect("the file should be removed");
        assert!(Secret::read(&file).is_err());
    }
}
