//! The stored form of events: JSON objects that a person can read, with a version of its own.
//! Runtime types stay free to move: this folder alone says what is on the disk.
//! Never reads or writes a store, and never judges whether events make sense together.

mod decode;
mod encode;
mod fields;
mod object;
mod parts;
#[cfg(test)]
mod tests;

pub use decode::{DecodeError, Decoder, RunStartedStored};
pub use encode::{EncodeError, encode};
pub(super) use object::Object;

/// The version that this host writes, and the newest it reads.
pub const FORMAT_VERSION: u32 = 1;

/// What each version changed, oldest first. Every version listed here is read for ever.
pub const VERSIONS: [(u32, &str); 1] = [(1, "the first")];
