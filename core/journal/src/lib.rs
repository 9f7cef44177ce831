//! The durable log between collecting and delivering: batches, cursors, transform state, dead letters, books.
//!
//! The runtime knows the [`Journal`] trait only, so that a distributed log can take the place of the SQLite file.
//! The rules: a batch and the changed state of every transform enter as one record; a batch is delivered to a
//! sink if and only if its number is not above the watermark of its run; nothing is deleted above the slowest
//! cursor in use.

mod api;
mod books;
mod codec;
mod correction;
mod failure;
mod guest;
mod hot;
mod inspect;
mod layout;
mod letters;
mod lock;
mod old_copy;
mod pruning;
mod reading;
mod reconcile;
mod records;
mod rejected;
mod rename;
mod repair;
mod replays;
mod report;
mod retention;
mod salvage;
mod seal;
mod selection;
mod settle;
mod sqlite;
mod store;
mod wal;
mod writer;

pub use api::{
    Accepted, Acknowledged, Aside, Books, Cursor, DeadLetter, Entry, From, HandedBack, Journal, JournalError,
    Loss, Maintained, OnFull, Options, ReadLimit, Reconciled, Rejected, Returned, StateChange, Status,
};
pub use correction::{Correction, Corrigible, Order};
pub use guest::{Guest, Replay};
pub use inspect::{inspect, kept_state, letter_row, letters, verify};
pub use old_copy::{OldBatches, OldCopy};
pub use rejected::{transform_of, transform_owner};
pub use selection::{Letter, LetterId, LetterName, NotALetterName, Selection};
pub use sqlite::SqliteJournal;
