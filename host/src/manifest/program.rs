//! An expression that computes: parsed and evaluated by CEL, within bounds of its own.
//! Owns those bounds, and makes evaluation the same in every process; what names mean is in
//! `variables`.

use super::complaint::Complaints;
use super::expression::Spot;
use super::path::{Found, Path, root_value};
use super::resolver::Resolver;
use super::scope::Scope;
use super::variables::Variables;
use super::{cel_words, value, weight};
use cel::common::ast::IdedExpr;
use cel::common::traits::Container;
use cel::common::types::{CelBool, CelList, CelMap, CelMapKey, DYN_TYPE, Kind};
use cel::common::value::{CowVal, Val};
use cel::{Context, Env, ExecutionError, Value};
use std::cell::Cell;
use std::sync::{Arc, LazyLock};

/// The longest expression, in bytes. The parser recurses once per operator of a chain like
/// `1+1+1`, without a bound of its own: measured, 800 operators need 1 MiB of stack.
const BYTES_MAX: usize = 2_000;

/// The most signs (operators, dots, brackets) outside of text literals, for the same reason.
const SIGNS_MAX: usize = 400;

/// The most elements that one evaluation may walk through, all of its `map`, `filter` and the
/// like together.
const ELEMENTS_MAX: usize = 1_000_000;

/// The function that is put around what a comprehension walks through. No expression can spell it.
pub(super) const IN_ORDER: &str = "@in_order";

/// The function that `has(a.b)` becomes. No expression can spell it.
pub(super) const HAS_FIELD: &str = "@has_field";

/// The function that is put around what an expression makes: elements, fields, sums.
pub(super) const MADE: &str = "@made";

/// The function that is put around what a function within a comprehension is called with.
pub(super) const LOOKED_AT: &str = "@looked_at";

static ENVIRONMENT: LazyLock<Arc<Env>> = LazyLock::new(|| {
    let mut environment = Env::stdlib();
    let mut add = |name, id, types, function| {
        let added = environment.add_overload(name, id, types, function);
        added.expect("the standard library should not have this function");
    };
    add(IN_ORDER, "dyn_in_order", vec![DYN_TYPE], in_order);
    add(HAS_FIELD, "dyn_has_field", vec![DYN_TYPE, DYN_TYPE], has_field);
    add(MADE, "dyn_made", vec![DYN_TYPE], weight::made);
    add(LOOKED_AT, "dyn_looked_at", vec![DYN_TYPE], weight::looked_at);
    Arc::new(environment)
});

thread_local! {
    /// How many elements the evaluation under way on this thread has walked through.
    static WALKED: Cell<usize> = const { Cell::new(0) };
}

#[derive(Debug)]
pub(super) struct Program {
    expression: IdedExpr,
    /// Each variable it names, as far as plain field names lead.
    paths: Vec<Path>,
}

impl Program {
    /// Parses an expression and resolves its names; none where something is wrong with it.
    pub(super) fn parse(
        text: &str,
        spot: &Spot,
        variables: &mut Variables<'_>,
        complaints: &mut Complaints,
    ) -> Option<Self> {
        if text.is_empty() {
            complaints.error(&spot.whole, "the expression is empty");
            return None;
        }
        if text.len() > BYTES_MAX || signs(text) > SIGNS_MAX {
            let label = format!("at most {BYTES_MAX} bytes and {SIGNS_MAX} operators");
            let hint = "compute it in a step instead";
            complaints
                .error(&spot.at(0..text.len()), "the expression is too long")
                .label(label)
                .hint(hint);
            return None;
        }
        if !variables.may_compile_another(&spot.whole, complaints) {
            return None;
        }
        let program = match ENVIRONMENT.compile(text) {
            Ok(program) => program,
            Err(errors) => {
                cel_words::complain(text, spot, &errors, complaints);
                return None;
            }
        };
        let mut expression = program.expression().clone();
        let resolver = Resolver::of(text, spot, program.source_info(), variables, complaints);
        let paths = resolver.resolve(&mut expression)?;
        Some(Self { expression, paths })
    }

    /// Computes the value.
    ///
    /// # Errors
    /// Why there is none, as a fragment.
    pub(super) fn evaluate(&self, scope: &dyn Scope) -> Result<Value, String> {
        let found = self.find_variables(scope)?;
        let mut context = Context::with_env(Arc::clone(&ENVIRONMENT));
        for (name, found) in &found {
            context.add_variable_as_val(name.as_str(), value::from_json(found.as_str())?);
        }
        WALKED.set(0);
        weight::begin();
        Value::resolve(&self.expression, &context).map_err(|error| cel_words::told(&error))
    }

    /// The values that the expression needs, and no more of them. A variable named `input.a.b`
    /// is what `input.a.b` means; where there is no such value, the expression is given `input`
    /// and may ask `has(input.a.b)`.
    fn find_variables<'s>(&self, scope: &'s dyn Scope) -> Result<Vec<(String, Found<'s>)>, String> {
        let mut variables = Vec::with_capacity(self.paths.len());
        for path in &self.paths {
            match path.find(scope) {
                Ok(found) => variables.push((path.to_string(), found)),
                Err(_) => {
                    if let Some(root) = root_value(path.root, scope)? {
                        variables.push((path.variable.clone(), root));
                    }
                }
            }
        }
        Ok(variables)
    }
}

/// How many signs a text has outside of text literals.
fn signs(text: &str) -> usize {
    let mut quote = None;
    let mut escaped = false;
    let mut signs = 0;
    for character in text.chars() {
        match quote {
            Some(_) if escaped => escaped = false,
            Some(_) if character == '\\' => escaped = true,
            Some(open) if character == open => quote = None,
            Some(_) => {}
            None if matches!(character, '"' | '\'') => quote = Some(character),
            None if character.is_ascii_punctuation() && character != '_' => signs += 1,
            None => {}
        }
    }
    signs
}

/// Gives a comprehension what it walks through: the keys of a map in order, since the order of a
/// hash map differs from process to process, and the same call must have the same input again.
fn in_order<'b, 'v>(arguments: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    // Each element is copied on the way.
    let argument = weight::looked_at(arguments)?;
    let size = argument.as_sizer().map_or(0, |sizer| *sizer.size().inner());
    let walked = WALKED.get().saturating_add(usize::try_from(size).unwrap_or(0));
    WALKED.set(walked);
    if walked > ELEMENTS_MAX {
        let message = format!("the expression walks through more than {ELEMENTS_MAX} elements");
        return Err(ExecutionError::function_error("map", message));
    }
    let Some(map) = argument.downcast_ref::<CelMap<'_>>() else {
        return Ok(argument);
    };
    let mut keys: Vec<&CelMapKey<'_>> = map.inner().keys().collect();
    keys.sort_unstable();
    let keys: Vec<Box<dyn Val + 'v>> =
        keys.into_iter().map(|key| key.inner().clone_as_boxed()).collect();
    Ok(CowVal::owned(CelList::from(keys)))
}

/// Whether a value has a field. Null has none: a step that was skipped has the output null, and
/// asking is how an expression finds out.
fn has_field<'b, 'v>(arguments: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let [value, field] = arguments.as_slice() else {
        return Err(ExecutionError::missing_argument_or_target());
    };
    let has = match value.downcast_ref::<CelMap<'_>>() {
        Some(map) => map.contains(field.as_ref())?,
        None if value.get_type().kind() == Kind::NullType => false,
        None => {
            let types = vec![value.get_type().name().to_owned()];
            return Err(ExecutionError::no_such_overload("has", types));
        }
    };
    Ok(CowVal::owned(CelBool::from(has)))
}
