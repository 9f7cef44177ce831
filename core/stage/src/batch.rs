//! A journalled batch, as sinks see it.

use arrow_array::RecordBatch;
use jiff::Timestamp;

use crate::Position;

/// Rows that are durable in the journal, with their position. Cloning shares the columns.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Where the batch stands; sinks store it as their watermark.
    pub position: Position,
    /// Whether the pass it came from reached every record. Of one that did not, what is missing says nothing.
    pub complete: bool,
    /// When the journal accepted it.
    pub accepted_at: Timestamp,
    /// The rows: `time`, `source`, then the columns of the pipeline.
    pub records: RecordBatch,
}
