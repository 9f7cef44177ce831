//! How a stage says that something failed, and what should follow.

use std::fmt;
use std::time::Duration;

/// A row that can never be taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// The batch, by its position's seq; 0 in a transform.
    pub seq: u64,
    /// From 0 within the batch as it was given.
    pub row: usize,
    /// A short word, or the target's own code.
    pub code: String,
    /// A sentence for the operator, without cell values.
    pub reason: String,
}

/// What follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Retry(Duration),
    Reject(Vec<Rejected>),
    Halt,
}

/// A failure: a sentence that says what is wrong, where, and what to do; and what the host should do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    pub(crate) action: Action,
    pub(crate) message: String,
    pub(crate) code: i32,
}

impl Error {
    /// The same again later: the right answer to everything unknown.
    pub fn retry(message: impl fmt::Display) -> Self {
        Self { action: Action::Retry(Duration::ZERO), message: message.to_string(), code: 0 }
    }

    /// The same again, not before `after`.
    pub fn retry_after(after: Duration, message: impl fmt::Display) -> Self {
        Self { action: Action::Retry(after), ..Self::retry(message) }
    }

    /// Nothing helps until a person acts; nothing is dropped.
    pub fn halt(message: impl fmt::Display) -> Self {
        Self { action: Action::Halt, ..Self::retry(message) }
    }

    /// These rows can never be taken; all others come again without them.
    pub fn reject(rows: Vec<Rejected>, message: impl fmt::Display) -> Self {
        Self { action: Action::Reject(rows), ..Self::retry(message) }
    }

    /// The same with a number of the plugin's own.
    #[must_use]
    pub fn code(self, code: i32) -> Self {
        Self { code, ..self }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

impl From<arrow_schema::ArrowError> for Error {
    fn from(error: arrow_schema::ArrowError) -> Self {
        Self::retry(format!("columns do not fit: {error}"))
    }
}
