//! The runtime as a whole: pipelines from YAML over scripted sources and failing targets.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bench;
mod clocks;
mod delivering;
mod ending;
mod ingesting;
mod replaying;
mod simulation;
mod wiring;
