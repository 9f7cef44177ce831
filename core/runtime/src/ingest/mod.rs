//! The first half: poll a source, transform its rows, append them to the journal.

pub(crate) mod again;
pub(crate) mod chain;
pub(crate) mod corrected;
pub(crate) mod poll;
pub(crate) mod pump;
pub(crate) mod recall;
pub(crate) mod schedule;
pub(crate) mod staged_state;
