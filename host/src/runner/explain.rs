//! Explains why a run stands where it stands: the event, the limit, the holder, the due time, and
//! what to type next. Derived from the run's state and its events; never decides anything.

use super::document::{budget_text, cause_word, rfc3339};
use super::loaded::Hindrance;
use piton_core::{
    Event, Instance, InstanceId, Limit, Outcome, Phase, RetryPolicy, Run, RunStatus, StepKind,
    StepStatus, Timestamp, Waiting,
};
use serde::{Deserialize, Serialize};

/// Why a run stands where it stands.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Explanation {
    /// The run's id.
    pub run: String,
    /// The pipeline's name.
    pub pipeline: String,
    /// The word for where it stands.
    pub status: String,
    /// The process that carries it on; null where none does.
    pub holder: Option<u32>,
    /// What that comes from, the weightiest first.
    pub reasons: Vec<Reason>,
    /// What may be typed now, the likeliest first.
    pub next: Vec<Next>,
}

/// One thing that a run's standing comes from.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Reason {
    /// The step, `name` or `name[3]`; null where it is about the run.
    pub step: Option<String>,
    /// In words. Partly text from a stranger.
    pub text: String,
    /// The number of the event that says so, from 1.
    pub seq: Option<u64>,
    /// When that became true, RFC 3339.
    pub at: Option<String>,
    /// The limit that was met: its word in the manifest or the journal.
    pub limit: Option<String>,
    /// When something happens by itself, RFC 3339.
    pub due: Option<String>,
}

/// Something to type.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Next {
    /// The command.
    pub command: String,
    /// What it does, or when to choose it.
    pub what: String,
}

/// How many steps an explanation speaks of.
const REASONS_MAX: usize = 30;

/// Explains `run`, whose events are `events`. `holder` is the process that carries it on.
pub(crate) fn explain(
    run: &Run,
    events: &[(Timestamp, Event)],
    holder: Option<u32>,
) -> Explanation {
    let mut explaining = Explaining { run, events, holder, reasons: Vec::new(), next: Vec::new() };
    explaining.explain_run();
    explaining.explain_steps();
    explaining.suggest();
    Explanation {
        run: run.id().to_string(),
        pipeline: run.pipeline().name.clone(),
        status: run.status().word().into(),
        holder,
        reasons: explaining.reasons,
        next: explaining.next,
    }
}

impl Explanation {
    /// Says first what keeps the run from being taken up.
    pub(crate) fn hindered(&mut self, hindrance: &Hindrance) {
        let Hindrance { message, hint } = hindrance;
        let hint = if hint.is_empty() { String::new() } else { format!("; {hint}") };
        self.reasons.insert(
            0,
            Reason {
                step: None,
                text: format!("this host does not take it up: {message}{hint}"),
                seq: None,
                at: None,
                limit: None,
                due: None,
            },
        );
    }
}

struct Explaining<'a> {
    run: &'a Run,
    events: &'a [(Timestamp, Event)],
    holder: Option<u32>,
    reasons: Vec<Reason>,
    next: Vec<Next>,
}

impl Explaining<'_> {
    fn explain_run(&mut self) {
        let run = self.run;
        if let Some(cause) = run.cause() {
            let word = match cause {
                piton_core::Cause::StepFailed(instance) => {
                    format!("it turned back because step `{}` failed", run.name_of(*instance))
                }
                piton_core::Cause::Cancelled { by } => format!("`{by}` cancelled it"),
                piton_core::Cause::Requested { by } => format!("`{by}` asked for a rollback"),
                piton_core::Cause::Deadline => "its deadline passed".into(),
                piton_core::Cause::Budget => "its budget is used up".into(),
                piton_core::Cause::OutputFailed => "its output could not be evaluated".into(),
            };
            let found = self.last(|event| matches!(event, Event::RollbackStarted { .. }));
            self.because(None, word, found, Some(cause_word(cause).into()), None);
        }
        if let Some(cause) = run.turn_wanted_cause() {
            let text = format!(
                "it is to turn back ({}), but a pivot's outcome must be known first",
                cause_word(cause)
            );
            let found = self.last(|event| matches!(event, Event::TurnRequested { .. }));
            self.because(None, text, found, None, None);
        }
        if let Some(text) = budget_text(run) {
            let found = self.last(|event| matches!(event, Event::BudgetUsedUp { .. }));
            self.because(None, text, found, Some("budget".into()), None);
        }
        if let Some(message) = run.output_failure() {
            let found = self.last(|event| matches!(event, Event::OutputFailed { .. }));
            let text = format!("its steps are done, but its `[output]` has no value: {message}");
            self.because(None, text, found, Some("expression".into()), None);
        }
        if let Some(at) = run.finished_at() {
            let text = format!("it is over: {}", run.status().word());
            self.because(None, text, Some((run.next_seq(), at)), None, None);
        } else if self.holder.is_none()
            && matches!(run.status(), RunStatus::Running | RunStatus::RollingBack)
        {
            let text = "no process carries it on; it goes on where it is when it is resumed";
            self.because(None, text.into(), None, None, None);
        }
    }

    fn explain_steps(&mut self) {
        for instance in self.run.instances() {
            if self.reasons.len() >= REASONS_MAX {
                return;
            }
            self.explain_instance(instance);
        }
        let waiting: Vec<_> = self.run.pipeline().indexes().collect();
        for step in waiting {
            let Some(until) = self.run.waiting_until(step) else { continue };
            let StepKind::Wait(waiting) = &self.run.pipeline().step(step).kind else { continue };
            let text = match waiting {
                Waiting::For(_) | Waiting::Until => "waits for its time".to_owned(),
                Waiting::Signal(name) => format!("waits for the signal `{name}`"),
                Waiting::Approval { from, .. } => format!("waits for an approval from `{from}`"),
            };
            let found = self.last(
                |event| matches!(event, Event::WaitStarted { step: other, .. } if *other == step),
            );
            self.because(Some(InstanceId::of(step)), text, found, None, until);
        }
    }

    fn explain_instance(&mut self, instance: InstanceId) {
        let run = self.run;
        let found = run.instance(instance);
        let mine = |event: &Event| instance_of(event) == Some(instance);
        match run.instance_status(instance) {
            StepStatus::Stuck => {
                let phase = found.stuck.unwrap_or(Phase::Execute);
                let (text, limit) = stuck_text(run, instance, phase);
                let event =
                    self.last(|event| mine(event) && matches!(event, Event::StepStuck { .. }));
                self.because(Some(instance), text, event, limit, None);
            }
            StepStatus::Failed if found.failure.is_some() => {
                let (text, limit) = failed_text(run, instance, Phase::Execute);
                let event =
                    self.last(|event| mine(event) && matches!(event, Event::StepFailed { .. }));
                self.because(Some(instance), text, event, limit, None);
            }
            StepStatus::Retrying | StepStatus::Compensating if found.retry.is_some() => {
                self.explain_retry(instance, found);
            }
            StepStatus::Running | StepStatus::Compensating => {
                let Some(call) = &found.under_way else { return };
                let (phase, attempt) = (call.phase, call.attempt);
                let text = if self.holder.is_some() {
                    format!(
                        "attempt {attempt} of `{phase}` is under way; the host ends it at its timeout"
                    )
                } else {
                    format!(
                        "attempt {attempt} of `{phase}` was under way when its host stopped; it is taken as lost on resume"
                    )
                };
                let event =
                    self.last(|event| mine(event) && matches!(event, Event::AttemptStarted { .. }));
                let due = self.holder.map(|_| call.deadline);
                self.because(Some(instance), text, event, None, due);
            }
            _ => {}
        }
    }

    fn explain_retry(&mut self, instance: InstanceId, found: &Instance) {
        let Some(retry) = &found.retry else { return };
        let policy = policy_of(self.run, instance, retry.phase);
        let counts = found.phase(retry.phase);
        let last = found.last_end().map_or_else(String::new, |end| match end.message() {
            "" => format!("the last attempt ended as `{}`", end.word()),
            message => format!("the last attempt ended as `{}`: {message}", end.code()),
        });
        let text = format!(
            "attempt {} of `{}` is scheduled ({} of {} attempts used); {last}",
            retry.attempt, retry.phase, counts.counted, policy.attempts
        );
        let event = self.last(|event| {
            instance_of(event) == Some(instance) && matches!(event, Event::RetryScheduled { .. })
        });
        self.because(Some(instance), text, event, None, Some(retry.due));
    }

    fn because(
        &mut self,
        step: Option<InstanceId>,
        text: String,
        event: Option<(u64, Timestamp)>,
        limit: Option<String>,
        due: Option<Timestamp>,
    ) {
        self.reasons.push(Reason {
            step: step.map(|step| self.run.name_of(step)),
            text,
            seq: event.map(|(seq, _)| seq),
            at: event.map(|(_, at)| rfc3339(at)),
            limit,
            due: due.map(rfc3339),
        });
    }

    /// The newest event that fits: its number from 1, and its moment.
    fn last(&self, fits: impl Fn(&Event) -> bool) -> Option<(u64, Timestamp)> {
        let numbered = (1_u64..).zip(self.events);
        let found = numbered.filter(|(_, (_, event))| fits(event)).last();
        found.map(|(seq, (at, _))| (seq, *at))
    }

    fn suggest(&mut self) {
        let id = self.run.id();
        let status = self.run.status();
        if status.is_final() {
            return self.type_this(format!("piton show {id}"), "all that is known of it");
        }
        let stuck: Vec<InstanceId> = self.run.stuck_instances().collect();
        for instance in stuck {
            self.suggest_for_stuck(instance);
        }
        if self.run.used_up_unit().is_some() {
            self.type_this(format!("piton retry {id}"), "gives it its whole budget once more");
        }
        for step in self.run.pipeline().indexes() {
            if self.run.waiting_until(step).is_none() {
                continue;
            }
            let definition = self.run.pipeline().step(step);
            match &definition.kind {
                StepKind::Wait(Waiting::Approval { .. }) => {
                    let name = &definition.name;
                    self.type_this(format!("piton approve {id} {name}"), "lets it go on");
                    self.type_this(format!("piton approve {id} {name} --refuse"), "refuses it");
                }
                StepKind::Wait(Waiting::Signal(name)) => {
                    self.type_this(
                        format!("piton signal {id} {name} JSON"),
                        "sends what it waits for",
                    );
                }
                _ => {}
            }
        }
        if self.run.output_failure().is_some() && self.run.is_past_pivot() {
            return self
                .type_this(format!("piton cancel {id} --keep"), "ends it and keeps its effects");
        }
        let can_go_on = status != RunStatus::Stuck;
        if can_go_on && self.holder.is_none() {
            self.type_this(format!("piton resume {id}"), "goes on with it here");
        } else if can_go_on {
            self.type_this(format!("piton resume {id}"), "follows it");
        }
        if self.run.cause().is_none() {
            if self.run.is_past_pivot() {
                self.type_this(
                    format!("piton cancel {id} --keep"),
                    "ends it and keeps its effects",
                );
            } else {
                self.type_this(format!("piton cancel {id}"), "stops it and undoes what it did");
            }
        }
    }

    fn suggest_for_stuck(&mut self, instance: InstanceId) {
        let (id, name) = (self.run.id(), self.run.name_of(instance));
        let found = self.run.instance(instance);
        let limit = found.failure.as_ref().map(|failure| failure.limit);
        let is_undo = found.stuck == Some(Phase::Compensate) || self.run.cause().is_some();
        if is_undo {
            self.type_this(format!("piton retry {id} {name}"), "tries the undo again");
            self.type_this(
                format!("piton settle {id} {name} --as undone --because TEXT"),
                "once you have undone it by hand",
            );
            return;
        }
        if matches!(limit, Some(Limit::UnknownOutcome | Limit::IdempotencyWindow)) {
            for (word, what) in [
                ("done", "if you found that it happened"),
                ("not-done", "if you found that it did not: it is then tried again"),
            ] {
                let command = format!("piton settle {id} {name} --as {word} --because TEXT");
                self.type_this(command, what);
            }
            return;
        }
        self.type_this(format!("piton retry {id} {name}"), "once what stopped it is mended");
        if !self.run.is_past_pivot() {
            self.type_this(format!("piton rollback {id}"), "undoes what the run did");
        }
    }

    fn type_this(&mut self, command: String, what: &str) {
        self.next.push(Next { command, what: what.into() });
    }
}

fn instance_of(event: &Event) -> Option<InstanceId> {
    match event {
        Event::AttemptStarted { instance, .. }
        | Event::AttemptEnded { instance, .. }
        | Event::RetryScheduled { instance, .. }
        | Event::StepFailed { instance, .. }
        | Event::StepStuck { instance, .. } => Some(*instance),
        _ => None,
    }
}

fn policy_of(run: &Run, instance: InstanceId, phase: Phase) -> RetryPolicy {
    let step = run.pipeline().step(instance.step);
    let goes_back =
        run.cause().is_some() || run.instance(instance).outcome == Some(Outcome::Tolerated);
    if phase == Phase::Compensate || goes_back { step.undo.clone() } else { step.retry.clone() }
}

fn stuck_text(run: &Run, instance: InstanceId, phase: Phase) -> (String, Option<String>) {
    let (text, limit) = failed_text(run, instance, phase);
    let what = match phase {
        Phase::Execute => "it needs a person",
        Phase::Reconcile => "asking what became of it failed, so it needs a person",
        Phase::Compensate => "its undo needs a person",
    };
    (format!("{what}: {text}"), limit)
}

/// Why no attempt is left, with the limit's value.
fn failed_text(run: &Run, instance: InstanceId, phase: Phase) -> (String, Option<String>) {
    let found = run.instance(instance);
    let Some(failure) = &found.failure else { return ("it failed".into(), None) };
    let policy = policy_of(run, instance, phase);
    let counts = found.phase(phase);
    let step = run.pipeline().step(instance.step);
    let seconds = |span: std::time::Duration| format!("{} s", span.as_secs());
    let limit = match failure.limit {
        Limit::Attempts => {
            format!("{} of {} attempts are used (`attempts`)", counts.counted, policy.attempts)
        }
        Limit::ThrottledAttempts => format!(
            "it was told to wait {} times, of {} (`throttled_attempts`)",
            counts.throttled, policy.throttled_attempts
        ),
        Limit::MaxElapsed => {
            format!(
                "the next attempt would come after {} (`max_elapsed`)",
                seconds(policy.max_elapsed)
            )
        }
        Limit::RetryAfterMax => {
            format!(
                "it asked for a longer wait than {} (`retry_after_max`)",
                seconds(policy.retry_after_max)
            )
        }
        Limit::LostAttempts => format!(
            "{} attempts in a row were lost with their host, of {} (`lost_attempts_max`)",
            counts.lost_in_a_row, step.lost_attempts_max
        ),
        Limit::Permanent => "the failure is permanent".into(),
        Limit::RunDeadline => "the next attempt would come after the run's `deadline`".into(),
        Limit::SameEnd => "it ended the same way twice, and would again".into(),
        Limit::Denied => "what it wants is not granted".into(),
        Limit::Expression => "an expression of the manifest has no value".into(),
        Limit::Tolerance => "too many elements failed (`tolerate`)".into(),
        Limit::UnknownOutcome => {
            "whether it had its effect is unknown, and its `effect` does not allow to repeat it"
                .into()
        }
        Limit::IdempotencyWindow => {
            "its idempotency key may be forgotten by now (`idempotency_window`)".into()
        }
        Limit::InputChanged => "its input would differ from the recorded one".into(),
        Limit::NotApproved => "it was not approved".into(),
        Limit::BehindPivot => "the run is past its pivot and cannot turn back".into(),
    };
    let message =
        if failure.message.is_empty() { String::new() } else { format!(": {}", failure.message) };
    let ended = format!("`{}`{message}", failure.code);
    (format!("{ended}; {limit}"), Some(failure.limit.word().into()))
}
