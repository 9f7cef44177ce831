//! What the runtime knows of a journal: the trait and its plain data.

pub(crate) mod dead_letter;
pub(crate) mod entry;
pub(crate) mod error;
pub(crate) mod journal;
pub(crate) mod pending_correction;
pub(crate) mod status;
