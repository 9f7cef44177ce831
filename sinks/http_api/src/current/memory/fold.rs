//! Rows of the same keys folded into one each, as a store would hold them. Pure.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef, RecordBatch, RecordBatchOptions, new_null_array};
use arrow_schema::{DataType, SchemaRef};
use arrow_select::interleave::interleave;
use jiff::Timestamp;

use crate::text::json;
use crate::text::json::Cell;

/// How rows of one key become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The newest as a whole: the latest of an appended table.
    Latest,
    /// Value by value, null overwriting nothing: an upserted table.
    Upsert,
}

/// What decides about rows of one table.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    /// How rows of one key become one.
    pub kind: Kind,
    /// All columns of the table as they are served; every one may be null.
    pub schema: SchemaRef,
    /// The columns of the key.
    pub key: Vec<usize>,
    /// The column that says how new a row is.
    pub newest: Option<usize>,
    /// Columns that a later row does not overwrite, and that only the store knows.
    pub of_store: Vec<usize>,
}

/// Whether a row of the same age counts, and which is older than any.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Newer {
    /// A row that is as new as the known one counts.
    pub or_equal: bool,
    /// What is dated later than this was dated by a clock that ran ahead.
    pub latest: Option<Timestamp>,
}

/// A cell's place: the part, the row in it; `None`: null.
type CellAddress = Option<(usize, usize)>;

/// As [`fold_within`], where any time can be.
pub(crate) fn fold(rule: &Rule, parts: &[&RecordBatch], or_equal: bool) -> RecordBatch {
    fold_within(rule, parts, Newer { or_equal, latest: None })
}

/// One row per key, in the order the keys first appear. A later row counts if it is newer. Rows with a null in the key belong to none.
pub(crate) fn fold_within(rule: &Rule, parts: &[&RecordBatch], newer: Newer) -> RecordBatch {
    let mut places: HashMap<String, usize> = HashMap::new();
    let mut rows: Vec<Vec<CellAddress>> = Vec::new();
    let width = rule.schema.fields().len();
    for (part, batch) in parts.iter().enumerate() {
        for row in 0..batch.num_rows() {
            let Some(key) = json::key(batch, row, &rule.key) else { continue };
            let place = *places.entry(key).or_insert(rows.len());
            match rows.get_mut(place) {
                None => rows.push(vec![Some((part, row)); width]),
                Some(known) if counts(rule, parts, known, (part, row), newer) => {
                    overwrite(rule, batch, known, (part, row));
                }
                Some(_) => {}
            }
        }
    }
    gather(&rule.schema, parts, &rows)
}

fn counts(
    rule: &Rule,
    parts: &[&RecordBatch],
    known: &[CellAddress],
    new: (usize, usize),
    newer: Newer,
) -> bool {
    let Some(newest) = rule.newest else { return true };
    let age = |(part, row): (usize, usize)| match json::cell(parts[part].column(newest), row) {
        Cell::Time(time) => Some(time.as_microsecond()),
        Cell::Int(number) => i64::try_from(number).ok(),
        _ => None,
    };
    let (known, new) = (known[newest].and_then(age), age(new));
    let of_time = matches!(rule.schema.field(newest).data_type(), DataType::Timestamp(..));
    let latest = newer.latest.filter(|_| of_time).map(Timestamp::as_microsecond);
    let impossible = |age: Option<i64>| age.zip(latest).is_some_and(|(age, latest)| age > latest);
    let counts = if newer.or_equal { new >= known } else { new > known };
    counts || impossible(known)
}

fn overwrite(rule: &Rule, batch: &RecordBatch, known: &mut [CellAddress], new: (usize, usize)) {
    for (column, place) in known.iter_mut().enumerate() {
        let keeps = rule.kind == Kind::Upsert
            && (rule.of_store.contains(&column) || batch.column(column).is_null(new.1));
        if !keeps {
            *place = Some(new);
        }
    }
}

#[expect(clippy::expect_used, reason = "all parts are of this schema, and places are places in them")]
fn gather(schema: &SchemaRef, parts: &[&RecordBatch], rows: &[Vec<CellAddress>]) -> RecordBatch {
    let columns = schema.fields().iter().enumerate().map(|(column, field)| {
        let null: ArrayRef = new_null_array(field.data_type(), 1);
        let mut arrays: Vec<&dyn Array> = parts.iter().map(|part| part.column(column).as_ref()).collect();
        arrays.push(null.as_ref());
        let nowhere = (arrays.len() - 1, 0);
        let places: Vec<_> = rows.iter().map(|row| row[column].unwrap_or(nowhere)).collect();
        interleave(&arrays, &places).expect("places in arrays of one type")
    });
    let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
    let columns = columns.collect();
    RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options).expect("columns of this schema")
}

/// The same rows without what only the store knows of them.
pub(crate) fn without_store(rule: &Rule, batch: &RecordBatch) -> RecordBatch {
    let row = |row: usize| {
        (0..batch.num_columns())
            .map(|column| (!rule.of_store.contains(&column)).then_some((0, row)))
            .collect()
    };
    let rows: Vec<Vec<CellAddress>> = (0..batch.num_rows()).map(row).collect();
    gather(&rule.schema, &[batch], &rows)
}
