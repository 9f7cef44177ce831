//! Loads plugins and makes their stages look like any other.
//!
//! The way of a library: `file` reads its metadata before any of its code runs and refuses what cannot work;
//! `probe` loads it first in a child process, which also answers every question of planning; only when a pipeline opens
//! does `library` load it here. Each instance of a stage lives on a thread of its own (`instance`), so that a call may
//! block, and one that stalls is noticed; what it says when it takes the process down is `last_words`, what it may not leave
//! behind `process_state`. [`conformance`] is what `smiles plugin check` runs.

pub mod conformance;
mod context;
mod file;
mod host;
mod instance;
mod instance_handle;
mod last_words;
mod library;
mod probe;
mod process_state;
mod rows;
mod schema;
mod sealed;
mod sink;
mod source;
mod stage_type;
mod transform;

pub use file::{Metadata, MetricMeta, Refusal, Role, StageMeta, read_metadata};
pub use host::{PluginFile, PluginHost, Probed, ProbedStage, Replaced};
pub use probe::{Prober, answer_probe};
