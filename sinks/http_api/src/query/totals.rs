//! Sums over everything and per source: those that the pipeline makes itself and a table holds, power over what was
//! heard last, and plain sums over the rows of a table.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use arrow_array::RecordBatch;
use jiff::Timestamp;
use smiles_stage::{Health, widened};

use crate::current::fresh::is_fresh;
use crate::current::latest::Rows;
use crate::declare::config::metrics::Aggregate;
use crate::declare::totals::{Origin, SumPlan, SumsPlan, TotalValue, TotalsPlan};
use crate::text::json;
use crate::text::json::{Cell, decimal};

/// A sum so far.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) enum Sum {
    /// Of nothing.
    #[default]
    Null,
    /// Of whole numbers.
    Int(i128),
    /// Of numbers.
    Float(f64),
    /// An instant.
    Time(Timestamp),
}

impl Sum {
    fn add(&mut self, aggregate: Aggregate, cell: &Cell<'_>) {
        let new = match cell {
            Cell::Int(value) => Self::Int(*value),
            Cell::Float32(value) => Self::Float(widened(*value)),
            Cell::Float64(value) => Self::Float(*value),
            Cell::Time(value) => Self::Time(*value),
            Cell::Null | Cell::Bool(_) | Cell::Text(_) => return,
        };
        *self = match (*self, new) {
            (Self::Null, new) => new,
            (Self::Int(known), Self::Int(new)) => Self::Int(match aggregate {
                Aggregate::Sum => known + new,
                Aggregate::Min => known.min(new),
                Aggregate::Max => known.max(new),
                Aggregate::First => known,
                Aggregate::Last => new,
            }),
            (Self::Float(known), Self::Float(new)) => Self::Float(aggregate.of(known, new)),
            (Self::Time(known), Self::Time(new)) => Self::Time(match aggregate {
                Aggregate::Min => known.min(new),
                Aggregate::First => known,
                Aggregate::Max | Aggregate::Sum => known.max(new),
                Aggregate::Last => new,
            }),
            (known, _) => known,
        };
    }

    /// As a sample of a series; `None`: there is nothing to show.
    pub(crate) fn number(self) -> Option<f64> {
        match self {
            #[expect(clippy::cast_precision_loss, reason = "a sample is a double")]
            Self::Int(value) => Some(value as f64),
            Self::Float(value) => Some(value),
            Self::Null | Self::Time(_) => None,
        }
    }

    fn write(self, out: &mut String) {
        let cell = match self {
            Self::Null => Cell::Null,
            Self::Int(value) => Cell::Int(value),
            Self::Float(value) => Cell::Float64(decimal(value)),
            Self::Time(value) => Cell::Time(value),
        };
        json::write_cell(out, &cell, false);
    }
}

/// All values, over everything and per source.
#[derive(Debug)]
pub(crate) struct Sums {
    /// Over everything, in the order of the plan.
    pub whole: Vec<Sum>,
    /// Per source, by name.
    pub each: BTreeMap<String, Vec<Sum>>,
    /// Per other group, in the order of the plan: by name.
    pub more: Vec<BTreeMap<String, Vec<Sum>>>,
}

/// What the sums are taken from.
pub(crate) struct Given<'a> {
    /// The rows of [`TotalsPlan::tables`] and of `belongs` behind them; `None`: not every key is known yet.
    pub rows: Option<Vec<Vec<RecordBatch>>>,
    /// The rows each source was heard with last.
    pub heard: &'a [(String, Rows)],
    /// Which sources answered.
    pub health: &'a Health,
    /// How long a source may be silent.
    pub offline_after: Duration,
}

/// The sums of this moment.
pub(crate) fn sums(plan: &TotalsPlan, given: &Given<'_>) -> Sums {
    let nothing = vec![Sum::Null; plan.values.len()];
    let named = given.health.sources.iter().map(|source| (source.name.clone(), nothing.clone()));
    let groups = plan.sums.as_ref().map_or(0, |sums| sums.more.len());
    let mut sums =
        Sums { whole: nothing.clone(), each: named.collect(), more: vec![BTreeMap::new(); groups] };
    for (place, value) in plan.values.iter().enumerate() {
        match &value.origin {
            Origin::Heard { column } => heard(&mut sums, place, value, *column, given),
            Origin::Sums { columns } => {
                if let Some((tables, rows)) = plan.sums.as_ref().zip(given.rows.as_ref()) {
                    made(tables, &mut sums, (place, &nothing), columns, rows, &given.health.pipeline);
                }
            }
            Origin::Table { table, column } => {
                if let Some(rows) = &given.rows {
                    stored(plan, &mut sums, place, (*table, *column), rows);
                }
            }
        }
    }
    sums
}

/// What the pipeline itself made of it, as the tables hold it.
fn made(
    tables: &SumsPlan,
    sums: &mut Sums,
    (place, nothing): (usize, &[Sum]),
    columns: &[usize],
    rows: &[Vec<RecordBatch>],
    pipeline: &str,
) {
    for (number, (SumPlan { table, name }, column)) in tables.all().zip(columns).enumerate() {
        for batch in &rows[table] {
            for row in 0..batch.num_rows() {
                let Cell::Text(name) = json::cell(batch.column(name), row) else { continue };
                let cell = json::cell(batch.column(*column), row);
                let values = match number {
                    // Another pipeline may keep its sum beside it.
                    0 if name == pipeline => &mut sums.whole,
                    0 => continue,
                    1 => sums.each.entry(name.to_owned()).or_insert_with(|| nothing.to_vec()),
                    more => sums.more[more - 2].entry(name.to_owned()).or_insert_with(|| nothing.to_vec()),
                };
                values[place] = Sum::default();
                values[place].add(Aggregate::Last, &cell);
            }
        }
    }
}

fn heard(sums: &mut Sums, place: usize, value: &TotalValue, column: usize, given: &Given<'_>) {
    let fresh = given.health.sources.iter().filter(|source| is_fresh(source, given.offline_after));
    let zero = if value.field.data_type().is_integer() { Cell::Int(0) } else { Cell::Float64(0.0) };
    for source in fresh {
        let Some(own) = sums.each.get_mut(&source.name) else { continue };
        let mut rows = given.heard.iter().filter(|(name, _)| *name == source.name).peekable();
        let mut all = Sum::Null;
        // Of a source that answered, nothing heard is nothing produced, but only once its first rows can have come here.
        let first_is_here = source.success_count.saturating_sub(given.health.queued) > 1;
        if value.aggregate == Aggregate::Sum && (rows.peek().is_some() || first_is_here) {
            all.add(Aggregate::Sum, &zero);
        }
        for (_, rows) in rows {
            for &row in &rows.places {
                all.add(value.aggregate, &json::cell(rows.batch.column(column), row));
            }
        }
        own[place] = all;
        let cell = match all {
            Sum::Null => Cell::Null,
            Sum::Int(value) => Cell::Int(value),
            Sum::Float(value) => Cell::Float64(value),
            Sum::Time(value) => Cell::Time(value),
        };
        sums.whole[place].add(value.aggregate, &cell);
    }
}

fn stored(
    plan: &TotalsPlan,
    sums: &mut Sums,
    place: usize,
    (table, column): (usize, usize),
    rows: &[Vec<RecordBatch>],
) {
    let aggregate = plan.values[place].aggregate;
    let (own, theirs): (Vec<usize>, Vec<usize>) = plan.tables[table].1.iter().copied().unzip();
    let mut sources: HashMap<String, String> = HashMap::new();
    let belongs = plan.belongs.iter().filter_map(|(_, source)| Some((*source, rows.last()?)));
    for (source, batch) in belongs.flat_map(|(source, rows)| rows.iter().map(move |batch| (source, batch))) {
        for row in 0..batch.num_rows() {
            if let (Some(key), Cell::Text(name)) =
                (json::key(batch, row, &theirs), json::cell(batch.column(source), row))
            {
                sources.insert(key, name.to_owned());
            }
        }
    }
    // Of a sum, a part is never shown for the whole: it is unknown while one of its keys has no value.
    let mut unknown: Vec<Option<String>> = Vec::new();
    for batch in &rows[table] {
        for row in 0..batch.num_rows() {
            let cell = json::cell(batch.column(column), row);
            sums.whole[place].add(aggregate, &cell);
            let source = json::key(batch, row, &own).and_then(|key| sources.get(&key));
            if let Some(source) = source {
                let nothing = vec![Sum::Null; plan.values.len()];
                sums.each.entry(source.clone()).or_insert(nothing)[place].add(aggregate, &cell);
            }
            if aggregate == Aggregate::Sum && cell == Cell::Null {
                unknown.extend([None, source.cloned()]);
            }
        }
    }
    for source in unknown {
        let values = source.map_or(Some(&mut sums.whole), |source| sums.each.get_mut(&source));
        values.into_iter().for_each(|values| values[place] = Sum::Null);
    }
}

/// The body of the answer.
pub(crate) fn body(plan: &TotalsPlan, sums: &Sums) -> String {
    let mut out = String::from("{");
    json::write_text(&mut out, &plan.whole);
    out.push(':');
    object(&mut out, plan, &sums.whole, |_| true);
    group(&mut out, plan, &plan.each, &sums.each, |_| true);
    let of_tables = |value: &TotalValue| matches!(value.origin, Origin::Sums { .. });
    let named = plan.sums.iter().flat_map(|tables| &tables.more);
    for ((name, _), values) in named.zip(&sums.more) {
        group(&mut out, plan, name, values, of_tables);
    }
    out.push('}');
    out
}

fn group(
    out: &mut String,
    plan: &TotalsPlan,
    name: &str,
    groups: &BTreeMap<String, Vec<Sum>>,
    shown: impl Fn(&TotalValue) -> bool + Copy,
) {
    out.push(',');
    json::write_text(out, name);
    out.push_str(":{");
    for (place, (name, values)) in groups.iter().enumerate() {
        if place > 0 {
            out.push(',');
        }
        json::write_text(out, name);
        out.push(':');
        object(out, plan, values, shown);
    }
    out.push('}');
}

fn object(out: &mut String, plan: &TotalsPlan, values: &[Sum], shown: impl Fn(&TotalValue) -> bool) {
    out.push('{');
    let shown = plan.values.iter().zip(values).filter(|(value, _)| shown(value));
    for (place, (value, sum)) in shown.enumerate() {
        if place > 0 {
            out.push(',');
        }
        json::write_text(out, &value.name);
        out.push(':');
        sum.write(out);
    }
    out.push('}');
}
