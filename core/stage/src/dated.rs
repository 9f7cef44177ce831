//! The mark of rows that were dated by a clock that cannot be right. It is metadata of their schema, so that nobody who
//! asks for columns meets one more, and it stays with them through the journal.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::Schema;

use crate::Batch;

const MARK: &str = "smiles.dated";
/// The batch's `accepted_at` is the best that is known of the time.
const ACCEPTED: &str = "accepted_at";
/// Nothing is known of the time.
const UNKNOWN: &str = "unknown";

/// What a mark says of `time`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Misdated {
    /// It should have been this, in microseconds since 1970.
    Better(i64),
    /// Nothing better is known.
    Unknown,
}

/// The rows with the mark. `known`: when they were accepted is the best that is known of their time.
#[must_use]
pub fn mark_misdated(records: RecordBatch, known: bool) -> RecordBatch {
    with_mark(records, if known { ACCEPTED } else { UNKNOWN })
}

/// What the mark says; `None`: the rows have none.
pub fn misdated(schema: &Schema) -> Option<Misdated> {
    let mark = schema.metadata().get(MARK)?;
    Some(mark.parse().map_or(Misdated::Unknown, Misdated::Better))
}

impl Batch {
    /// The rows; a mark among them says the time itself.
    #[must_use]
    pub fn rows(&self) -> RecordBatch {
        match self.records.schema_ref().metadata().get(MARK) {
            Some(mark) if mark == ACCEPTED => {
                with_mark(self.records.clone(), &self.accepted_at.as_microsecond().to_string())
            }
            _ => self.records.clone(),
        }
    }
}

fn with_mark(records: RecordBatch, mark: &str) -> RecordBatch {
    let schema = records.schema();
    let mut metadata: HashMap<String, String> = schema.metadata().clone().into();
    metadata.insert(MARK.to_owned(), mark.to_owned());
    let marked = Arc::new(schema.as_ref().clone().with_metadata(metadata));
    let options = arrow_array::RecordBatchOptions::new().with_row_count(Some(records.num_rows()));
    let columns = records.columns().to_vec();
    // The same columns fit the same fields; should they not, rows without a mark are better than none.
    RecordBatch::try_new_with_options(marked, columns, &options).unwrap_or(records)
}
