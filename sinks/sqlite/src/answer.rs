//! Cells of SQLite as cells of an answer.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;
use rusqlite::Row;
use rusqlite::types::ValueRef;
use smiles_store::Cells;

/// Appends the row's cell; `None`: it is of another type than the column.
pub(crate) fn push(row: &Row<'_>, index: usize, column: &mut Cells) -> Option<()> {
    match (column, row.get_ref(index).unwrap_or(ValueRef::Null)) {
        (Cells::Int(column), ValueRef::Integer(value)) => column.append_value(value),
        (Cells::Int(column), ValueRef::Null) => column.append_null(),
        (Cells::Float(column), ValueRef::Real(value)) => column.append_value(value),
        (Cells::Float(column), ValueRef::Integer(value)) => column.append_value(value as f64),
        (Cells::Float(column), ValueRef::Null) => column.append_null(),
        (Cells::Text(column), ValueRef::Null) => column.append_null(),
        (Cells::Text(column), ValueRef::Text(text)) => match std::str::from_utf8(text) {
            Ok(text) => column.append_value(text),
            Err(_) => return None,
        },
        (Cells::Bool(column), ValueRef::Integer(value @ (0 | 1))) => column.append_value(value == 1),
        (Cells::Bool(column), ValueRef::Null) => column.append_null(),
        (Cells::Time(column), ValueRef::Null) => column.append_null(),
        (Cells::Time(column), ValueRef::Text(text)) => match micros(text) {
            Some(micros) => column.append_value(micros),
            None => return None,
        },
        _ => return None,
    }
    Some(())
}

/// Our own form, or what people write by hand: `2026-11-23 19:43:12`, which counts as UTC.
fn micros(text: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(text).ok()?;
    let instant = text.parse::<Timestamp>().ok().or_else(|| {
        let at: DateTime = text.parse().ok()?;
        Offset::UTC.to_timestamp(at).ok()
    });
    instant.map(|instant| instant.as_microsecond())
}
