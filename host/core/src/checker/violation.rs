//! What a broken rule looks like.
//! Only data and its text; never looks for one.

use std::fmt;

/// A rule of recovery that the records of a run break.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Which rule.
    pub rule: Rule,
    /// The event that broke it, by its number in the journal, from 0; none where no event did.
    pub event: Option<usize>,
    /// The step, or element of a map, that it is about.
    pub subject: Option<String>,
    /// What was seen.
    pub detail: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(event) = self.event {
            write!(f, "event {event}: ")?;
        }
        if let Some(subject) = &self.subject {
            write!(f, "`{subject}`: ")?;
        }
        write!(f, "{}", self.rule.text())?;
        if self.detail.is_empty() { Ok(()) } else { write!(f, " ({})", self.detail) }
    }
}

/// Makes the rules and their words and texts from one table.
macro_rules! rules {
    ($($name:ident $word:literal $text:literal)*) => {
        /// A rule that every run keeps.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Rule {
            $(#[doc = concat!("Broken when: ", $text, ".")] $name,)*
        }

        impl Rule {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The word for it.
            pub const fn word(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }

            /// What happens when it is broken.
            pub const fn text(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

rules! {
    Order "order" "an event cannot follow those before it"
    OneOutcome "one-outcome" "what is owed an undo does not have one outcome"
    UndoBeforeTurn "undo-before-turn" "it is undone before the run turned back"
    UndoBeforeDependants "undo-before-dependants" "it is undone before what depends on it"
    UndoBehindPivot "undo-behind-pivot" "the run turns back behind a pivot, or with its outcome open"
    ForwardAfterTurn "forward-after-turn" "it is executed after the run turned back"
    BeforeDependencies "before-dependencies" "it begins before what it depends on has ended well"
    TwoCallsAtOnce "two-calls-at-once" "two calls of it are under way at once"
    CalledTwice "called-twice" "one attempt is called twice"
    FinishedCalledAgain "finished-called-again" "it is called again after its result was recorded"
    KeyChanged "key-changed" "its idempotency key differs between attempts of a phase"
    KeyShared "key-shared" "an idempotency key is used for two phases, steps or runs"
    RetryBeforeDue "retry-before-due" "a further attempt starts before its due time, or without one"
    RetryDrawnAgain "retry-drawn-again" "the due time of an attempt is decided twice"
    AttemptNumbers "attempt-numbers" "attempts are not numbered one by one"
    CallBeforeStart "call-before-start" "it is called before its start is recorded"
    EndState "end-state" "the run ends in a state that its events do not lead to"
    Budget "budget" "it is executed although the budget is used up, or without a warning"
    Spend "spend" "what is told as spent is not the sum of all attempts"
}
