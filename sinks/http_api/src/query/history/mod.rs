//! A table through time: ranges, pages, spans of the local clock.

pub(crate) mod buckets;
pub(crate) mod page;
pub(crate) mod request;
