//! Which rows of a batch a table gets: `where`, then `distinct`.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type};
use arrow_array::{Array, ArrayRef, NullArray, RecordBatch};
use arrow_schema::DataType;
use hashbrown::HashMap;

use crate::column_type::ColumnType;
use crate::config::Condition;
use crate::convert::convert;
use crate::key::KeyColumns;
use crate::plan::TablePlan;

/// The chosen rows, in order, of several batches in one; `ends` says where each of them ends.
pub(super) fn select(table: &TablePlan, records: &RecordBatch, ends: &[usize]) -> Vec<usize> {
    let conditions: Vec<(ArrayRef, &Condition)> =
        table.filter.iter().map(|(column, condition)| (canonical(records, column), condition)).collect();
    let matches = |row: &usize| conditions.iter().all(|(column, is)| holds(column, is, *row));
    if table.distinct.is_empty() {
        (0..records.num_rows()).filter(matches).collect()
    } else {
        distinct(table, records, ends, matches)
    }
}

/// The column as a table would hold it; all null where the batch has none (it is older than the file).
fn canonical(records: &RecordBatch, name: &str) -> ArrayRef {
    let index = records.schema().index_of(name).ok();
    index
        .and_then(|index| {
            let column_type = ColumnType::of(records.schema().field(index))?;
            convert(records.column(index), column_type)
        })
        .unwrap_or_else(|| Arc::new(NullArray::new(records.num_rows())))
}

fn holds(column: &ArrayRef, condition: &Condition, row: usize) -> bool {
    if column.data_type() == &DataType::Null || column.is_null(row) {
        return false;
    }
    if condition.is_not_null() {
        return true;
    }
    match (column.data_type(), condition) {
        (DataType::Boolean, Condition::Bool(value)) => column.as_boolean().value(row) == *value,
        (DataType::Int64, Condition::Int(value)) => column.as_primitive::<Int64Type>().value(row) == *value,
        (DataType::Float64, Condition::Int(value)) => {
            column.as_primitive::<Float64Type>().value(row) == *value as f64
        }
        (DataType::Float64, Condition::Float(value)) => {
            column.as_primitive::<Float64Type>().value(row) == *value
        }
        (DataType::Utf8, Condition::Text(value)) => column.as_string::<i32>().value(row) == value,
        _ => false,
    }
}

/// Per batch and key the first row that was heard, else the first.
fn distinct(
    table: &TablePlan,
    records: &RecordBatch,
    ends: &[usize],
    matches: impl Fn(&usize) -> bool,
) -> Vec<usize> {
    let keys: Vec<ArrayRef> = table.distinct.iter().map(|name| canonical(records, name)).collect();
    let keys = KeyColumns::new(&keys);
    let measurements: Vec<ArrayRef> =
        table.measurements.iter().map(|name| canonical(records, name)).collect();
    let heard = |row: usize| {
        measurements.iter().any(|column| column.data_type() != &DataType::Null && column.is_valid(row))
    };
    // The same keys come in every batch: their places stay, by batch they are taken anew.
    let (mut known, mut key): (HashMap<Vec<u8>, usize>, _) = (HashMap::new(), Vec::new());
    let mut chosen: Vec<Option<(usize, bool)>> = Vec::new();
    let (mut rows, mut begin) = (Vec::new(), 0);
    for &end in ends {
        for row in (begin..end).filter(&matches) {
            let key = keys.write(row, &mut key);
            let place = known.get(key).copied().unwrap_or_else(|| {
                known.insert(key.to_vec(), chosen.len());
                chosen.push(None);
                chosen.len() - 1
            });
            match &mut chosen[place] {
                none @ None => *none = Some((row, heard(row))),
                Some(first) if !first.1 && heard(row) => *first = (row, true),
                Some(_) => {}
            }
        }
        let from = rows.len();
        rows.extend(chosen.iter_mut().filter_map(|it| it.take().map(|(row, _)| row)));
        rows[from..].sort_unstable();
        begin = end;
    }
    rows
}
