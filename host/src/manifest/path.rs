//! Plain paths such as `steps.reserve.output.items[0].price`: what most expressions are.
//! Finds a value in a JSON text without reading the rest into memory; never computes anything.

use super::complaint::did_you_mean;
use super::scope::Scope;
use piton_core::{Json, StepIndex};
use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// How many of an object's fields are compared for a "did you mean".
const FIELDS_COMPARED_MAX: usize = 100;

/// What a path begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Root {
    /// `input`.
    Input,
    /// `steps.NAME.output`.
    Output(StepIndex),
    /// `item`.
    Item,
    /// `index`.
    Index,
    /// `run`.
    Run,
    /// `run.id`.
    RunId,
    /// `run.pipeline`.
    RunPipeline,
    /// `run.started_at`.
    RunStartedAt,
}

/// One part of a path after its root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Segment {
    /// `.name`.
    Field(String),
    /// `[3]`.
    Element(usize),
}

impl fmt::Display for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(name) => write!(f, ".{name}"),
            Self::Element(index) => write!(f, "[{index}]"),
        }
    }
}

/// A path whose root is known to exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Path {
    pub(super) root: Root,
    /// The root as the expression names it.
    pub(super) variable: String,
    pub(super) segments: Vec<Segment>,
}

/// What a path leads to.
#[derive(Debug)]
pub(super) enum Found<'s> {
    /// A recorded value as it is.
    Whole(&'s Json),
    /// A part of one.
    Part(&'s str),
    /// What the host knows itself.
    Made(String),
}

impl Found<'_> {
    /// The JSON text.
    pub(super) fn as_str(&self) -> &str {
        match self {
            Self::Whole(json) => json.as_str(),
            Self::Part(text) => text,
            Self::Made(text) => text,
        }
    }

    /// The value, to be passed on.
    pub(super) fn into_json(self) -> Json {
        match self {
            Self::Whole(json) => json.clone(),
            Self::Part(text) => Json::from_checked(text),
            Self::Made(text) => Json::from_checked(text),
        }
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.variable)?;
        self.segments.iter().try_for_each(|segment| write!(f, "{segment}"))
    }
}

impl Path {
    /// Finds the value.
    ///
    /// The output of a step that has none is null, and so is every part of it.
    ///
    /// # Errors
    /// Why there is no such value, as a fragment.
    pub(super) fn find<'s>(&self, scope: &'s dyn Scope) -> Result<Found<'s>, String> {
        let Some(root) = root_value(self.root, scope)? else {
            return Ok(Found::Made("null".to_owned()));
        };
        if self.segments.is_empty() {
            return Ok(root);
        }
        match root {
            Found::Whole(json) => Ok(Found::Part(self.walk(json.as_str())?)),
            Found::Part(text) => Ok(Found::Part(self.walk(text)?)),
            Found::Made(text) => Ok(Found::Made(self.walk(&text)?.to_owned())),
        }
    }

    fn walk<'j>(&self, root: &'j str) -> Result<&'j str, String> {
        let mut at = root;
        for (nth, segment) in self.segments.iter().enumerate() {
            at = part(at, segment).map_err(|missing| {
                let mut so_far = self.variable.clone();
                self.segments[..nth].iter().for_each(|s| so_far.push_str(&s.to_string()));
                missing.told(&so_far, segment, at)
            })?;
        }
        Ok(at)
    }
}

/// The value that paths with this root begin at; none: it is the output of a step that has none.
pub(super) fn root_value<'s>(
    root: Root,
    scope: &'s dyn Scope,
) -> Result<Option<Found<'s>>, String> {
    let outside = || "there is no element outside a map".to_owned();
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    Ok(Some(match root {
        Root::Input => Found::Whole(scope.input()),
        Root::Output(step) => match scope.output_of(step) {
            Some(output) => Found::Whole(output),
            None => return Ok(None),
        },
        Root::Item => Found::Whole(scope.element().ok_or_else(outside)?.0),
        Root::Index => Found::Made(scope.element().ok_or_else(outside)?.1.to_string()),
        Root::RunId => Found::Made(quoted(&scope.run_id())),
        Root::RunPipeline => Found::Made(quoted(scope.pipeline_name())),
        Root::RunStartedAt => Found::Made(quoted(&started_at(scope))),
        Root::Run => Found::Made(format!(
            "{{\"id\":{},\"pipeline\":{},\"started_at\":{}}}",
            quoted(&scope.run_id()),
            quoted(scope.pipeline_name()),
            quoted(&started_at(scope)),
        )),
    }))
}

/// When the run started, as RFC 3339 writes it.
fn started_at(scope: &dyn Scope) -> String {
    let millis = i64::try_from(scope.started_at().as_millis()).unwrap_or(i64::MAX);
    let moment = jiff::Timestamp::from_millisecond(millis).unwrap_or(jiff::Timestamp::MAX);
    format!("{moment:.3}")
}

/// Why a value has no such part.
enum Missing {
    /// It is no object, or no list.
    WrongKind(&'static str),
    /// It is an object without this field.
    NoField,
    /// It is a list of this many.
    TooShort(usize),
}

impl Missing {
    fn told(&self, so_far: &str, segment: &Segment, value: &str) -> String {
        match (self, segment) {
            (Self::NoField, Segment::Field(name)) => {
                let fields = fields_of(value);
                let hint = did_you_mean(name, fields.iter().map(String::as_str));
                let hint = hint.map(|hint| format!("; {hint}")).unwrap_or_default();
                format!("`{so_far}` has no field `{name}`{hint}")
            }
            (Self::TooShort(length), Segment::Element(index)) => {
                format!("`{so_far}` has {length} elements, so there is no `[{index}]`")
            }
            (Self::WrongKind(kind), Segment::Field(name)) => {
                format!("`{so_far}` is {kind}, so it has no field `{name}`")
            }
            (_, segment) => {
                format!("`{so_far}` is {}, so it has no `{segment}`", kind_of(value))
            }
        }
    }
}

/// What a JSON text holds, with its article.
pub(super) fn kind_of(json: &str) -> &'static str {
    match json.trim_start().as_bytes().first() {
        Some(b'{') => "an object",
        Some(b'[') => "a list",
        Some(b'"') => "a text",
        Some(b't' | b'f') => "a boolean",
        Some(b'n') => "null",
        _ => "a number",
    }
}

fn part<'j>(json: &'j str, segment: &Segment) -> Result<&'j str, Missing> {
    let mut reader = serde_json::Deserializer::from_str(json);
    match (segment, kind_of(json)) {
        (Segment::Field(name), "an object") => {
            let found = FieldOf(name).deserialize(&mut reader).ok().flatten();
            found.map(RawValue::get).ok_or(Missing::NoField)
        }
        (Segment::Element(index), "a list") => match ElementOf(*index).deserialize(&mut reader) {
            Ok(Ok(found)) => Ok(found.get()),
            Ok(Err(length)) => Err(Missing::TooShort(length)),
            Err(_) => Err(Missing::TooShort(0)),
        },
        (_, kind) => Err(Missing::WrongKind(kind)),
    }
}

fn fields_of(json: &str) -> Vec<String> {
    let fields: Result<std::collections::BTreeMap<String, IgnoredAny>, _> =
        serde_json::from_str(json);
    fields.unwrap_or_default().into_keys().take(FIELDS_COMPARED_MAX).collect()
}

#[derive(serde::Deserialize)]
struct Key<'j>(#[serde(borrow)] Cow<'j, str>);

/// Finds one field of an object; the last of that name, as elsewhere.
struct FieldOf<'n>(&'n str);

impl<'j> DeserializeSeed<'j> for FieldOf<'_> {
    type Value = Option<&'j RawValue>;

    fn deserialize<D: serde::Deserializer<'j>>(self, reader: D) -> Result<Self::Value, D::Error> {
        reader.deserialize_map(self)
    }
}

impl<'j> Visitor<'j> for FieldOf<'_> {
    type Value = Option<&'j RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'j>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(Key(key)) = map.next_key()? {
            if key == self.0 {
                found = Some(map.next_value()?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }
}

/// Finds one element of a list; or else says how many it has.
struct ElementOf(usize);

impl<'j> DeserializeSeed<'j> for ElementOf {
    type Value = Result<&'j RawValue, usize>;

    fn deserialize<D: serde::Deserializer<'j>>(self, reader: D) -> Result<Self::Value, D::Error> {
        reader.deserialize_seq(self)
    }
}

impl<'j> Visitor<'j> for ElementOf {
    type Value = Result<&'j RawValue, usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'j>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        let mut length = 0;
        loop {
            if length == self.0 {
                match list.next_element::<&RawValue>()? {
                    Some(element) => found = Some(element),
                    None => break,
                }
            } else if list.next_element::<IgnoredAny>()?.is_none() {
                break;
            }
            length += 1;
        }
        Ok(found.ok_or(length))
    }
}
