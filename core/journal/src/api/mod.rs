//! What the runtime knows of a journal: the trait and its plain data.

pub(crate) mod journal;
