//! From a typed pipeline to stages that fit together; nothing is touched yet.

pub(crate) mod complaints;
pub(crate) mod graph;
pub(crate) mod identity;
pub(crate) mod schema;
pub(crate) mod sinks;
pub(crate) mod unconverted;
pub(crate) mod wired;
pub(crate) mod wiring;
