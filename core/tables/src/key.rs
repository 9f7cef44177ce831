//! Several columns of a row as one comparable value.

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{
    Array, ArrayRef, BooleanArray, Float64Array, Int64Array, StringArray, TimestampMicrosecondArray,
};
use arrow_schema::DataType;

/// The columns of a key.
pub(super) struct KeyColumns<'a>(Vec<KeyColumn<'a>>);

enum KeyColumn<'a> {
    Int(&'a Int64Array),
    Time(&'a TimestampMicrosecondArray),
    Bool(&'a BooleanArray),
    Float(&'a Float64Array),
    Text(&'a StringArray),
    Null,
}

impl<'a> KeyColumns<'a> {
    /// The columns are of the Arrow types of [`super::ColumnType`]; others count as null.
    pub(super) fn new(columns: impl IntoIterator<Item = &'a ArrayRef>) -> Self {
        Self(columns.into_iter().map(KeyColumn::new).collect())
    }

    /// Bytes that are equal where all columns of two rows are equal; null equals null.
    ///
    /// They are written over what `key` holds: one buffer serves all rows.
    pub(super) fn write<'k>(&self, row: usize, key: &'k mut Vec<u8>) -> &'k [u8] {
        key.clear();
        self.0.iter().for_each(|column| column.push(row, key));
        key
    }
}

impl<'a> KeyColumn<'a> {
    fn new(column: &'a ArrayRef) -> Self {
        match column.data_type() {
            DataType::Int64 => Self::Int(column.as_primitive::<Int64Type>()),
            DataType::Timestamp(_, _) => Self::Time(column.as_primitive::<TimestampMicrosecondType>()),
            DataType::Boolean => Self::Bool(column.as_boolean()),
            DataType::Float64 => Self::Float(column.as_primitive::<Float64Type>()),
            DataType::Utf8 => Self::Text(column.as_string::<i32>()),
            _ => Self::Null,
        }
    }

    fn push(&self, row: usize, key: &mut Vec<u8>) {
        match self {
            Self::Int(column) if column.is_valid(row) => fixed(1, column.value(row), key),
            Self::Time(column) if column.is_valid(row) => fixed(2, column.value(row), key),
            Self::Bool(column) if column.is_valid(row) => key.extend([3, u8::from(column.value(row))]),
            Self::Float(column) if column.is_valid(row) => {
                // Zero has two spellings and one meaning.
                key.push(4);
                key.extend((column.value(row) + 0.0).to_bits().to_be_bytes());
            }
            Self::Text(column) if column.is_valid(row) => {
                let text = column.value(row);
                key.push(5);
                key.extend((text.len() as u64).to_be_bytes());
                key.extend(text.as_bytes());
            }
            _ => key.push(0),
        }
    }
}

fn fixed(tag: u8, value: i64, key: &mut Vec<u8>) {
    key.push(tag);
    key.extend(value.to_be_bytes());
}
