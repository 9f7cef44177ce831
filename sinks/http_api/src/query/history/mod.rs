//! A table through time: ranges, pages, spans of the local clock.

pub(crate) mod asked;
pub(crate) mod buckets;
pub(crate) mod page;
