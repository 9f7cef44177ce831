//! A question answered from rows in memory: conditions, order, limit, columns. Pure.

use std::cmp::Ordering;

use arrow_array::{RecordBatch, UInt64Array};
use arrow_select::take::take_record_batch;
use smiles_stage::{Comparison, Filter, Order, Query, Value};

use crate::text::json;
use crate::text::json::Cell;

/// The rows a query asks for; `None`: it names a column that is not there.
pub(crate) fn select(query: &Query, rows: &RecordBatch) -> Option<RecordBatch> {
    let schema = rows.schema();
    let filters: Vec<(usize, &Filter)> = query
        .filters
        .iter()
        .map(|filter| Some((schema.index_of(&filter.column).ok()?, filter)))
        .collect::<Option<_>>()?;
    let order: Vec<(usize, &Order)> = query
        .order
        .iter()
        .map(|order| Some((schema.index_of(&order.column).ok()?, order)))
        .collect::<Option<_>>()?;
    let holds = |row: &usize| {
        filters.iter().all(|(column, filter)| {
            let cell = json::cell(rows.column(*column), *row);
            compare(&cell, &filter.value).is_some_and(|ordering| holds(filter.comparison, ordering))
        })
    };
    let mut places: Vec<usize> = (0..rows.num_rows()).filter(holds).collect();
    places.sort_by(|&one, &two| {
        order.iter().fold(Ordering::Equal, |so_far, (column, order)| {
            let cell = |row| json::cell(rows.column(*column), row);
            so_far.then_with(|| in_order(&cell(one), &cell(two), order.descending))
        })
    });
    places.truncate(query.limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX)));
    let columns: Vec<usize> =
        query.columns.iter().map(|name| schema.index_of(name).ok()).collect::<Option<_>>()?;
    let places = UInt64Array::from_iter_values(places.into_iter().map(|place| place as u64));
    take_record_batch(&rows.project(&columns).ok()?, &places).ok()
}

fn holds(comparison: Comparison, ordering: Ordering) -> bool {
    match comparison {
        Comparison::Eq => ordering.is_eq(),
        Comparison::Lt => ordering.is_lt(),
        Comparison::Le => ordering.is_le(),
        Comparison::Gt => ordering.is_gt(),
        Comparison::Ge => ordering.is_ge(),
    }
}

/// `None` where a store would not compare them either: a null, another type.
fn compare(cell: &Cell<'_>, value: &Value) -> Option<Ordering> {
    match (cell, value) {
        (Cell::Bool(cell), Value::Bool(value)) => Some(cell.cmp(value)),
        (Cell::Text(cell), Value::Text(value)) => Some((*cell).cmp(value.as_str())),
        (Cell::Time(cell), Value::Time(value)) => Some(cell.cmp(value)),
        (Cell::Int(cell), Value::Int(value)) => Some(cell.cmp(&i128::from(*value))),
        (_, Value::Int(value)) =>
        {
            #[expect(clippy::cast_precision_loss, reason = "the column is of doubles")]
            cell.number()?.partial_cmp(&(*value as f64))
        }
        (_, Value::Float(value)) => cell.number()?.partial_cmp(value),
        _ => None,
    }
}

/// Nulls come last either way.
fn in_order(one: &Cell<'_>, two: &Cell<'_>, descending: bool) -> Ordering {
    let ordering = match (one, two) {
        (Cell::Null, Cell::Null) => return Ordering::Equal,
        (Cell::Null, _) => return Ordering::Greater,
        (_, Cell::Null) => return Ordering::Less,
        (Cell::Bool(one), Cell::Bool(two)) => one.cmp(two),
        (Cell::Text(one), Cell::Text(two)) => one.cmp(two),
        (Cell::Time(one), Cell::Time(two)) => one.cmp(two),
        (Cell::Int(one), Cell::Int(two)) => one.cmp(two),
        (one, two) => match (one.number(), two.number()) {
            (Some(one), Some(two)) => one.total_cmp(&two),
            _ => Ordering::Equal,
        },
    };
    if descending { ordering.reverse() } else { ordering }
}
