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

pub use api::journal::{
    Accepted, Acknowledged, Aside, Books, Cursor, DeadLetter, Entry, From, HandedBack, Journal, JournalError,
    Loss, Maintained, OnFull, Options, ReadLimit, Reconciled, Rejected, Returned, StateChange, Status,
};
pub use ledger::correction::{Correction, Corrigible, Order};
pub use ledger::old_copy::{OldBatches, OldCopy};
pub use ledger::rejected::{transform_of, transform_owner};
pub use ledger::selection::{Letter, LetterId, LetterName, NotALetterName, Selection};
pub use operator::guest::{Guest, Replay};
pub use operator::inspect::{inspect, kept_state, letter_row, letters, verify};
pub use owner::sqlite::SqliteJournal;
