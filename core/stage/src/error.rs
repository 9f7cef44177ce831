//! How a stage says that something failed: what the runtime should do about it, and why.

use std::error::Error;
use std::fmt;
use std::time::Duration;

/// What the stage believes should happen next. The runtime decides timing, counts and alarms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Try the same again, not before `after`. The right answer to everything unknown.
    Retry {
        /// What the other side asked for, if it did.
        after: Option<Duration>,
    },
    /// These rows can never be taken; all others of the write can. Nothing of the write was stored.
    Reject {
        /// At least one row.
        rows: Vec<Rejection>,
    },
    /// Nothing will help until a person acts (a wrong password, a missing table). Nothing is dropped.
    Halt,
}

/// A row that a sink or a transform rejects for good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// The batch, as an index into the batches written since the last flush; of a transform 0.
    pub batch: usize,
    /// The row within the batch as it was given to the sink, from 0.
    pub row: usize,
    /// The target's own code (an SQLSTATE), or a short word of ours.
    pub code: String,
    /// A sentence for the operator; holds no text of a cell. A number that is out of range is said, with the range.
    pub reason: String,
}

/// A failure of a stage. `Display` is the stage's own sentence; the cause is in [`Error::source`].
#[derive(Debug)]
pub struct StageError {
    action: Action,
    message: String,
    source: Option<Box<dyn Error + Send + Sync>>,
    undecided: bool,
}

impl StageError {
    /// Try again when the runtime sees fit.
    pub fn retry(message: impl Into<String>) -> Self {
        Self::new(Action::Retry { after: None }, message)
    }

    /// Try again, not before `after`.
    pub fn retry_after(after: Duration, message: impl Into<String>) -> Self {
        Self::new(Action::Retry { after: Some(after) }, message)
    }

    /// Stop this stage until a person acts.
    pub fn halt(message: impl Into<String>) -> Self {
        Self::new(Action::Halt, message)
    }

    /// Set these rows aside; see [`Action::Reject`].
    pub fn reject(rows: Vec<Rejection>, message: impl Into<String>) -> Self {
        Self::new(Action::Reject { rows }, message)
    }

    /// The same error with its cause.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The same error where so many batches stood before those it counts: rejections name batches by their place.
    #[must_use]
    pub fn behind(mut self, batches: usize) -> Self {
        if let Action::Reject { rows } = &mut self.action {
            rows.iter_mut().for_each(|row| row.batch += batches);
        }
        self
    }

    /// The same error where it cannot be told whether the rows or the target are to blame, as no row was taken: with
    /// more of them it might.
    #[must_use]
    pub fn undecided(mut self) -> Self {
        self.undecided = true;
        self
    }

    /// Whether more rows in one write would help to tell whose fault it is.
    pub fn is_undecided(&self) -> bool {
        self.undecided
    }

    /// What the stage believes should happen next.
    pub fn action(&self) -> &Action {
        &self.action
    }

    /// The message and every cause below it, joined by `: `; each said once.
    pub fn chain(&self) -> String {
        let mut text = self.message.clone();
        let mut cause = self.source();
        while let Some(error) = cause {
            let said = error.to_string();
            if !text.contains(&said) {
                text.push_str(": ");
                text.push_str(&said);
            }
            cause = error.source();
        }
        text
    }

    fn new(action: Action, message: impl Into<String>) -> Self {
        Self { action, message: message.into(), source: None, undecided: false }
    }
}

impl fmt::Display for StageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for StageError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|cause| cause as &(dyn Error + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_says_each_cause_once() {
        let refused = std::io::Error::other("connection refused");
        let error = StageError::retry("cannot reach tcp://10.0.0.5:502").because(refused);
        assert_eq!(error.chain(), "cannot reach tcp://10.0.0.5:502: connection refused");
        let said = StageError::halt("no such table: a").because(std::io::Error::other("no such table: a"));
        assert_eq!(said.chain(), "no such table: a");
    }
}
