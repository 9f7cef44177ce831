//! Why the journal could not do it.

use std::path::PathBuf;

/// Why the journal could not do it.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// `on_full: block` and no room. Deliver or delete, then append again.
    #[error("the journal is full: {size} of {max} bytes in use, and a sink still waits for every batch")]
    Full {
        /// Bytes in use.
        size: u64,
        /// The limit.
        max: u64,
    },
    /// No room for more dead letters. Replay some or give them up, then the same call succeeds.
    #[error(
        "the dead letters take up all of their share of the journal ({size} of {max} bytes): repair and replay \
         them, or give them up (`smiles journal dead-letter`)"
    )]
    DeadLettersFull {
        /// Bytes in use.
        size: u64,
        /// The limit.
        max: u64,
    },
    /// Another process has it.
    #[error(
        "the journal {path} is in use by another process: stop that one first, or give this one another folder \
         (--data-dir or DATA_DIR)"
    )]
    Locked {
        /// The file.
        path: PathBuf,
    },
    /// The file belongs to another pipeline, or a newer version wrote it.
    #[error("{0}")]
    Refused(String),
    /// The file system or SQLite said no; the same call may succeed later.
    #[error("cannot {doing} the journal")]
    Storage {
        /// A verb: `append to`, `read`, `open`.
        doing: &'static str,
        /// What it said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The writer has stopped (shutdown).
    #[error("the journal is closed")]
    Closed,
}
