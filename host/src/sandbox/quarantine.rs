//! Owns which components are called no more: those in one of whose calls the host itself panicked.
//! Never outlives its sandbox: the mistake is the host's, and whoever starts another version of it may call
//! them again.

use super::logs::shorten;
use piton_core::Digest;
use std::any::Any;
use std::collections::BTreeSet;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::{Mutex, PoisonError};
use std::task::Poll;

/// What is kept of a panic's message.
const PANIC_BYTES_MAX: usize = 500;

/// What a panic came with.
pub(super) type Panic = Box<dyn Any + Send>;

/// Components that are called no more.
#[derive(Default)]
pub(super) struct Quarantine(Mutex<BTreeSet<Digest>>);

impl Quarantine {
    /// Takes a component in; returns whether it was not there before.
    pub(super) fn take_in(&self, digest: Digest) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(digest)
    }

    /// Why a component is not called, if it is not.
    pub(super) fn refuses(&self, digest: Digest) -> Option<String> {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.contains(&digest).then(|| {
            format!(
                "this host panicked in a call of component {digest} and calls it no more; once \
                 it is started anew, it does"
            )
        })
    }
}

/// What `future` comes to, or the panic that it ends with.
pub(super) async fn caught<T>(future: impl Future<Output = T>) -> Result<T, Panic> {
    let mut future = pin!(future);
    poll_fn(|context| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context))) {
        Ok(Poll::Pending) => Poll::Pending,
        Ok(Poll::Ready(value)) => Poll::Ready(Ok(value)),
        Err(panic) => Poll::Ready(Err(panic)),
    })
    .await
}

/// What an attempt's end says of a panic.
pub(super) fn told(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    let text = shorten(text.unwrap_or("without a word"), PANIC_BYTES_MAX);
    format!(
        "the host itself panicked in this call: {text}; this is a mistake in piton, please report it"
    )
}
