//! The rows of one key folded into one, as if they had been upserted one after the other.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_schema::DataType;
use arrow_select::concat::concat_batches;
use arrow_select::interleave::interleave;
use hashbrown::HashMap;
use jiff::{SignedDuration, Timestamp};

use crate::config::Mode;
use crate::key::KeyColumns;
use crate::plan::{Role, TablePlan};
use smiles_stage::{Batch, misdated};

/// No reading is of an earlier time (2020-01-01).
const FIRST_POSSIBLE: i64 = 1_577_836_800;
/// Clocks of two machines may differ by so much.
const SLACK: SignedDuration = SignedDuration::from_mins(2);

/// A cell's place: the part, the row in it.
type Cell = (usize, usize);

/// All rows of the parts as one batch. For an upsert there is one row per key, in the order the keys first appear:
/// a row that is not older than what was folded so far overwrites it where it is not null, an older one is
/// ignored, `first` columns keep what the first row had. Without `newest` every row is newer than the one before.
///
/// Upserting the folded row gives what upserting them one by one gives, except where the table already holds a row
/// that is newer than some of them and older than others: then a value that only the older ones had counts as new
/// as the newest of them.
///
/// A row that is dated later than `latest` (see [`latest_plausible`]) is older than any.
#[expect(clippy::expect_used, reason = "all parts have the table's schema, and cells are taken from them")]
pub fn merge(table: &TablePlan, parts: &[&RecordBatch], latest: Option<Timestamp>) -> RecordBatch {
    if table.mode != Mode::Upsert {
        return concat_batches(&table.schema, parts.iter().copied()).expect("batches of one schema");
    }
    let rows = fold(table, parts, latest);
    let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
    let columns = (0..table.columns.len())
        .map(|column| {
            let arrays: Vec<&dyn Array> = parts.iter().map(|part| part.column(column).as_ref()).collect();
            let cells: Vec<Cell> = rows.iter().map(|row| row[column]).collect();
            if arrays.is_empty() {
                return arrow_array::new_empty_array(table.schema.field(column).data_type());
            }
            interleave(&arrays, &cells).expect("cells of these arrays")
        })
        .collect();
    RecordBatch::try_new_with_options(Arc::clone(&table.schema), columns, &options).expect("fits its schema")
}

/// The latest time that a stored row can have, if these are written now: what is later was dated by a clock that ran
/// ahead, and must not keep out what is right. `None`: the clock cannot be right itself, and says nothing about others.
pub fn latest_plausible(batches: &[Batch], now: Timestamp) -> Option<Timestamp> {
    let last = batches.last().filter(|batch| misdated(batch.records.schema_ref()).is_none())?;
    plausible_until(last.accepted_at.max(now))
}

/// The same by a clock that is trusted. `None`: nobody has set it, and it knows nothing of what is stored.
pub fn plausible_until(now: Timestamp) -> Option<Timestamp> {
    let set = now.as_second() >= FIRST_POSSIBLE;
    set.then(|| now.saturating_add(SLACK).ok()).flatten()
}

fn cells(parts: &[&RecordBatch]) -> impl Iterator<Item = Cell> {
    parts.iter().enumerate().flat_map(|(part, records)| (0..records.num_rows()).map(move |row| (part, row)))
}

/// One row per key, each cell from the row it is to be taken from.
fn fold(table: &TablePlan, parts: &[&RecordBatch], latest: Option<Timestamp>) -> Vec<Vec<Cell>> {
    let key: Vec<usize> = table.with_role(Role::Key).collect();
    let keys: Vec<KeyColumns<'_>> =
        parts.iter().map(|part| KeyColumns::new(key.iter().map(|&column| part.column(column)))).collect();
    let newest = table.with_role(Role::Newest).next();
    let latest = latest.filter(|_| table.newest_time().is_some()).map(Timestamp::as_microsecond);
    let age = |cell: Cell| newest.and_then(|column| instant(parts[cell.0].column(column), cell.1));
    let (mut places, mut key): (HashMap<Vec<u8>, usize>, _) = (HashMap::new(), Vec::new());
    let mut rows: Vec<Vec<Cell>> = Vec::new();
    for cell in cells(parts) {
        let key = keys[cell.0].write(cell.1, &mut key);
        let place = places.get(key).copied().unwrap_or_else(|| {
            places.insert(key.to_vec(), rows.len());
            rows.len()
        });
        match rows.get_mut(place) {
            None => rows.push(vec![cell; table.columns.len()]),
            Some(row) => {
                // `newest` is a column like any other: its cell in the folded row says how new that is.
                let counts = |column: usize| {
                    let known = age(row[column]);
                    age(cell) >= known || known.zip(latest).is_some_and(|(known, latest)| known > latest)
                };
                if newest.is_none_or(counts) {
                    overwrite(table, parts, row, cell);
                }
            }
        }
    }
    rows
}

fn overwrite(table: &TablePlan, parts: &[&RecordBatch], row: &mut [Cell], with: Cell) {
    for (column, planned) in table.columns.iter().enumerate() {
        let overwrites = matches!(planned.role, Role::Value | Role::Newest);
        if overwrites && parts[with.0].column(column).is_valid(with.1) {
            row[column] = with;
        }
    }
}

/// The value of a `newest` column; null is older than everything.
fn instant(column: &ArrayRef, row: usize) -> Option<i64> {
    if column.is_null(row) {
        return None;
    }
    Some(match column.data_type() {
        DataType::Int64 => column.as_primitive::<Int64Type>().value(row),
        _ => column.as_primitive::<TimestampMicrosecondType>().value(row),
    })
}
