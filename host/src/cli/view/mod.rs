//! Shows a run on stderr while it goes on: live where that is a terminal, else in lines.
//! Shows what it is told and nothing else; guests' text only made inert.

mod event;
mod live;

pub(super) use event::event_text;

use super::context::Context;
use super::text;
use live::Live;
use piton::runner::{EventDocument, Update, rfc3339};
use serde_json::{Map, Value};

/// A run, shown on stderr.
pub(super) struct View<'a> {
    context: &'a Context,
    live: Option<Live>,
    has_begun: bool,
    run: &'a str,
    /// The newest event that was shown, or that need not be.
    shown_up_to: u64,
}

impl<'a> View<'a> {
    /// Shows `run` from the events after `known` on.
    pub(super) fn new(context: &'a Context, run: &'a str, known: u64) -> Self {
        let live = context.is_live.then(|| Live::new(context.has_color, context.width));
        Self { context, live, has_begun: false, run, shown_up_to: known }
    }

    /// Whether single events are shown.
    pub(super) fn is_in_lines(&self) -> bool {
        self.live.is_none() && !self.context.globals.quiet
    }

    /// Shows an event that became true before this followed, unless it was shown.
    pub(super) fn earlier(&mut self, event: &EventDocument) {
        self.line(event.seq, &event.at, &event.fields);
    }

    fn line(&mut self, seq: u64, at: &str, fields: &Map<String, Value>) {
        if !std::mem::replace(&mut self.has_begun, true) {
            self.context.say(&format!("run {}", self.run));
        }
        if seq > self.shown_up_to {
            self.shown_up_to = seq;
            self.context.say(&format!("{} {}", text::clock(at), event_text(fields)));
        }
    }

    /// Shows something new.
    pub(super) fn update(&mut self, update: &Update) {
        match (&mut self.live, update) {
            (Some(live), update) => {
                if !std::mem::replace(&mut self.has_begun, true) {
                    live.say(&format!("run {}", self.run));
                }
                live.update(update);
            }
            (None, Update::Event { seq, at_ms, event }) => {
                let Some(fields) = event.as_object() else { return };
                let at = rfc3339(piton::runner::Timestamp::from_millis(*at_ms));
                self.line(*seq, &at, fields);
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
