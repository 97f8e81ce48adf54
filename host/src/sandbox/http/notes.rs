//! What people are told of an attempt's requests: lines of the host beside those of the guest.
//! Each line comes once, and only so many of them: a guest can ask for more than anybody reads.

use super::super::logs::Logs;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

/// Lines of one attempt.
const LINES_MAX: usize = 32;

/// The host's lines about the requests of one attempt.
pub(super) struct Notes {
    logs: Arc<Logs>,
    told: Mutex<BTreeSet<String>>,
}

impl Notes {
    pub(super) fn new(logs: Arc<Logs>) -> Self {
        Self { logs, told: Mutex::default() }
    }

    /// Tells something, unless it was told before.
    pub(super) fn tell(&self, text: String) {
        // Whole lines only go in, so that a panic elsewhere leaves it right.
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.len() > LINES_MAX || told.contains(&text) {
            return;
        }
        if told.len() == LINES_MAX {
            self.logs.host("more happened to its requests, which is not told");
        } else {
            self.logs.host(&text);
        }
        told.insert(text);
    }
}
