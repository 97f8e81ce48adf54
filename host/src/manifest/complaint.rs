//! What is wrong with a manifest, with its place, and how that looks in a terminal.
//! Owns the wording's frame and the picture; never decides what is wrong.

use annotate_snippets::{AnnotationKind, Level as Title, Origin, Renderer, Snippet};
use std::fmt::Write as _;
use std::ops::Range;

/// A range of bytes in the manifest's text.
pub type Place = Range<usize>;

/// The most complaints that are kept: past it, nobody reads on.
const COMPLAINTS_MAX: usize = 100;

/// The most names that are compared for a "did you mean", and the longest, in bytes: comparing
/// takes time in the product of both lengths.
const CANDIDATES_MAX: usize = 2_000;
const COMPARED_BYTES_MAX: usize = 64;

/// How much a complaint weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// The manifest cannot be used.
    Error,
    /// It can be used, and probably does not do what was meant.
    Warning,
    /// It can be used, and says something by leaving it out.
    Note,
}

/// One thing to tell about a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaint {
    /// How much it weighs.
    pub level: Level,
    /// What is the matter: a lower-case fragment.
    pub message: String,
    /// Where, if it has one place.
    pub place: Option<Place>,
    /// What to write under the place.
    pub label: Option<String>,
    /// What to do about it.
    pub hint: Option<String>,
    /// Further places that belong to it, each with what to write under it.
    pub others: Vec<(Place, String)>,
}

impl Complaint {
    fn new(level: Level, place: Option<Place>, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { level, message, place, label: None, hint: None, others: Vec::new() }
    }

    /// Says what to write under the place.
    pub(super) fn label(&mut self, label: impl Into<String>) -> &mut Self {
        self.label = Some(label.into());
        self
    }

    /// Says what to do about it.
    pub(super) fn hint(&mut self, hint: impl Into<String>) -> &mut Self {
        self.hint = Some(hint.into());
        self
    }

    /// As [`Complaint::hint`], where there is something to say.
    pub(super) fn hint_if(&mut self, hint: Option<String>) -> &mut Self {
        self.hint = hint.or(self.hint.take());
        self
    }

    /// Shows a further place.
    pub(super) fn other(&mut self, place: Place, label: impl Into<String>) -> &mut Self {
        self.others.push((place, label.into()));
        self
    }
}

/// The complaints so far.
#[derive(Debug, Default)]
pub(super) struct Complaints {
    kept: Vec<Complaint>,
    /// How many more there were.
    dropped: usize,
    /// What is handed out in place of a complaint that is not kept.
    scratch: Option<Complaint>,
}

impl Complaints {
    pub(super) fn error(&mut self, place: &Place, message: impl Into<String>) -> &mut Complaint {
        self.add(Complaint::new(Level::Error, Some(place.clone()), message))
    }

    pub(super) fn warning(&mut self, place: &Place, message: impl Into<String>) -> &mut Complaint {
        self.add(Complaint::new(Level::Warning, Some(place.clone()), message))
    }

    pub(super) fn note(&mut self, message: impl Into<String>) -> &mut Complaint {
        self.add(Complaint::new(Level::Note, None, message))
    }

    /// An error that is about the manifest as a whole.
    pub(super) fn placeless(&mut self, message: impl Into<String>) -> &mut Complaint {
        self.add(Complaint::new(Level::Error, None, message))
    }

    /// Keeps a complaint as it is, if not too many are kept.
    pub(super) fn add(&mut self, complaint: Complaint) -> &mut Complaint {
        if self.is_full() {
            self.dropped += usize::from(complaint.level == Level::Error);
            return self.scratch.insert(complaint);
        }
        self.kept.push(complaint);
        self.kept.last_mut().expect("a complaint was just kept")
    }

    pub(super) fn is_full(&self) -> bool {
        self.kept.len() >= COMPLAINTS_MAX
    }

    pub(super) fn has_errors(&self) -> bool {
        self.dropped > 0 || self.kept.iter().any(|complaint| complaint.level == Level::Error)
    }

    /// A hint that names the candidate most like `name`, if one is like it at all.
    pub(super) fn did_you_mean<'c>(
        &self,
        name: &str,
        candidates: impl IntoIterator<Item = &'c str>,
    ) -> Option<String> {
        if self.is_full() {
            return None;
        }
        did_you_mean(name, candidates)
    }

    /// All of them, in the order of their places; those without come last.
    pub(super) fn into_sorted(mut self) -> Vec<Complaint> {
        let start =
            |complaint: &Complaint| complaint.place.as_ref().map_or(usize::MAX, |p| p.start);
        self.kept.sort_by_key(start);
        if self.dropped > 0 {
            let message = format!("{} more mistakes are not shown", self.dropped);
            self.kept.push(Complaint::new(Level::Note, None, message));
        }
        self.kept
    }
}

/// A hint that names the candidate most like `name`, if one is like it at all.
pub(super) fn did_you_mean<'c>(
    name: &str,
    candidates: impl IntoIterator<Item = &'c str>,
) -> Option<String> {
    nearest(name, candidates).map(|near| format!("did you mean `{near}`?"))
}

/// The candidate most like `name`, if one is like it at all.
pub(super) fn nearest<'c>(
    name: &str,
    candidates: impl IntoIterator<Item = &'c str>,
) -> Option<&'c str> {
    if name.len() > COMPARED_BYTES_MAX {
        return None;
    }
    let most = (name.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .take(CANDIDATES_MAX)
        .filter(|candidate| candidate.len().abs_diff(name.len()) <= most && *candidate != name)
        .map(|candidate| (strsim::damerau_levenshtein(name, candidate), candidate))
        .filter(|(distance, _)| *distance <= most)
        .min()
        .map(|(_, candidate)| candidate)
}

/// Draws complaints for a terminal, each with file, line and column, the text underlined, and its hint.
///
/// `width` is the terminal's, in columns; with `color` the text holds ANSI escapes. Control
/// characters of the manifest never reach the terminal.
pub fn render(
    source_name: &str,
    text: &str,
    complaints: &[Complaint],
    color: bool,
    width: usize,
) -> String {
    let renderer = if color { Renderer::styled() } else { Renderer::plain() };
    let renderer = renderer.term_width(width.max(40));
    let source_name = printable(source_name);
    let mut drawn = String::new();
    for (nth, complaint) in complaints.iter().enumerate() {
        if nth > 0 {
            drawn.push('\n');
        }
        drawn.push_str(&draw(&renderer, &source_name, text, complaint));
        drawn.push('\n');
        if let Some(hint) = &complaint.hint {
            let (on, off) = if color { ("\u{1b}[1m\u{1b}[96m", "\u{1b}[0m") } else { ("", "") };
            let _ = writeln!(drawn, "{on}hint{off}: {}", printable(hint));
        }
    }
    drawn
}

fn draw(renderer: &Renderer, source_name: &str, text: &str, complaint: &Complaint) -> String {
    let level = match complaint.level {
        Level::Error => Title::ERROR,
        Level::Warning => Title::WARNING,
        Level::Note => Title::NOTE,
    };
    let title = level.primary_title(printable(&complaint.message));
    let Some(place) = &complaint.place else {
        return renderer.render(&[title.element(Origin::path(source_name))]);
    };
    let excerpt = Excerpt::around(text, place, &complaint.others);
    let label = complaint.label.as_deref().map(printable);
    let primary = AnnotationKind::Primary.span(excerpt.moved(place)).label(label);
    let others = complaint.others.iter().map(|(place, label)| {
        AnnotationKind::Context.span(excerpt.moved(place)).label(printable(label))
    });
    let snippet = Snippet::source(excerpt.text)
        .path(source_name)
        .line_start(excerpt.line)
        .annotation(primary)
        .annotations(others);
    renderer.render(&[title.element(snippet)])
}

/// The lines of a text that some places are in: a renderer that is given all of a long text for
/// each complaint takes a second.
struct Excerpt<'t> {
    text: &'t str,
    start: usize,
    /// The number of its first line, from 1.
    line: usize,
}

impl<'t> Excerpt<'t> {
    fn around(text: &'t str, place: &Place, others: &[(Place, String)]) -> Self {
        let places = || others.iter().map(|(place, _)| place).chain([place]);
        let first = places().map(|place| place.start).min().unwrap_or(0);
        let last = places().map(|place| place.end).max().unwrap_or(0);
        let first = on_boundary(text, first);
        let last = on_boundary(text, last).max(first);
        let start = text[..first].rfind('\n').map_or(0, |newline| newline + 1);
        let end = text[last..].find('\n').map_or(text.len(), |newline| last + newline);
        let line = text[..start].bytes().filter(|byte| *byte == b'\n').count() + 1;
        Self { text: &text[start..end], start, line }
    }

    /// The same place, counted within the excerpt.
    fn moved(&self, place: &Place) -> Place {
        let within = |at: usize| {
            let at = at.saturating_sub(self.start).min(self.text.len());
            on_boundary(self.text, at)
        };
        within(place.start)..within(place.end).max(within(place.start))
    }
}

/// The nearest start of a character at or before `at`.
fn on_boundary(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

/// The text with control characters spelled out.
fn printable(text: &str) -> String {
    let mut printable = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() {
            let _ = write!(printable, "{}", character.escape_default());
        } else {
            printable.push(character);
        }
    }
    printable
}
