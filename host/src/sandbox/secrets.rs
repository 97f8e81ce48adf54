//! Finds the secrets of an attempt, and makes the header lines that carry them.
//! Their values are shown by nothing here: not in messages, not by `Debug`.

use super::grants::ResolvedSecret;
use hyper::http::{HeaderName, HeaderValue};
use piton_core::{HttpTarget, SecretSource};
use std::fmt;
use std::sync::Arc;
use zeroize::Zeroizing;

/// The shortest secret that is taken: a shorter one would be found in texts that do not hold it.
const SECRET_BYTES_MIN: usize = 8;
/// The longest one; it has to fit into a header.
const SECRET_BYTES_MAX: usize = 8 << 10;

/// A secret's value. `Debug` does not show it, and its memory is wiped when it is dropped.
#[derive(Clone)]
pub struct SecretText(Zeroizing<String>);

/// Looks a variable of the host's environment up.
pub type Variables = Arc<dyn Fn(&str) -> Option<SecretText> + Send + Sync>;

impl SecretText {
    /// Takes a value.
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    pub(super) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// A secret that cannot be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretMissing {
    /// Its name in the manifest.
    pub name: String,
    /// Why, without its value.
    pub why: String,
}

impl fmt::Display for SecretMissing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "secret `{}` cannot be had: {}", self.name, self.why)
    }
}

impl std::error::Error for SecretMissing {}

/// A secret of one attempt, ready to be sent.
pub(super) struct Secret {
    pub(super) name: String,
    pub(super) value: SecretText,
    pub(super) header: HeaderName,
    /// The whole value of the header.
    pub(super) line: HeaderValue,
    pub(super) targets: Vec<HttpTarget>,
}

/// Reads a secret where its grant says.
pub(super) fn read(
    resolved: &ResolvedSecret,
    variables: &Variables,
) -> Result<Secret, SecretMissing> {
    let grant = &resolved.grant;
    let missing = |why: String| SecretMissing { name: grant.name.clone(), why };
    let value = match &grant.source {
        SecretSource::Variable(name) => variables(name).ok_or_else(|| {
            missing(format!("the variable `{name}` is not set in the host's environment"))
        })?,
        SecretSource::File(name) => {
            let text = resolved.read_file();
            SecretText::new(
                text.map_err(|why| missing(format!("its file `{name}` cannot be used: {why}")))?,
            )
        }
    };
    check(value.expose()).map_err(missing)?;
    let line = Zeroizing::new(format!("{}{}{}", grant.before, value.expose(), grant.after));
    let parts = HeaderName::from_bytes(grant.header.as_bytes()).ok();
    let parts = parts.zip(HeaderValue::from_str(&line).ok());
    let (header, mut line) = parts.ok_or_else(|| missing("it makes no header".into()))?;
    line.set_sensitive(true);
    let (name, targets) = (grant.name.clone(), grant.targets.clone());
    Ok(Secret { name, value, header, line, targets })
}

fn check(value: &str) -> Result<(), String> {
    if value.len() < SECRET_BYTES_MIN {
        return Err(format!(
            "it is shorter than {SECRET_BYTES_MIN} characters, too short to be kept out of logs"
        ));
    }
    if value.len() > SECRET_BYTES_MAX {
        return Err(format!("it is longer than {SECRET_BYTES_MAX} bytes"));
    }
    if !value.bytes().all(|byte| (b' '..=b'~').contains(&byte)) || value.trim() != value {
        return Err("it holds line ends or other characters that a header cannot carry".into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_never_shown() {
        let text = SecretText::new("correct horse".into());
        assert_eq!(format!("{text:?}"), "[secret]");
    }

    #[test]
    fn values_that_a_header_cannot_carry_are_refused() {
        for (value, fits) in [
            ("12345678", true),
            ("1234567", false),
            ("", false),
            ("with\nnewline", false),
            (" leading space", false),
            ("größer als sonst", false),
            ("with \"quotes\" and \\", true),
        ] {
            assert_eq!(check(value).is_ok(), fits, "{value:?}");
        }
    }
}
