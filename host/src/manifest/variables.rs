//! The variables of expressions: `input`, `steps`, `run`, and `item`, `index` in a map.
//! Resolves names to what they mean, and notes which steps were named; never evaluates.

use super::complaint::{Complaints, Place};
use super::expression::Spot;
use super::names::Names;
use super::path::{Path, Root, Segment};
use super::shape::Placed;
use piton_core::StepIndex;
use std::ops::Range;

/// The most expressions of a manifest that are more than a plain path: parsing one takes some
/// 15 microseconds.
const PROGRAMS_MAX: usize = 20_000;

/// One part of a path, with its place in the expression.
#[derive(Debug, Clone)]
pub(super) struct Field {
    pub(super) segment: Segment,
    pub(super) range: Range<usize>,
}

impl Field {
    /// The same, counted from that much further on.
    pub(super) fn moved_back(&self, by: usize) -> Self {
        let range = self.range.start.saturating_sub(by)..self.range.end.saturating_sub(by);
        Self { segment: self.segment.clone(), range }
    }

    fn name(&self) -> Option<&str> {
        match &self.segment {
            Segment::Field(name) => Some(name),
            Segment::Element(_) => None,
        }
    }
}

/// What the names of an expression may mean, and what they were found to mean.
pub(super) struct Variables<'n> {
    names: &'n Names<'n>,
    /// Whether `item` and `index` exist.
    pub(super) in_element: bool,
    /// The steps that were named since this was last emptied.
    pub(super) named: Vec<Placed<StepIndex>>,
    programs: usize,
}

impl<'n> Variables<'n> {
    pub(super) fn of(names: &'n Names<'n>) -> Self {
        Self { names, in_element: false, named: Vec::new(), programs: 0 }
    }

    /// Counts an expression that is more than a plain path.
    pub(super) fn may_compile_another(
        &mut self,
        place: &Place,
        complaints: &mut Complaints,
    ) -> bool {
        self.programs += 1;
        if self.programs == PROGRAMS_MAX + 1 {
            let message = format!("the manifest computes more than {PROGRAMS_MAX} expressions");
            complaints.error(place, message).hint("compute in a step instead");
        }
        self.programs <= PROGRAMS_MAX
    }

    /// Resolves `root.fields`, whose first byte is at `spot`.
    pub(super) fn resolve(
        &mut self,
        root: &str,
        fields: &[Field],
        spot: &Spot,
        complaints: &mut Complaints,
    ) -> Option<Path> {
        let whole = |root_kind| {
            let segments = fields.iter().map(|field| field.segment.clone()).collect();
            Some(Path { root: root_kind, variable: root.to_owned(), segments })
        };
        match root {
            "input" => whole(Root::Input),
            "item" if self.in_element => whole(Root::Item),
            "index" if self.in_element => whole(Root::Index),
            "run" => self.resolve_run(fields, spot, complaints),
            "steps" => self.resolve_step(fields, spot, complaints),
            "item" | "index" => {
                complaints
                    .error(&spot.at(0..root.len()), format!("`{root}` exists only in a map"))
                    .hint("a step with `map = \"${…}\"` has it in its `input`");
                None
            }
            unknown => {
                self.complain_unknown(unknown, spot, complaints);
                None
            }
        }
    }

    fn complain_unknown(&self, name: &str, spot: &Spot, complaints: &mut Complaints) {
        let known = ["input", "steps", "run", "item", "index"];
        let known = if self.in_element { &known[..] } else { &known[..3] };
        let hint = if self.names.index_of(name).is_some() {
            Some(format!("write `steps.{name}.output`"))
        } else {
            complaints.did_you_mean(name, known.iter().copied())
        };
        let otherwise = format!("there are {}", super::shape::listed(known));
        let message = format!("expressions have no variable `{name}`");
        complaints.error(&spot.at(0..name.len()), message).hint(otherwise).hint_if(hint);
    }

    fn resolve_run(
        &self,
        fields: &[Field],
        spot: &Spot,
        complaints: &mut Complaints,
    ) -> Option<Path> {
        let path = |root, variable: &str, skipped: usize| {
            let segments = fields[skipped..].iter().map(|field| field.segment.clone()).collect();
            Some(Path { root, variable: variable.to_owned(), segments })
        };
        let Some(first) = fields.first() else {
            return path(Root::Run, "run", 0);
        };
        match first.name() {
            Some("id") => path(Root::RunId, "run.id", 1),
            Some("pipeline") => path(Root::RunPipeline, "run.pipeline", 1),
            Some("started_at") => path(Root::RunStartedAt, "run.started_at", 1),
            other => {
                let name = other.unwrap_or("[…]");
                let known = ["id", "pipeline", "started_at"];
                let hint = complaints.did_you_mean(name, known);
                let otherwise = format!("it has {}", super::shape::listed(&known));
                complaints
                    .error(&spot.at(first.range.clone()), format!("`run` has no field `{name}`"))
                    .hint(otherwise)
                    .hint_if(hint);
                None
            }
        }
    }

    fn resolve_step(
        &mut self,
        fields: &[Field],
        spot: &Spot,
        complaints: &mut Complaints,
    ) -> Option<Path> {
        let Some((first, name)) = fields.first().and_then(|f| Some((f, f.name()?))) else {
            complaints
                .error(&spot.at(0.."steps".len()), "`steps` is no value of its own")
                .hint("write `steps.NAME.output`");
            return None;
        };
        let name_place = spot.at(first.range.clone());
        let Some(step) = self.names.index_of(name) else {
            let hint = complaints.did_you_mean(name, self.names.all());
            let message = format!("this pipeline has no step `{name}`");
            complaints.error(&name_place, message).hint_if(hint);
            return None;
        };
        // Named is named, whatever is wrong with the rest: a cycle is one all the same.
        self.named.push(Placed { value: step, place: spot.at(0..first.range.end) });
        let second = fields.get(1);
        if second.and_then(Field::name) != Some("output") {
            let place = second.map_or(name_place, |second| spot.at(second.range.clone()));
            complaints
                .error(&place, "of a step, expressions know its `output` only")
                .hint(format!("write `steps.{name}.output`"));
            return None;
        }
        let segments = fields[2..].iter().map(|field| field.segment.clone()).collect();
        let variable = format!("steps.{name}.output");
        Some(Path { root: Root::Output(step), variable, segments })
    }
}
