//! From cells of text to columns of Arrow.

use std::fmt;
use std::sync::Arc;

use arrow_array::builder::{
    BooleanBuilder, Float64Builder, Int64Builder, StringBuilder, TimestampMicrosecondBuilder,
};
use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};
use smiles_stage::{ColumnMeta, Kind, json_field};

use crate::rules::{Step, Type};

/// A row: its number, then a cell per column.
pub(crate) type TextRow = (i64, Vec<Option<String>>);

/// Instants that had no time zone, and how they were read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Clock {
    /// All of them.
    pub(crate) naive: u64,
    /// Of an hour that the clock showed twice: the second is meant.
    pub(crate) twice: u64,
    /// Of an hour that the clock skipped: read as if it had not.
    pub(crate) skipped: u64,
}

/// A cell that is not what its column holds.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct BadCell {
    /// The row's number.
    pub(crate) row: i64,
    pub(crate) column: String,
    pub(crate) message: String,
}

impl fmt::Display for BadCell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "row {}, column {}: {}", self.row, self.column, self.message)
    }
}

/// The schema of a step's rows. A number that is no key counts as measured.
pub(crate) fn schema(step: &Step) -> SchemaRef {
    let field = |(name, data_type): (&String, &Type)| {
        let plain = |data_type| Field::new(name, data_type, true);
        let measured = |data_type| {
            let field = plain(data_type);
            if step.key.iter().any(|key| key == name) { field } else { field.with_kind(Kind::Gauge) }
        };
        match data_type {
            Type::Text => plain(DataType::Utf8),
            Type::Int => measured(DataType::Int64),
            Type::Float => measured(DataType::Float64),
            Type::Bool => plain(DataType::Boolean),
            Type::Time => plain(DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))),
            Type::Json => json_field(name),
        }
    };
    Arc::new(Schema::new(step.columns.iter().map(field).collect::<Vec<_>>()))
}

/// Turns rows into a batch; instants without a time zone are those of `zone`.
///
/// # Errors
/// Every cell that is not what its column holds.
pub(crate) fn batch(
    step: &Step,
    schema: &SchemaRef,
    rows: &[TextRow],
    zone: &TimeZone,
    clock: &mut Clock,
) -> Result<RecordBatch, Vec<BadCell>> {
    let mut bad = Vec::new();
    let mut columns: Vec<ArrayRef> = Vec::new();
    for (place, (name, data_type)) in step.columns.iter().enumerate() {
        let mut complain = |row: i64, message: String| {
            bad.push(BadCell { row, column: name.to_owned(), message });
        };
        let cells = rows.iter().map(|(row, cells)| (*row, cells.get(place).and_then(Option::as_deref)));
        columns.push(column(*data_type, cells, zone, clock, &mut complain));
    }
    if !bad.is_empty() {
        return Err(bad);
    }
    let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
    RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)
        .map_err(|error| vec![BadCell { row: 0, column: String::new(), message: error.to_string() }])
}

fn column<'a>(
    data_type: Type,
    cells: impl Iterator<Item = (i64, Option<&'a str>)>,
    zone: &TimeZone,
    clock: &mut Clock,
    complain: &mut impl FnMut(i64, String),
) -> ArrayRef {
    macro_rules! build {
        ($builder:expr, $parse:expr) => {{
            let mut builder = $builder;
            for (row, cell) in cells {
                let parsed = cell.map($parse).transpose();
                builder.append_option(parsed.unwrap_or_else(|message| {
                    complain(row, message);
                    None
                }));
            }
            Arc::new(builder.finish())
        }};
    }
    match data_type {
        Type::Text => build!(StringBuilder::new(), Ok::<_, String>),
        Type::Json => build!(StringBuilder::new(), json),
        Type::Int => build!(Int64Builder::new(), int),
        Type::Float => build!(Float64Builder::new(), float),
        Type::Bool => build!(BooleanBuilder::new(), truth),
        Type::Time => {
            let builder = TimestampMicrosecondBuilder::new().with_timezone("UTC");
            build!(builder, |text| time(text, zone, clock))
        }
    }
}

fn json(text: &str) -> Result<&str, String> {
    serde_json::from_str::<serde::de::IgnoredAny>(text)
        .map(|_| text)
        .map_err(|_| format!("`{text}` is no JSON"))
}

/// A whole number, also as a database prints one of a floating point column.
fn int(text: &str) -> Result<i64, String> {
    let text = text.trim();
    let whole = text.strip_suffix(".0").unwrap_or(text);
    whole.parse().map_err(|_| format!("`{text}` is no whole number"))
}

fn float(text: &str) -> Result<f64, String> {
    text.trim().parse().map_err(|_| format!("`{text}` is no number"))
}

fn truth(text: &str) -> Result<bool, String> {
    match text.trim() {
        "t" | "true" | "1" => Ok(true),
        "f" | "false" | "0" => Ok(false),
        other => Err(format!("`{other}` is no truth value: true or false")),
    }
}

pub(crate) fn time(text: &str, zone: &TimeZone, clock: &mut Clock) -> Result<i64, String> {
    let text = text.trim();
    if let Ok(instant) = text.parse::<Timestamp>() {
        return Ok(instant.as_microsecond());
    }
    let bad = || {
        format!("`{text}` is no instant: 2026-06-21T12:00:00+02:00, or without a zone 2026-06-21 12:00:00")
    };
    let shown: DateTime = text.parse().map_err(|_| bad())?;
    clock.naive += 1;
    let ambiguous = zone.to_ambiguous_timestamp(shown);
    match ambiguous.offset() {
        AmbiguousOffset::Unambiguous { .. } => {}
        AmbiguousOffset::Fold { .. } => clock.twice += 1,
        AmbiguousOffset::Gap { .. } => clock.skipped += 1,
    }
    // As PostgreSQL reads them, so that a copied database and one that was adopted as it is say the same.
    ambiguous.later().map(Timestamp::as_microsecond).map_err(|_| bad())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn berlin() -> TimeZone {
        TimeZone::get("Europe/Berlin").unwrap()
    }

    fn utc(micros: i64) -> String {
        Timestamp::from_microsecond(micros).unwrap().to_string()
    }

    #[test]
    fn instants_are_read_with_and_without_a_zone() {
        let mut clock = Clock::default();
        for (text, expected) in [
            ("2026-06-21T12:00:00Z", "2026-06-21T12:00:00Z"),
            ("2026-06-21 12:00:00.5+02:00", "2026-06-21T10:00:00.5Z"),
            // As PostgreSQL prints them.
            ("2026-06-21 12:00:00.123456+00", "2026-06-21T12:00:00.123456Z"),
        ] {
            assert_eq!(utc(time(text, &berlin(), &mut clock).unwrap()), expected);
        }
        assert_eq!(clock, Clock::default());
        for (text, expected) in [
            ("2026-06-21 12:00:00.123456", "2026-06-21T10:00:00.123456Z"),
            ("2026-10-25 02:30:00", "2026-10-25T01:30:00Z"),
            ("2026-03-29T02:30:00", "2026-03-29T01:30:00Z"),
        ] {
            assert_eq!(utc(time(text, &berlin(), &mut clock).unwrap()), expected, "{text}");
        }
        assert_eq!(clock, Clock { naive: 3, twice: 1, skipped: 1 });
        assert!(time("yesterday", &berlin(), &mut clock).unwrap_err().contains("is no instant"));
    }

    fn step() -> Step {
        serde_yaml::from_str("{table: t, columns: {serial: text, at: time, volts: float}, into: {}}").unwrap()
    }

    #[test]
    fn every_bad_cell_is_named() {
        let step = step();
        let rows = vec![(7, vec![None, Some("noon".into()), Some("much".into())])];
        let bad = batch(&step, &schema(&step), &rows, &TimeZone::UTC, &mut Clock::default()).unwrap_err();
        let told: Vec<String> = bad.iter().map(ToString::to_string).collect();
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(told[0].starts_with("row 7, column at: `noon` is no instant"), "{told:?}");
        assert_eq!(told[1], "row 7, column volts: `much` is no number");
    }
}
