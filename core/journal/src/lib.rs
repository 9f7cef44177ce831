//! The durable log between collecting and delivering: batches, cursors, transform state, dead letters, books.
//!
//! The runtime knows the [`Journal`] trait only, so that a distributed log can take the place of the SQLite file.
//! The rules: a batch and the changed state of every transform enter as one record; a batch is delivered to a
//! sink if and only if its number is not above the watermark of its run; nothing is deleted above the slowest
//! cursor in use.

mod api;

pub use api::{
    Accepted, Books, Cursor, DeadLetter, Entry, From, Journal, JournalError, Loss, Maintained, OnFull, Options, ReadLimit,
    Reconciled, StateChange, Status,
};
