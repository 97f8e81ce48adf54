//! Components written as text, for what no language would make: the template of the sandbox's own
//! tests, which is the contract written out.
//! Never knows what a host says to them.

#[path = "../../host/src/sandbox/tests/guests.rs"]
#[expect(dead_code, reason = "the sandbox's tests use all of it")]
mod guests;

use guests::Guest;

/// A step as text.
pub struct Text(Guest);

impl Text {
    /// A step whose `execute` is this code, with this in its core module besides.
    pub fn executing(code: &str, more: &str) -> Self {
        Self(Guest { execute: code.into(), more: more.into(), ..Guest::default() })
    }

    /// A step that returns its input, with this in its core module besides.
    pub fn with(more: &str) -> Self {
        Self(Guest { more: more.into(), ..Guest::default() })
    }

    /// With more in the component, of which the core module imports this.
    #[must_use]
    pub fn outside(self, outside: &str, imports: &str) -> Self {
        Self(Guest { outside: outside.into(), imports: imports.into(), ..self.0 })
    }

    /// The component.
    pub fn bytes(&self) -> Vec<u8> {
        self.0.bytes()
    }

    /// What is no step: a component or module of this text.
    ///
    /// # Panics
    /// Where the text cannot be read.
    pub fn parse(text: &str) -> Vec<u8> {
        wat::parse_str(text).expect("the text should parse")
    }
}
