//! Current rows: what the store was last known to hold, and what was accepted and is not delivered to it. So they are
//! served while the store is down, and a reading is seen before the store has it; what the store has got is the store's,
//! and gone with what others delete there.
//!
//! A view is a table with one row per key: an upserted table, or the latest rows of an appended one. Only those a
//! route or a total asks for are kept.

pub(crate) mod fold;
pub(crate) mod select;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow_array::{
    Array, ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions, TimestampMicrosecondArray, new_null_array,
};
use arrow_schema::{Schema, SchemaRef};
use arrow_select::filter::filter_record_batch;
use jiff::Timestamp;
use smiles_stage::{Batch, Misdated, Position, Query, misdated};
use smiles_tables::{Bundle, Mode, Role, TablePlan, TablesPlan, latest_plausible, plausible_until};

use fold::{Kind, Newer, Rule, fold, fold_within, without_store};

/// Accepted rows are kept in so many parts: while the store is down, the oldest two become one.
const PARTS_MAX: usize = 8;

/// A view that is kept.
#[derive(Clone, Debug)]
pub(crate) struct View {
    plan: TablePlan,
    latest_by: Vec<String>,
    rule: Rule,
}

/// The views a pipeline's routes need, found while they are wired.
#[derive(Clone, Debug, Default)]
pub(crate) struct Views(pub Vec<View>);

impl Views {
    /// The view that answers such a question, kept from now on; `None`: only the store can answer it.
    pub(crate) fn want(
        &mut self,
        mapping: &TablesPlan,
        table: &str,
        latest_by: &[String],
        newest: Option<&str>,
        filtered: &[&str],
    ) -> Option<usize> {
        let plan = mapping.tables.iter().find(|plan| plan.name == table)?;
        let schema = Arc::new(plan.readable());
        let is_key = |name: &&str| latest_by.iter().any(|key| key == name);
        let view = match plan.mode {
            Mode::Upsert if latest_by.is_empty() => View::upsert(plan, &schema)?,
            // Conditions come before `latest_by`: on other columns than its own they would choose among old rows.
            Mode::Append if !latest_by.is_empty() && filtered.iter().all(is_key) => {
                View::latest(plan, &schema, latest_by, newest?)?
            }
            _ => return None,
        };
        let same = |known: &View| known.plan.name == table && known.rule.key == view.rule.key;
        Some(self.0.iter().position(same).unwrap_or_else(|| {
            self.0.push(view);
            self.0.len() - 1
        }))
    }
}

impl View {
    fn upsert(plan: &TablePlan, schema: &SchemaRef) -> Option<Self> {
        let first = plan.with_role(Role::First);
        let newest = plan.with_role(Role::Newest).next();
        let key = plan.with_role(Role::Key).collect();
        Self::new(plan, schema, Kind::Upsert, key, newest, first.collect())
    }

    fn latest(plan: &TablePlan, schema: &SchemaRef, latest_by: &[String], newest: &str) -> Option<Self> {
        let place = |name: &str| plan.columns.iter().position(|column| column.name == name);
        let mut key: Vec<usize> = latest_by.iter().map(|name| place(name)).collect::<Option<_>>()?;
        key.sort_unstable();
        Self::new(plan, schema, Kind::Latest, key, Some(place(newest)?), Vec::new())
    }

    /// Written columns come first in what a store offers, so their places are those of the plan.
    fn new(
        plan: &TablePlan,
        schema: &SchemaRef,
        kind: Kind,
        key: Vec<usize>,
        newest: Option<usize>,
        mut of_store: Vec<usize>,
    ) -> Option<Self> {
        let fields: Vec<_> =
            schema.fields().iter().map(|field| field.as_ref().clone().with_nullable(true)).collect();
        of_store.extend(plan.columns.len()..fields.len());
        let latest_by = match kind {
            Kind::Latest => key.iter().map(|&column| fields[column].name().clone()).collect(),
            Kind::Upsert => Vec::new(),
        };
        let schema = Arc::new(Schema::new(fields));
        Some(Self { plan: plan.clone(), latest_by, rule: Rule { kind, schema, key, newest, of_store } })
    }

    /// The question that reads all of it from the store.
    fn query(&self, rows_max: usize) -> Query {
        let names = self.rule.schema.fields().iter().map(|field| field.name().clone());
        let newest = self.rule.newest.filter(|_| !self.latest_by.is_empty());
        Query {
            table: self.plan.name.to_owned(),
            columns: names.collect(),
            latest_by: self.latest_by.clone(),
            newest: newest.map(|column| self.rule.schema.field(column).name().clone()),
            limit: Some(rows_max as u64 + 1),
            ..Query::default()
        }
    }

    /// The rows of a batch as this table would get them; what does not fit the table is not in it.
    fn rows(&self, batch: &RecordBatch) -> Option<RecordBatch> {
        let rows = self.projected(batch)?;
        let (Some(Misdated::Better(time)), Some(newest)) = (misdated(batch.schema_ref()), self.rule.newest)
        else {
            return Some(rows);
        };
        // What was just heard is the latest, whatever a clock in doubt makes of it.
        let better = TimestampMicrosecondArray::from_value(time, rows.num_rows()).with_timezone("UTC");
        let mut columns = rows.columns().to_vec();
        if columns[newest].data_type() == better.data_type() {
            columns[newest] = Arc::new(better);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(rows.num_rows()));
        RecordBatch::try_new_with_options(rows.schema(), columns, &options).ok()
    }

    fn projected(&self, batch: &RecordBatch) -> Option<RecordBatch> {
        let projected = match self.plan.piece(&Bundle::single(batch)) {
            Ok(projected) => projected,
            Err(misfits) => {
                let bad = |row: usize| misfits.iter().any(|misfit| misfit.place.1 as usize == row);
                let good: BooleanArray = (0..batch.num_rows()).map(|row| Some(!bad(row))).collect();
                self.plan.piece(&Bundle::single(&filter_record_batch(batch, &good).ok()?)).ok()?
            }
        };
        self.served(&projected.records)
    }

    /// Rows with as many of the columns as are written, with nulls for the rest.
    fn served(&self, written: &RecordBatch) -> Option<RecordBatch> {
        let rows = written.num_rows();
        let rest = self.rule.schema.fields().iter().skip(written.num_columns());
        let nulls = rest.map(|field| new_null_array(field.data_type(), rows));
        let columns: Vec<ArrayRef> = written.columns().iter().cloned().chain(nulls).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        RecordBatch::try_new_with_options(Arc::clone(&self.rule.schema), columns, &options).ok()
    }
}

/// The rows of all views.
pub(crate) struct Memory {
    views: Vec<View>,
    rows_max: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Grows with everything that changes.
    generation: u64,
    /// Whether the store was read since the start.
    read: bool,
    /// The latest time that a row can have.
    latest: Option<Timestamp>,
    held: Vec<Held>,
}

#[derive(Clone, Default)]
struct Held {
    /// What the store held.
    stored: Option<RecordBatch>,
    /// What was accepted and is not known to be in there, oldest first.
    accepted: Vec<Part>,
    /// Both as one, until either changes.
    current: Option<RecordBatch>,
    /// Too many rows to keep.
    given_up: bool,
}

/// Rows of batches that were accepted one after the other.
#[derive(Clone)]
struct Part {
    /// The last of the batches.
    upto: Position,
    rows: RecordBatch,
    /// Dated by a clock in doubt. The store has only that date of it, and cannot say that it is the newest.
    misdated: bool,
}

impl Part {
    /// Whether the store's sink is done with all of it: batches are delivered in the order they were accepted.
    fn is_done(&self, done: &[Position]) -> bool {
        done.iter().any(|mark| mark.run == self.upto.run && mark.seq >= self.upto.seq)
    }
}

impl Held {
    /// Takes rows that were accepted behind all others.
    fn accept(&mut self, rule: &Rule, part: Part, newer: Newer) {
        self.accepted.push(part);
        if self.accepted.len() > PARTS_MAX {
            let oldest = self.accepted.remove(0);
            let next = &mut self.accepted[0];
            next.rows = fold_within(rule, &[&oldest.rows, &next.rows], newer);
        }
        self.current = None;
    }

    /// Gives up what the store has, but not what was heard last if only memory knows when.
    fn delivered(&mut self, done: &[Position]) {
        let own = self.accepted.iter().rposition(|part| part.is_done(done)).map_or(0, |last| last + 1);
        let dated = self.accepted.iter().rposition(|part| !part.misdated).map_or(0, |last| last + 1);
        self.accepted.drain(..own.min(dated));
        self.current = None;
    }

    /// All rows that are not known to be in the store, as one.
    fn own(&self, rule: &Rule, newer: Newer) -> Option<RecordBatch> {
        let parts: Vec<&RecordBatch> = self.accepted.iter().map(|part| &part.rows).collect();
        (!parts.is_empty()).then(|| fold_within(rule, &parts, newer))
    }
}

impl Memory {
    pub(crate) fn new(views: Views, rows_max: usize) -> Self {
        let held = vec![Held::default(); views.0.len()];
        Self { views: views.0, rows_max, state: Mutex::new(State { held, ..State::default() }) }
    }

    /// Whether there is anything to keep.
    pub(crate) fn is_empty(&self) -> bool {
        self.views.is_empty()
    }

    /// A number that is another one after any change.
    pub(crate) fn generation(&self) -> u64 {
        self.lock().generation
    }

    /// Whether the store was read since the start: only then is a row that is not here nowhere.
    pub(crate) fn knows_all(&self) -> bool {
        self.lock().read
    }

    /// A batch is about to be accepted; `now` is what the wall clock shows.
    pub(crate) fn goes_by(&self, batch: &Batch, now: Timestamp) {
        let mut state = self.lock();
        state.latest = latest_plausible(std::slice::from_ref(batch), now).or(state.latest);
    }

    /// Behind everything that can be true by now, also where others have written since the last batch was accepted here;
    /// `None`: nothing tells.
    pub(crate) fn goes_on(&self, now: Timestamp) -> Option<Timestamp> {
        let mut state = self.lock();
        state.latest = state.latest.map_or_else(|| plausible_until(now), |latest| Some(latest.max(now)));
        state.latest
    }

    /// A batch was accepted.
    pub(crate) fn accept(&self, position: Position, batch: &RecordBatch) {
        let mut state = self.lock();
        let newer = Newer { or_equal: true, latest: state.latest };
        let misdated = misdated(batch.schema_ref()).is_some();
        for (view, held) in self.views.iter().zip(&mut state.held) {
            let Some(rows) = view.rows(batch).filter(|rows| rows.num_rows() > 0) else { continue };
            let rows = fold(&view.rule, &[&rows], true);
            held.accept(&view.rule, Part { upto: position, rows, misdated }, newer);
        }
        state.generation += 1;
    }

    /// The questions that read all views from the store.
    pub(crate) fn queries(&self) -> Vec<Query> {
        self.views.iter().map(|view| view.query(self.rows_max)).collect()
    }

    /// What the store answered to them. `done`: what its sink had been done with before it was asked.
    pub(crate) fn stored(&self, answers: Vec<Vec<RecordBatch>>, done: &[Position]) {
        let mut state = self.lock();
        let newer = Newer { or_equal: true, latest: state.latest };
        for ((view, held), answer) in self.views.iter().zip(&mut state.held).zip(answers) {
            let parts: Option<Vec<RecordBatch>> = answer.iter().map(|part| view.served(part)).collect();
            let parts = parts.unwrap_or_default();
            let rows = fold_within(&view.rule, &parts.iter().collect::<Vec<_>>(), newer);
            held.given_up = rows.num_rows() > self.rows_max;
            held.stored = (!held.given_up).then_some(rows);
            held.delivered(done);
        }
        state.read = true;
        state.generation += 1;
    }

    /// All rows of a view; `None`: there are too many to keep.
    pub(crate) fn all(&self, view: usize) -> Option<RecordBatch> {
        let mut state = self.lock();
        let newer = Newer { or_equal: true, latest: state.latest };
        let (view, held) = (&self.views[view], &mut state.held[view]);
        if held.given_up {
            return None;
        }
        if held.current.is_none() {
            held.current = Some(match (&held.stored, held.own(&view.rule, newer)) {
                (Some(stored), Some(accepted)) => {
                    let fresh =
                        fold_within(&view.rule, &[stored, &accepted], Newer { or_equal: false, ..newer });
                    // Rows the store does not have yet lack what only it can say.
                    strip_new(view, stored, &fresh)
                }
                (Some(stored), None) => stored.clone(),
                (None, Some(accepted)) => without_store(&view.rule, &accepted),
                (None, None) => RecordBatch::new_empty(Arc::clone(&view.rule.schema)),
            });
        }
        held.current.clone()
    }

    /// The answer to a question about a view; `None`: ask the store.
    pub(crate) fn answer(&self, view: usize, query: &Query) -> Option<RecordBatch> {
        select::select(query, &self.all(view)?)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Folding keeps the order of first appearance: the store's rows first, those it lacks behind them.
fn strip_new(view: &View, stored: &RecordBatch, fresh: &RecordBatch) -> RecordBatch {
    let known = stored.num_rows().min(fresh.num_rows());
    let new = without_store(&view.rule, &fresh.slice(known, fresh.num_rows() - known));
    let parts = [fresh.slice(0, known), new];
    arrow_select::concat::concat_batches(&view.rule.schema, &parts).unwrap_or_else(|_| fresh.clone())
}
