//! Applying migrations: each once, in one transaction.

use rusqlite::{Connection, Transaction, TransactionBehavior, params};
use smiles_stage::StageError;
use smiles_store::Migration;

use crate::error::{failure_code, stage_error};

const TABLE: &str = "
CREATE TABLE IF NOT EXISTS smiles_migrations (
    number   INTEGER PRIMARY KEY,
    name     TEXT NOT NULL,
    checksum TEXT NOT NULL,
    applied  TEXT NOT NULL
)";

/// Applies what is not applied yet. `now`: for the record.
///
/// # Errors
/// Halt: a migration fails, was changed after it was applied, or comes before one that was applied.
pub(crate) fn apply(
    connection: &mut Connection,
    file: &std::path::Path,
    migrations: &[Migration],
    now: &str,
) -> Result<(), StageError> {
    if migrations.is_empty() {
        return Ok(());
    }
    let failed = |error| stage_error(file, "migrate", error);
    connection.execute_batch(TABLE).map_err(failed)?;
    // A migration may rebuild a table that others refer to; what it leaves behind is checked instead.
    connection.pragma_update(None, "foreign_keys", false).map_err(failed)?;
    let applied = migrations.iter().try_for_each(|migration| one(connection, file, migration, now));
    connection.pragma_update(None, "foreign_keys", true).map_err(failed)?;
    applied
}

fn one(
    connection: &mut Connection,
    file: &std::path::Path,
    migration: &Migration,
    now: &str,
) -> Result<(), StageError> {
    let failed = |error| stage_error(file, "migrate", error);
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
    if is_applied(&transaction, file, migration)? {
        return Ok(());
    }
    let wrong =
        |why: String| StageError::halt(format!("migration {} of {} {why}", migration.name, file.display()));
    transaction.execute_batch(&migration.sql).map_err(|error| match failure_code(&error) {
        Some(rusqlite::ErrorCode::Unknown | rusqlite::ErrorCode::ConstraintViolation) => {
            wrong("failed and was undone: correct the file".to_owned()).because(error)
        }
        _ => failed(error),
    })?;
    if transaction.is_autocommit() {
        return Err(wrong("must not commit by itself: remove COMMIT from the file".to_owned()));
    }
    let dangling = "SELECT \"table\" FROM pragma_foreign_key_check LIMIT 1";
    match transaction.query_row(dangling, [], |row| row.get::<_, String>(0)) {
        Err(rusqlite::Error::QueryReturnedNoRows) => {}
        Ok(table) => {
            return Err(wrong(format!("leaves rows of `{table}` without their parents; it was undone")));
        }
        Err(error) => return Err(failed(error)),
    }
    record(&transaction, migration, now).map_err(failed)?;
    transaction.commit().map_err(failed)?;
    tracing::info!(file = %file.display(), migration = migration.name, "migration applied");
    Ok(())
}

fn record(transaction: &Transaction<'_>, migration: &Migration, now: &str) -> rusqlite::Result<()> {
    let insert = "INSERT INTO smiles_migrations (number, name, checksum, applied) VALUES (?1, ?2, ?3, ?4)";
    transaction.execute(insert, params![migration.number, migration.name, migration.checksum(), now])?;
    Ok(())
}

fn is_applied(
    transaction: &Transaction<'_>,
    file: &std::path::Path,
    migration: &Migration,
) -> Result<bool, StageError> {
    let failed = |error| stage_error(file, "migrate", error);
    let known = "SELECT checksum FROM smiles_migrations WHERE number = ?1";
    let (name, at) = (&migration.name, file.display());
    match transaction.query_row(known, [migration.number], |row| row.get::<_, String>(0)) {
        Ok(checksum) if checksum == migration.checksum() => return Ok(true),
        Ok(_) => {
            return Err(StageError::halt(format!(
                "migration {name} is not what was applied to {at}: put the applied text back and make the change in \
                 a new file with the next number"
            )));
        }
        Err(rusqlite::Error::QueryReturnedNoRows) => {}
        Err(error) => return Err(failed(error)),
    }
    let newest = "SELECT coalesce(max(number), 0) FROM smiles_migrations";
    let newest: u32 = transaction.query_row(newest, [], |row| row.get(0)).map_err(failed)?;
    if newest > migration.number {
        return Err(StageError::halt(format!(
            "migration {name} comes before number {newest}, which {at} has already: give it the next number"
        )));
    }
    Ok(false)
}
