//! The durable log between collecting and delivering: batches, cursors, transform state, dead letters, books.
//!
//! The runtime knows the [`Journal`] trait only, so that a distributed log can take the place of the SQLite file.
//! The rules: a batch and the changed state of every transform enter as one record; a batch is delivered to a
//! sink if and only if its number is not above the watermark of its run; nothing is deleted above the slowest
//! cursor in use.

mod api;
mod format;
mod ledger;
mod log;
mod operator;
mod owner;
mod repair;

pub use api::dead_letter::DeadLetter;
pub use api::dead_letter::DeadLetterId;
pub use api::dead_letter::{transform_of, transform_owner};
pub use api::entry::{Accepted, Entry, Rejected, RejectedRows, ReplayOutcome, ReplayRequest, StateChange};
pub use api::error::JournalError;
pub use api::journal::{Cursor, From, Journal, OnFull, Options, ReadLimit};
pub use api::pending_correction::PendingCorrection;
pub use api::status::{Acknowledged, Loss, Maintained, Reconciled, RowCounts, Status};
pub use format::lock::in_use;
pub use ledger::correction::{CorrectableState, Correction};
pub use ledger::old_copy::{OldBatches, OldCopy};
pub use ledger::selection::{DeadLetterName, NotADeadLetterName, Selection, StoredDeadLetter};
pub use operator::access::{OperatorAccess, Replay};
pub use operator::inspect::{dead_letter_row, dead_letters, inspect, kept_state, verify};
pub use owner::sqlite::SqliteJournal;
