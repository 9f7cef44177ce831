//! Asks a store or memory, never more than so many questions at a time and never for more than so many rows.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type};
use arrow_array::{Array, ArrayRef, Float64Array, Int64Array, RecordBatch};
use futures::{StreamExt, TryStreamExt};
use jiff::Timestamp;
use smiles_stage::{
    Action, Comparison, Filter, HealthView, Periods, Query, Rows, SinkState, StageError, Store, StoreStats,
    Value,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::current::fresh::sink_state;
use crate::current::memory::Memory;
use crate::current::refusals::Refusals;
use crate::declare::selection::Selection;
use crate::text::json;
use crate::text::json::Cell;
use crate::text::problem::Failure;

/// When a client may come back after the store failed.
pub(crate) const STORE_RETRY: Duration = Duration::from_secs(5);

/// Where rows come from.
pub(crate) struct StoreClient<'a> {
    /// The store.
    pub store: &'a Arc<dyn Store>,
    /// The name of the sink that is the store.
    pub store_name: Option<&'a str>,
    /// What the runtime knows of that sink.
    pub health: &'a dyn HealthView,
    /// Bounds the questions under way.
    pub gate: &'a Arc<Semaphore>,
    /// Bounds the rows of an answer.
    pub rows_max: usize,
    /// Whether the last question failed: only a change is logged.
    pub down: &'a AtomicBool,
    /// What it refused to answer: only what is new is logged.
    pub refusals: &'a Refusals,
    /// Monotonic.
    pub now: Duration,
    /// Current rows.
    pub memory: &'a Memory,
    /// What is dated later than this was dated by a clock that ran ahead.
    pub latest: Option<Timestamp>,
    /// The day it is: its first instant, and how to find that of another instant.
    pub day: (Option<Timestamp>, Periods),
}

/// Rows of an answer of the store.
pub(crate) struct Found(pub Vec<RecordBatch>);

impl Found {
    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.0.iter().map(RecordBatch::num_rows).sum()
    }

    /// Batch and row of each row.
    pub(crate) fn places(&self) -> impl Iterator<Item = (usize, usize)> {
        self.0.iter().enumerate().flat_map(|(batch, rows)| (0..rows.num_rows()).map(move |row| (batch, row)))
    }

    /// These rows, and behind them those of others whose keys are not among them.
    fn or_else(mut self, others: Self, query: &Query) -> Self {
        let place = |name: &String| query.columns.iter().position(|column| column == name);
        let Some(key) = query.latest_by.iter().map(place).collect::<Option<Vec<_>>>() else { return self };
        let of = |(batch, row): (usize, usize), found: &Self| json::key(&found.0[batch], row, &key);
        let own: HashSet<_> = self.places().map(|place| of(place, &self)).collect();
        let new: Vec<_> = others.places().filter(|&place| !own.contains(&of(place, &others))).collect();
        self.0.extend(new.into_iter().map(|(batch, row)| others.0[batch].slice(row, 1)));
        self
    }

    /// The first so many rows.
    pub(crate) fn truncate(&mut self, rows: usize) {
        let mut left = rows;
        for batch in &mut self.0 {
            let kept = batch.num_rows().min(left);
            *batch = batch.slice(0, kept);
            left -= kept;
        }
    }
}

/// The same question for the newest rows by what they are dated, without those dated later than any can be; `None`: none of
/// the answer is.
fn possible(query: &Query, answer: &[RecordBatch], latest: Option<Timestamp>) -> Option<Query> {
    let (newest, latest) = (query.newest.as_deref()?, latest?);
    let column = query.columns.iter().position(|column| column == newest)?;
    let later = |rows: &RecordBatch| {
        (0..rows.num_rows()).any(|row| match json::cell(rows.column(column), row) {
            Cell::Time(time) => time > latest,
            _ => false,
        })
    };
    answer.iter().any(later).then(|| {
        let mut query = query.clone();
        let (column, value) = (newest.to_owned(), Value::Time(latest));
        query.filters.push(Filter { column, comparison: Comparison::Le, value });
        query
    })
}

impl StoreClient<'_> {
    /// What the store says of itself.
    pub(crate) async fn stats(&self) -> Result<StoreStats, Failure> {
        let _turn = self.turn().await?;
        let stats = self.store.stats().await.map_err(|error| self.failed(&error))?;
        self.answered();
        Ok(stats)
    }

    /// The rows of a selection, from memory if it is kept there.
    pub(crate) async fn rows(&self, selection: &Selection, query: &Query) -> Result<Found, Failure> {
        let kept = selection.view.and_then(|view| self.memory.answer(view, query));
        let mut found = match kept {
            Some(rows) => Found(vec![rows]),
            None => self.newest(query, self.rows_max).await?,
        };
        for rows in &mut found.0 {
            for &(column, time) in &selection.resets {
                *rows = self.reset(rows, column, time);
            }
        }
        Ok(found)
    }

    /// All rows the store answers, as long as they are not too many.
    pub(crate) async fn ask(&self, query: &Query) -> Result<Found, Failure> {
        self.collect(query, self.rows_max).await
    }

    /// All rows of a view, whose question bounds them itself.
    pub(crate) async fn view(&self, query: &Query) -> Result<Vec<RecordBatch>, Failure> {
        self.newest(query, usize::MAX).await.map(|found| found.0)
    }

    /// The rows, where a row that is dated impossibly hides none that is not.
    async fn newest(&self, query: &Query, rows_max: usize) -> Result<Found, Failure> {
        let found = self.collect(query, rows_max).await?;
        match possible(query, &found.0, self.latest) {
            Some(possible) => Ok(self.collect(&possible, rows_max).await?.or_else(found, query)),
            None => Ok(found),
        }
    }

    async fn collect(&self, query: &Query, rows_max: usize) -> Result<Found, Failure> {
        let (mut rows, _turn) = self.open(query).await?;
        let (mut batches, mut count) = (Vec::new(), 0);
        while let Some(batch) = rows.try_next().await.map_err(|error| self.failed(&error))? {
            let asked = query.buckets.as_ref().map_or(query.columns.len(), |it| it.aggregates.len() + 1);
            if batch.num_columns() != asked {
                return Err(self.failed(&StageError::halt("the store answered other columns than asked for")));
            }
            count += batch.num_rows();
            if count > rows_max {
                let detail = format!("the answer has more than {rows_max} rows; ask for fewer");
                return Err(Failure::bad_request(detail));
            }
            batches.push(batch);
        }
        self.answered();
        Ok(Found(batches))
    }

    /// The rows as the store hands them over, and the turn they take as long as they come.
    pub(crate) async fn open(&self, query: &Query) -> Result<(Rows, OwnedSemaphorePermit), Failure> {
        let turn = self.turn().await?;
        let rows = self.store.query(query).await.map_err(|error| self.failed(&error))?;
        Ok((rows.boxed(), turn))
    }

    async fn turn(&self) -> Result<OwnedSemaphorePermit, Failure> {
        let turn = Arc::clone(self.gate).acquire_owned().await;
        turn.map_err(|_| Failure::unavailable("the bridge is stopping", STORE_RETRY))
    }

    pub(crate) fn answered(&self) {
        if self.down.swap(false, Ordering::Relaxed) {
            tracing::info!("the store answers again");
        }
    }

    /// What a client hears of a store that failed; the operator's log says why, once.
    pub(crate) fn failed(&self, error: &StageError) -> Failure {
        // There may be no tables yet, or not even a file.
        if sink_state(&self.health.health(), self.store_name) == Some(SinkState::Starting) {
            tracing::debug!(error = %error.chain(), "the store is not ready");
            return Failure::unavailable("the store is not ready yet; try again later", STORE_RETRY);
        }
        let Action::Retry { after } = error.action() else { return self.refused(error) };
        if !self.down.swap(true, Ordering::Relaxed) {
            tracing::warn!(error = %error.chain(), "the store does not answer");
        }
        Failure::unavailable("the store does not answer; try again later", after.unwrap_or(STORE_RETRY))
    }

    /// It answers others, but not this, and will not until a person acts.
    fn refused(&self, error: &StageError) -> Failure {
        let error = error.chain();
        if self.refusals.is_news(&error, self.now) {
            tracing::error!(error, "the store rejects a query; retrying will not help");
        }
        let detail = "the store rejects this query until its cause is fixed; the log says why";
        Failure::new(http::StatusCode::INTERNAL_SERVER_ERROR, detail)
    }

    /// The rows with 0 where a value is of a day that is over.
    fn reset(&self, rows: &RecordBatch, column: usize, time: usize) -> RecordBatch {
        let (Some(today), mut periods) = (self.day.0, self.day.1.clone()) else { return rows.clone() };
        let mut over = |row: usize| match json::cell(rows.column(time), row) {
            Cell::Time(time) => periods.around(time).is_some_and(|(day, _)| day < today),
            _ => false,
        };
        let values = rows.column(column);
        let over: Vec<bool> = (0..rows.num_rows()).map(&mut over).collect();
        let fresh: ArrayRef = match values.data_type() {
            arrow_schema::DataType::Int64 => {
                let values = values.as_primitive::<Int64Type>();
                let cell =
                    |row: usize| values.is_valid(row).then(|| if over[row] { 0 } else { values.value(row) });
                Arc::new((0..over.len()).map(cell).collect::<Int64Array>())
            }
            _ => {
                let values = values.as_primitive::<Float64Type>();
                let cell = |row: usize| {
                    values.is_valid(row).then(|| if over[row] { 0.0 } else { values.value(row) })
                };
                Arc::new((0..over.len()).map(cell).collect::<Float64Array>())
            }
        };
        let mut columns = rows.columns().to_vec();
        columns[column] = fresh;
        RecordBatch::try_new(rows.schema(), columns).unwrap_or_else(|_| rows.clone())
    }
}
