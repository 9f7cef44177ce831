//! From a request to the rows that answer it: questions to store and memory, history, sums, formats, a cache.

pub(crate) mod answer;
pub(crate) mod cache;
pub(crate) mod client;
pub(crate) mod cursor;
pub(crate) mod format;
pub(crate) mod history;
pub(crate) mod totals;
