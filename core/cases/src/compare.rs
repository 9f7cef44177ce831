//! What was expected against what left a stage, cell by cell; only the columns named count.

use std::fmt;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, TimestampMicrosecondType, UInt8Type,
    UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::{DataType, TimeUnit};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use smiles_stage::{Path, TIME};

use crate::file::Table;
use crate::times::Times;

/// So far may a number lie from the expected one, as a share of it, unless the file says how far.
const SHARE: f64 = 1e-9;

/// One thing that is not as expected.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Difference {
    /// The line of the file that expects it.
    pub(crate) line: Option<usize>,
    /// The source or transform.
    pub(crate) stage: String,
    /// The row among those that left the stage, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) row: Option<usize>,
    /// The row's time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) column: Option<String>,
    pub(crate) expected: String,
    pub(crate) got: String,
    /// Where it is expected; becomes the line.
    #[serde(skip)]
    pub(crate) at: Path,
}

/// A cell of Arrow.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Cell {
    Null,
    Bool(bool),
    Whole(i128),
    Real(f64),
    Text(String),
    Time(Timestamp),
    /// Of a type that cases do not know.
    Other(String),
}

/// How values are compared.
pub(crate) struct Judge<'a> {
    pub(crate) times: &'a Times,
    pub(crate) tolerance: Option<f64>,
}

impl Judge<'_> {
    /// Compares the rows of a stage with a table that stands at `at`.
    pub(crate) fn differences(
        &self,
        stage: &str,
        expected: &Table,
        at: &Path,
        left: &[RecordBatch],
    ) -> Vec<Difference> {
        let places: Vec<(&RecordBatch, usize)> =
            left.iter().flat_map(|batch| (0..batch.num_rows()).map(move |row| (batch, row))).collect();
        let wanted = expected.len();
        let mut differences = Vec::new();
        for (row, (batch, at_row)) in places.iter().enumerate().take(wanted) {
            for (column, value, at) in expected.cells(row, at) {
                let Some(array) = batch.column_by_name(column) else { continue };
                let got = cell(array, *at_row);
                if !self.same(value, &got) {
                    differences.push(Difference {
                        line: None,
                        stage: stage.to_owned(),
                        row: Some(row + 1),
                        time: time(batch, *at_row),
                        column: Some(column.to_owned()),
                        expected: shown(value),
                        got: got.to_string(),
                        at,
                    });
                }
            }
        }
        if wanted != places.len() {
            differences.push(Difference {
                line: None,
                stage: stage.to_owned(),
                row: None,
                time: None,
                column: None,
                expected: rows(wanted),
                got: rows(places.len()),
                at: at.clone(),
            });
        }
        differences
    }

    fn same(&self, expected: &Value, got: &Cell) -> bool {
        match (expected, got) {
            (Value::Null, Cell::Null) => true,
            (Value::Bool(expected), Cell::Bool(got)) => expected == got,
            (Value::String(expected), Cell::Text(got)) => expected == got,
            (Value::String(expected), Cell::Time(got)) => {
                self.times.read(expected).is_ok_and(|time| time == *got)
            }
            (Value::Number(expected), Cell::Whole(got)) => {
                let whole = expected.as_i64().map(i128::from).or_else(|| expected.as_u64().map(i128::from));
                match (whole, self.tolerance) {
                    (Some(expected), None) => expected == *got,
                    #[expect(clippy::cast_precision_loss, reason = "a tolerance asks for no more")]
                    _ => expected.as_f64().is_some_and(|expected| self.near(expected, *got as f64)),
                }
            }
            (Value::Number(expected), Cell::Real(got)) => {
                expected.as_f64().is_some_and(|expected| self.near(expected, *got))
            }
            _ => false,
        }
    }

    fn near(&self, expected: f64, got: f64) -> bool {
        (expected - got).abs() <= self.tolerance.unwrap_or(SHARE * expected.abs())
    }
}

fn rows(count: usize) -> String {
    if count == 1 { "1 row".to_owned() } else { format!("{count} rows") }
}

/// The time of a row, where it has one.
fn time(batch: &RecordBatch, row: usize) -> Option<String> {
    match cell(batch.column_by_name(TIME)?, row) {
        Cell::Time(time) => Some(time.to_string()),
        _ => None,
    }
}

/// The first cell in which two runs of the same case differ.
pub(crate) fn first_difference(
    one: &RecordBatch,
    other: &RecordBatch,
) -> Option<(usize, String, Cell, Cell)> {
    for (column, field) in one.schema_ref().fields().iter().enumerate() {
        for row in 0..one.num_rows().min(other.num_rows()) {
            let (one, other) = (cell(one.column(column), row), cell(other.column(column), row));
            if one != other {
                return Some((row, field.name().clone(), one, other));
            }
        }
    }
    None
}

fn cell(array: &ArrayRef, row: usize) -> Cell {
    if array.is_null(row) {
        return Cell::Null;
    }
    macro_rules! whole {
        ($($kind:ident => $native:ident),*) => {
            match array.data_type() {
                $(DataType::$kind => Cell::Whole(i128::from(array.as_primitive::<$native>().value(row))),)*
                DataType::Float32 => Cell::Real(smiles_stage::widened(array.as_primitive::<Float32Type>().value(row))),
                DataType::Float64 => Cell::Real(array.as_primitive::<Float64Type>().value(row)),
                DataType::Boolean => Cell::Bool(array.as_boolean().value(row)),
                DataType::Utf8 => Cell::Text(array.as_string::<i32>().value(row).to_owned()),
                DataType::Timestamp(TimeUnit::Microsecond, _) => {
                    let micros = array.as_primitive::<TimestampMicrosecondType>().value(row);
                    Timestamp::from_microsecond(micros).map_or_else(|error| Cell::Other(error.to_string()), Cell::Time)
                }
                other => Cell::Other(format!("a value of {other}")),
            }
        };
    }
    whole!(
        Int8 => Int8Type, Int16 => Int16Type, Int32 => Int32Type, Int64 => Int64Type, UInt8 => UInt8Type,
        UInt16 => UInt16Type, UInt32 => UInt32Type, UInt64 => UInt64Type
    )
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Whole(value) => write!(f, "{value}"),
            Self::Real(value) => write!(f, "{value}"),
            Self::Text(text) | Self::Other(text) => f.write_str(text),
            Self::Time(time) => write!(f, "{time}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{BooleanArray, Float64Array, Int64Array, StringArray, TimestampMicrosecondArray};
    use arrow_schema::{Field, Schema};

    use super::*;

    fn batch() -> RecordBatch {
        let columns: Vec<(&str, ArrayRef)> = vec![
            (TIME, Arc::new(TimestampMicrosecondArray::from(vec![0, 60_000_000]).with_timezone("UTC"))),
            ("whole", Arc::new(Int64Array::from(vec![Some(7), None]))),
            ("real", Arc::new(Float64Array::from(vec![0.1 + 0.2, 35.0]))),
            ("text", Arc::new(StringArray::from(vec!["007", "x"]))),
            ("up", Arc::new(BooleanArray::from(vec![true, false]))),
        ];
        let fields: Vec<Field> =
            columns.iter().map(|(name, array)| Field::new(*name, array.data_type().clone(), true)).collect();
        RecordBatch::try_new(
            Arc::new(Schema::new(fields)),
            columns.into_iter().map(|(_, array)| array).collect(),
        )
        .unwrap()
    }

    fn check(expected: &str, tolerance: Option<f64>) -> Vec<String> {
        let times = Times::new(Some("1970-01-01"), None).unwrap();
        let table: Table = serde_yaml::from_str(expected).unwrap();
        let judge = Judge { times: &times, tolerance };
        let differences = judge.differences("stage", &table, &Path::root().key("expect"), &[batch()]);
        differences
            .into_iter()
            .map(|one| {
                let Difference { row, time, column, expected, got, at, .. } = one;
                let (row, column) = (row.unwrap_or(0), column.unwrap_or_default());
                format!("{at} {row} {} {column}: {got} for {expected}", time.unwrap_or_default())
            })
            .collect()
    }

    #[test]
    fn only_what_is_named_is_compared_and_nulls_are_values() {
        let none: [&str; 0] = [];
        assert_eq!(
            check("{whole: [7, null], real: [0.3, 35], text: ['007', x], up: [true, false]}", None),
            none
        );
        assert_eq!(check("[{}, {time: '00:01'}]", None), none);
        assert_eq!(check("[{real: 0.31}, {}]", Some(0.02)), none);
        assert_eq!(check("[{whole: 6.5}, {}]", Some(0.5)), none);
    }

    #[test]
    fn differences_say_where_and_what() {
        assert_eq!(
            check("{whole: [null, 0], real: [0.31, 35], text: [7, x]}", None),
            [
                "expect.real[0] 1 1970-01-01T00:00:00Z real: 0.30000000000000004 for 0.31",
                "expect.text[0] 1 1970-01-01T00:00:00Z text: 007 for 7",
                "expect.whole[0] 1 1970-01-01T00:00:00Z whole: 7 for null",
                "expect.whole[1] 2 1970-01-01T00:01:00Z whole: null for 0",
            ]
        );
        assert_eq!(check("[{whole: 7}]", None), ["expect 0  : 2 rows for 1 row"]);
        assert_eq!(check("[{}, {}, {whole: 1}]", None), ["expect 0  : 2 rows for 3 rows"]);
    }
}
