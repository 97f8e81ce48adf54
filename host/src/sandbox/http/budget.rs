//! Counts what one attempt sends and is sent, over all its requests.
//! Says no at the limit; never waits but for a connection that has to end first.

use piton_core::HttpLimits;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What an attempt has used of its limits.
pub(super) struct Budget {
    limits: HttpLimits,
    requests: AtomicU64,
    sent_bytes: AtomicU64,
    received_bytes: AtomicU64,
    connections: Arc<Semaphore>,
}

/// The limit that was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Exceeded(pub(super) u64);

impl Budget {
    pub(super) fn new(limits: HttpLimits) -> Self {
        Self {
            requests: AtomicU64::new(0),
            sent_bytes: AtomicU64::new(0),
            received_bytes: AtomicU64::new(0),
            connections: Arc::new(Semaphore::new(limits.connections as usize)),
            limits,
        }
    }

    pub(super) fn header_bytes(&self) -> u64 {
        self.limits.header_bytes
    }

    /// One more request.
    pub(super) fn request(&self) -> Result<(), Exceeded> {
        take(&self.requests, 1, self.limits.requests)
    }

    /// More bytes of a request's body.
    pub(super) fn sends(&self, bytes: usize) -> Result<(), Exceeded> {
        take(&self.sent_bytes, bytes as u64, self.limits.request_bytes)
    }

    /// More bytes of a response's body.
    pub(super) fn receives(&self, bytes: usize) -> Result<(), Exceeded> {
        take(&self.received_bytes, bytes as u64, self.limits.response_bytes)
    }

    /// Room for one connection, for as long as what is returned lives; none once it is closed.
    pub(super) async fn connection(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.connections).acquire_owned().await.ok()
    }

    /// Nobody gets room any more. What is open stays open.
    pub(super) fn close(&self) {
        self.connections.close();
    }
}

fn take(used: &AtomicU64, more: u64, most: u64) -> Result<(), Exceeded> {
    let taken = used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
        used.checked_add(more).filter(|used| *used <= most)
    });
    taken.map(|_| ()).map_err(|_| Exceeded(most))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_not_counted() {
        let used = AtomicU64::new(0);
        assert_eq!(take(&used, 8, 10), Ok(()));
        assert_eq!(take(&used, 3, 10), Err(Exceeded(10)));
        assert_eq!(take(&used, 2, 10), Ok(()));
        assert_eq!(take(&used, u64::MAX, u64::MAX), Err(Exceeded(u64::MAX)));
    }
}
