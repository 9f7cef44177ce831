//! What each source last said of each key, for series and sums and whoever must not ask the store.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arrow_array::RecordBatch;
use jiff::Timestamp;
use smiles_stage::{Batch, Clock, SOURCE};

use crate::text::json;
use crate::text::json::{Cell, cell};

/// Latest rows by source. Batches are shared, never copied.
pub(crate) struct Latest {
    /// The columns that tell one thing from another; none: a source's rows are kept and replaced together.
    key: Vec<String>,
    clock: Arc<dyn Clock>,
    /// Wall and monotonic time at the start: batches of earlier processes are of before it.
    state: Mutex<BTreeMap<String, Source>>,
}

/// What one source said, by key, or by place where there is none.
type Source = BTreeMap<String, Said>;

/// The row of a key.
#[derive(Clone, Debug)]
struct Said {
    batch: RecordBatch,
    row: usize,
    /// When, in nanoseconds of the monotonic clock; negative: before the process began.
    at: i128,
}

/// Rows of a batch that are of one source.
#[derive(Clone, Debug)]
pub(crate) struct Rows {
    /// The batch.
    pub batch: RecordBatch,
    /// The places of the rows.
    pub places: Vec<usize>,
}

impl Latest {
    pub(crate) fn new(key: Vec<String>, clock: Arc<dyn Clock>) -> Self {
        Self { key, clock, state: Mutex::default() }
    }

    /// A pass that reached every record says all there is; one that did not, only of what is in it.
    pub(crate) fn put(&self, batch: &Batch, patience: Duration) {
        let (records, at) = (&batch.records, self.said(batch.accepted_at));
        let Some(sources) = records.column_by_name(SOURCE) else { return };
        let schema = records.schema();
        let key: Option<Vec<usize>> = self.key.iter().map(|name| schema.index_of(name).ok()).collect();
        let key = key.filter(|key| !key.is_empty());
        let mut passes: BTreeMap<&str, Source> = BTreeMap::new();
        for row in 0..records.num_rows() {
            let Cell::Text(source) = cell(sources, row) else { continue };
            let name = match &key {
                Some(key) => json::key(records, row, key),
                None => Some(row.to_string()),
            };
            let Some(name) = name else { continue };
            passes.entry(source).or_default().insert(name, Said { batch: records.clone(), row, at });
        }
        let mut latest = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        for (source, pass) in passes {
            let known = latest.entry(source.to_owned()).or_default();
            if batch.complete {
                *known = pass;
            } else if key.is_some() {
                known.extend(pass);
            } else if known.values().all(|said| said.at < at - nanos(patience)) {
                *known = pass;
            }
        }
    }

    /// What every source said, by its name, but not what is older than `patience` allows it.
    pub(crate) fn named(&self, patience: impl Fn(&str) -> Option<Duration>) -> Vec<(String, Rows)> {
        let now = nanos(self.clock.monotonic());
        let latest = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all = Vec::new();
        for (source, known) in latest.iter() {
            let Some(patience) = patience(source) else { continue };
            let mut parts: Vec<Rows> = Vec::new();
            for said in known.values().filter(|said| said.at >= now - nanos(patience)) {
                let same = |rows: &&mut Rows| {
                    rows.batch
                        .columns()
                        .first()
                        .zip(said.batch.columns().first())
                        .is_some_and(|(one, other)| Arc::ptr_eq(one, other))
                };
                match parts.iter_mut().find(same) {
                    Some(rows) => rows.places.push(said.row),
                    None => parts.push(Rows { batch: said.batch.clone(), places: vec![said.row] }),
                }
            }
            parts.iter_mut().for_each(|rows| rows.places.sort_unstable());
            all.extend(parts.into_iter().map(|rows| (source.clone(), rows)));
        }
        all
    }

    /// The same, without the names.
    pub(crate) fn of(&self, patience: impl Fn(&str) -> Option<Duration>) -> Vec<Rows> {
        self.named(patience).into_iter().map(|(_, rows)| rows).collect()
    }

    /// When a batch was accepted, by the monotonic clock.
    fn said(&self, accepted: Timestamp) -> i128 {
        let age = self.clock.now().as_nanosecond() - accepted.as_nanosecond();
        nanos(self.clock.monotonic()) - age.max(0)
    }
}

fn nanos(duration: Duration) -> i128 {
    i128::try_from(duration.as_nanos()).unwrap_or(i128::MAX)
}
