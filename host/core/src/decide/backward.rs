//! Going backward: which undo begins next.
//! The order itself is kept by the state; never says what follows from a failed undo.

use super::Deciding;
use crate::id::{InstanceId, Phase};
use crate::run::Knowledge;

impl Deciding<'_> {
    pub(super) fn go_backward(&mut self) {
        let parallel = self.run.pipeline().compensation_parallel as usize;
        while self.moment.may_start
            && !self.run.is_finished()
            && !self.run.cancel_keeping_effects
            && self.run.undo.active_count() < parallel
        {
            let Some(instance) = self.run.undo.next_ready() else { return };
            let phase = self.first_phase_back(instance);
            self.start_attempt(instance, phase);
        }
    }

    /// An unknown outcome is asked about first, where the step can tell.
    fn first_phase_back(&self, instance: InstanceId) -> Phase {
        let is_unknown = self.run.instance(instance).knowledge == Knowledge::Unknown;
        if is_unknown && self.run.step_of(instance).reconciles {
            Phase::Reconcile
        } else {
            Phase::Compensate
        }
    }
}
