//! Batches and their positions: the open file, the newest batches in memory, reading.

pub(crate) mod reading;
pub(crate) mod recent;
pub(crate) mod store;
