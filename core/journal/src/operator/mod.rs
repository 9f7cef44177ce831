//! What commands of an operator do with a journal, also beside the process that owns it.

pub(crate) mod access;
pub(crate) mod inspect;
