//! Keeps compiled code on disk, by component and engine, and loads only what this host made itself.
//! Loading runs as machine code whatever is in the file, so a MAC and the folder's modes guard it.
//!
//! Two files per component: `DIGEST-ENGINE.cwasm`, which is mapped, and `….mac` beside it.

use super::engine::SandboxError;
use super::load_error::LoadError;
use hmac::{Hmac, KeyInit, Mac};
use piton_core::Digest;
use rustix::fs::{Mode, OFlags};
use sha2::{Digest as _, Sha256};
use std::fs::{self, DirBuilder, File};
use std::hash::{Hash, Hasher};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use wasmtime::Engine;
use wasmtime::component::Component;

/// What the MAC is for, so that no other use of the same key can be taken for it.
const DOMAIN: &[u8] = b"piton compiled code 1\0";
const MAC_BYTES: usize = 32;
/// So much is read and hashed at a time. It fits into a processor's second cache also where others use that, too.
const PIECE_BYTES: usize = 64 << 10;
/// No compilation takes so long: a draft of this age has nobody who works on it.
const DRAFT_AGE_MAX: Duration = Duration::from_secs(3_600);

/// The folder of compiled code.
pub(super) struct Cache {
    dir: PathBuf,
    secret: [u8; 32],
    engine: Engine,
    /// What compiled code depends on besides the component: versions, settings, processor.
    fingerprint: [u8; 32],
    drafts: AtomicU64,
}

/// What a look into the cache found.
pub(super) enum Found {
    /// Code that this host made.
    Code(Component),
    /// None.
    Nothing,
    /// Something that is not used, and why.
    Rejected(String),
    /// Code that this host made and cannot take, and why.
    Unfit(LoadError),
}

impl Cache {
    /// Opens the folder, and makes it where it is missing.
    pub(super) fn open(dir: &Path, secret: [u8; 32], engine: Engine) -> Result<Self, SandboxError> {
        let trouble = |error: std::io::Error| {
            SandboxError(format!("cannot use `{}` for compiled code: {error}", dir.display()))
        };
        DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(trouble)?;
        let metadata = fs::metadata(dir).map_err(trouble)?;
        if !is_private(&metadata) {
            return Err(SandboxError(format!(
                "others may write to `{}`, and code is loaded from there: make it your own with mode \
                 0700",
                dir.display()
            )));
        }
        sweep(dir).map_err(trouble)?;
        let mut hasher = Fingerprint(Sha256::new());
        engine.precompile_compatibility_hash().hash(&mut hasher);
        let fingerprint = hasher.0.finalize().into();
        Ok(Self { dir: dir.into(), secret, engine, fingerprint, drafts: AtomicU64::new(0) })
    }

    /// Loads the code of a component.
    pub(super) fn load(&self, digest: Digest) -> Found {
        let path = self.path(digest, "cwasm");
        let expected = match fs::read(self.path(digest, "mac")) {
            Ok(mac) => mac,
            Err(error) if error.kind() == ErrorKind::NotFound => return Found::Nothing,
            Err(error) => return Found::Rejected(error.to_string()),
        };
        match self.mac_of(digest, &path) {
            Ok(mac) if mac.clone().verify_slice(&expected).is_ok() => {}
            Ok(_) => return Found::Rejected("this host did not make it, or it is damaged".into()),
            Err(error) if error.kind() == ErrorKind::NotFound => return Found::Nothing,
            Err(error) => return Found::Rejected(error.to_string()),
        }
        match self.map(&path) {
            Ok(component) => Found::Code(component),
            // Another process has just removed it.
            Err(_) if !path.exists() => Found::Nothing,
            Err(error) => Found::Unfit(unfit(&error)),
        }
    }

    #[expect(unsafe_code, reason = "loading compiled code cannot be checked by the compiler")]
    fn map(&self, path: &Path) -> wasmtime::Result<Component> {
        // SAFETY: `deserialize_file` needs a file that `Engine::precompile_component` made and that
        // does not change while it is mapped. `load` has checked a MAC over all its bytes under a
        // key that only this host has, bound to this engine's fingerprint, so this host's compiler
        // made it. Neither the folder nor the file can be written by another user (`open`,
        // `mac_of`), and this host never writes to a file once it has its name: `keep` renames.
        unsafe { Component::deserialize_file(&self.engine, path) }
    }

    /// Removes a component's code, made by whichever engine; returns how many bytes it had.
    pub(super) fn forget(&self, digest: Digest) -> std::io::Result<u64> {
        let mut bytes = 0;
        for entry in fs::read_dir(&self.dir)? {
            let entry = entry?;
            let name = entry.file_name();
            let name = name.to_str().and_then(|name| name.split_once('-'));
            if name.and_then(|(of, _)| of.parse().ok()) == Some(digest) {
                bytes += entry.metadata()?.len();
                fs::remove_file(entry.path())?;
            }
        }
        Ok(bytes)
    }

    /// A name for a file that becomes a component's code once it is complete.
    pub(super) fn draft(&self, digest: Digest) -> PathBuf {
        let number = self.drafts.fetch_add(1, Ordering::Relaxed);
        self.dir.join(format!("{digest}.{}.{number}.draft", std::process::id()))
    }

    /// Takes a complete draft as a component's code, and loads it.
    pub(super) fn keep(&self, digest: Digest, draft: &Path) -> Result<Component, LoadError> {
        let kept = self.install(digest, draft);
        if kept.is_err() {
            // What failed is told; a draft that stays behind is only litter.
            let _ = fs::remove_file(draft);
        }
        kept.map_err(|error| {
            let dir = self.dir.display();
            LoadError::Host(format!("cannot keep compiled code in `{dir}`: {error}"))
        })?;
        match self.load(digest) {
            Found::Code(component) => Ok(component),
            Found::Unfit(error) => Err(error),
            Found::Nothing => Err(LoadError::Host("compiled code is gone from the cache".into())),
            Found::Rejected(why) => {
                Err(LoadError::Host(format!("code that was just compiled cannot be loaded: {why}")))
            }
        }
    }

    fn install(&self, digest: Digest, draft: &Path) -> std::io::Result<()> {
        let file = File::options().write(true).open(draft)?;
        file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
        file.sync_all()?;
        let mac = self.mac_of(digest, draft)?.finalize().into_bytes();
        let mac_draft = draft.with_extension("mac");
        File::create(&mac_draft)?.write_all(&mac)?;
        // A crash between the two leaves a MAC that does not fit: the code is then made anew.
        fs::rename(draft, self.path(digest, "cwasm"))?;
        fs::rename(mac_draft, self.path(digest, "mac"))
    }

    /// The MAC of a file's bytes, if the file is this user's alone.
    fn mac_of(&self, digest: Digest, path: &Path) -> std::io::Result<Hmac<Sha256>> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
        let metadata = file.metadata()?;
        if !metadata.is_file() || !is_private(&metadata) {
            return Err(std::io::Error::other("others may write to it"));
        }
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.secret)
            .expect("HMAC should take a key of any length");
        mac.update(DOMAIN);
        mac.update(digest.as_bytes());
        mac.update(&self.fingerprint);
        let mut buffer = vec![0; PIECE_BYTES];
        loop {
            match file.read(&mut buffer)? {
                0 => return Ok(mac),
                read => mac.update(&buffer[..read]),
            }
        }
    }

    fn path(&self, digest: Digest, extension: &str) -> PathBuf {
        let engine: String = self.fingerprint[..8].iter().map(|b| format!("{b:02x}")).collect();
        self.dir.join(format!("{digest}-{engine}.{extension}"))
    }
}

/// Why proven code is not taken: mapping it failed, or it has more parts than this host gives out.
fn unfit(error: &wasmtime::Error) -> LoadError {
    let text = format!("{error:#}");
    if error.is::<std::io::Error>() { LoadError::Host(text) } else { LoadError::Invalid(text) }
}

/// Removes what hosts that died left of drafts. Only a draft's name has a dot before its extension.
fn sweep(dir: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        let is_draft = path.file_stem().is_some_and(|stem| stem.as_encoded_bytes().contains(&b'.'));
        // Another process may be making it right now, or sweep it at the same time.
        let age = |path: &Path| path.metadata().ok()?.modified().ok()?.elapsed().ok();
        if is_draft && age(&path).is_some_and(|age| age > DRAFT_AGE_MAX) {
            let _ = fs::remove_file(&path);
        }
    }
    Ok(())
}

/// Whether only this user, or root, can have written it.
fn is_private(metadata: &fs::Metadata) -> bool {
    let owner = metadata.uid();
    let is_own = owner == rustix::process::geteuid().as_raw() || owner == 0;
    is_own && metadata.mode() & 0o022 == 0
}

/// Hands what an engine says of itself to SHA-256.
struct Fingerprint(Sha256);

impl Hasher for Fingerprint {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        let hash: [u8; MAC_BYTES] = self.0.clone().finalize().into();
        u64::from_le_bytes(*hash.first_chunk().expect("a SHA-256 has eight bytes"))
    }
}
