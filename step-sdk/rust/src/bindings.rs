//! Owns nothing: the two worlds of the contract, and what `http` needs of WASI, as wit-bindgen's generator wrote them.
//! Never used by a step directly, except through the macros that export it.
#![allow(unsafe_code, missing_docs, unreachable_pub)]

#[cfg(feature = "http")]
#[rustfmt::skip]
pub mod http;
#[rustfmt::skip]
pub mod plugin;
#[rustfmt::skip]
pub mod reconcilable;
