//! The narrow trait between the runtime and whatever keeps the log, and its plain data.

use std::path::PathBuf;
use std::time::Duration;

use arrow_array::RecordBatch;
use async_trait::async_trait;
use jiff::Timestamp;
use smiles_stage::{Batch, Position, RunId, Seq, TargetId};
use tokio::sync::watch;

use crate::ledger::selection::LetterId;

/// How a journal is opened.
#[derive(Clone, Debug)]
pub struct Options {
    /// The file; `None`: in memory, for tests.
    pub path: Option<PathBuf>,
    /// The pipeline it belongs to; a file of another pipeline is refused.
    pub pipeline: String,
    /// Bytes in use at which it is full.
    pub max_size: u64,
    /// How long delivered batches stay, inside `max_size`.
    pub retain: Duration,
    /// What happens when it is full.
    pub on_full: OnFull,
}

/// What happens when the journal is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnFull {
    /// [`Journal::append`] answers [`JournalError::Full`]; the runtime pauses the polls. Nothing is dropped.
    Block,
    /// The oldest batches go, booked as dropped for each sink that still waited for them.
    DropOldest,
}

/// One record: a batch and what it changed.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The rows after all transforms.
    pub records: RecordBatch,
    /// The keys the transforms put, last value only.
    pub state: Vec<StateChange>,
    /// Becomes [`Batch::complete`].
    pub complete: bool,
    /// Rows that did not become part of the batch, or were dead letters before it.
    pub aside: Aside,
    /// The wall clock now; becomes [`Batch::accepted_at`].
    pub now: Timestamp,
}

/// What a record says of dead letters of transforms: it is durable with the batch, or not at all.
#[derive(Clone, Debug, Default)]
pub struct Aside {
    /// Rows that transforms rejected: they become dead letters.
    pub rejected: Vec<Rejected>,
    /// Dead letters whose rows went through the transforms once more.
    pub returned: Vec<Returned>,
}

impl Aside {
    /// Whether there is nothing to say.
    pub fn is_empty(&self) -> bool {
        self.rejected.is_empty() && self.returned.is_empty()
    }
}

/// A row that a transform rejected.
#[derive(Clone, Debug)]
pub struct Rejected {
    /// The transform's name in the pipeline.
    pub transform: String,
    /// The row within the batch that entered the transform, from 0.
    pub row: u32,
    /// The transform's code.
    pub code: String,
    /// Why, for the operator.
    pub reason: String,
    /// The row as it entered the transform.
    pub values: RecordBatch,
}

/// A dead letter of a transform that was handed back to it, and what became of it.
#[derive(Clone, Debug)]
pub struct Returned {
    /// Which.
    pub letter: HandedBack,
    /// Rejected again, with this code and reason; `None`: the row went on.
    pub again: Option<(String, String)>,
}

/// A dead letter of a transform whose row a person wants to go through the transforms once more.
#[derive(Clone, Debug)]
pub struct HandedBack {
    /// The transform's name in the pipeline.
    pub transform: String,
    /// Which.
    pub id: LetterId,
    /// The row as it entered the transform.
    pub row: RecordBatch,
}

/// A transform's put.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateChange {
    /// The transform's name in the pipeline.
    pub stage: String,
    /// Its key.
    pub key: Vec<u8>,
    /// The value.
    pub value: Vec<u8>,
}

/// An append that is durable.
#[derive(Clone, Debug)]
pub struct Accepted {
    /// The batch with its position.
    pub batch: Batch,
    /// Rows dropped to make room (`drop_oldest` only), over all sinks.
    pub dropped_rows: u64,
}

/// From where a sink that is new to an existing journal takes part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From {
    /// Batches accepted after it joined.
    Now,
    /// Everything retained.
    Oldest,
}

/// A sink that takes part, with the start that holds if the journal does not know it.
#[derive(Clone, Debug)]
pub struct Cursor {
    /// The sink's name in the pipeline.
    pub sink: String,
    /// Used on first sight only.
    pub from: From,
}

/// How much one read may return; at least one batch comes if one is owed.
#[derive(Clone, Copy, Debug)]
pub struct ReadLimit {
    /// Rows.
    pub rows: usize,
    /// Bytes of the encoded batches.
    pub bytes: usize,
}

/// What the target's word changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reconciled {
    /// The target is not the one the cursor remembered (or had none): what is retained is delivered to it.
    pub different_target: bool,
    /// Batches the journal thought delivered and the target does not have; they are delivered again.
    pub back: u64,
    /// Ranges the target lost that are deleted here.
    pub lost: Vec<Loss>,
    /// The journal is older than what it may speak for: every run it knows of was forgotten or is unknown
    /// to the target in a way that makes writing unsafe; a sentence for the operator. The sink halts.
    pub refused: Option<String>,
}

/// Rows that a sink will never get.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loss {
    /// The sink.
    pub sink: String,
    /// The run.
    pub run: RunId,
    /// First and last batch, inclusive.
    pub range: (Seq, Seq),
    /// How many rows they had.
    pub rows: u64,
    /// Why: `target went back`, `journal damaged`.
    pub reason: String,
    /// Whether `smiles journal ack` was said.
    pub acknowledged: bool,
}

/// A row set aside.
#[derive(Clone, Debug)]
pub struct DeadLetter {
    /// The batch.
    pub position: Position,
    /// The row within the batch as journalled, from 0.
    pub row: u32,
    /// The target's code.
    pub code: String,
    /// Why, for the operator.
    pub reason: String,
    /// When.
    pub at: Timestamp,
}

/// What an acknowledgement took note of; all zero: there was nothing new.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Acknowledged {
    /// Ranges lost.
    pub losses: u64,
    /// Rows dropped by `drop_oldest`.
    pub dropped_rows: u64,
    /// Sentences about repairs.
    pub repairs: u64,
}

/// A sink's books in rows: accepted = delivered + dead_lettered + dropped + lost + waiting.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Books {
    /// The sink.
    pub sink: String,
    /// Whether the running file names it.
    pub in_use: bool,
    /// Rows owed since it joined.
    pub accepted: u64,
    /// Rows durable in the target.
    pub delivered: u64,
    /// Rows set aside.
    pub dead_lettered: u64,
    /// Rows dropped by `drop_oldest`, and dead letters given up.
    pub dropped: u64,
    /// Rows lost.
    pub lost: u64,
    /// Of the dropped, those a person knows of.
    pub noted: u64,
    /// Rows still to deliver.
    pub waiting: u64,
    /// Batches still to deliver.
    pub waiting_batches: u64,
    /// When the oldest of them was accepted.
    pub waiting_since: Option<Timestamp>,
    /// Delivered up to, per run still known, oldest first.
    pub watermarks: Vec<(RunId, Seq)>,
    /// The target it last spoke to.
    pub target: Option<TargetId>,
}

/// What the journal holds.
#[derive(Clone, Debug, Default)]
pub struct Status {
    /// Bytes in use (free pages not counted).
    pub size_bytes: u64,
    /// Batches retained.
    pub batches: u64,
    /// Rows retained.
    pub rows: u64,
    /// Runs known: id, first accepted, highest seq, highest seq deleted; oldest first.
    pub runs: Vec<(RunId, Timestamp, Seq, Seq)>,
    /// Per sink.
    pub books: Vec<Books>,
    /// Ranges lost.
    pub losses: Vec<Loss>,
    /// Per transform that ever rejected a row, by the name of its dead letters ([`transform_owner`](crate::ledger::rejected::transform_owner)):
    /// accepted are the rows it rejected, delivered those that went on after a repair.
    pub transforms: Vec<Books>,
    /// Dead letters per sink and transform are in the books; this is their number in all.
    pub dead_letters: u64,
    /// Dead letters of transforms that a person handed back and that wait for their turn.
    pub handed_back: u64,
    /// What was repaired at opening, as sentences; empty: nothing.
    pub repairs: Vec<String>,
}

/// What maintenance did.
#[derive(Clone, Debug, Default)]
pub struct Maintained {
    /// Batches deleted.
    pub deleted: u64,
    /// Runs forgotten for good: [`Journal::unpruned`] remembers their watermark rows until every target was told.
    pub forgotten: Vec<RunId>,
}

/// Why the journal could not do it.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// `on_full: block` and no room. Deliver or delete, then append again.
    #[error("the journal is full: {size} of {max} bytes in use, and every batch is still owed to a sink")]
    Full {
        /// Bytes in use.
        size: u64,
        /// The limit.
        max: u64,
    },
    /// Another process has it.
    #[error(
        "the journal {path} is in use by another process: stop that one first, or give this one another folder \
         (--data-dir or DATA_DIR)"
    )]
    Locked {
        /// The file.
        path: PathBuf,
    },
    /// The file belongs to another pipeline, or a newer version wrote it.
    #[error("{0}")]
    Refused(String),
    /// The file system or SQLite said no; the same call may succeed later.
    #[error("cannot {doing} the journal")]
    Storage {
        /// A verb: `append to`, `read`, `open`.
        doing: &'static str,
        /// What it said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The writer has stopped (shutdown).
    #[error("the journal is closed")]
    Closed,
}

/// The durable log of one pipeline.
#[async_trait]
pub trait Journal: Send + Sync {
    /// The run that appends go to.
    fn run(&self) -> RunId;

    /// Starts a new run (the clocks parted); later appends go to it, from seq 1.
    ///
    /// # Errors
    /// [`JournalError::Storage`].
    async fn begin_run(&self, now: Timestamp) -> Result<RunId, JournalError>;

    /// Makes the batch and its state durable as one record; whatever waits at the same moment commits together.
    ///
    /// # Errors
    /// [`JournalError::Full`], [`JournalError::Storage`]: nothing was accepted, the same entry may be appended again.
    async fn append(&self, entry: Entry) -> Result<Accepted, JournalError>;

    /// Every state value, for the start of the transforms.
    ///
    /// # Errors
    /// [`JournalError::Storage`].
    async fn load_state(&self) -> Result<Vec<StateChange>, JournalError>;

    /// Writes state apart from any batch: what it is about, when the transforms of the file found theirs.
    ///
    /// # Errors
    /// [`JournalError::Storage`].
    async fn keep_state(&self, state: Vec<StateChange>) -> Result<(), JournalError>;

    /// What a person has corrected of the state of transforms: to be taken over before the next batch, and written with it
    /// together with [`crate::ledger::correction::Order::done`] of each.
    ///
    /// # Errors
    /// [`JournalError::Storage`].
    async fn orders(&self) -> Result<Vec<crate::ledger::correction::Order>, JournalError> {
        Ok(Vec::new())
    }

    /// Declares the sinks of the running file. Cursors it does not name are kept but pin nothing.
    ///
    /// # Errors
    /// [`JournalError::Storage`].
    async fn enlist(&self, sinks: &[Cursor]) -> Result<(), JournalError>;

    /// The runs whose watermark must be asked before writing: those with batches retained or remembered.
    ///
    /// # Errors
    /// [`JournalError::Storage`].
    async fn known_runs(&self, sink: &str) -> Result<Vec<RunId>, JournalError>;

    /// Takes the target's word for these runs; it wins over the cursor.
    ///
    /// # Errors
    /// [`JournalError::Storage`].
    async fn reconcile(
        &self,
        sink: &str,
        target: TargetId,
        marks: &[(RunId, Seq)],
    ) -> Result<Reconciled, JournalError>;

    /// The next batches owed to the sink: consecutive, of one run, oldest first; empty if there are none.
    /// `behind`: of its run alone, those that come after it. Recent batches come from memory.
    ///
    /// # Errors
    /// [`JournalError::Storage`]. A batch that is damaged is booked as lost and passed over.
    async fn read(
        &self,
        sink: &str,
        behind: Option<Position>,
        limit: ReadLimit,
    ) -> Result<Vec<Batch>, JournalError>;

    /// The newest retained batches, oldest first, for a sink without a cursor.
    ///
    /// # Errors
    /// [`JournalError::Storage`].
    async fn newest(&self, limit: ReadLimit) -> Result<Vec<Batch>, JournalError>;

    /// Everything of the run up to here is durable in the target.
    ///
    /// # Errors
    /// [`JournalError::Storage`].
    async fn delivered(&self, sink: &str, upto: Position) -> Result<(), JournalError>;

    /// Sets rows aside, idempotent by (sink, run, seq, row).
    ///
    /// # Errors
    /// [`JournalError::Storage`].
    async fn set_aside(&self, sink: &str, letters: Vec<DeadLetter>) -> Result<(), JournalError>;

    /// The rows already set aside for a sink of the batches with these numbers, both included: batch and row,
    /// ascending.
    ///
    /// # Errors
    /// [`JournalError::Storage`].
    async fn rows_set_aside(
        &self,
        sink: &str,
        run: RunId,
        range: (Seq, Seq),
    ) -> Result<Vec<(Seq, u32)>, JournalError>;

    /// The next dead letters that were handed back to a transform: of one transform and one batch.
    ///
    /// # Errors
    /// [`JournalError::Storage`].
    async fn handed_back(&self) -> Result<Vec<HandedBack>, JournalError> {
        Ok(Vec::new())
    }

    /// What became of dead letters that were handed back, where no batch came of it.
    ///
    /// # Errors
    /// [`JournalError::Storage`]; [`JournalError::Refused`] where one was given up meanwhile.
    async fn returned(&self, _letters: Vec<Returned>, _now: Timestamp) -> Result<(), JournalError> {
        Ok(())
    }

    /// Deletes what is delivered and older than `retain`, forgets runs after 400 days.
    ///
    /// # Errors
    /// [`JournalError::Storage`].
    async fn maintain(&self, now: Timestamp) -> Result<Maintained, JournalError>;

    /// The runs that were forgotten while the sink had a place in them, and whose watermarks its target still holds.
    ///
    /// # Errors
    /// [`JournalError::Storage`].
    async fn unpruned(&self, _sink: &str) -> Result<Vec<RunId>, JournalError> {
        Ok(Vec::new())
    }

    /// The target holds no watermarks of these runs any more.
    ///
    /// # Errors
    /// [`JournalError::Storage`].
    async fn pruned(&self, _sink: &str, _runs: &[RunId]) -> Result<(), JournalError> {
        Ok(())
    }

    /// What it holds.
    ///
    /// # Errors
    /// [`JournalError::Storage`].
    async fn status(&self) -> Result<Status, JournalError>;

    /// Acknowledges everything lost, dropped and repaired; the number of losses that were not yet.
    ///
    /// # Errors
    /// [`JournalError::Storage`].
    async fn acknowledge(&self) -> Result<u64, JournalError>;

    /// Changes whenever something was appended (the value only grows); a sink waits on it.
    fn appended(&self) -> watch::Receiver<u64>;

    /// Finishes what waits, checkpoints and closes. Later calls answer [`JournalError::Closed`].
    ///
    /// # Errors
    /// [`JournalError::Storage`].
    async fn close(&self) -> Result<(), JournalError>;
}
