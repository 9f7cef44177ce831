//! What commands of an operator do with a journal, also beside the process that owns it.

pub(crate) mod guest;
pub(crate) mod inspect;
