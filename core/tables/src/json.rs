//! JSON objects of several columns of a row, and instants as text.

use std::fmt::Write;
use std::io;
use std::sync::Arc;

use arrow_array::builder::StringBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type, TimestampMicrosecondType, UInt64Type};
use arrow_array::{Array, ArrayRef, NullArray, RecordBatch, StringArray};
use arrow_schema::{DataType, Field};
use jiff::Timestamp;
use jiff::tz::Offset;
use serde::Serialize;

use crate::column_type::ColumnType;
use crate::convert::{convert, lost};
use crate::document::is_document;
use smiles_stage::ColumnMeta;

/// One member: its name as JSON text with the colon, its column, whether its texts are JSON documents.
pub(super) struct Member {
    name: String,
    column: ArrayRef,
    json: bool,
}

impl Member {
    /// The column is of an Arrow type of [`super::ColumnType`]; any other prints as null.
    pub(super) fn new(name: &str, column: ArrayRef, json: bool) -> Self {
        Self { name: format!("{}:", quoted(name)), column, json }
    }
}

/// A column as an object prints it. `None`: it is of a type that no object has.
pub(super) fn printable(column: &ArrayRef, field: &Field) -> Option<ArrayRef> {
    match field.data_type() {
        DataType::UInt64 => {
            let exact = convert(column, ColumnType::Int64)?;
            if lost(column, &exact).is_empty() { Some(exact) } else { Some(rounded(column)) }
        }
        _ => convert(column, ColumnType::of(field)?),
    }
}

/// Whole numbers of which one fits 64 bits without sign only; in an object the nearest double stands for them.
fn rounded(column: &ArrayRef) -> ArrayRef {
    Arc::new(column.as_primitive::<UInt64Type>().unary::<_, Float64Type>(|value| value as f64))
}

/// Every row as a JSON object of all its columns, for people and logs; a column of no printable type is null.
pub fn row_objects(records: &RecordBatch) -> StringArray {
    let schema = records.schema();
    let columns = schema.fields().iter().zip(records.columns());
    let members: Vec<Member> = columns
        .map(|(field, column)| {
            let nothing = || Arc::new(NullArray::new(records.num_rows())) as ArrayRef;
            Member::new(field.name(), printable(column, field).unwrap_or_else(nothing), field.is_json())
        })
        .collect();
    objects(&members, records.num_rows())
}

/// One compact object per row, members in the order given; null and what is not finite is `null`.
pub(super) fn objects(members: &[Member], rows: usize) -> StringArray {
    let (mut text, mut objects) =
        (String::new(), StringBuilder::with_capacity(rows, rows * members.len() * 24));
    for row in 0..rows {
        text.clear();
        text.push('{');
        for (index, member) in members.iter().enumerate() {
            if index > 0 {
                text.push(',');
            }
            text.push_str(&member.name);
            if !push(member, row, &mut text) {
                text.push_str("null");
            }
        }
        text.push('}');
        objects.append_value(&text);
    }
    objects.finish()
}

/// Writes the value; `false` if there is none to write.
fn push(member: &Member, row: usize, text: &mut String) -> bool {
    let column = &member.column;
    if column.data_type() == &DataType::Null || column.is_null(row) {
        return false;
    }
    match column.data_type() {
        DataType::Int64 => write!(text, "{}", column.as_primitive::<Int64Type>().value(row)).is_ok(),
        DataType::Float64 => number(&column.as_primitive::<Float64Type>().value(row), text),
        DataType::Boolean => write!(text, "{}", column.as_boolean().value(row)).is_ok(),
        DataType::Timestamp(_, _) => {
            text.push('"');
            let written = write_time(column.as_primitive::<TimestampMicrosecondType>().value(row), text);
            if written {
                text.push('"');
            } else {
                text.pop();
            }
            written
        }
        DataType::Utf8 => {
            let value = column.as_string::<i32>().value(row);
            if member.json && is_document(value) {
                text.push_str(value);
            } else {
                text.push_str(&quoted(value));
            }
            true
        }
        _ => false,
    }
}

/// In the fewest digits that mean this number; what is not finite is `null`.
fn number(value: &impl Serialize, text: &mut String) -> bool {
    serde_json::to_writer(Text(text), value).is_ok()
}

/// A text that is written to in whole characters, as JSON numbers are.
struct Text<'a>(&'a mut String);

impl io::Write for Text<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = std::str::from_utf8(bytes).map_err(io::Error::other)?;
        self.0.push_str(text);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Appends microseconds since 1970 as `2026-11-23T19:43:12.314023+00:00`: always UTC and six digits, so that texts
/// sort as the instants do. `false`, and nothing appended, outside of the years 0 to 9999.
pub fn write_time(micros: i64, text: &mut String) -> bool {
    let Ok(timestamp) = Timestamp::from_microsecond(micros) else { return false };
    let at = Offset::UTC.to_datetime(timestamp);
    if !(0..=9999).contains(&at.year()) {
        return false;
    }
    for (value, digits, after) in [
        (i32::from(at.year()), 4, '-'),
        (at.month().into(), 2, '-'),
        (at.day().into(), 2, 'T'),
        (at.hour().into(), 2, ':'),
        (at.minute().into(), 2, ':'),
        (at.second().into(), 2, '.'),
        (at.subsec_nanosecond() / 1_000, 6, '+'),
    ] {
        push_padded(value, digits, text);
        text.push(after);
    }
    text.push_str("00:00");
    true
}

fn push_padded(value: i32, digits: u32, text: &mut String) {
    for place in (0..digits).rev() {
        let digit = (value / 10_i32.pow(place)) % 10;
        text.push(char::from_digit(digit.unsigned_abs(), 10).unwrap_or('0'));
    }
}
