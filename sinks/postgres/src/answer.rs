//! Cells of PostgreSQL as cells of an answer.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use postgres_types::{FromSql, Type};
use smiles_stage::widened;
use smiles_store::Cells;
use tokio_postgres::Row;

/// Appends the row's cell; `None`: it cannot be read as what the column holds.
pub(crate) fn push(row: &Row, index: usize, column: &mut Cells) -> Option<()> {
    fn cell<'a, T: FromSql<'a>>(row: &'a Row, index: usize) -> Option<Option<T>> {
        row.try_get(index).ok()
    }
    match column {
        Cells::Int(column) => column.append_option(cell(row, index)?),
        Cells::Float(column) if *row.columns()[index].type_() == Type::FLOAT4 => {
            column.append_option(cell::<f32>(row, index)?.map(widened));
        }
        Cells::Float(column) => column.append_option(cell(row, index)?),
        Cells::Text(column) => column.append_option(cell::<&str>(row, index)?),
        Cells::Bool(column) => column.append_option(cell(row, index)?),
        Cells::Time(column) => column.append_option(match cell::<SystemTime>(row, index)? {
            Some(instant) => Some(micros(instant)?),
            None => None,
        }),
    }
    Some(())
}

fn micros(instant: SystemTime) -> Option<i64> {
    let whole = |span: Duration| i64::try_from(span.as_micros()).ok();
    match instant.duration_since(UNIX_EPOCH) {
        Ok(after) => whole(after),
        Err(before) => whole(before.duration()).map(|micros| -micros),
    }
}
