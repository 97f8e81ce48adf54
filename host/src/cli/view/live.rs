//! A run's steps, drawn in place on a terminal: what each does, which attempt, until when.
//! Draws what it was last told, when it is asked to: never with each thing that it is told, of which there may be
//! thousands in a second. Countdowns are computed from due times, never from its own timing.

use super::event::{event_text, text_of};
use crate::cli::context::paint;
use crate::cli::text;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use piton::runner::{ChangedStep, StepSummary, Summary, Update};
use piton::sandbox::inert;
use std::collections::BTreeMap;

/// How many steps are drawn at once; further ones are counted.
const STEPS_DRAWN: usize = 24;

const SPINNER: [char; 10] = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];

/// The drawing.
pub(super) struct Live {
    bars: MultiProgress,
    lines: Vec<ProgressBar>,
    summary: Option<Box<Summary>>,
    /// What calls under way last said of themselves.
    progress: BTreeMap<String, String>,
    has_color: bool,
    width: usize,
    ticks: usize,
}

impl Live {
    pub(super) fn new(has_color: bool, width: usize) -> Self {
        Self {
            bars: MultiProgress::new(),
            lines: Vec::new(),
            summary: None,
            progress: BTreeMap::new(),
            has_color,
            width,
            ticks: 0,
        }
    }

    /// Takes in what is told; it is seen at the next drawing.
    pub(super) fn update(&mut self, update: &Update) {
        match update {
            Update::Stands(summary) | Update::Rests(summary) | Update::Left(summary) => {
                self.summary = Some(summary.clone());
            }
            Update::Changed(changed) => self.take_in(changed),
            Update::Progress { step, done, total, message } => {
                let amount = match total {
                    Some(total) => format!("{done}/{total}"),
                    None if *done > 0 => done.to_string(),
                    None => String::new(),
                };
                let message = inert(message);
                self.progress.insert(step.clone(), format!("{amount} {message}").trim().into());
            }
            Update::Event { event, .. } => {
                let Some(fields) = event.as_object() else { return };
                match text_of(fields, "event").as_ref() {
                    "attempt-ended" => {
                        self.progress.remove(text_of(fields, "step").as_ref());
                    }
                    "budget-warned" | "budget-used-up" => self.say(&event_text(fields)),
                    _ => {}
                }
            }
            Update::HostFailed(_) => {}
        }
    }

    fn take_in(&mut self, changed: &[ChangedStep]) {
        // What became true before the whole was told is part of it.
        let Some(summary) = &mut self.summary else { return };
        for ChangedStep { index, step } in changed {
            if let Some(known) = summary.steps.get_mut(*index) {
                known.clone_from(step);
            }
        }
    }

    /// Draws all lines anew.
    pub(super) fn draw(&mut self) {
        self.ticks += 1;
        let Some(summary) = &self.summary else { return };
        let mut texts: Vec<String> =
            shown(&summary.steps).into_iter().map(|step| self.step_line(step)).collect();
        let hidden = summary.steps.len().saturating_sub(texts.len());
        if hidden > 0 {
            let done = summary.steps.iter().filter(|step| step.status == "succeeded").count();
            let total = summary.steps.len();
            texts.push(paint(self.has_color, &format!("  … {done} of {total} steps done"), "2"));
        }
        while self.lines.len() < texts.len() {
            let line = self.bars.add(ProgressBar::new_spinner());
            let style = ProgressStyle::with_template("{msg}");
            line.set_style(style.expect("the template should parse"));
            self.lines.push(line);
        }
        for (line, text) in self.lines.iter().zip(&texts) {
            line.set_message(text.clone());
            line.tick();
        }
    }

    pub(super) fn say(&self, words: &str) {
        // The terminal may have gone.
        let _ = self.bars.println(words);
    }

    /// Leaves the lines as they stand.
    pub(super) fn close(&mut self) {
        self.draw();
        for line in self.lines.drain(..) {
            line.abandon();
        }
    }

    fn step_line(&self, step: &StepSummary) -> String {
        let (sign, sgr) = self.sign(&step.status);
        let note = self.note(step);
        let room = self.width.saturating_sub(4 + 18 + 13 + 2);
        let note: String = note.chars().take(room).collect();
        let name = format!("{:<18}", step.step);
        let status = paint(self.has_color, &format!("{:<12}", step.status), sgr);
        format!("  {} {name} {status} {}", paint(self.has_color, &sign, sgr), note.trim_end())
    }

    fn sign(&self, status: &str) -> (String, &'static str) {
        let spinning = || SPINNER[self.ticks % SPINNER.len()].to_string();
        match status {
            "running" => (spinning(), "36"),
            "compensating" => (spinning(), "33"),
            "succeeded" => ("✓".into(), "32"),
            "failed" => ("✗".into(), "31"),
            "stuck" => ("!".into(), "1;31"),
            "compensated" => ("↩".into(), "33"),
            "retrying" => ("↻".into(), "33"),
            "waiting" => ("…".into(), "36"),
            "skipped" => ("-".into(), "2"),
            _ => ("·".into(), "2"),
        }
    }

    fn note(&self, step: &StepSummary) -> String {
        let mut parts = Vec::new();
        let is_undo = step.phase.as_deref() == Some("compensate");
        let attempt = if is_undo { step.undo_attempts } else { step.attempts };
        let is_active = matches!(step.status.as_str(), "running" | "compensating");
        if !step.elements.is_empty() {
            let counts: Vec<String> =
                step.elements.iter().map(|(status, count)| format!("{count} {status}")).collect();
            parts.push(counts.join(", "));
        } else if attempt > 1 {
            parts.push(format!("attempt {attempt}"));
        }
        if let Some(due) = &step.due {
            let what = if step.waits_for.is_some() { "until" } else { "again" };
            let when = format!("{} ({})", text::clock(due), text::until(due));
            parts.push(format!("{what} {when}"));
        }
        if let Some(waits_for) = &step.waits_for {
            parts.push(format!("for {waits_for}"));
        }
        if is_active && let Some(progress) = self.progress.get(&step.step) {
            parts.push(progress.clone());
        }
        if let Some(failure) = &step.failure {
            parts.push(format!("{}: {}", inert(&failure.code), inert(&failure.message)));
        } else if let Some(last) = &step.last_failure
            && step.status == "retrying"
        {
            parts.push(format!("after {}", inert(last)));
        }
        parts.join(" · ")
    }
}

/// The steps to draw: all where they fit, else the ones that are not just done or pending.
fn shown(steps: &[StepSummary]) -> Vec<&StepSummary> {
    if steps.len() <= STEPS_DRAWN {
        return steps.iter().collect();
    }
    let is_quiet =
        |step: &&StepSummary| !matches!(step.status.as_str(), "pending" | "succeeded" | "skipped");
    steps.iter().filter(is_quiet).take(STEPS_DRAWN).collect()
}
