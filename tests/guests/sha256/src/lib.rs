//! Owns a step that only computes: the SHA-256 of so many MiB. The source of the hash is the one that
//! `cargo xtask bench` compiles for this machine, too.
//! Never imports anything of the host.

#[path = "../../../bench/sha256/src/lib.rs"]
pub mod sha256;

use piton_step::{Context, Failure, Step};
use serde::Deserialize;

#[derive(Deserialize)]
struct Input {
    mebibytes: u32,
}

struct Hash;

impl Step for Hash {
    type Input = Input;
    type Output = String;

    fn execute(_: &Context, input: Input) -> Result<String, Failure> {
        Ok(sha256::of_mebibytes(input.mebibytes))
    }

    fn compensate(
        _: &Context,
        _: Input,
        _: Option<String>,
        _: Option<Failure>,
    ) -> Result<(), Failure> {
        Ok(())
    }
}

piton_step::export!(Hash);
