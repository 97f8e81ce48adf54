//! A component that is ready to be called: compiled, its types checked, its imports linked.
//! Made once per component, used by every attempt; holds no state of any.

use super::bindings::{Plugin, PluginPre, ReconcilablePluginPre};
use super::engine::{MEMORIES_MAX, TABLES_MAX};
use super::guest::Guest;
use super::imports::{self, RECONCILE, STEP};
use super::load_error::LoadError;
use piton_core::Digest;
use wasmtime::Engine;
use wasmtime::component::{Component, HasSelf, Linker};

/// A component that is ready to be called.
pub struct Program {
    digest: Digest,
    /// Every step.
    pub(super) plugin: PluginPre<Guest>,
    /// The same component, where it is made for the wider world.
    pub(super) reconcilable: Option<ReconcilablePluginPre<Guest>>,
}

impl std::fmt::Debug for Program {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Program({})", self.digest)
    }
}

impl Program {
    /// The SHA-256 of the component.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Whether it can tell what became of a lost call.
    pub fn reconciles(&self) -> bool {
        self.reconcilable.is_some()
    }

    /// Checks and links a compiled component.
    pub(super) fn new(
        digest: Digest,
        component: &Component,
        linker: &Linker<Guest>,
    ) -> Result<Self, LoadError> {
        check_parts(component)?;
        let engine = component.engine();
        let ty = component.component_type();
        let exports: Vec<String> = ty.exports(engine).map(|(name, _)| name.to_owned()).collect();
        if !exports.iter().any(|name| name == STEP) {
            return Err(LoadError::NoStep { lacks: STEP, exports });
        }
        let pre = linker
            .instantiate_pre(component)
            .map_err(|error| import_error(component, linker, &error))?;
        let wrong_types = |error: wasmtime::Error| LoadError::WrongTypes(format!("{error:#}"));
        let reconciles = exports.iter().any(|name| name == RECONCILE);
        let reconcilable = reconciles.then(|| ReconcilablePluginPre::new(pre.clone()));
        let reconcilable = reconcilable.transpose().map_err(wrong_types)?;
        let plugin = PluginPre::new(pre).map_err(wrong_types)?;
        Ok(Self { digest, plugin, reconcilable })
    }
}

/// All that any step may be given. What a step is granted of it differs in the data of its store.
pub(super) fn linker(engine: &Engine) -> wasmtime::Result<Linker<Guest>> {
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker)?;
    Plugin::add_to_linker::<_, HasSelf<Guest>>(&mut linker, |guest| guest)?;
    Ok(linker)
}

/// Refuses what would be refused at every call.
fn check_parts(component: &Component) -> Result<(), LoadError> {
    // None means that it imports core modules, which the linker will refuse.
    let Some(parts) = component.resources_required() else { return Ok(()) };
    for (what, count, count_max) in
        [("memories", parts.num_memories, MEMORIES_MAX), ("tables", parts.num_tables, TABLES_MAX)]
    {
        if count > count_max {
            return Err(LoadError::TooManyParts { what, count, count_max });
        }
    }
    Ok(())
}

/// Names the import that cannot be linked: unknown here, or with types of its own.
fn import_error(
    component: &Component,
    linker: &Linker<Guest>,
    error: &wasmtime::Error,
) -> LoadError {
    let text = format!("{error:#}");
    let ty = component.component_type();
    let names: Vec<&str> = ty.imports(linker.engine()).map(|(name, _)| name).collect();
    // Wasmtime names the import in its text, between backticks.
    let named = names.iter().find(|name| text.contains(&format!("`{name}`")));
    match named {
        Some(name) => LoadError::Import { name: (*name).into(), hint: imports::hint(name) },
        None => LoadError::WrongTypes(text),
    }
}
