//! The tables of a journal file. Their order and text are part of the format: a repair rebuilds page 1 from them.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};
use smiles_stage::RunId;

use crate::format::failure::Failure;

/// `SMiJ`, in the header of every journal (`PRAGMA application_id`).
pub(crate) const APPLICATION_ID: i32 = 0x534d_694a;

/// The version of this layout (`PRAGMA user_version`, and `version` in `meta`).
pub(crate) const VERSION: i32 = 1;

/// Bytes of a page; fixed, so that a repair need not trust the header.
pub(crate) const PAGE: u64 = 4096;

/// A table: its name and the number of columns before the checksum.
pub(crate) struct Table {
    pub(crate) name: &'static str,
    pub(crate) columns: usize,
    ddl: &'static str,
}

const fn table(name: &'static str, columns: usize, ddl: &'static str) -> Table {
    Table { name, columns, ddl }
}

/// The payload is the last column but one, so that the others are read without it. A batch's ordinal is its run's
/// base plus its number: positions need no index that could be damaged. `sizes` is for counting without reading
/// payloads.
pub(crate) const BATCHES: Table = table(
    "batches",
    7,
    "CREATE TABLE batches (ordinal INTEGER PRIMARY KEY, run, seq, schema, rows, accepted_at, payload, crc); \
     CREATE INDEX sizes ON batches (ordinal, rows)",
);

/// All tables but [`BATCHES`] and [`REPAIRS`]. Columns have no types: values stay as they were checksummed.
/// `extents`: rows per range of batches ever accepted, also of those deleted or damaged.
/// `gaps`: ranges a sink's books hold as dropped or lost (or that its target was never owed).
/// `sinks.noted`: of the rows dropped, those a person knows of.
/// `dead_letters.dropped`: a person gave the row up; it stays, so that it is not delivered with its batch after all.
/// `replays`: which dead letters are on their way to the target, under a run of their own.
/// `schema_copies`: the same as `schemas`, on other pages: without its schema no batch can be read.
pub(crate) const BOOKS: [Table; 12] = [
    table("meta", 2, "CREATE TABLE meta (key PRIMARY KEY, value, crc)"),
    table("schemas", 2, "CREATE TABLE schemas (id INTEGER PRIMARY KEY, prefix, crc)"),
    table("schema_copies", 2, "CREATE TABLE schema_copies (id INTEGER PRIMARY KEY, prefix, crc)"),
    table(
        "runs",
        7,
        "CREATE TABLE runs (run PRIMARY KEY, base, first_at, last_at, last, \
         deleted, deleted_at, crc)",
    ),
    table(
        "extents",
        4,
        "CREATE TABLE extents (run, first, last, rows, crc, \
         PRIMARY KEY (run, first))",
    ),
    table("state", 3, "CREATE TABLE state (stage, key, value, crc, PRIMARY KEY (stage, key))"),
    table(
        "sinks",
        9,
        "CREATE TABLE sinks (sink PRIMARY KEY, in_use, target, accepted, \
         delivered, dead, dropped, lost, noted, crc)",
    ),
    table(
        "cursors",
        4,
        "CREATE TABLE cursors (sink, run, start, delivered, crc, \
         PRIMARY KEY (sink, run))",
    ),
    table(
        "gaps",
        4,
        "CREATE TABLE gaps (sink, run, first, last, crc, \
         PRIMARY KEY (sink, run, first))",
    ),
    table(
        "losses",
        7,
        "CREATE TABLE losses (sink, run, first, last, rows, reason, \
         acknowledged, crc, PRIMARY KEY (sink, run, first))",
    ),
    table(
        "dead_letters",
        10,
        "CREATE TABLE dead_letters (sink, run, seq, row, dropped, code, \
         reason, at, schema, payload, crc, PRIMARY KEY (sink, run, seq, row))",
    ),
    table(
        "replays",
        5,
        "CREATE TABLE replays (sink, replay, run, seq, row, crc, \
         PRIMARY KEY (sink, replay, run, seq, row))",
    ),
];

/// Sentences about repairs, until they are acknowledged.
pub(crate) const REPAIRS: Table =
    table("repairs", 2, "CREATE TABLE repairs (at, sentence, crc, PRIMARY KEY (at, sentence))");

/// Every table, the batches last.
pub(crate) fn tables() -> impl Iterator<Item = &'static Table> {
    BOOKS.iter().chain([&REPAIRS, &BATCHES])
}

/// Makes an empty journal of the pipeline in an empty database.
pub(crate) fn create(connection: &Connection, pipeline: &str) -> Result<(), Failure> {
    connection.execute_batch(&format!("PRAGMA page_size={PAGE}; PRAGMA auto_vacuum=INCREMENTAL;"))?;
    connection.execute_batch("BEGIN IMMEDIATE")?;
    for table in tables() {
        connection.execute_batch(table.ddl)?;
    }
    for (key, value) in [("pipeline", pipeline), ("version", &VERSION.to_string())] {
        crate::format::seal::put(connection, "meta", &[&key, &value])?;
    }
    connection.execute_batch(&format!(
        "PRAGMA application_id={APPLICATION_ID}; PRAGMA user_version={VERSION}; COMMIT"
    ))?;
    Ok(())
}

/// A connection for reading only; the file stays as it is.
pub(crate) fn read_only(path: &Path) -> Result<Connection, Failure> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY)?;
    connection.execute_batch("PRAGMA trusted_schema=OFF; PRAGMA cell_size_check=ON")?;
    Ok(connection)
}

/// A connection for short transactions beside the process that owns the file.
pub(crate) fn beside_owner(path: &Path) -> Result<Connection, Failure> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY)?;
    connection.execute_batch(
        "PRAGMA synchronous=FULL; PRAGMA temp_store=MEMORY; PRAGMA trusted_schema=OFF; \
         PRAGMA cell_size_check=ON; PRAGMA foreign_keys=OFF",
    )?;
    Ok(connection)
}

/// The pipeline that the journal belongs to.
pub(crate) fn pipeline_of(connection: &Connection) -> Result<String, Failure> {
    let version: i32 = meta(connection, "version")?.parse().map_err(|_| damaged_meta())?;
    if version > VERSION {
        return Err(Failure::Refused(format!(
            "the journal was written by a newer version of this program (format {version}, this one knows {VERSION})"
        )));
    }
    meta(connection, "pipeline")
}

fn meta(connection: &Connection, key: &str) -> Result<String, Failure> {
    let mut statement = connection.prepare("SELECT * FROM meta WHERE key = ?1")?;
    let mut rows = statement.query([key])?;
    match rows.next()? {
        Some(row) if crate::format::seal::is_whole(row, 2)? => Ok(row.get(1)?),
        _ => Err(damaged_meta()),
    }
}

fn damaged_meta() -> Failure {
    Failure::Damaged("it does not name the pipeline it belongs to".to_owned())
}

/// The schema of every journal of this version.
pub(crate) fn expected_shape() -> Result<Shape, Failure> {
    let connection = Connection::open_in_memory()?;
    create(&connection, "")?;
    shape(&connection)
}

/// Kind, name, root page and text of every table and index.
pub(crate) type Shape = Vec<(String, String, i64, Option<String>)>;

/// The schema as SQLite keeps it: kind, name, root page and text of every table and index.
pub(crate) fn shape(connection: &Connection) -> Result<Shape, Failure> {
    let mut statement =
        connection.prepare("SELECT type, name, rootpage, sql FROM sqlite_schema ORDER BY rowid")?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Bytes of the pages in use.
pub(crate) fn size(connection: &Connection) -> Result<u64, Failure> {
    let pragma = |name: &str| -> Result<u64, Failure> {
        let mut statement = connection.prepare_cached(&format!("PRAGMA {name}"))?;
        Ok(crate::format::records::count(statement.query_row([], |row| row.get(0))?))
    };
    Ok(pragma("page_count")?.saturating_sub(pragma("freelist_count")?) * PAGE)
}

/// How long a statement waits for a reader in another process.
pub(crate) const BUSY: Duration = Duration::from_secs(5);

/// A run's name, never used before.
pub(crate) fn random_run() -> Result<RunId, Failure> {
    let mut id = [0; 16];
    getrandom::fill(&mut id).map_err(|error| Failure::Other(error.into()))?;
    Ok(RunId(id))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A repair puts an empty journal's first page in place of a damaged one: all of the schema must be on it.
    #[test]
    fn the_whole_schema_fits_on_the_first_page() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("journal.db");
        create(&Connection::open(&file).unwrap(), "solar").unwrap();
        let bytes = std::fs::read(file).unwrap();
        const LEAF: u8 = 13;
        assert_eq!(bytes[100], LEAF);
    }
}
