//! Every row carries a checksum over its other columns: SQLite finds torn pages, this finds flipped bits.

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{CachedStatement, Connection, Row, ToSql};

use crate::format::failure::Failure;

/// Inserts or replaces a row; its checksum is the last column.
pub(crate) fn put(connection: &Connection, table: &str, values: &[&dyn ToSql]) -> Result<(), Failure> {
    let crc = i64::from(checksum(values)?);
    let marks = "?,".repeat(values.len());
    let mut statement: CachedStatement<'_> =
        connection.prepare_cached(&format!("INSERT OR REPLACE INTO {table} VALUES ({marks}?)"))?;
    for (index, value) in values.iter().enumerate() {
        statement.raw_bind_parameter(index + 1, value)?;
    }
    statement.raw_bind_parameter(values.len() + 1, crc)?;
    statement.raw_execute()?;
    Ok(())
}

/// Whether the last column is the checksum of the `columns` before it.
pub(crate) fn is_whole(row: &Row<'_>, columns: usize) -> Result<bool, rusqlite::Error> {
    let mut hasher = crc32fast::Hasher::new();
    for column in 0..columns {
        feed(&mut hasher, row.get_ref(column)?);
    }
    Ok(matches!(row.get_ref(columns)?, ValueRef::Integer(crc) if crc == i64::from(hasher.finalize())))
}

fn checksum(values: &[&dyn ToSql]) -> Result<u32, rusqlite::Error> {
    let mut hasher = crc32fast::Hasher::new();
    for value in values {
        match value.to_sql()? {
            ToSqlOutput::Borrowed(value) => feed(&mut hasher, value),
            ToSqlOutput::Owned(value) => feed(&mut hasher, ValueRef::from(&value)),
            _ => return Err(rusqlite::Error::InvalidQuery),
        }
    }
    Ok(hasher.finalize())
}

/// Kind, length, bytes: two different rows never feed the same sequence.
fn feed(hasher: &mut crc32fast::Hasher, value: ValueRef<'_>) {
    let mut sized = |kind: u8, bytes: &[u8]| {
        hasher.update(&[kind]);
        hasher.update(&bytes.len().to_le_bytes());
        hasher.update(bytes);
    };
    match value {
        ValueRef::Null => sized(0, &[]),
        ValueRef::Integer(number) => sized(1, &number.to_le_bytes()),
        ValueRef::Real(number) => sized(2, &number.to_le_bytes()),
        ValueRef::Text(bytes) => sized(3, bytes),
        ValueRef::Blob(bytes) => sized(4, bytes),
    }
}
