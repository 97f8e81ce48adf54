//! Why a component is not taken, each reason with its own words.
//! Every refusal comes before any code of the component has run.

use super::imports;
use super::inert::inert;
use piton_core::Digest;
use std::fmt;

/// Why a component cannot be loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LoadError {
    /// Not WebAssembly at all.
    NotWasm,
    /// WebAssembly, but a core module and no component.
    CoreModule,
    /// Compiled code, which only the host's own cache may hold.
    Precompiled,
    /// Larger than this host looks at.
    TooLarge {
        /// The component's bytes.
        bytes: u64,
        /// The most it takes.
        bytes_max: u64,
    },
    /// More imports than any step has.
    TooManyImports {
        /// How many there are.
        imports: usize,
        /// The most it takes.
        imports_max: usize,
    },
    /// Made of more parts than one attempt may have.
    TooManyParts {
        /// What there are too many of, such as `memories`.
        what: &'static str,
        /// How many there are.
        count: u32,
        /// The most it takes.
        count_max: u32,
    },
    /// Damaged, or of a kind of WebAssembly that this host leaves out.
    Invalid(String),
    /// A component, but no step: it lacks the contract's exports.
    NoStep {
        /// The interface that it does not export.
        lacks: &'static str,
        /// What it exports instead.
        exports: Vec<String>,
    },
    /// It exports the contract's interface, but not with the contract's types.
    WrongTypes(String),
    /// It imports what this host does not have, or cannot grant.
    Import {
        /// The import.
        name: String,
        /// What is to be done about it.
        hint: &'static str,
    },
    /// Compiling it took more than it may.
    CompileLimit(String),
    /// The bytes are not those of the digest.
    WrongDigest {
        /// The digest that was asked for.
        expected: Digest,
        /// The digest of the bytes.
        found: Digest,
    },
    /// The host is in trouble, not the component: its bytes, its folder or its compiler.
    Host(String),
}

impl LoadError {
    /// Whether the same component would be refused again, whatever becomes of the host.
    pub const fn is_refusal(&self) -> bool {
        !matches!(self, Self::Host(_))
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotWasm => write!(f, "not WebAssembly; build the step and give its `.wasm` file"),
            Self::CoreModule => write!(
                f,
                "a core module, and no component; build it for `wasm32-wasip2`, or wrap it with \
                 `wasm-tools component new`"
            ),
            Self::Precompiled => {
                write!(
                    f,
                    "compiled code, which may only come from this host itself; give the `.wasm`"
                )
            }
            Self::TooLarge { bytes, bytes_max } => {
                write!(f, "too large: it has {bytes} bytes, and at most {bytes_max} are taken")
            }
            Self::TooManyImports { imports, imports_max } => {
                write!(f, "it has {imports} imports, and at most {imports_max} are taken")
            }
            Self::TooManyParts { what, count, count_max } => {
                write!(f, "it has {count} {what}, and at most {count_max} are taken")
            }
            Self::Invalid(why) => write!(f, "not WebAssembly that this host takes: {}", inert(why)),
            Self::NoStep { lacks, exports } => {
                write!(f, "no step: it does not export `{lacks}`; ")?;
                match exports.as_slice() {
                    [] => write!(f, "it exports nothing"),
                    exports => write!(f, "it exports `{}`", inert(&exports.join("`, `"))),
                }?;
                if exports.iter().any(|name| imports::is_other_version(name)) {
                    write!(f, ", and so was built for another version of the contract")?;
                }
                Ok(())
            }
            Self::WrongTypes(why) => write!(
                f,
                "no step: its functions do not have the contract's types ({}); build it against \
                 this version's `step.wit`",
                inert(why)
            ),
            Self::Import { name, hint } => write!(f, "it imports `{}`: {hint}", inert(name)),
            Self::CompileLimit(why) => {
                write!(f, "compiling it was given up: {why}; it is too large or made to be slow")
            }
            Self::WrongDigest { expected, found } => {
                write!(f, "its bytes have digest {found}, and not {expected}")
            }
            Self::Host(why) => f.write_str(&inert(why)),
        }
    }
}

impl std::error::Error for LoadError {}
