//! Current values kept in memory: rows by key, what each source last said, work that goes on by itself.

pub(crate) mod fresh;
pub(crate) mod job;
pub(crate) mod latest;
pub(crate) mod memory;
pub(crate) mod refusals;
