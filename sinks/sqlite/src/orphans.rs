//! Rows whose references wait for the commit: found by halving, since SQLite tells of the whole transaction only that
//! some reference leads nowhere.

use rusqlite::Connection;
use smiles_stage::StageError;
use smiles_store::{Rejected, Swallowed, halves, places};
use smiles_tables::RowAddress;

use crate::attempt::Write;
use crate::attribution::{self, Culprit};
use crate::bind::RowError;

const CODE: &str = "SQLITE_CONSTRAINT_FOREIGNKEY";
const REASON: &str = "a foreign key of the row, or one that leads to it, leads nowhere at the commit";

/// Stores all rows if no reference is broken by one, and says what the tables did not keep; names all that break one.
///
/// # Errors
/// Reject with the rows; retry, if no row can be told to break one.
pub(crate) fn store(write: &Write<'_>, connection: &mut Connection) -> Result<Swallowed, StageError> {
    let transaction = write.begin(connection)?;
    let mut broken = broken(&transaction).map_err(|error| write.tell(error))?;
    let tables = write.parts.iter().map(|insert| insert.part.table);
    let culprit = attribution::of_commit(&transaction, tables).map_err(|error| write.tell(error))?;
    let places = places(write.parts.iter().map(|insert| &insert.part));
    let (mut rejected, mut swallowed) = (Rejected::default(), Swallowed::default());
    let mut ranges: Vec<&[RowAddress]> = halves(&places).into_iter().rev().collect();
    while let Some(range) = ranges.pop() {
        match attempt(write, &transaction, range, broken) {
            Ok((now, left_out)) if now <= broken => {
                broken = now;
                swallowed.extend(left_out);
                rejected.took("");
            }
            Ok(_) => match (range, &culprit) {
                ([place], Culprit::Row) => rejected.add(*place, CODE, REASON),
                ([place], _) => rejected.suspect(*place, "", CODE, REASON),
                _ => ranges.extend(halves(range).into_iter().rev()),
            },
            Err(RowError::Sqlite(error)) => return Err(write.tell(error)),
            Err(RowError::Year) => {
                return Err(StageError::retry("an instant fitted and then did not: please report this"));
            }
        }
    }
    rejected.finish()?;
    if write.commit(transaction)? {
        return Ok(swallowed);
    }
    Err(StageError::retry(
        "foreign keys lead nowhere at the commit, and no single row is to blame: mend them",
    ))
}

/// Writes the range; undone if it breaks more references than there are broken. How many there were then, and what the
/// tables did not keep.
fn attempt(
    write: &Write<'_>,
    connection: &Connection,
    range: &[RowAddress],
    before: i64,
) -> Result<(i64, Swallowed), RowError> {
    let mut swallowed = Swallowed::default();
    connection.execute_batch("SAVEPOINT attempt")?;
    for insert in &write.parts {
        swallowed.add(&insert.part.table.name, insert.write_each(connection, range)?);
    }
    let now = broken(connection)?;
    let end = if now > before { "ROLLBACK TO attempt; RELEASE attempt" } else { "RELEASE attempt" };
    connection.execute_batch(end)?;
    Ok((now, swallowed))
}

/// How many references of the whole file lead nowhere.
fn broken(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row("SELECT count(*) FROM pragma_foreign_key_check", [], |row| row.get(0))
}
