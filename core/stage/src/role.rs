//! The roles a stage can play. One call at a time per instance: `&mut self` and the borrow checker see to it,
//! which is also the rule of the plugin ABI.
//!
//! # What may be dropped in the middle of an `await`
//! A pipeline that is stopped waits for the calls under way until its grace is over and then drops their futures. So
//! the futures of [`Source::next`], [`Source::commit`] and of every method of [`Sink`] and [`Upkeep`] may be dropped at
//! any `await`, and the stage is not called again after that but dropped itself. Nothing is lost: rows of a pass that
//! was not returned are polled again, and what no flush has confirmed is given again to a sink that first asks its
//! target for the watermark. A future of [`Store::query`] and the stream it answered are dropped whenever a client
//! goes away; the store goes on to be asked. What must not stop halfway (a blocking call, a transaction with its
//! commit) a stage gives to a task or a thread of its own, or leaves to a connection that it then forgets.

use arrow_array::RecordBatch;
use async_trait::async_trait;
use futures::stream::BoxStream;

use crate::{Batch, PassInfo, Position, Query, RunId, Seq, StageError};

/// What one visit to a device brought.
#[derive(Clone, Debug)]
pub struct Pass {
    /// The rows heard, in the schema of the source's plan; may be empty.
    pub rows: RecordBatch,
    /// What failed on the way although rows came: each is an error, none undoes the rows.
    pub faults: Vec<Fault>,
    /// Whether every record was reached. A pass that is not complete and has rows is a success with an error.
    pub complete: bool,
}

/// One thing that failed within a pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// A sentence that names the record or block and the cause.
    pub message: String,
}

/// Produces rows. Pulled by the runtime: back-pressure is not being called.
#[async_trait]
pub trait Source: Send {
    /// Makes one pass. `None`: there will never be more. Dropping the future loses this pass, never one returned before.
    ///
    /// # Errors
    /// A pass that brought nothing; the message names device, address and cause.
    async fn next(&mut self) -> Result<Option<Pass>, StageError>;

    /// Everything returned so far is durable in the journal.
    ///
    /// # Errors
    /// Logged; the next commit covers this one.
    async fn commit(&mut self, _position: Position) -> Result<(), StageError> {
        Ok(())
    }
}

/// Keyed memory of a transform, durable with the batch that changed it.
pub trait State {
    /// The value last put, also by an earlier call within the same batch.
    fn get(&self, key: &[u8]) -> Option<Vec<u8>>;

    /// Stages a value; it becomes durable with the batch and is discarded if the batch's `apply` fails.
    fn put(&mut self, key: &[u8], value: Vec<u8>);
}

/// Maps rows to rows. Synchronous, no I/O, no clock: replaying the same rows gives the same rows. Only [`State`] lasts
/// from call to call.
pub trait Transform: Send {
    /// Whether the journal has its state. Where it has not, what the store knows is handed to [`Transform::recall`] before the
    /// first batch, if it can be had by then, else before a later one.
    fn remembers(&self, _state: &dyn State) -> bool {
        true
    }

    /// What the store answered to [`crate::WiredTransform::asks`], one answer per question; none at all where there is no
    /// store to be asked. Said as part of the batch that is applied next, until [`Transform::remembers`].
    ///
    /// # Errors
    /// As [`Transform::apply`].
    fn recall(
        &mut self,
        _known: &[Option<RecordBatch>],
        _pass: &PassInfo,
        _state: &mut dyn State,
    ) -> Result<(), StageError> {
        Ok(())
    }

    /// The rows of this pass, transformed, in the schema that was wired: as many as came in, in their order.
    ///
    /// # Errors
    /// [`crate::Action::Reject`] sets the rows that it names aside as they came in, and `apply` is called again with the
    /// rest. After any other error nothing of the batch counts, its puts neither, and the runtime tries again or halts as
    /// the error says.
    fn apply(
        &mut self,
        batch: RecordBatch,
        pass: &PassInfo,
        state: &mut dyn State,
    ) -> Result<RecordBatch, StageError>;
}

/// Names a database (or whatever a sink writes to) beyond its address: made at random when the sink first
/// writes there, so that a restored copy is known as the same and an empty one as another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TargetId(pub [u8; 16]);

/// What a target itself says of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watermark {
    /// Which target answered.
    pub target: TargetId,
    /// The highest batch of the run that is durable there; [`Seq::ZERO`] for none.
    pub seq: Seq,
}

/// Takes batches in journal order.
#[async_trait]
pub trait Sink: Send {
    /// Takes a batch, which is not durable in the target before the flush. Batches between two flushes are consecutive and of one run.
    ///
    /// # Errors
    /// After any error everything since the last flush is forgotten; the runtime asks the watermark and replays.
    async fn write(&mut self, batch: &Batch) -> Result<(), StageError>;

    /// Makes what was written *durable*, rows and watermark in one transaction where the target has them, and says up
    /// to which batch it is. Batches behind that are forgotten by the sink and given again; a flush after which no
    /// more is durable than before is tried again as if it had failed. `None`: nothing was ever written.
    ///
    /// # Errors
    /// As [`Sink::write`]. [`crate::Action::Reject`] names rows; the runtime sets them aside and writes the rest.
    async fn flush(&mut self) -> Result<Option<Position>, StageError>;

    /// What the target says of this run; `None` if it keeps no watermark (the sink is at least once).
    /// Connects if need be: this is the first call after opening and after any doubt.
    ///
    /// # Errors
    /// The target could not be asked.
    async fn watermark(&mut self, run: RunId) -> Result<Option<Watermark>, StageError>;

    /// Rows that its target took and did not keep since the sink was opened (a trigger left them out), as far as the target
    /// says how many it kept: of which table, and how many.
    fn swallowed(&self) -> Vec<(String, u64)> {
        Vec::new()
    }

    /// What it can do for an operator beside taking batches, if it can.
    fn upkeep(&mut self) -> Option<&mut dyn Upkeep> {
        None
    }
}

/// What a sink with a target of its own can do for an operator and for the journal.
#[async_trait]
pub trait Upkeep: Send {
    /// Takes rows that were set aside when the rest of their batch was delivered: as [`Sink::write`], under a run and a
    /// number of their own. A table that gets one row of several (`distinct`) gets no second one.
    ///
    /// # Errors
    /// As [`Sink::write`].
    async fn replay(&mut self, rows: &Batch) -> Result<(), StageError>;

    /// Gives this sink the watermarks that it left in the target when its name was `from`. Where both names have one of
    /// a run the higher stays; a second call finds nothing to do.
    ///
    /// # Errors
    /// The target could not be changed; nothing was.
    async fn rename(&mut self, from: &str) -> Result<(), StageError>;

    /// These runs were forgotten by the journal that wrote them; their watermarks may go.
    ///
    /// # Errors
    /// Logged once, and asked again until it worked, also by later processes.
    async fn forget(&mut self, runs: &[RunId]) -> Result<(), StageError>;
}

/// Rows of an answer, in pieces of bounded size and one schema.
pub type Rows = BoxStream<'static, Result<RecordBatch, StageError>>;

/// What a store says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoreStats {
    /// The kind of store, for people: `SQLITE`, `POSTGRES`.
    pub kind: String,
    /// Bytes on disk.
    pub size_bytes: u64,
    /// Rows per table, in the order of the mapping; of long tables an estimate.
    pub rows: Vec<(String, u64)>,
}

/// Answers queries. Shared by all requests, hence `&self`, unlike the other roles.
#[async_trait]
pub trait Store: Send + Sync {
    /// Runs the query.
    ///
    /// # Errors
    /// The store is not reachable, or the query does not fit its tables.
    async fn query(&self, query: &Query) -> Result<Rows, StageError>;

    /// Size and row counts; cheap enough to be asked with every poll: no table is counted from end to end, the rows of long
    /// ones are estimated.
    ///
    /// # Errors
    /// The store is not reachable.
    async fn stats(&self) -> Result<StoreStats, StageError>;

    /// A text that is another one after anything was written, by whomever; cheap. `None`: the store cannot say, so
    /// what is known of its sink's deliveries must do.
    ///
    /// # Errors
    /// The store is not reachable.
    async fn version(&self) -> Result<Option<String>, StageError> {
        Ok(None)
    }
}
