//! Reads the tables of a database file row by row, as text: for taking over what another program stored.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::Connection;
use smiles_stage::StageError;

use crate::config::Synchronous;
use crate::error::stage_error;
use crate::file::{Location, open_reader};
use smiles_store::quoted;

/// A row: its number in the table (0 where it has none), then the columns asked for; `None` is null.
pub type TextRow = (i64, Vec<Option<String>>);

/// An open file; nothing is ever written to it.
pub struct Extract {
    path: PathBuf,
    connection: Connection,
}

impl Extract {
    /// Opens a file.
    ///
    /// # Errors
    /// It is not there, or is no database.
    pub fn open(path: &Path) -> Result<Self, StageError> {
        let location = Location {
            path: path.to_owned(),
            busy_timeout: Duration::from_secs(10),
            synchronous: Synchronous::Normal,
        };
        let this = Self { path: path.to_owned(), connection: open_reader(&location)? };
        // Opening alone reads nothing.
        this.columns("sqlite_schema")?;
        Ok(this)
    }

    /// The columns of a table; none if there is no such table.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn columns(&self, table: &str) -> Result<Vec<String>, StageError> {
        self.read(|connection| {
            let mut find = connection.prepare("SELECT name FROM pragma_table_info(?1)")?;
            let names = find.query_map([table], |row| row.get(0))?;
            names.collect()
        })
    }

    /// How many rows a table has.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn count(&self, table: &str) -> Result<u64, StageError> {
        let sql = format!("SELECT count(*) FROM {}", quoted(table));
        let count: i64 = self.read(|connection| connection.query_row(&sql, [], |row| row.get(0)))?;
        Ok(u64::try_from(count).unwrap_or(0))
    }

    /// Up to `limit` rows with a number above `after`, in its order; without a number all rows.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn rows(
        &self,
        table: &str,
        columns: &[String],
        number: Option<&str>,
        after: i64,
        limit: usize,
    ) -> Result<Vec<TextRow>, StageError> {
        let list =
            columns.iter().map(|column| format!(", CAST({} AS TEXT)", quoted(column))).collect::<String>();
        let sql = match number {
            // A name that SQLite itself gives every table must not be quoted: it would be a text where it is hidden.
            Some("rowid") => numbered("rowid", &list, table, after, limit),
            Some(number) => numbered(&quoted(number), &list, table, after, limit),
            None => format!("SELECT 0{list} FROM {} ORDER BY 2", quoted(table)),
        };
        self.read(|connection| {
            let mut find = connection.prepare(&sql)?;
            let rows = find.query_map([], |row| {
                let cells = (1..=columns.len()).map(|column| row.get(column)).collect::<Result<_, _>>()?;
                Ok((row.get(0)?, cells))
            })?;
            rows.collect()
        })
    }

    fn read<T>(&self, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, StageError> {
        work(&self.connection).map_err(|error| stage_error(&self.path, "read", error))
    }
}

fn numbered(number: &str, list: &str, table: &str, after: i64, limit: usize) -> String {
    let table = quoted(table);
    format!("SELECT {number}{list} FROM {table} WHERE {number} > {after} ORDER BY {number} LIMIT {limit}")
}
