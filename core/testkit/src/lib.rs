//! For the tests of the other crates: a clock one turns by hand, stages that fail on purpose, and the
//! conformance batteries every sink and source must pass.
//!
//! Each check of a battery is itself tested to fail on a stage that is broken on purpose.

mod clock;
mod clock_steps;
mod collecting_sink;
mod context;
mod eventually;
mod files;
pub mod left_out;
mod plans;
pub mod postgres;
mod rows;
mod scripted;
mod singles;
pub mod sink_conformance;
pub mod sink_worlds;
pub mod source_conformance;
pub mod store_conformance;
mod target;
mod target_faults;
pub mod transform_conformance;

pub use clock::ManualClock;
pub use clock_steps::{clock_schema, clock_steps, clock_tables};
pub use collecting_sink::CollectingSink;
pub use context::open_context;
pub use eventually::eventually;
pub use files::{MemoryFiles, NoFiles};
pub use plans::{collecting_sink, memory_sink, scripted, scripted_with};
pub use rows::{ids, numbered, numbered_schema};
pub use scripted::{Script, ScriptStep};
pub use singles::singles;
pub use target::{MemorySink, MemoryTarget, Stored};
pub use target_faults::{TargetFault, TargetFaults};
