//! Aggregates of spans of the local clock. Spans without rows are passed over, however many there are.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_array::{ArrayRef, Float64Array, RecordBatch};
use arrow_schema::Field;
use jiff::Timestamp;
use smiles_stage::{Aggregate, Buckets, Comparison, Filter, Function, Order, Query, Value};

use crate::declare::params::Values;
use crate::declare::resource::{HistoryPlan, Plan, Resource};
use crate::declare::selection::Selection;
use crate::declare::wiring::empty;
use crate::query::answer::{Content, check_empty, encoded};
use crate::query::client::{Found, StoreClient};
use crate::query::format::Format;
use crate::query::history::page::range;
use crate::query::history::request::HistoryRequest;
use crate::text::json;
use crate::text::json::Cell;
use crate::text::problem::Failure;
use crate::text::zone::Spans;

/// What is below this part of the last place is dust.
const DUST: f64 = 1e4;
/// Spans asked for in one question.
const SPANS_MAX: usize = 256;

/// The spans asked for, and the place of the next page if there is one.
pub(crate) async fn answer_buckets(
    resource: &Resource,
    (plan, history): (&Plan, &HistoryPlan),
    values: &Values,
    asked: &HistoryRequest,
    spans: &Spans,
    format: Format,
    client: &StoreClient<'_>,
) -> Result<(Content, Option<Vec<Value>>), Failure> {
    let mut walk = BucketScan { base: &plan.base, history, values, asked, spans, client, limit: None };
    if let Some(Value::Time(limit)) = asked.cursor.as_ref().and_then(|place| place.first()) {
        walk.limit = Some(*limit);
    }
    let mut found = Found(Vec::new());
    let mut next = None;
    while let Some(seen) = walk.nearest().await? {
        if found.count() >= asked.limit {
            next = walk.limit.map(|limit| vec![Value::Time(limit)]);
            break;
        }
        let rows = walk.step(seen, asked.limit - found.count()).await?;
        found.0.extend(rows);
    }
    if found.count() == 0 {
        check_empty(resource, plan, values, client).await?;
    }
    let keep = found.count() > 0;
    let selection = served(&plan.base, history);
    let body = crate::query::answer::Body::Whole(encoded(format, &selection, &found)?);
    Ok((Content { format, body, link: None, keep }, next))
}

/// What the spans are answered as.
pub(crate) fn served(base: &Selection, history: &HistoryPlan) -> Selection {
    let mut selection = empty(&base.table);
    selection.columns.push(base.columns[history.by[0]].clone());
    selection.serve(0, &history.time_name);
    for bucket in &history.buckets {
        for function in Function::ALL {
            let name = format!("{}_{}", bucket.name, function.name());
            let field = bucket.column.clone().with_name(name.as_str()).with_nullable(true);
            let is_mean = function == Function::Avg;
            let field = if is_mean { field.with_data_type(arrow_schema::DataType::Float64) } else { field };
            selection.columns.push(field);
            selection.serve(selection.columns.len() - 1, &name);
        }
    }
    selection
}

/// A walk through the spans, from one that has rows to the next.
struct BucketScan<'a> {
    base: &'a Selection,
    history: &'a HistoryPlan,
    values: &'a Values,
    asked: &'a HistoryRequest,
    spans: &'a Spans,
    client: &'a StoreClient<'a>,
    /// What is not answered yet begins here (ascending) or ends before here (descending).
    limit: Option<Timestamp>,
}

impl BucketScan<'_> {
    fn time(&self) -> &Field {
        &self.base.columns[self.history.by[0]]
    }

    fn conditions(&self) -> Vec<Filter> {
        let mut filters = self.base.query(self.values).filters;
        filters.extend(range(self.time(), self.asked));
        filters
    }

    /// The instant of the nearest row not answered yet.
    async fn nearest(&self) -> Result<Option<Timestamp>, Failure> {
        let column = self.time().name().clone();
        let mut filters = self.conditions();
        let comparison = if self.asked.descending { Comparison::Lt } else { Comparison::Ge };
        filters.extend(self.limit.map(|limit| Filter {
            column: column.clone(),
            comparison,
            value: Value::Time(limit),
        }));
        let query = Query {
            table: self.base.table.clone(),
            columns: vec![column.clone()],
            filters,
            order: vec![Order { column, descending: self.asked.descending }],
            limit: Some(1),
            ..Query::default()
        };
        let found = self.client.ask(&query).await?;
        let place = found.places().next();
        Ok(place.and_then(|(batch, row)| match json::cell(found.0[batch].column(0), row) {
            Cell::Time(time) => Some(time),
            _ => None,
        }))
    }

    /// The spans from the one around `seen` on, in the order asked for.
    async fn step(&mut self, seen: Timestamp, most: usize) -> Result<Vec<RecordBatch>, Failure> {
        let Some(bounds) = self.bounds(seen, most.min(SPANS_MAX)) else { return Ok(Vec::new()) };
        self.limit = if self.asked.descending { bounds.first() } else { bounds.last() }.copied();
        let aggregate = |(bucket, function): (&crate::declare::resource::Bucket, Function)| Aggregate {
            column: bucket.column.name().clone(),
            function,
        };
        let all = self.history.buckets.iter().flat_map(|it| Function::ALL.map(|function| (it, function)));
        let buckets =
            Buckets { time: self.time().name().clone(), bounds, aggregates: all.map(aggregate).collect() };
        let query = Query {
            table: self.base.table.clone(),
            filters: self.conditions(),
            buckets: Some(buckets),
            ..Query::default()
        };
        let mut rows = self.client.ask(&query).await?.0;
        for batch in &mut rows {
            *batch = rounded(batch, self.history);
        }
        if self.asked.descending {
            rows = rows.iter().rev().map(reversed).collect();
        }
        Ok(rows)
    }

    /// Where the spans begin and the last one ends, ascending.
    fn bounds(&self, seen: Timestamp, most: usize) -> Option<Vec<Timestamp>> {
        let (start, end) = self.spans.around(seen)?;
        let mut bounds = vec![start, end];
        while bounds.len() <= most {
            let further = if self.asked.descending {
                let before = bounds[0].checked_sub(jiff::SignedDuration::from_nanos(1)).ok()?;
                self.spans.around(before).map(|(start, _)| bounds.insert(0, start))
            } else {
                self.spans.around(*bounds.last()?).map(|(_, end)| bounds.push(end))
            };
            if further.is_none() {
                break;
            }
        }
        Some(bounds)
    }
}

/// The rows with means of as many places as they are worth.
fn rounded(rows: &RecordBatch, history: &HistoryPlan) -> RecordBatch {
    let mut columns = rows.columns().to_vec();
    for (place, bucket) in history.buckets.iter().enumerate() {
        // Behind the time, four of each: minimum, mean, maximum, last.
        let column = 1 + place * Function::ALL.len() + 1;
        let scale = 10_f64.powi(bucket.decimals);
        if let Some(means) = columns[column].as_primitive_opt::<Float64Type>() {
            // In two steps: the dust of binary fractions must not decide what a half becomes.
            let round = |mean: f64| ((mean * scale * DUST).round() / DUST).round() / scale;
            columns[column] =
                Arc::new(means.iter().map(|mean| mean.map(round)).collect::<Float64Array>()) as ArrayRef;
        }
    }
    RecordBatch::try_new(rows.schema(), columns).unwrap_or_else(|_| rows.clone())
}

fn reversed(rows: &RecordBatch) -> RecordBatch {
    let places = arrow_array::UInt64Array::from_iter_values((0..rows.num_rows() as u64).rev());
    arrow_select::take::take_record_batch(rows, &places).unwrap_or_else(|_| rows.clone())
}
