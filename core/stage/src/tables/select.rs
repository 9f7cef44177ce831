//! Which rows of a batch a table gets: `where`, then `distinct`.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type};
use arrow_array::{Array, ArrayRef, NullArray, RecordBatch};
use arrow_schema::DataType;

use super::convert::convert;
use super::key::row_key;
use super::{ColumnType, Condition, TablePlan};

/// The chosen rows in the order of the batch.
pub(super) fn select(table: &TablePlan, records: &RecordBatch) -> Vec<usize> {
    let conditions: Vec<(ArrayRef, &Condition)> =
        table.filter.iter().map(|(column, condition)| (canonical(records, column), condition)).collect();
    let matching =
        (0..records.num_rows()).filter(|&row| conditions.iter().all(|(column, is)| holds(column, is, row)));
    if table.distinct.is_empty() { matching.collect() } else { distinct(table, records, matching) }
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

/// Per key the first row that was heard, else the first.
fn distinct(table: &TablePlan, records: &RecordBatch, rows: impl Iterator<Item = usize>) -> Vec<usize> {
    let keys: Vec<ArrayRef> = table.distinct.iter().map(|name| canonical(records, name)).collect();
    let measurements: Vec<ArrayRef> =
        table.measurements.iter().map(|name| canonical(records, name)).collect();
    let heard = |row: usize| {
        measurements.iter().any(|column| column.data_type() != &DataType::Null && column.is_valid(row))
    };
    let (mut chosen, mut key): (HashMap<Vec<u8>, (usize, bool)>, _) = (HashMap::new(), Vec::new());
    for row in rows {
        let key = row_key(&keys, row, &mut key);
        match chosen.get_mut(key) {
            None => {
                chosen.insert(key.to_vec(), (row, heard(row)));
            }
            Some(first) if !first.1 && heard(row) => *first = (row, true),
            Some(_) => {}
        }
    }
    let mut rows: Vec<usize> = chosen.into_values().map(|(row, _)| row).collect();
    rows.sort_unstable();
    rows
}
