//! Whether a table kept a row: a trigger that leaves it out says nothing, but the statement then changed nothing.

use rusqlite::Connection;
use smiles_store::each_counts;
use smiles_tables::TablePlan;

use crate::bind::{Binder, RowError};
use crate::sql;

const IS_VIEW: &str =
    "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'view' AND name = ?1 COLLATE NOCASE)";

/// Whether a row that changed nothing had to. Of a view SQLite never says what its triggers did: nobody can tell.
pub(crate) fn is_left_out(
    connection: &Connection,
    table: &TablePlan,
    late: bool,
    binder: &mut Binder<'_>,
    row: usize,
) -> Result<bool, RowError> {
    if !each_counts(table, late)
        && let Some(sql) = sql::standing(table)
    {
        let mut statement = connection.prepare_cached(&sql)?;
        return Ok(!binder.ask(&mut statement, row)?);
    }
    let is_view: bool = connection.prepare_cached(IS_VIEW)?.query_row([&table.name], |row| row.get(0))?;
    Ok(!is_view)
}
