//! What one append makes durable, and what became of it.

use arrow_array::RecordBatch;
use jiff::Timestamp;
use smiles_stage::Batch;

use crate::api::dead_letter::DeadLetterId;

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
    pub aside: RejectedRows,
    /// The wall clock now; becomes [`Batch::accepted_at`].
    pub now: Timestamp,
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

/// What a record says of dead letters of transforms: it is durable with the batch, or not at all.
#[derive(Clone, Debug, Default)]
pub struct RejectedRows {
    /// Rows that transforms rejected: they become dead letters.
    pub rejected: Vec<Rejected>,
    /// Dead letters whose rows went through the transforms once more.
    pub returned: Vec<ReplayOutcome>,
}

impl RejectedRows {
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
pub struct ReplayOutcome {
    /// Which.
    pub letter: ReplayRequest,
    /// Rejected again, with this code and reason; `None`: the row went on.
    pub again: Option<(String, String)>,
}

/// A dead letter of a transform whose row a person wants to go through the transforms once more.
#[derive(Clone, Debug)]
pub struct ReplayRequest {
    /// The transform's name in the pipeline.
    pub transform: String,
    /// Which.
    pub id: DeadLetterId,
    /// The row as it entered the transform.
    pub row: RecordBatch,
}

/// An append that is durable.
#[derive(Clone, Debug)]
pub struct Accepted {
    /// The batch with its position.
    pub batch: Batch,
    /// Rows dropped to make room (`drop_oldest` only), over all sinks.
    pub dropped_rows: u64,
}
