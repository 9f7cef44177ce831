//! A planned stage: its options are sound, nothing has been touched yet. Wiring passes schemas along the graph and
//! makes a wired stage of it, opening makes the real thing. What can only be asked of a wired stage is a method of the
//! wired stage.

use std::sync::Arc;

use arrow_schema::SchemaRef;
use async_trait::async_trait;

use crate::{
    Files, Migrate, Migrated, Offer, OpenContext, Problems, Query, Sink, Source, StageError, Store, Subject,
    Transform,
};

/// What planning may look at: nothing but files.
#[derive(Clone, Copy)]
pub struct PlanContext<'a> {
    /// The stage's name in the pipeline.
    pub stage: &'a str,
    /// Files named by options.
    pub files: &'a dyn Files,
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

    /// What one pass asks of it, a line each, for people (`smiles check --explain`).
    fn explain(&self) -> Vec<String> {
        Vec::new()
    }

    /// Makes the source. Connecting is part of its first pass.
    ///
    /// # Errors
    /// Something local is missing; the pipeline does not start.
    async fn open(&self, context: OpenContext) -> Result<Box<dyn Source>, StageError>;
}

/// A transform whose options are sound.
pub trait TransformPlan: Send + Sync {
    /// Checks the columns that enter against the options.
    ///
    /// # Errors
    /// All columns that do not fit, by the path of the option that names them.
    fn wire(&self, input: &SchemaRef) -> Result<Box<dyn WiredTransform>, Problems>;
}

/// A transform that fits what enters it.
pub trait WiredTransform: Send + Sync {
    /// The columns that leave.
    fn output(&self) -> SchemaRef;

    /// What its state is about: the state is found by this (and the type, and `name:` where the file gives one) in the
    /// journal, never by the transform's place in the file. `None`: it keeps none, or one that any transform of its name
    /// may go on with.
    fn subject(&self) -> Option<Subject> {
        None
    }

    /// What it would ask of a store that offers this, where the journal has no state for it: whole tables, each question
    /// answered by one batch. `None` in the place of one that no table can answer.
    fn asks(&self, _store: &Offer) -> Vec<Option<Query>> {
        Vec::new()
    }

    /// Makes the transform.
    ///
    /// # Errors
    /// Something local is missing; the pipeline does not start.
    fn open(&self, context: OpenContext) -> Result<Box<dyn Transform>, StageError>;
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

/// A sink whose options are sound.
pub trait SinkPlan: Send + Sync {
    /// What it promises.
    fn delivery(&self) -> Delivery;

    /// The sink of the same pipeline whose store it reads, if it reads one.
    fn reads(&self) -> Option<&str> {
        None
    }

    /// Checks the columns that enter, and what the store offers that it reads, against the options.
    ///
    /// # Errors
    /// All that does not fit, by the path of the option.
    fn wire(
        self: Box<Self>,
        input: &SchemaRef,
        store: Option<&Offer>,
    ) -> Result<Box<dyn WiredSink>, Problems>;
}

/// A sink that fits what enters it.
#[async_trait]
pub trait WiredSink: Send + Sync {
    /// What it offers to the rest of the pipeline, if it is a store.
    fn offer(&self) -> Option<Offer> {
        None
    }

    /// The address it listens on, as `HOST:PORT` (a host with colons in brackets), by its option `listen`: two sinks of one
    /// process that cannot both have it are found before anything runs. `None`: none, or any free port.
    fn listens(&self) -> Option<String> {
        None
    }

    /// Migrates the target now, or says what would be done; opening does the same by itself. `None`: there is nothing
    /// that migrates.
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
    /// Answers queries, for a sink that offers tables.
    pub store: Option<Arc<dyn Store>>,
}
