//! A planned stage: its options are sound, nothing has been touched yet. Wiring passes schemas along the graph,
//! opening makes the real thing.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arrow_schema::SchemaRef;
use async_trait::async_trait;

use crate::tables::TablesPlan;
use crate::{
    Clock, Files, HealthView, Migrate, Migrated, Problems, Process, Query, Sink, Source, StageError, Store,
    Subject, Transform,
};

/// What planning may look at: nothing but files.
#[derive(Clone, Copy)]
pub struct PlanContext<'a> {
    /// The stage's name in the pipeline.
    pub stage: &'a str,
    /// Files named by options.
    pub files: &'a dyn Files,
}

/// What an opened stage gets from the runtime.
#[derive(Clone)]
pub struct OpenContext {
    /// The pipeline's name.
    pub pipeline: String,
    /// The stage's name in the pipeline.
    pub stage: String,
    /// Where stages keep files of their own.
    pub data_dir: PathBuf,
    /// The one clock.
    pub clock: Arc<dyn Clock>,
    /// Where the stage registers its series.
    pub meters: prometheus::Registry,
    /// The state of the whole pipeline.
    pub health: Arc<dyn HealthView>,
    /// A source's declared period.
    pub every: Option<Duration>,
    /// The program and everything that runs in it.
    pub process: Arc<Process>,
    /// Of a transform: what the memories of those before it are known by, in their order. Where it is not what it was, what
    /// reaches the transform may be counted otherwise.
    pub upstream: Vec<String>,
}

/// When a source is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cadence {
    /// Once per `every:`, which the pipeline must declare.
    Polled,
    /// Again as soon as the last rows are taken; an `every:` is optional.
    Streamed,
}

/// A source whose options are sound.
#[async_trait]
pub trait SourcePlan: Send + Sync {
    /// The columns it emits. The runtime puts `time` and `source` in front where they are absent.
    fn output(&self) -> SchemaRef;

    /// When it is asked.
    fn cadence(&self) -> Cadence;

    /// What is sound and still likely to be meant otherwise, each at its place in the options.
    fn warnings(&self) -> Problems {
        Problems::new()
    }

    /// What it talks to, for people: `tcp://10.0.0.5:502 unit 1`.
    fn address(&self) -> String;

    /// Makes the source. Connecting is part of its first pass.
    ///
    /// # Errors
    /// Something local is missing; the pipeline does not start.
    async fn open(&self, context: OpenContext) -> Result<Box<dyn Source>, StageError>;
}

/// A transform whose options are sound.
pub trait TransformPlan: Send + Sync {
    /// The columns that leave for these columns that enter.
    ///
    /// # Errors
    /// All columns that do not fit, by the path of the option that names them.
    fn output(&self, input: &SchemaRef) -> Result<SchemaRef, Problems>;

    /// What it would ask of a store that keeps what leaves the pipeline by this mapping, where the journal has no state for
    /// it: whole tables, each question answered by one batch. `None` in the place of one that no table can answer.
    fn asks(&self, _mapping: &TablesPlan) -> Vec<Option<Query>> {
        Vec::new()
    }

    /// What its state is about, for these columns: the state is found by this (and the type, and `name:` where the file
    /// gives one) in the journal, never by the transform's place in the file. `None`: it keeps none, or one that any
    /// transform of its name may go on with.
    fn subject(&self, _input: &SchemaRef) -> Option<Subject> {
        None
    }

    /// Makes the transform for these columns, which [`TransformPlan::output`] has accepted.
    ///
    /// # Errors
    /// Something local is missing; the pipeline does not start.
    fn open(&self, input: &SchemaRef, context: OpenContext) -> Result<Box<dyn Transform>, StageError>;
}

/// What a sink promises, and so what the journal keeps for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// Exactly once: the target keeps a watermark in the same transaction as the rows.
    Transactional,
    /// Every row, some perhaps twice.
    AtLeastOnce,
    /// A view of what was just accepted: no cursor, pins nothing; begins with the retained batches.
    Live,
}

/// The tables a store can be asked for, with their columns.
pub type StoreSchema = BTreeMap<String, SchemaRef>;

/// A sink whose options are sound.
#[async_trait]
pub trait SinkPlan: Send + Sync {
    /// What it promises.
    fn delivery(&self) -> Delivery;

    /// The sink of the same pipeline whose store it reads, if it reads one.
    fn reads(&self) -> Option<&str> {
        None
    }

    /// Checks the columns that enter (and those of the store it reads) against the options.
    ///
    /// # Errors
    /// All that does not fit, by the path of the option.
    fn wire(&mut self, input: &SchemaRef, store: Option<&StoreSchema>) -> Result<(), Problems>;

    /// The tables it offers to others once wired, if it is a store.
    fn offers(&self) -> Option<StoreSchema> {
        None
    }

    /// Migrates the target now, or says what would be done; opening does the same by itself. `None`: it has none.
    ///
    /// # Errors
    /// The target could not be asked, or a migration failed and was undone.
    async fn migrate(
        &self,
        _context: OpenContext,
        _options: &Migrate,
    ) -> Result<Option<Migrated>, StageError> {
        Ok(None)
    }

    /// How batches become rows of those tables, once wired, if it maps them as [`TablesPlan`] says.
    fn mapping(&self) -> Option<Arc<TablesPlan>> {
        None
    }

    /// Called after [`SinkPlan::wire`] with the mapping of the store it reads: what the store will hold can be told
    /// from the batches alone.
    fn follow(&mut self, _mapping: &Arc<TablesPlan>) {}

    /// Makes the sink. A target that is down is no error: connecting is part of [`Sink::watermark`].
    ///
    /// # Errors
    /// Something local is wrong (a port in use, a folder that cannot be written); the pipeline does not start.
    async fn open(&self, context: OpenContext, store: Option<Arc<dyn Store>>)
    -> Result<OpenSink, StageError>;
}

/// An opened sink and the store it offers.
pub struct OpenSink {
    /// Takes batches.
    pub sink: Box<dyn Sink>,
    /// Answers queries, for a sink whose plan offers tables.
    pub store: Option<Arc<dyn Store>>,
}
