//! What a machine with a wrong clock writes, batch by batch, and what an upserted table holds then.

use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use jiff::Timestamp;
use serde_json::{Value, json};
use smiles_stage::{Batch, Position, RunId, Seq, mark_misdated, time_field};

/// Noon of a day, and spans, in seconds.
const NOON: i64 = 1_782_043_200;
const MINUTE: i64 = 60;
const DAY: i64 = 86_400;

/// The columns of the rows.
pub fn clock_schema() -> SchemaRef {
    let fields =
        [time_field(), Field::new("k", DataType::Utf8, true), Field::new("v", DataType::Int64, true)];
    Arc::new(Schema::new(fields.to_vec()))
}

/// The mapping of the rows.
pub fn clock_tables() -> Value {
    json!({ "t": {
        "mode": "upsert", "key": ["k"], "newest": "last", "first": ["first"], "create": true,
        "columns": { "k": "k", "v": "v", "last": "time", "first": "time" },
    }})
}

/// Batches of `run`, each with all rows of the table after it: key, value, last and first in seconds since 1970.
///
/// # Panics
/// Never: every row fits its schema.
pub fn clock_steps(run: RunId) -> Vec<(Batch, Vec<String>)> {
    let year = NOON + 365 * DAY;
    let back = NOON - DAY;
    // Time of the rows, when they were accepted, what the clock is worth (`None`: trusted; else whether the time is
    // known), rows; then the table.
    type ClockStep<'a> = (i64, i64, Option<bool>, &'a [(&'a str, i64)], Vec<(&'a str, i64, i64, i64)>);
    let steps: [ClockStep<'_>; 8] = [
        (NOON, NOON, None, &[("a", 1)], vec![("a", 1, NOON, NOON)]),
        // A year ahead, and nobody could know.
        (year, year, None, &[("a", 2), ("b", 2)], vec![("a", 2, year, NOON), ("b", 2, year, year)]),
        (
            NOON + MINUTE,
            NOON + MINUTE,
            None,
            &[("a", 3), ("b", 3)],
            vec![("a", 3, NOON + MINUTE, NOON), ("b", 3, NOON + MINUTE, NOON + MINUTE)],
        ),
        // In 1970, and it is known what time it is.
        (
            MINUTE,
            NOON + 2 * MINUTE,
            Some(true),
            &[("a", 4)],
            vec![("a", 4, NOON + 2 * MINUTE, NOON), ("b", 3, NOON + MINUTE, NOON + MINUTE)],
        ),
        // What comes late overwrites nothing newer.
        (
            NOON + MINUTE + 30,
            NOON + 2 * MINUTE,
            None,
            &[("a", 9)],
            vec![("a", 4, NOON + 2 * MINUTE, NOON), ("b", 3, NOON + MINUTE, NOON + MINUTE)],
        ),
        // Set back by a day, for good.
        (back, back, None, &[("a", 5)], vec![("a", 5, back, back), ("b", 3, NOON + MINUTE, NOON + MINUTE)]),
        // A date that cannot be, and nothing better is known.
        (
            1_460_000_000,
            1_460_000_000,
            Some(false),
            &[("c", 6)],
            vec![("a", 5, back, back), ("b", 3, NOON + MINUTE, NOON + MINUTE), ("c", 6, 1_460_000_000, 0)],
        ),
        (
            NOON + 3 * MINUTE,
            NOON + 3 * MINUTE,
            None,
            &[("c", 7)],
            vec![
                ("a", 5, back, back),
                ("b", 3, NOON + MINUTE, NOON + MINUTE),
                ("c", 7, NOON + 3 * MINUTE, NOON + 3 * MINUTE),
            ],
        ),
    ];
    let batch = |(index, (time, accepted, worth, rows, table)): (usize, ClockStep<'_>)| {
        let records = records(time, rows);
        let records = worth.map_or(records.clone(), |known| mark_misdated(records, known));
        let seq = Seq(u64::try_from(index).unwrap_or(0) + 1);
        let accepted_at = Timestamp::from_second(accepted).unwrap_or(Timestamp::UNIX_EPOCH);
        let shown = table.into_iter().map(|(k, v, last, first)| format!("{k}|{v}|{last}|{first}")).collect();
        (Batch { position: Position { run, seq }, complete: true, accepted_at, records }, shown)
    };
    steps.into_iter().enumerate().map(batch).collect()
}

#[expect(clippy::expect_used, reason = "the columns are those of the schema")]
fn records(time: i64, rows: &[(&str, i64)]) -> RecordBatch {
    let times = TimestampMicrosecondArray::from_value(time * 1_000_000, rows.len()).with_timezone("UTC");
    let keys: StringArray = rows.iter().map(|row| Some(row.0)).collect();
    let values: Int64Array = rows.iter().map(|row| Some(row.1)).collect();
    let columns: Vec<ArrayRef> = vec![Arc::new(times), Arc::new(keys), Arc::new(values)];
    RecordBatch::try_new(clock_schema(), columns).expect("columns of this schema")
}
