//! What values, days, errors and small spellings look like as text. Knows no request, route or store.

pub(crate) mod json;
pub(crate) mod problem;
pub(crate) mod spell;
pub(crate) mod zone;
