//! Rows of a history, a page at a time. Pages go on from the last row of the one before, so that rows that come in
//! meanwhile neither repeat nor hide any.

use std::io;

use arrow_array::RecordBatch;
use arrow_schema::Field;
use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt};
use smiles_stage::{BoundSide, Comparison, Filter, PageBound, Query, Rows, Value};
use tokio::sync::OwnedSemaphorePermit;

use crate::declare::params::Values;
use crate::declare::resource::{HistoryPlan, Plan, Resource};
use crate::declare::selection::Selection;
use crate::query::answer::{Body, Content, check_empty, encoded, unwritable};
use crate::query::client::{Found, StoreClient};
use crate::query::format::{Encoder, Format};
use crate::query::history::request::HistoryRequest;
use crate::text::json;
use crate::text::problem::Failure;

/// Up to so many rows are put together before they are sent; more flow.
const WHOLE_MAX: usize = 1000;

/// The rows asked for, and the place of the next page if there is one.
pub(crate) async fn answer_page(
    resource: &Resource,
    (plan, history): (&Plan, &HistoryPlan),
    values: &Values,
    asked: &HistoryRequest,
    format: Format,
    client: &StoreClient<'_>,
) -> Result<(Content, Option<Vec<Value>>), Failure> {
    let query = question(&plan.base, history, values, asked);
    if asked.limit > WHOLE_MAX {
        return flow(resource, (plan, history), values, asked, format, client, query).await;
    }
    let mut found = client.ask(&Query { limit: Some(asked.limit as u64 + 1), ..query }).await?;
    if found.count() == 0 {
        check_empty(resource, plan, values, client).await?;
    }
    let more = found.count() > asked.limit;
    found.truncate(asked.limit);
    let last = found.places().last().filter(|_| more);
    let next = last.and_then(|(batch, row)| place(&found.0[batch], row, &history.by));
    let keep = found.count() > 0;
    let body = Body::Whole(encoded(format, &plan.base, &found)?);
    Ok((Content { format, body, link: None, keep }, next))
}

/// The question without its limit.
fn question(base: &Selection, history: &HistoryPlan, values: &Values, asked: &HistoryRequest) -> Query {
    let mut query = base.query(values);
    query.filters.extend(range(&base.columns[history.by[0]], asked));
    for order in &mut query.order {
        order.descending = asked.descending;
    }
    query.within.extend(asked.cursor.clone().map(|place| PageBound { side: BoundSide::After, place }));
    query
}

/// The conditions on the time.
pub(super) fn range(time: &Field, asked: &HistoryRequest) -> impl Iterator<Item = Filter> {
    let column = time.name().clone();
    let from = asked.start.map(|start| (Comparison::Ge, start));
    let before = asked.end.map(|end| (Comparison::Lt, end));
    from.into_iter().chain(before).map(move |(comparison, time)| Filter {
        column: column.clone(),
        comparison,
        value: Value::Time(time),
    })
}

/// The place of a row in the order; `None`: one of its columns is null.
fn place(rows: &RecordBatch, row: usize, by: &[usize]) -> Option<Vec<Value>> {
    by.iter().map(|&column| json::cell(rows.column(column), row).value()).collect()
}

/// A long page. Where it begins and ends is asked first, then the rows between flow from the store to the client.
async fn flow(
    resource: &Resource,
    (plan, history): (&Plan, &HistoryPlan),
    values: &Values,
    asked: &HistoryRequest,
    format: Format,
    client: &StoreClient<'_>,
    query: Query,
) -> Result<(Content, Option<Vec<Value>>), Failure> {
    let columns = history.by.iter().map(|&column| plan.base.columns[column].name().clone()).collect();
    let places = Query { columns, ..query.clone() };
    let by: Vec<usize> = (0..history.by.len()).collect();
    let at = |found: &Found, wanted: usize| {
        found.places().nth(wanted).and_then(|(batch, row)| place(&found.0[batch], row, &by))
    };
    let first = client.ask(&Query { limit: Some(1), ..places.clone() }).await?;
    if first.count() == 0 {
        check_empty(resource, plan, values, client).await?;
    }
    let skip = asked.limit as u64 - 1;
    let ends = client.ask(&Query { skip, limit: Some(2), ..places }).await?;
    let mut query = query;
    query.within.extend(at(&first, 0).map(|place| PageBound { side: BoundSide::From, place }));
    match at(&ends, 0) {
        Some(place) => query.within.push(PageBound { side: BoundSide::UpTo, place }),
        None => query.limit = Some(asked.limit as u64),
    }
    let next = if ends.count() > 1 { at(&ends, 0) } else { None };
    let (rows, turn) = client.open(&query).await?;
    let (encoder, head) =
        Encoder::new(format, &plan.base.columns, &plan.base.served).map_err(|error| unwritable(&error))?;
    let body = Body::Flow(encode(encoder, head, rows, turn));
    Ok((Content { format, body, link: None, keep: false }, next))
}

/// Encodes piece by piece; the turn at the store ends with the stream.
fn encode(
    encoder: Encoder,
    head: Bytes,
    rows: Rows,
    turn: OwnedSemaphorePermit,
) -> BoxStream<'static, io::Result<Bytes>> {
    let state = Some((encoder, rows, turn));
    let pieces = stream::unfold(state, |state| async {
        let (mut encoder, mut rows, turn) = state?;
        match rows.next().await {
            Some(Ok(batch)) => match encoder.rows(&batch) {
                Ok(bytes) => Some((Ok(bytes), Some((encoder, rows, turn)))),
                Err(error) => Some((Err(io::Error::other(error)), None)),
            },
            Some(Err(error)) => {
                tracing::warn!(error = %error.chain(), "the store stopped in the middle of an answer");
                Some((Err(io::Error::other("the store stopped in the middle of an answer")), None))
            }
            None => Some((encoder.end().map_err(io::Error::other), None)),
        }
    });
    stream::once(async { Ok(head) }).chain(pieces).filter(filled).boxed()
}

/// An empty piece would end a chunked body.
fn filled(piece: &io::Result<Bytes>) -> std::future::Ready<bool> {
    std::future::ready(!matches!(piece, Ok(bytes) if bytes.is_empty()))
}
