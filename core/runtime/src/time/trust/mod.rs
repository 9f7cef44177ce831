//! Whether the wall clock can be right: judged, kept across restarts, and shown to sinks.

pub(crate) mod judge;
pub(crate) mod judged;
pub(crate) mod kept;
pub(crate) mod told;
