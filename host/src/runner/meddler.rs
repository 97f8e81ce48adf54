//! A seam between a run and its guests, at which a rehearsal makes calls go wrong.
//! Off unless the host's settings name a meddler; never used by a run that matters.

use crate::sandbox::{BoxFuture, Call, Ended};

/// Makes a call in its sandbox.
pub type CallGuest<'a> = Box<dyn FnOnce(Call) -> BoxFuture<'a, Ended> + Send + 'a>;

/// Stands between runs and their guests.
pub trait Meddler: Send + Sync {
    /// Makes `call` with `guest`, or does not, and says how it ended. Asked once for each attempt,
    /// after its start is durable. The future is dropped where the attempt is.
    fn meddle<'a>(&'a self, call: Call, guest: CallGuest<'a>) -> BoxFuture<'a, Ended>;
}
