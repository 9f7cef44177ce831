//! Rows one can recognise again: a column `id` of whole numbers.

use std::sync::Arc;

use arrow_array::{Array, Int64Array, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef};

/// One column, `id`: whole numbers.
pub fn numbered_schema() -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new("id", DataType::Int64, true)]))
}

/// Rows of these ids.
#[expect(clippy::expect_used, reason = "the column is of the schema's one type")]
pub fn numbered(ids: impl IntoIterator<Item = i64>) -> RecordBatch {
    let column = Int64Array::from_iter_values(ids);
    RecordBatch::try_new(numbered_schema(), vec![Arc::new(column)]).expect("one column of one type")
}

/// The ids of rows that have a column `id`, whatever else they have; empty where there is none.
pub fn ids(records: &RecordBatch) -> Vec<i64> {
    let column = records.column_by_name("id").and_then(|column| column.as_any().downcast_ref::<Int64Array>());
    column.map(|column| column.iter().flatten().collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_survive() {
        assert_eq!(ids(&numbered([3, 1, 2])), [3, 1, 2]);
        assert_eq!(ids(&numbered([])), [0_i64; 0]);
    }
}
