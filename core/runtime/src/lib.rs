//! Wires a pipeline and moves its batches.
//!
//! [`wire`] checks everything without effects, [`Wired::open`] connects, [`Running::run`] polls, journals and
//! delivers until the end. Each source and each sink is a task of its own; one loop ([`pump`]) between them moves
//! batches, and retry, schedule, health and meters are values the tasks call.

mod again;
mod board;
mod chain;
mod clock;
mod corrected;
mod delivery;
mod graph;
mod grievances;
mod guard;
mod identity;
mod keeper;
mod live;
#[cfg(test)]
mod log_capture;
mod meter;
mod open;
mod poll;
mod prune;
mod pump;
mod recall;
mod reject;
mod replay;
mod retry;
mod running;
mod schedule;
mod schema;
mod source_report;
mod stages;
mod stop;
mod target;
mod teller;
mod trial;
mod trust;
mod unconverted;
mod wire;

pub use clock::SystemClock;
pub use corrected::corrected;
pub use graph::{Role, StageSummary};
pub use identity::Forgotten;
pub use meter::Meters;
pub use open::{OpenError, RunOptions};
pub use replay::{ReplayError, Replayed, replay};
pub use running::{Exit, Running, run_all};
pub use target::Target;
pub use trial::{Left, Trial, TrialError};
pub use wire::{Wired, wire};
