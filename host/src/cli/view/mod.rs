//! Shows a run on stderr while it goes on: live where that is a terminal, else in lines.
//! Shows what it is told and nothing else; guests' text only made inert.

mod event;
mod live;

pub(super) use event::event_text;

use super::context::Context;
use super::text;
use live::Live;
use piton::runner::{Update, rfc3339};

/// A run, shown on stderr.
pub(super) struct View<'a> {
    context: &'a Context,
    live: Option<Live>,
    has_begun: bool,
    run: &'a str,
}

impl<'a> View<'a> {
    pub(super) fn new(context: &'a Context, run: &'a str) -> Self {
        let live = context.is_live.then(|| Live::new(context.has_color, context.width));
        Self { context, live, has_begun: false, run }
    }

    /// Shows something new.
    pub(super) fn update(&mut self, update: &Update) {
        if !std::mem::replace(&mut self.has_begun, true) {
            self.context.say(&format!("run {}", self.run));
        }
        match (&mut self.live, update) {
            (Some(live), update) => live.update(update),
            (None, Update::Event { at_ms, event, .. }) => {
                let Some(fields) = event.as_object() else { return };
                let at = rfc3339(piton::runner::Timestamp::from_millis(*at_ms));
                self.context.say(&format!("{} {}", text::clock(&at), event_text(fields)));
            }
            (None, _) => {}
        }
    }

    /// Moves what moves by itself: spinners and countdowns.
    pub(super) fn tick(&mut self) {
        if let Some(live) = &mut self.live {
            live.draw();
        }
    }

    /// Says something above what is shown.
    pub(super) fn say(&self, words: &str) {
        match &self.live {
            Some(live) => live.say(words),
            None => self.context.say(words),
        }
    }

    /// Leaves what is shown as it stands.
    pub(super) fn close(&mut self) {
        if let Some(live) = &mut self.live {
            live.close();
        }
    }
}
