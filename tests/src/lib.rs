//! What the black-box tests share: a home of their own for each test, the built binary in it, and
//! eyes for what it printed, recorded and called.
//! Never uses the host or its core as a library: whatever it knows, a user could find out, too.
//!
//! The binary is the one that cargo builds beside the test executable. It is built once per test
//! process, by `cargo build -p piton`, so that no test ever tries a stale one; where
//! `PITON_BINARY` names a binary, that is tried instead and nothing is built.

mod arena;
mod binary;
mod calls;
mod checker;
mod finished;
mod home;
mod pipelines;
pub mod provider;
mod random;
mod running;
mod server;
mod shim;
mod snapshot;
mod text;
mod wait;

pub use arena::{ATTACK_MIB, Arena, attack_manifest};
pub use binary::{binary, guest};
pub use calls::{Call, Calls};
pub use checker::{Story, phase_keys_are_distinct};
pub use finished::Finished;
pub use home::Home;
pub use pipelines::{Chain, GRANT};
pub use random::Random;
pub use running::{Invocation, Running};
pub use server::{Manner, Server};
pub use shim::{Moment, Shim};
pub use snapshot::{check_snapshot, redacted};
pub use text::Text;
pub use wait::{eventually, eventually_some};
