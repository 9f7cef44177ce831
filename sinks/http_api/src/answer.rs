//! Answers a resource: one question for the rows, one for each join and nest, whatever the number of rows.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arrow_array::RecordBatch;
use futures::TryStreamExt;
use smiles_stage::{Action, Comparison, Filter, Query, StageError, Store, StoreStats};
use tokio::sync::Semaphore;

use crate::json::{self, Cell};
use crate::problem::Failure;
use crate::resource::{Partner, Plan, Resource, Selection, Served, Values};

/// When a client may come back after the store failed.
pub(crate) const STORE_RETRY: Duration = Duration::from_secs(5);

/// Asks a store, never more than so many questions at a time and never for more than so many rows.
pub(crate) struct Asker<'a> {
    /// The store.
    pub store: &'a dyn Store,
    /// Bounds the questions under way.
    pub gate: &'a Semaphore,
    /// Bounds the rows of an answer.
    pub rows_max: usize,
    /// Whether the last question failed: only a change is logged.
    pub down: &'a AtomicBool,
}

/// The body of the answer for these values.
///
/// # Errors
/// 404 for an object without a row; 503 while the store does not answer.
pub(crate) async fn answer(
    resource: &Resource,
    plan: &Plan,
    values: &Values,
    asker: &Asker<'_>,
) -> Result<String, Failure> {
    let base = asker.ask(&plan.base.query(values)).await?;
    if base.count() == 0 && !empty_is_an_answer(resource, plan, values, asker).await? {
        return Err(Failure::not_found(resource.not_found(values)));
    }
    let mut joins = Vec::with_capacity(plan.joins.len());
    for partner in &plan.joins {
        joins.push((partner, asker.partners(partner, &base).await?));
    }
    let mut nests = Vec::with_capacity(plan.nests.len());
    for (name, partner) in &plan.nests {
        nests.push((name.as_str(), partner, asker.partners(partner, &base).await?));
    }
    let writer = Writer { base: &plan.base, joins, nests };
    let mut out = String::new();
    if resource.is_list() {
        writer.list(&mut out, &base);
    } else if let Some((batch, row)) = base.places().next() {
        writer.object(&mut out, &base.0[batch], row);
    }
    Ok(out)
}

async fn empty_is_an_answer(
    resource: &Resource,
    plan: &Plan,
    values: &Values,
    asker: &Asker<'_>,
) -> Result<bool, Failure> {
    match &plan.exists {
        _ if !resource.is_list() => Ok(false),
        None => Ok(true),
        Some(exists) => {
            let query = Query { limit: Some(1), ..exists.query(values) };
            Ok(asker.ask(&query).await?.count() > 0)
        }
    }
}

/// Rows of an answer of the store.
struct Found(Vec<RecordBatch>);

impl Found {
    fn count(&self) -> usize {
        self.0.iter().map(RecordBatch::num_rows).sum()
    }

    /// Batch and row of each row.
    fn places(&self) -> impl Iterator<Item = (usize, usize)> {
        self.0.iter().enumerate().flat_map(|(batch, rows)| (0..rows.num_rows()).map(move |row| (batch, row)))
    }
}

/// Rows of another table by the text of their key.
struct Partners {
    found: Found,
    by_key: HashMap<String, Vec<(usize, usize)>>,
}

impl Asker<'_> {
    /// What the store says of itself.
    pub(crate) async fn stats(&self) -> Result<StoreStats, Failure> {
        let _turn = self.gate.acquire().await.map_err(|_| stopping())?;
        let stats = self.store.stats().await.map_err(|error| self.failed(&error))?;
        self.answered();
        Ok(stats)
    }

    async fn ask(&self, query: &Query) -> Result<Found, Failure> {
        let _turn = self.gate.acquire().await.map_err(|_| stopping())?;
        let mut rows = self.store.query(query).await.map_err(|error| self.failed(&error))?;
        let (mut batches, mut count) = (Vec::new(), 0);
        while let Some(batch) = rows.try_next().await.map_err(|error| self.failed(&error))? {
            if batch.num_columns() != query.columns.len() {
                return Err(self.failed(&StageError::halt("the store answered other columns than asked for")));
            }
            count += batch.num_rows();
            if count > self.rows_max {
                let limit = self.rows_max;
                return Err(Failure::bad_request(format!(
                    "the answer has more than {limit} rows; ask for fewer"
                )));
            }
            batches.push(batch);
        }
        self.answered();
        Ok(Found(batches))
    }

    fn answered(&self) {
        if self.down.swap(false, Ordering::Relaxed) {
            tracing::info!("store answers requests again");
        }
    }

    /// What a client hears of a store that failed; the operator's log says why, once.
    fn failed(&self, error: &StageError) -> Failure {
        if !self.down.swap(true, Ordering::Relaxed) {
            tracing::warn!(error = %error.chain(), "store does not answer requests");
        }
        let after = match error.action() {
            Action::Retry { after: Some(after) } => *after,
            Action::Retry { after: None } | Action::Reject { .. } | Action::Halt => STORE_RETRY,
        };
        Failure::unavailable("the store does not answer; try again later", after)
    }

    /// One question for the partners of all rows; narrowed where all rows have the same key.
    async fn partners(&self, partner: &Partner, base: &Found) -> Result<Partners, Failure> {
        if base.count() == 0 {
            return Ok(Partners { found: Found(Vec::new()), by_key: HashMap::new() });
        }
        let mut query = partner.selection.query(&Values::new());
        for &(theirs, own) in &partner.on {
            if let Some(value) = common(base, theirs).and_then(|cell| cell.value()) {
                let column = query.columns[own].clone();
                query.filters.push(Filter { column, comparison: Comparison::Eq, value });
            }
        }
        let found = self.ask(&query).await?;
        let mut by_key: HashMap<String, Vec<(usize, usize)>> = HashMap::new();
        let own: Vec<usize> = partner.on.iter().map(|(_, own)| *own).collect();
        for (batch, row) in found.places() {
            if let Some(key) = key(&found.0[batch], row, &own) {
                by_key.entry(key).or_default().push((batch, row));
            }
        }
        Ok(Partners { found, by_key })
    }
}

/// The value all rows have in a column, if they have one.
fn common(found: &Found, column: usize) -> Option<Cell<'_>> {
    let mut cells = found.places().map(|(batch, row)| json::cell(found.0[batch].column(column), row));
    let first = cells.next()?;
    cells.all(|cell| cell == first).then_some(first)
}

/// The cells of these columns as one text; `None` where one of them is null, which equals nothing.
fn key(rows: &RecordBatch, row: usize, columns: &[usize]) -> Option<String> {
    let mut text = String::new();
    for &column in columns {
        let cell = json::cell(rows.column(column), row);
        if cell == Cell::Null {
            return None;
        }
        json::write_cell(&mut text, &cell, false);
        text.push(',');
    }
    Some(text)
}

/// Writes rows with what belongs to them.
struct Writer<'a> {
    base: &'a Selection,
    joins: Vec<(&'a Partner, Partners)>,
    nests: Vec<(&'a str, &'a Partner, Partners)>,
}

impl Writer<'_> {
    fn list(&self, out: &mut String, base: &Found) {
        out.push('[');
        for (place, (batch, row)) in base.places().enumerate() {
            if place > 0 {
                out.push(',');
            }
            self.object(out, &base.0[batch], row);
        }
        out.push(']');
    }

    fn object(&self, out: &mut String, rows: &RecordBatch, row: usize) {
        out.push('{');
        write_served(out, &self.base.served, Some((rows, row)));
        for (partner, partners) in &self.joins {
            let place = partners.of(partner, rows, row).and_then(|places| places.first());
            let found = place.map(|&(batch, row)| (&partners.found.0[batch], row));
            write_served(out, &partner.selection.served, found);
        }
        for (name, partner, partners) in &self.nests {
            separate(out);
            json::write_text(out, name);
            out.push_str(":[");
            for (place, &(batch, row)) in partners.of(partner, rows, row).into_iter().flatten().enumerate() {
                out.push_str(if place > 0 { ",{" } else { "{" });
                write_served(out, &partner.selection.served, Some((&partners.found.0[batch], row)));
                out.push('}');
            }
            out.push(']');
        }
        out.push('}');
    }
}

impl Partners {
    fn of(&self, partner: &Partner, rows: &RecordBatch, row: usize) -> Option<&Vec<(usize, usize)>> {
        let theirs: Vec<usize> = partner.on.iter().map(|(theirs, _)| *theirs).collect();
        self.by_key.get(&key(rows, row, &theirs)?)
    }
}

/// Appends the members of a row; nulls where there is none.
fn write_served(out: &mut String, served: &[Served], found: Option<(&RecordBatch, usize)>) {
    for column in served {
        separate(out);
        out.push_str(&column.key);
        let cell = found.map_or(Cell::Null, |(rows, row)| json::cell(rows.column(column.column), row));
        json::write_cell(out, &cell, column.json);
    }
}

fn separate(out: &mut String) {
    if !out.ends_with('{') {
        out.push(',');
    }
}

fn stopping() -> Failure {
    Failure::unavailable("the bridge is stopping", STORE_RETRY)
}
