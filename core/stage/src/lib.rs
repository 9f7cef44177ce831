//! The contract between stages: what a batch is, what a source, a transform, a sink and a store do,
//! how a stage is declared, planned, wired and opened, and how it says that something failed.
//!
//! Every other crate of the workspace depends on this one and it depends on none of them.
//! It does no I/O and starts no task.

mod batch;
mod clock;
mod column;
mod dated;
mod decimal;
mod error;
mod factory;
mod files;
mod fingerprint;
mod health;
mod host;
mod migration;
mod offer;
mod open_context;
pub mod option;
mod parse_error;
mod pass_info;
mod period;
mod plan;
mod position;
mod problem;
mod process;
mod query;
mod role;
mod subject;
pub mod unit;
mod unit_spelling;
mod zone;

pub use batch::Batch;
pub use clock::Clock;
pub use column::{ColumnMeta, Kind, SOURCE, TIME, json_field, source_field, time_field};
pub use dated::{Misdated, mark_misdated, misdated};
pub use decimal::{product, widened};
pub use error::{Action, Rejection, StageError};
pub use factory::{Factory, Registry, Stage};
pub use files::Files;
pub use fingerprint::fingerprint;
pub use health::{Health, HealthView, JournalHealth, SinkHealth, SinkState, SourceHealth, SourceState};
pub use host::is_host;
pub use migration::{Migrate, Migrated, MigrationStep, RewrittenTable};
pub use offer::{MappedTable, Offer, StoreSchema};
pub use open_context::OpenContext;
pub use parse_error::ParseError;
pub use pass_info::{PassInfo, SourcePasses};
pub use period::Periods;
pub use plan::{
    Cadence, Delivery, OpenSink, PlanContext, SinkPlan, SourcePlan, TransformPlan, WiredSink, WiredTransform,
};
pub use position::{Position, RunId, Seq};
pub use problem::{Path, Problem, Problems, Segment, Severity, did_you_mean};
pub use process::{Configured, Process};
pub use query::{
    Aggregate, BoundSide, Buckets, Comparison, Filter, Function, Order, PageBound, Query, Value,
};
pub use role::{
    Fault, Pass, Rows, Sink, Source, State, Store, StoreStats, TargetId, Transform, Upkeep, Watermark,
};
pub use subject::Subject;

/// Re-exported so that a stage registers its own series without choosing a version.
pub use prometheus;
pub use zone::time_zone;
