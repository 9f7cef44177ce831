//! The rows of each source's latest accepted batch, for series and whoever must not ask the store.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use arrow_array::RecordBatch;
use smiles_stage::SOURCE;

use crate::json::{Cell, cell};

/// Latest rows by source. Batches are shared, never copied.
#[derive(Debug, Default)]
pub(crate) struct Latest(Mutex<BTreeMap<String, Rows>>);

/// Rows of a batch that are of one source.
#[derive(Clone, Debug)]
pub(crate) struct Rows {
    /// The batch.
    pub batch: RecordBatch,
    /// The places of the rows.
    pub places: Vec<usize>,
}

impl Latest {
    /// Replaces the rows of every source in the batch.
    pub(crate) fn put(&self, batch: &RecordBatch) {
        let Some(sources) = batch.column_by_name(SOURCE) else { return };
        let mut places: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for row in 0..batch.num_rows() {
            if let Cell::Text(source) = cell(sources, row) {
                places.entry(source).or_default().push(row);
            }
        }
        let mut latest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (source, places) in places {
            latest.insert(source.to_owned(), Rows { batch: batch.clone(), places });
        }
    }

    /// The latest rows of every source, by its name.
    pub(crate) fn named(&self) -> Vec<(String, Rows)> {
        let latest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        latest.iter().map(|(source, rows)| (source.clone(), rows.clone())).collect()
    }

    /// The latest rows of the sources that `wanted` names.
    pub(crate) fn of(&self, wanted: impl Fn(&str) -> bool) -> Vec<Rows> {
        let latest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        latest.iter().filter(|(source, _)| wanted(source)).map(|(_, rows)| rows.clone()).collect()
    }
}
