//! Several columns of a row as one comparable value.

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, ArrayRef};
use arrow_schema::DataType;

/// Bytes that are equal where all columns of two rows are equal; null equals null. The columns are of the Arrow
/// types of [`super::ColumnType`]; others count as null.
///
/// They are written over what `key` holds: one buffer serves all rows.
pub(super) fn row_key<'k>(columns: &[ArrayRef], row: usize, key: &'k mut Vec<u8>) -> &'k [u8] {
    key.clear();
    for column in columns {
        push(column, row, key);
    }
    key
}

fn push(column: &ArrayRef, row: usize, key: &mut Vec<u8>) {
    if column.is_null(row) {
        key.push(0);
        return;
    }
    match column.data_type() {
        DataType::Int64 => fixed(1, column.as_primitive::<Int64Type>().value(row), key),
        DataType::Timestamp(_, _) => {
            fixed(2, column.as_primitive::<TimestampMicrosecondType>().value(row), key)
        }
        DataType::Boolean => key.extend([3, u8::from(column.as_boolean().value(row))]),
        DataType::Float64 => {
            // Zero has two spellings and one meaning.
            let value = column.as_primitive::<Float64Type>().value(row) + 0.0;
            key.push(4);
            key.extend(value.to_bits().to_be_bytes());
        }
        DataType::Utf8 => {
            let text = column.as_string::<i32>().value(row);
            key.push(5);
            key.extend((text.len() as u64).to_be_bytes());
            key.extend(text.as_bytes());
        }
        _ => key.push(0),
    }
}

fn fixed(tag: u8, value: i64, key: &mut Vec<u8>) {
    key.push(tag);
    key.extend(value.to_be_bytes());
}
