//! The first half: poll a source, transform its rows, append them to the journal.

pub(crate) mod chain;
pub(crate) mod corrected;
pub(crate) mod poll;
pub(crate) mod replay;
pub(crate) mod schedule;
pub(crate) mod staged_state;
pub(crate) mod stored;
pub(crate) mod task;
