//! The narrow trait between the runtime and whatever keeps the log, and its plain data.

use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use smiles_stage::{Batch, Position, RunId, Seq, TargetId};
use tokio::sync::watch;

use crate::api::dead_letter::DeadLetter;
use crate::api::entry::{Accepted, Entry, ReplayOutcome, ReplayRequest, StateChange};
use crate::api::error::JournalError;
use crate::api::status::{Maintained, Reconciled, Status};

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
    /// together with [`crate::api::pending_correction::PendingCorrection::done`] of each.
    ///
    /// # Errors
    /// [`JournalError::Storage`].
    async fn pending_corrections(
        &self,
    ) -> Result<Vec<crate::api::pending_correction::PendingCorrection>, JournalError> {
        Ok(Vec::new())
    }

    /// Takes other limits from now on: `max_size`, `retain` and `on_full` of the options.
    ///
    /// # Errors
    /// [`JournalError::Closed`].
    async fn bound(&self, _options: Options) -> Result<(), JournalError> {
        Ok(())
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
    async fn set_aside(&self, sink: &str, dead_letters: Vec<DeadLetter>) -> Result<(), JournalError>;

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
    async fn replay_requests(&self) -> Result<Vec<ReplayRequest>, JournalError> {
        Ok(Vec::new())
    }

    /// What became of dead letters that were handed back, where no batch came of it.
    ///
    /// # Errors
    /// [`JournalError::Storage`]; [`JournalError::Refused`] where one was given up meanwhile.
    async fn returned(&self, _letters: Vec<ReplayOutcome>, _now: Timestamp) -> Result<(), JournalError> {
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
