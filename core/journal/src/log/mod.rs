//! Batches and their positions: the open file, the newest batches in memory, reading.

pub(crate) mod hot;
pub(crate) mod reading;
pub(crate) mod store;
