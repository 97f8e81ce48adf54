//! Owns that a native build, made for `cargo test`, sends nothing.
//! Never opens a connection: a unit test that did would depend on somebody's service.

use super::{Request, Trouble};

pub(super) type Answer = (u16, Vec<(String, String)>, Vec<u8>);

pub(super) fn send(_: &Request) -> Result<Answer, Trouble> {
    Err(Trouble::Unreachable("only a component sends requests; try it with `piton try`".into()))
}
