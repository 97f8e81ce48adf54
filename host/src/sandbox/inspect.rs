//! Looks at a component's bytes without compiling or running them: what it is, imports and exports.
//! Believes nothing that it reads beyond the names; whether the types fit is found out when it is loaded.

use super::imports::{self, RECONCILE, STEP};
use super::load_error::LoadError;
use piton_core::{Digest, Grants};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeSet;
use wasmparser::{BinaryReader, KnownCustom, Parser, Payload, ProducersSectionReader};
use wasmtime::Engine;

/// Imports of one component; Python's have about 40.
const IMPORTS_MAX: usize = 1_000;
/// Entries of the producers sections that are kept.
const PRODUCERS_MAX: usize = 100;

/// What a component says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspection {
    /// The SHA-256 of its bytes.
    pub digest: Digest,
    /// Its bytes.
    pub size_bytes: u64,
    /// Which of the contract's worlds it says it is made for; none if it is no step.
    pub world: Option<World>,
    /// What it imports, in its own order.
    pub imports: Vec<Import>,
    /// The names of what it exports, in its own order.
    pub exports: Vec<String>,
    /// What it was made with, each once and sorted. A claim, and a stranger's text.
    pub producers: Vec<Producer>,
}

/// A world of the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum World {
    /// Executes and compensates.
    Plugin,
    /// Reconciles, too.
    ReconcilablePlugin,
}

/// One import.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Import {
    /// Its name, such as `wasi:cli/environment@0.2.6`. A stranger's text.
    pub name: String,
    /// What a step can do with it, where this host knows it.
    pub meaning: Option<&'static str>,
    /// The key of the manifest without which it gives nothing.
    pub grant: Option<&'static str>,
}

/// One tool or language that a component was made with.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Producer {
    /// `language`, `processed-by` or `sdk`.
    pub field: String,
    /// Its name.
    pub name: String,
    /// Its version; may be empty.
    pub version: String,
}

impl World {
    /// The word for it in the contract.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Plugin => "plugin",
            Self::ReconcilablePlugin => "reconcilable-plugin",
        }
    }

    fn of(exports: &[String]) -> Option<Self> {
        let has = |name: &str| exports.iter().any(|export| export == name);
        match (has(STEP), has(RECONCILE)) {
            (true, true) => Some(Self::ReconcilablePlugin),
            (true, false) => Some(Self::Plugin),
            (false, _) => None,
        }
    }
}

/// How what a component imports fits what a step of it is granted: keys of the manifest.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Fit {
    /// What it imports, and gets nothing from without a grant.
    pub missing: Vec<&'static str>,
    /// What it is granted, and does not import.
    pub unused: Vec<&'static str>,
}

impl Inspection {
    /// What it can do, in plain words, each once; of imports that this host does not know, nothing.
    pub fn does(&self) -> Vec<&'static str> {
        let mut does: Vec<&str> = Vec::new();
        for meaning in self.imports.iter().filter_map(|import| import.meaning) {
            if !does.contains(&meaning) {
                does.push(meaning);
            }
        }
        does
    }

    /// The keys of the manifest without which some of its imports give nothing.
    pub fn needs(&self) -> BTreeSet<&'static str> {
        self.imports.iter().filter_map(|import| import.grant).collect()
    }

    /// Compares what it imports with what a step of it is granted.
    pub fn fit(&self, grants: &Grants) -> Fit {
        let needs = self.needs();
        let granted = [
            ("grants.dirs", "grants.dirs", !grants.dirs.is_empty()),
            ("grants.env", "grants.env", !grants.env.is_empty()),
            ("grants.http", "grants.http", !grants.http.is_empty()),
            // They go into requests.
            ("grants.secrets", "grants.http", !grants.secrets.is_empty()),
        ];
        let mut fit = Fit::default();
        for (key, need, is_granted) in granted {
            match (needs.contains(need), is_granted) {
                (true, false) if key == need => fit.missing.push(key),
                (false, true) => fit.unused.push(key),
                _ => {}
            }
        }
        fit
    }
}

/// The SHA-256 of some bytes.
pub fn digest_of(bytes: &[u8]) -> Digest {
    Digest::from_bytes(Sha256::digest(bytes).into())
}

/// Whether a component that was taken before can tell what became of a lost call. Nothing is
/// compiled for that.
///
/// # Errors
/// Where the bytes are no component.
pub fn reconciles(bytes: &[u8]) -> Result<bool, LoadError> {
    let world = inspect(bytes, u64::MAX)?.world;
    Ok(world == Some(World::ReconcilablePlugin))
}

/// Looks at a component of at most `bytes_max` bytes.
///
/// # Errors
/// Where the bytes are no component, or one that is not even looked at. A component that is no
/// step is none of these: its `world` is none.
pub(super) fn inspect(bytes: &[u8], bytes_max: u64) -> Result<Inspection, LoadError> {
    check_kind(bytes, bytes_max)?;
    let mut found = Found::default();
    found.read(bytes).map_err(|error| LoadError::Invalid(error.to_string()))?;
    if found.imports.len() > IMPORTS_MAX {
        let (imports, imports_max) = (found.imports.len(), IMPORTS_MAX);
        return Err(LoadError::TooManyImports { imports, imports_max });
    }
    Ok(Inspection {
        digest: digest_of(bytes),
        size_bytes: bytes.len() as u64,
        world: World::of(&found.exports),
        imports: found.imports.into_iter().map(Import::from).collect(),
        exports: found.exports,
        producers: found.producers.into_iter().collect(),
    })
}

fn check_kind(bytes: &[u8], bytes_max: u64) -> Result<(), LoadError> {
    if bytes.len() as u64 > bytes_max {
        return Err(LoadError::TooLarge { bytes: bytes.len() as u64, bytes_max });
    }
    if Engine::detect_precompiled(bytes).is_some() {
        return Err(LoadError::Precompiled);
    }
    if Parser::is_core_wasm(bytes) {
        return Err(LoadError::CoreModule);
    }
    if !Parser::is_component(bytes) {
        return Err(LoadError::NotWasm);
    }
    Ok(())
}

impl From<String> for Import {
    fn from(name: String) -> Self {
        Self { meaning: imports::meaning(&name), grant: imports::grant(&name), name }
    }
}

#[derive(Default)]
struct Found {
    imports: Vec<String>,
    exports: Vec<String>,
    producers: BTreeSet<Producer>,
}

impl Found {
    fn read(&mut self, bytes: &[u8]) -> wasmparser::Result<()> {
        // Parts within parts come in the same stream; only the outermost is the component's own.
        let mut depth = 0_u32;
        for payload in Parser::new(0).parse_all(bytes) {
            match payload? {
                Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
                Payload::End(_) => depth = depth.saturating_sub(1),
                Payload::ComponentImportSection(section) if depth == 0 => {
                    for import in section {
                        self.imports.push(import?.name.name.to_owned());
                    }
                }
                Payload::ComponentExportSection(section) if depth == 0 => {
                    for export in section {
                        self.exports.push(export?.name.name.to_owned());
                    }
                }
                Payload::CustomSection(section) => match section.as_known() {
                    KnownCustom::Producers(producers) => self.read_producers(producers),
                    _ if section.name() == "producers" => {
                        let reader = BinaryReader::new(section.data(), section.data_offset());
                        // It tells nothing that matters, so a damaged one is no reason to refuse.
                        if let Ok(producers) = ProducersSectionReader::new(reader) {
                            self.read_producers(producers);
                        }
                    }
                    _ => {}
                },
                _ => {}
            }
        }
        Ok(())
    }

    fn read_producers(&mut self, producers: ProducersSectionReader<'_>) {
        for field in producers.into_iter().flatten() {
            for value in field.values.into_iter().flatten() {
                if self.producers.len() >= PRODUCERS_MAX {
                    return;
                }
                self.producers.insert(Producer {
                    field: field.name.to_owned(),
                    name: value.name.to_owned(),
                    version: value.version.to_owned(),
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use piton_core::{DirGrant, SecretGrant, SecretSource};

    fn importing(names: &[&str]) -> Inspection {
        Inspection {
            digest: digest_of(b""),
            size_bytes: 0,
            world: Some(World::Plugin),
            imports: names.iter().map(|name| Import::from((*name).to_owned())).collect(),
            exports: Vec::new(),
            producers: Vec::new(),
        }
    }

    #[test]
    fn what_it_does_is_told_once() {
        let inspection = importing(&[
            "wasi:clocks/wall-clock@0.2.6",
            "wasi:filesystem/types@0.2.6",
            "wasi:filesystem/preopens@0.2.6",
            "acme:lasers/fire@1.0.0",
        ]);
        assert_eq!(
            inspection.does(),
            ["reads the clock", "reads and writes files in folders that the manifest grants"]
        );
        assert_eq!(inspection.needs().into_iter().collect::<Vec<_>>(), ["grants.dirs"]);
    }

    #[test]
    fn what_is_missing_and_what_is_unused_is_told() {
        let secret = SecretGrant {
            name: "KEY".into(),
            header: "x-key".into(),
            before: String::new(),
            after: String::new(),
            targets: Vec::new(),
            source: SecretSource::Variable("KEY".into()),
        };
        let dir = DirGrant { host: "out".into(), guest: "/out".into(), write: false };
        let grants = Grants { dirs: vec![dir], secrets: vec![secret], ..Grants::default() };
        let fit = |names: &[&str]| importing(names).fit(&grants);
        let unused = vec!["grants.dirs", "grants.secrets"];
        assert_eq!(fit(&[]), Fit { missing: vec![], unused });
        let (missing, unused) = (vec!["grants.http"], vec!["grants.dirs"]);
        assert_eq!(fit(&["wasi:http/types@0.2.6"]), Fit { missing, unused });
        let (missing, unused) = (vec!["grants.env"], vec!["grants.secrets"]);
        let names = ["wasi:cli/environment@0.2.6", "wasi:filesystem/types@0.2.6"];
        assert_eq!(fit(&names), Fit { missing, unused });
    }
}
