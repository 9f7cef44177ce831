//! Dead letters and their names: rows set aside, of sinks and of transforms.

use std::fmt;

use jiff::Timestamp;
use smiles_stage::Position;

/// A row set aside.
#[derive(Clone, Debug)]
pub struct DeadLetter {
    /// The batch.
    pub position: Position,
    /// The row within the batch as journalled, from 0.
    pub row: u32,
    /// The target's code.
    pub code: String,
    /// Why, for the operator.
    pub reason: String,
    /// When.
    pub at: Timestamp,
}

/// A row of a batch: what a dead letter of one sink is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DeadLetterId {
    /// The batch.
    pub position: Position,
    /// The row within it, from 0.
    pub row: u32,
}

impl fmt::Display for DeadLetterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.position, self.row)
    }
}

impl DeadLetterId {
    /// The name with the first digits of the run only, for people: `3f2a9c1b-17-0`.
    pub fn short(&self) -> String {
        let run = self.position.run.to_string();
        format!("{}-{}-{}", &run[..SHORT], self.position.seq, self.row)
    }
}

/// Digits of a run in a short name.
const SHORT: usize = 8;

impl DeadLetter {
    /// Which row it is about.
    pub fn id(&self) -> DeadLetterId {
        DeadLetterId { position: self.position, row: self.row }
    }
}

/// What stands before a transform's name where a dead letter names the sink that did not get it. No sink has such a name.
pub(crate) const TRANSFORM: &str = "transform:";

/// The name that the dead letters of a transform are kept under: `transform:NAME`.
pub fn transform_owner(transform: &str) -> String {
    format!("{TRANSFORM}{transform}")
}

/// The transform that dead letters of this name belong to; `None`: they are a sink's.
pub fn transform_of(owner: &str) -> Option<&str> {
    owner.strip_prefix(TRANSFORM)
}
