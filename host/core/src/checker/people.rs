//! What a person's word changes in the books.
//! Never asks who they are.

use super::Rule;
use super::books::{Books, Known};
use crate::event::Settlement;
use crate::id::InstanceId;

impl Books<'_> {
    pub(super) fn settled(&mut self, instance: InstanceId, settlement: &Settlement) {
        let is_undoing = self.turned.is_some() || self.page(instance).is_tolerated;
        let is_under_way = self.page(instance).under_way.is_some();
        self.require(!is_under_way, Rule::Order, Some(instance), "a call of it is under way");
        let page = self.page(instance);
        let was_stuck = std::mem::take(&mut page.is_stuck);
        let was_recorded = page.is_recorded;
        if !is_undoing {
            self.require(was_stuck, Rule::Order, Some(instance), "it was not stuck");
        }
        match settlement {
            Settlement::Undone => self.undo_ended(instance),
            Settlement::NotDone => {
                self.require(!was_recorded, Rule::OneOutcome, Some(instance), "it was recorded");
                self.page(instance).effect = Known::None;
                if is_undoing {
                    self.undo_ended(instance);
                }
            }
            Settlement::Done(_) if is_undoing => {
                self.require(!was_recorded, Rule::OneOutcome, Some(instance), "it was recorded");
                let page = self.page(instance);
                (page.effect, page.is_recorded) = (Known::Maybe, true);
            }
            Settlement::Done(_) => {
                self.page(instance).effect = Known::Maybe;
                self.recorded(instance);
            }
        }
        self.recount(instance);
    }
}
