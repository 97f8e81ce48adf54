//! Tells whoever wants to know what the time of a call goes into: its stages, the turns of its
//! guest, and what the host is asked to do. Where nobody wants to know, it costs a look at an
//! `Option`. Never measures anything itself, and tells nothing of what is passed.

use super::time::Time;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;

/// Hears what a call does, at the moment it does it. Called often, also by the guest's doing: must
/// neither wait nor grow with each call.
pub trait Stopwatch: Send + Sync {
    /// The call has come to this stage.
    fn enters(&self, stage: Stage);

    /// The guest has a processor from now on, or gives it back.
    fn computes(&self, begins: bool);

    /// The guest asks the host to do something. What this returns is told to
    /// [`Stopwatch::answered`].
    fn asked(&self, what: HostCall) -> u64;

    /// That is done; a request with this status.
    fn answered(&self, what: HostCall, asked: u64, status: Option<u16>);
}

/// The stages of a call after it has waited for its slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// It has a slot; a store and an instance are made.
    Instantiating,
    /// The guest's function is called.
    InGuest,
    /// The guest is left.
    Over,
}

/// What a guest asks the host to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostCall {
    /// A request, from its sending to the end of the response's body.
    Http,
    /// Looking up what was remembered.
    Recall,
    /// Remembering, durably.
    Remember,
    /// Keeping a log line.
    Log,
    /// Telling of progress.
    Progress,
    /// Booking what was spent.
    Usage,
}

impl HostCall {
    /// The word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Recall => "recall",
            Self::Remember => "remember",
            Self::Log => "log",
            Self::Progress => "progress",
            Self::Usage => "usage",
        }
    }
}

impl Time {
    /// Tells of a stage.
    pub(super) fn enters(&self, stage: Stage) {
        if let Some(stopwatch) = self.stopwatch() {
            stopwatch.enters(stage);
        }
    }

    /// The same future, of whose turns is told.
    pub(super) fn watching<T>(
        &self,
        mut guest: Pin<&mut impl Future<Output = T>>,
    ) -> impl Future<Output = T> {
        poll_fn(move |context| {
            let _turn = self.stopwatch().map(Turn::begin);
            guest.as_mut().poll(context)
        })
    }

    /// Tells that the host is asked for something, and that it is done once the guard goes.
    pub(super) fn asks(&self, what: HostCall) -> Asking {
        Asking(self.stopwatch().map(|stopwatch| Asked {
            asked: stopwatch.asked(what),
            stopwatch: Arc::clone(stopwatch),
            what,
            status: None,
        }))
    }
}

/// A turn of the guest on a processor.
struct Turn<'a>(&'a dyn Stopwatch);

impl<'a> Turn<'a> {
    fn begin(stopwatch: &'a Arc<dyn Stopwatch>) -> Self {
        stopwatch.computes(true);
        Self(stopwatch.as_ref())
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.computes(false);
    }
}

/// Something that the host does for a guest, as long as this is there.
pub(super) struct Asking(Option<Asked>);

struct Asked {
    stopwatch: Arc<dyn Stopwatch>,
    what: HostCall,
    asked: u64,
    status: Option<u16>,
}

impl Asking {
    /// The request was answered with this status.
    pub(super) fn has_status(&mut self, status: u16) {
        if let Some(asked) = &mut self.0 {
            asked.status = Some(status);
        }
    }

    /// It is done before this goes.
    pub(super) fn ends(&mut self) {
        self.0 = None;
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        self.stopwatch.answered(self.what, self.asked, self.status);
    }
}
