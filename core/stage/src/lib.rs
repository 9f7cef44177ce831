//! The contract between stages: what a source, a transform, a sink and a store do, and how each is declared, planned,
//! wired and opened. Every other crate of the workspace depends on this one, but those that plugins link, and it
//! depends on none of them. It does no
//! I/O, but for the one reader of files that users name ([`read_limited`]), and starts no task.
//!
//! # The story of a batch
//! A pipeline file names stages by their `type:`. The [`Registry`] knows a [`Factory`] for each; an author writes a
//! [`Stage`]: a name, typed options, and how they become a plan.
//!
//! 1. **Plan.** Options that are sound become a [`SourcePlan`], a [`TransformPlan`] or a [`SinkPlan`]. Nothing has been
//!    touched yet but files ([`Files`]). What is wrong is a [`Problem`] with its [`Path`] in the options, and all of it is
//!    said at once.
//! 2. **Wire.** Columns are passed along the graph: what a source emits enters the first transform, and so on to every
//!    sink. A plan that fits what enters it becomes a [`WiredTransform`] or a [`WiredSink`]. A transform with state says
//!    what that is about ([`Subject`]), by which it is found again whatever else changes in the file. What metadata says of a column
//!    (its unit, its kind) is [`ColumnMeta`]; a sink that is a store says what it offers ([`Offer`]). Here `smiles check`
//!    ends.
//! 3. **Open.** A wired stage and its [`OpenContext`] become the real thing. Only what is local can be missing; to connect
//!    is part of the first call.
//! 4. **Poll.** The runtime calls [`Source::next`]: a [`Pass`] has the rows that were read, the [`Fault`]s on the way, and
//!    whether every record was reached.
//! 5. **Transform.** The rows go through every [`Transform`] with what is known of their pass ([`PassInfo`]). What it
//!    remembers is its [`State`] alone.
//! 6. **Journal.** Rows and changed state enter the journal as one record: now they are a [`Batch`], *accepted*, at a
//!    [`Position`], and survive a crash.
//! 7. **Deliver.** Each sink takes batches in order, with the promise of its [`Delivery`]: [`Sink::watermark`] says what the target has, [`Sink::write`] takes,
//!    [`Sink::flush`] makes *durable* there. A [`StageError`] says what follows a failure ([`Action`]): try again, halt until a
//!    person acts, or set rows aside, each with a [`Rejection`].
//! 8. **Ask.** Who reads a [`Store`] asks it by a [`Query`], which each store compiles to its own language.
//!
//! What an operator asks of a sink beside (to replay what was set aside, to take over a former name, to forget runs) is
//! [`Upkeep`]; to bring a target up to date is [`WiredSink::migrate`]. How all of it is doing is [`Health`].

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
mod labels;
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
mod zone;

pub use batch::Batch;
pub use clock::Clock;
pub use column::{ColumnMeta, Kind, SOURCE, TIME, json_field, source_field, time_field};
pub use dated::{Misdated, mark_misdated, misdated};
pub use decimal::{linear, product, widened};
pub use error::{Action, Rejection, StageError};
pub use factory::{Factory, Registry, Stage};
pub use files::{Files, read_limited};
pub use fingerprint::fingerprint;
pub use health::{Health, HealthView, JournalHealth, SinkHealth, SinkState, SourceHealth, SourceState};
pub use host::is_host;
pub use labels::Labels;
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
