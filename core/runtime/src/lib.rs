//! Wires a pipeline and moves its batches.
//!
//! [`wire()`] checks everything without effects, [`Wired::open`] connects, [`Running::run`] polls, journals and
//! delivers until the end. Each source and each sink is a task of its own; one loop (`ingest::task`) between them moves
//! batches, and retry, schedule, health and meters are values the tasks call.

mod call;
mod deliver;
mod ingest;
mod lifecycle;
mod observe;
mod time;
mod wire;

pub use call::causes::with_causes;
pub use ingest::corrected::corrected;
pub use ingest::staged_state::StagedState;
pub use lifecycle::ahead::RunningStages;
pub use lifecycle::open::Prepared;
pub use lifecycle::options::{OpenError, RunOptions};
pub use lifecycle::replay::{ReplayError, Replayed, replay};
pub use lifecycle::running::{Exit, Handle, Running, run_all};
pub use lifecycle::target::Target;
pub use lifecycle::test_pipeline::{StageOutput, TestPipeline, TestPipelineError};
pub use observe::meter::Meters;
pub use time::system::SystemClock;
pub use wire::graph::{Role, StageSummary};
pub use wire::identity::settle::OrphanedState;
pub use wire::wired::Wired;
pub use wire::wiring::wire;
