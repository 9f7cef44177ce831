//! Queries said the slow way: what a store must answer.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, RecordBatch};
use arrow_schema::DataType;
use jiff::Timestamp;
use smiles_stage::{BoundSide, Comparison, Filter, Function, Order, PageBound, Query, Value};

use crate::store_conformance::table::Row;

pub(super) fn cell(row: &Row, column: &str) -> Option<Value> {
    match column {
        "id" => Some(Value::Int(row.0)),
        "s" => row.1.map(|text| Value::Text(text.to_owned())),
        "p" => row.2.map(Value::Int),
        "time" => row.3.map(|micros| Value::Time(Timestamp::from_microsecond(micros).unwrap())),
        _ => row.4.map(Value::Float),
    }
}

pub(super) fn compare(one: &Value, two: &Value) -> Ordering {
    let number = |value: &Value| match value {
        Value::Int(value) => *value as f64,
        Value::Float(value) => *value,
        _ => unreachable!("not a number"),
    };
    match (one, two) {
        (Value::Text(one), Value::Text(two)) => one.cmp(two),
        (Value::Time(one), Value::Time(two)) => one.cmp(two),
        _ => number(one).total_cmp(&number(two)),
    }
}

pub(super) fn holds(row: &Row, filter: &Filter) -> bool {
    let Some(cell) = cell(row, &filter.column) else { return false };
    let ordering = compare(&cell, &filter.value);
    match filter.comparison {
        Comparison::Eq => ordering.is_eq(),
        Comparison::Lt => ordering.is_lt(),
        Comparison::Le => ordering.is_le(),
        Comparison::Gt => ordering.is_gt(),
        Comparison::Ge => ordering.is_ge(),
    }
}

/// Largest first as the order says, nulls last.
pub(super) fn by_order(one: &Row, two: &Row, order: &[Order]) -> Ordering {
    order.iter().fold(Ordering::Equal, |so_far, order| {
        so_far.then_with(|| match (cell(one, &order.column), cell(two, &order.column)) {
            (Some(one), Some(two)) if order.descending => compare(&two, &one),
            (Some(one), Some(two)) => compare(&one, &two),
            (one, two) => one.is_none().cmp(&two.is_none()),
        })
    })
}

/// What the query means, said the slow way.
pub(super) fn naive(rows: &[Row], query: &Query) -> Vec<Row> {
    let mut rows: Vec<Row> =
        rows.iter().filter(|row| query.filters.iter().all(|filter| holds(row, filter))).copied().collect();
    if !query.latest_by.is_empty() {
        let mut latest: BTreeMap<String, Row> = BTreeMap::new();
        for row in rows {
            let key: Option<Vec<Value>> = query.latest_by.iter().map(|column| cell(&row, column)).collect();
            let Some(key) = key else { continue };
            let kept = latest.entry(format!("{key:?}")).or_insert(row);
            if row.3 >= kept.3 {
                *kept = row;
            }
        }
        rows = latest.into_values().collect();
    }
    rows.sort_by(|one, two| by_order(one, two, &query.order));
    rows.retain(|row| query.within.iter().all(|edge| within(row, edge, &query.order)));
    rows.drain(..rows.len().min(usize::try_from(query.skip).unwrap()));
    rows.truncate(query.limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap()));
    rows
}

/// Whether a row is on that side of the place; one with a null in the order is on none.
fn within(row: &Row, edge: &PageBound, order: &[Order]) -> bool {
    let mut ordering = Ordering::Equal;
    for (order, place) in order.iter().zip(&edge.place) {
        let Some(cell) = cell(row, &order.column) else { return false };
        let next = compare(&cell, place);
        ordering = ordering.then(if order.descending { next.reverse() } else { next });
    }
    match edge.side {
        BoundSide::From => ordering.is_ge(),
        BoundSide::After => ordering.is_gt(),
        BoundSide::UpTo => ordering.is_le(),
    }
}

/// What a query for spans of time means, said the slow way, as rows of text.
pub(super) fn naive_buckets(rows: &[Row], query: &Query) -> Vec<String> {
    let buckets = query.buckets.as_ref().unwrap();
    let mut answer = Vec::new();
    for span in buckets.bounds.windows(2) {
        let inside = |row: &&Row| {
            let at = row.3.map(|micros| Timestamp::from_microsecond(micros).unwrap());
            at.is_some_and(|at| span[0] <= at && at < span[1])
        };
        let mut found: Vec<&Row> = rows
            .iter()
            .filter(|row| query.filters.iter().all(|filter| holds(row, filter)))
            .filter(inside)
            .collect();
        if found.is_empty() {
            continue;
        }
        found.sort_by_key(|row| (row.3, row.0));
        let cells = buckets.aggregates.iter().map(|aggregate| {
            let values: Vec<Value> = found.iter().filter_map(|row| cell(row, &aggregate.column)).collect();
            aggregated(&values, aggregate.function)
        });
        let start = format!("@{}", span[0].as_microsecond());
        answer.push(std::iter::once(start).chain(cells).collect::<Vec<_>>().join("|"));
    }
    answer
}

/// Whether two answers say the same: averages may differ in their last bits, since every database sums in its own way.
pub(super) fn alike(one: &[String], two: &[String]) -> bool {
    let cells = |rows: &[String]| -> Vec<Vec<String>> {
        rows.iter().map(|row| row.split('|').map(str::to_owned).collect()).collect()
    };
    let close = |one: &String, two: &String| {
        let broken = one.contains('.') || two.contains('.');
        one == two
            || broken
                && matches!((one.parse::<f64>(), two.parse::<f64>()), (Ok(one), Ok(two))
                if (one - two).abs() <= 1e-12 * one.abs().max(two.abs()))
    };
    let (one, two) = (cells(one), cells(two));
    one.len() == two.len()
        && one
            .iter()
            .zip(&two)
            .all(|(one, two)| one.len() == two.len() && one.iter().zip(two).all(|(one, two)| close(one, two)))
}

fn aggregated(values: &[Value], function: Function) -> String {
    let number = |value: &Value| match value {
        Value::Int(value) => *value as f64,
        Value::Float(value) => *value,
        _ => unreachable!("not a number"),
    };
    let one = match function {
        Function::Min => values.iter().min_by(|one, two| compare(one, two)),
        Function::Max => values.iter().max_by(|one, two| compare(one, two)),
        Function::Last => values.last(),
        Function::Avg if values.is_empty() => None,
        Function::Avg => {
            return (values.iter().map(number).sum::<f64>() / values.len() as f64).to_string();
        }
    };
    match one {
        Some(Value::Int(value)) => value.to_string(),
        Some(value) => number(value).to_string(),
        None => "-".to_owned(),
    }
}

/// Every row of an answer as text, cells joined by `|`, null as `-`.
pub fn rows_of(pieces: &[RecordBatch]) -> Vec<String> {
    let mut rows = Vec::new();
    for piece in pieces {
        for row in 0..piece.num_rows() {
            let cells = piece.columns().iter().map(|column| match column.data_type() {
                _ if column.is_null(row) => "-".to_owned(),
                DataType::Int64 => column.as_primitive::<Int64Type>().value(row).to_string(),
                DataType::Float64 => column.as_primitive::<Float64Type>().value(row).to_string(),
                DataType::Utf8 => column.as_string::<i32>().value(row).to_owned(),
                _ => format!("@{}", column.as_primitive::<TimestampMicrosecondType>().value(row)),
            });
            rows.push(cells.collect::<Vec<_>>().join("|"));
        }
    }
    rows
}

pub(super) fn shown(row: &Row, columns: &[String]) -> String {
    let cells = columns.iter().map(|column| match cell(row, column) {
        None => "-".to_owned(),
        Some(Value::Int(value)) => value.to_string(),
        Some(Value::Float(value)) => value.to_string(),
        Some(Value::Text(value)) => value,
        Some(Value::Time(value)) => format!("@{}", value.as_microsecond()),
        Some(Value::Bool(value)) => value.to_string(),
    });
    cells.collect::<Vec<_>>().join("|")
}

/// Whether two rows of one combination are equally new.
pub(super) fn ties(rows: &[Row], query: &Query) -> bool {
    let key = |row: &Row| query.latest_by.iter().map(|column| cell(row, column)).collect::<Vec<_>>();
    rows.iter().any(|one| rows.iter().any(|two| one.0 < two.0 && one.3 == two.3 && key(one) == key(two)))
}
