//! Cells of Arrow columns as JSON text. Pure; one form per type, the same on every store.
//!
//! Instants are always `2026-11-23T19:43:12.314023+00:00`: six digits and an offset, so that texts sort as times do.

pub(crate) mod document;

use std::fmt::Write as _;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, TimestampMicrosecondType,
    TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType, UInt8Type, UInt16Type,
    UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::{DataType, TimeUnit};
use jiff::Timestamp;
use smiles_stage::{Value, widened};
use smiles_tables::{is_document, write_time};

/// A cell as a plain value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Cell<'a> {
    /// Absent.
    Null,
    /// True or false.
    Bool(bool),
    /// A whole number.
    Int(i128),
    /// A number of 32 bits: its shortest text differs from that of 64.
    Float32(f32),
    /// A number.
    Float64(f64),
    /// Text.
    Text(&'a str),
    /// An instant.
    Time(Timestamp),
}

/// Whether cells of this type can be served.
pub(crate) fn servable(kind: &DataType) -> bool {
    kind.is_numeric()
        && !matches!(kind, DataType::Float16)
        && !kind.is_decimal()
        && !matches!(kind, DataType::Duration(_) | DataType::Interval(_))
        || matches!(
            kind,
            DataType::Null
                | DataType::Boolean
                | DataType::Utf8
                | DataType::LargeUtf8
                | DataType::Utf8View
                | DataType::Timestamp(_, _)
        )
}

/// The cell of this row; [`Cell::Null`] for a type that cannot be served.
pub(crate) fn cell(column: &ArrayRef, row: usize) -> Cell<'_> {
    if column.is_null(row) {
        return Cell::Null;
    }
    match column.data_type() {
        DataType::Boolean => Cell::Bool(column.as_boolean().value(row)),
        DataType::Int8 => Cell::Int(column.as_primitive::<Int8Type>().value(row).into()),
        DataType::Int16 => Cell::Int(column.as_primitive::<Int16Type>().value(row).into()),
        DataType::Int32 => Cell::Int(column.as_primitive::<Int32Type>().value(row).into()),
        DataType::Int64 => Cell::Int(column.as_primitive::<Int64Type>().value(row).into()),
        DataType::UInt8 => Cell::Int(column.as_primitive::<UInt8Type>().value(row).into()),
        DataType::UInt16 => Cell::Int(column.as_primitive::<UInt16Type>().value(row).into()),
        DataType::UInt32 => Cell::Int(column.as_primitive::<UInt32Type>().value(row).into()),
        DataType::UInt64 => Cell::Int(column.as_primitive::<UInt64Type>().value(row).into()),
        DataType::Float32 => Cell::Float32(column.as_primitive::<Float32Type>().value(row)),
        DataType::Float64 => Cell::Float64(column.as_primitive::<Float64Type>().value(row)),
        DataType::Utf8 => Cell::Text(column.as_string::<i32>().value(row)),
        DataType::LargeUtf8 => Cell::Text(column.as_string::<i64>().value(row)),
        DataType::Utf8View => Cell::Text(column.as_string_view().value(row)),
        DataType::Timestamp(unit, _) => timestamp(column, *unit, row).map_or(Cell::Null, Cell::Time),
        _ => Cell::Null,
    }
}

fn timestamp(column: &ArrayRef, unit: TimeUnit, row: usize) -> Option<Timestamp> {
    match unit {
        TimeUnit::Second => Timestamp::from_second(column.as_primitive::<TimestampSecondType>().value(row)),
        TimeUnit::Millisecond => {
            Timestamp::from_millisecond(column.as_primitive::<TimestampMillisecondType>().value(row))
        }
        TimeUnit::Microsecond => {
            Timestamp::from_microsecond(column.as_primitive::<TimestampMicrosecondType>().value(row))
        }
        TimeUnit::Nanosecond => {
            Timestamp::from_nanosecond(column.as_primitive::<TimestampNanosecondType>().value(row).into())
        }
    }
    .ok()
}

impl Cell<'_> {
    /// The cell as something to compare a column with; `None` for null and what no store compares.
    pub(crate) fn value(&self) -> Option<Value> {
        match self {
            Cell::Null => None,
            Cell::Bool(value) => Some(Value::Bool(*value)),
            Cell::Int(value) => i64::try_from(*value).ok().map(Value::Int),
            Cell::Float32(value) => Some(Value::Float(widened(*value))),
            Cell::Float64(value) => Some(Value::Float(*value)),
            Cell::Text(value) => Some(Value::Text((*value).to_owned())),
            Cell::Time(value) => Some(Value::Time(*value)),
        }
    }

    /// The cell as a code; `None` for what is no whole number.
    pub(crate) fn code(&self) -> Option<i128> {
        match self {
            Cell::Bool(value) => Some(i128::from(*value)),
            Cell::Int(value) => Some(*value),
            // A store may keep codes as doubles. A whole one has no point in its shortest text.
            Cell::Float32(value) => value.to_string().parse().ok(),
            Cell::Float64(value) => value.to_string().parse().ok(),
            Cell::Null | Cell::Text(_) | Cell::Time(_) => None,
        }
    }

    /// The cell as a number.
    pub(crate) fn number(&self) -> Option<f64> {
        match self {
            Cell::Bool(value) => Some(f64::from(u8::from(*value))),
            // Up to 2^53 exactly, beyond to the nearest: what a Prometheus sample can hold.
            #[expect(clippy::cast_precision_loss, reason = "a sample is a double")]
            Cell::Int(value) => Some(*value as f64),
            Cell::Float32(value) => Some(widened(*value)),
            Cell::Float64(value) => Some(*value),
            Cell::Null | Cell::Text(_) | Cell::Time(_) => None,
        }
    }
}

/// The cells of these columns as one text; `None` where one of them is null, which equals nothing.
pub(crate) fn key(rows: &RecordBatch, row: usize, columns: &[usize]) -> Option<String> {
    let mut text = String::new();
    for &column in columns {
        let cell = cell(rows.column(column), row);
        if cell == Cell::Null {
            return None;
        }
        write_cell(&mut text, &cell, false);
        text.push(',');
    }
    Some(text)
}

/// Appends a cell. A text of a JSON column is inlined where it is JSON.
pub(crate) fn write_cell(out: &mut String, cell: &Cell<'_>, json: bool) {
    match cell {
        Cell::Null => out.push_str("null"),
        Cell::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Cell::Int(value) => {
            let _ = write!(out, "{value}");
        }
        // serde_json prints the shortest text that reads back as the same number, and null for what JSON lacks. Of two
        // decimals as near to a single it may choose the one that is not stored.
        Cell::Float32(value) => out.push_str(&serde_json::to_string(&widened(*value)).unwrap_or_default()),
        Cell::Float64(value) => out.push_str(&serde_json::to_string(value).unwrap_or_default()),
        Cell::Text(value) if json && is_document(value) => document::write(out, value),
        Cell::Text(value) => write_text(out, value),
        // Nothing a clock says is outside of the years 0 to 9999.
        Cell::Time(value) => match instant(*value) {
            text if text.is_empty() => out.push_str("null"),
            text => write_text(out, &text),
        },
    }
}

/// Appends a JSON string.
pub(crate) fn write_text(out: &mut String, text: &str) {
    out.push_str(&serde_json::to_string(text).unwrap_or_default());
}

/// The one form of an instant; empty outside of the years 0 to 9999.
pub(crate) fn instant(time: Timestamp) -> String {
    let mut text = String::with_capacity(32);
    write_time(time.as_microsecond(), &mut text);
    text
}

/// A sum of decimals without the dust of binary fractions: 35.8 + 34.5 is 70.3.
pub(crate) fn decimal(sum: f64) -> f64 {
    const PLACES: f64 = 1e6;
    // Beyond, a double has no such places.
    if sum.abs() < 1e9 { (sum * PLACES).round() / PLACES } else { sum }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{
        BooleanArray, Float32Array, Float64Array, Int32Array, StringArray, TimestampMicrosecondArray,
        TimestampSecondArray, UInt64Array,
    };

    use super::*;

    fn written(column: ArrayRef, json: bool) -> Vec<String> {
        assert!(servable(column.data_type()), "{}", column.data_type());
        (0..column.len())
            .map(|row| {
                let mut out = String::new();
                write_cell(&mut out, &cell(&column, row), json);
                out
            })
            .collect()
    }

    #[test]
    fn every_type_has_one_form() {
        let rows: Vec<(ArrayRef, &[&str])> = vec![
            (
                Arc::new(Float32Array::from(vec![230.1, 43.0, f32::NAN, -5.5])),
                &["230.1", "43.0", "null", "-5.5"],
            ),
            (Arc::new(Float64Array::from(vec![0.1, 1e300, f64::INFINITY])), &["0.1", "1e+300", "null"]),
            (Arc::new(Int32Array::from(vec![Some(-3), None])), &["-3", "null"]),
            (Arc::new(UInt64Array::from(vec![u64::MAX])), &["18446744073709551615"]),
            (Arc::new(BooleanArray::from(vec![true, false])), &["true", "false"]),
            (Arc::new(StringArray::from(vec!["a\"b\n", "ä"])), &[r#""a\"b\n""#, "\"ä\""]),
            (
                Arc::new(TimestampMicrosecondArray::from(vec![1_795_462_992_314_023, 0])),
                &["\"2026-11-23T19:43:12.314023+00:00\"", "\"1970-01-01T00:00:00.000000+00:00\""],
            ),
            (
                Arc::new(TimestampSecondArray::from(vec![1_795_462_992])),
                &["\"2026-11-23T19:43:12.000000+00:00\""],
            ),
        ];
        for (column, expected) in rows {
            assert_eq!(written(column, false), expected);
        }
    }

    #[test]
    fn a_single_is_the_decimal_it_was_said_as_wherever_it_goes() {
        let singles = smiles_testkit::singles(2000);
        let column: ArrayRef = Arc::new(Float32Array::from(singles.clone()));
        for (row, single) in singles.iter().enumerate() {
            let said: f64 = single.to_string().parse().unwrap();
            let cell = cell(&column, row);
            assert_eq!(cell.number(), Some(said), "as a sample of a series");
            assert_eq!(cell.value(), Some(Value::Float(said)), "as something to compare with");
            assert_eq!(
                written(column.slice(row, 1), false)[0].parse::<f64>().unwrap(),
                said,
                "as JSON and CSV"
            );
            let double: ArrayRef = Arc::new(Float64Array::from(vec![widened(*single)]));
            assert_eq!(written(double, false)[0].parse::<f64>().unwrap().to_string(), single.to_string());
        }
    }

    #[test]
    fn a_code_is_a_whole_number_however_it_is_stored() {
        let rows = [
            (Cell::Int(i128::from(u64::MAX)), Some(i128::from(u64::MAX))),
            (Cell::Float64(512.0), Some(512)),
            (Cell::Float32(-1.0), Some(-1)),
            (Cell::Float64(512.5), None),
            (Cell::Float64(f64::INFINITY), None),
            (Cell::Bool(true), Some(1)),
            (Cell::Null, None),
            (Cell::Text("512"), None),
        ];
        for (cell, code) in rows {
            assert_eq!(cell.code(), code, "{cell:?}");
        }
    }

    #[test]
    fn json_columns_are_inlined_only_where_they_are_json() {
        let column = Arc::new(StringArray::from(vec![r#"{"a": 1}"#, "{'a': 1}"]));
        assert_eq!(written(column, true), [r#"{"a":1}"#, r#""{'a': 1}""#]);
    }

    #[test]
    fn a_document_of_any_depth_ends_nothing() {
        for (open, close) in [("[", "]"), (r#"{"a":"#, "}")] {
            let nested = |depth: usize| format!("{}1{}", open.repeat(depth), close.repeat(depth));
            let column = Arc::new(StringArray::from(vec![nested(100), nested(100_000)]));
            let as_text = serde_json::to_string(&nested(100_000)).unwrap();
            assert_eq!(written(column, true), [nested(100), as_text], "the deeper one stays a text");
        }
    }
}
