//! Whether the wall clock can be right: judged, kept across restarts, and shown to sinks.

pub(crate) mod clock_trust;
pub(crate) mod distrust;
pub(crate) mod kept;
pub(crate) mod trusted_clock;
