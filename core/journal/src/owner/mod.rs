//! The one process that has the journal open: its thread, appending, making room.

pub(crate) mod append;
pub(crate) mod examination;
pub(crate) mod retention;
pub(crate) mod sqlite;
pub(crate) mod writer;
