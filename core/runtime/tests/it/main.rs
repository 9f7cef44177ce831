//! The runtime as a whole: pipelines from YAML over scripted sources and failing targets.

mod bench;
mod delivering;
mod ending;
mod ingesting;
mod simulation;
mod wiring;
