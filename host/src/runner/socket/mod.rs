//! How two processes share one data directory: the first holds it, the others ask it over a socket
//! in it. The same questions are asked whether the host is in this process or in another.
//! Never waits on a lock in silence.

mod answer;
mod client;
mod protocol;
mod reach;
mod server;

pub(super) use answer::refused;
pub use answer::start_refused;
pub use client::{Client, ClientError};
pub use protocol::{Act, Answer, Ask, Look, Refused, RowFilter};
pub use reach::{Follow, Opening, Reach, ReachError, reach};
