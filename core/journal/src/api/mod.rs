//! What the runtime knows of a journal: the trait and its plain data.

pub(crate) mod books;
pub(crate) mod entry;
pub(crate) mod error;
pub(crate) mod journal;
pub(crate) mod letter;
pub(crate) mod order;
