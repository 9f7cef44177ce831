//! The second half: read what a sink is owed, write it, move its cursor, try again.

pub(crate) mod delivery;
pub(crate) mod due;
pub(crate) mod error_log;
pub(crate) mod late_store;
pub(crate) mod live;
pub(crate) mod prune;
pub(crate) mod reject;
