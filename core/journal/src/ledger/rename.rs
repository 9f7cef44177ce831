//! A sink's place under another name: its books, cursors, losses and dead letters.

use rusqlite::types::Value;
use rusqlite::{Connection, ToSql};

use crate::format::failure::Failure;
use crate::format::layout::{BOOKS, Table};
use crate::format::records::SinkRow;
use crate::format::seal::put;
use crate::ledger::pruning;

/// The tables whose rows belong to a sink; its name is their first column.
const OWNED: [&str; 6] = ["sinks", "cursors", "gaps", "losses", "dead_letters", "replays"];

/// Gives everything of `old` to `new`; `false`: that was done before.
pub(crate) fn rename(connection: &Connection, old: &str, new: &str) -> Result<bool, Failure> {
    let sinks = SinkRow::all(connection)?;
    let waiting = |name: &str| sinks.iter().find(|sink| sink.name == name);
    match (waiting(old), waiting(new)) {
        (Some(_), None) => {}
        (None, Some(_)) => return Ok(false),
        (None, None) => {
            return Err(Failure::Refused(format!(
                "the journal has a cursor neither of `{old}` nor of `{new}`"
            )));
        }
        (Some(_), Some(_)) => {
            return Err(Failure::Refused(format!(
                "the journal already has a cursor of `{new}`: it has run under that name since, and two cursors \
                 cannot be merged"
            )));
        }
    }
    for table in BOOKS.iter().filter(|table| OWNED.contains(&table.name)) {
        hand_over(connection, table, old, new)?;
    }
    crate::ledger::old_copy::rename(connection, old, new)?;
    pruning::rename(connection, old, new)?;
    Ok(true)
}

/// Every row carries a checksum over its name too, so each is written anew.
fn hand_over(connection: &Connection, table: &Table, old: &str, new: &str) -> Result<(), Failure> {
    let name = table.name;
    let mut statement =
        connection.prepare(&format!("SELECT * FROM {name} WHERE sink = ?1 ORDER BY rowid"))?;
    let rows = statement.query_map([old], |row| {
        (1..table.columns).map(|column| row.get::<_, Value>(column)).collect::<Result<Vec<_>, _>>()
    })?;
    for row in rows.collect::<Result<Vec<_>, _>>()? {
        let mut values: Vec<&dyn ToSql> = vec![&new];
        values.extend(row.iter().map(|value| value as &dyn ToSql));
        put(connection, name, &values)?;
    }
    connection.execute(&format!("DELETE FROM {name} WHERE sink = ?1"), [old])?;
    Ok(())
}
