//! What an error of SQLite means for the rows at hand: one table from code to action.

use std::path::Path;

use rusqlite::ErrorCode;
use smiles_stage::StageError;

/// What SQLite itself said; a statement that cannot be understood comes in a variant of its own.
pub(crate) fn failure(error: &rusqlite::Error) -> Option<&rusqlite::ffi::Error> {
    match error {
        rusqlite::Error::SqliteFailure(failure, _) => Some(failure),
        rusqlite::Error::SqlInputError { error, .. } => Some(error),
        _ => None,
    }
}

/// Its code.
pub(crate) fn failure_code(error: &rusqlite::Error) -> Option<ErrorCode> {
    failure(error).map(|failure| failure.code)
}

/// A short word for the dead letter: SQLite's own name of the constraint.
pub(crate) fn code(error: &rusqlite::Error) -> String {
    use rusqlite::ffi;
    let extended = failure(error).map_or(0, |error| error.extended_code);
    match extended {
        ffi::SQLITE_CONSTRAINT_CHECK => "SQLITE_CONSTRAINT_CHECK",
        ffi::SQLITE_CONSTRAINT_FOREIGNKEY => "SQLITE_CONSTRAINT_FOREIGNKEY",
        ffi::SQLITE_CONSTRAINT_NOTNULL => "SQLITE_CONSTRAINT_NOTNULL",
        ffi::SQLITE_CONSTRAINT_PRIMARYKEY => "SQLITE_CONSTRAINT_PRIMARYKEY",
        ffi::SQLITE_CONSTRAINT_TRIGGER => "SQLITE_CONSTRAINT_TRIGGER",
        ffi::SQLITE_CONSTRAINT_UNIQUE => "SQLITE_CONSTRAINT_UNIQUE",
        ffi::SQLITE_CONSTRAINT_DATATYPE => "SQLITE_CONSTRAINT_DATATYPE",
        ffi::SQLITE_MISMATCH => "SQLITE_MISMATCH",
        ffi::SQLITE_TOOBIG => "SQLITE_TOOBIG",
        _ if failure_code(error) == Some(ErrorCode::Unknown) => "SQLITE_ERROR",
        _ => "SQLITE_CONSTRAINT",
    }
    .to_owned()
}

/// The error of an action on the whole file, for the operator. Everything unknown is tried again.
pub(crate) fn stage_error(path: &Path, doing: &str, error: rusqlite::Error) -> StageError {
    let file = path.display();
    let wrong_tables = says_wrong_tables(&error);
    let stage_error = match failure_code(&error) {
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => StageError::halt(format!(
            "{file} is damaged or is no SQLite database: put a backup in its place, or move it away together with \
             its -wal and -shm files and a new one is made; what the journal retains is delivered to it"
        )),
        Some(ErrorCode::DiskFull) => {
            StageError::retry(format!("no space left for {file}: make room on its disk"))
        }
        Some(ErrorCode::ReadOnly) => StageError::retry(format!(
            "{file} cannot be written: the file, its folder or the disk is read-only for this user"
        )),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            StageError::retry(format!("another program holds {file} locked"))
        }
        Some(ErrorCode::CannotOpen) => {
            StageError::retry(format!("cannot open {file}: its folder must exist and let this user write"))
        }
        Some(ErrorCode::SystemIoFailure) => StageError::retry(format!("the disk under {file} failed")),
        Some(ErrorCode::ConstraintViolation) => StageError::retry(format!(
            "a constraint of {file} was violated by no single row: look at foreign keys and triggers"
        )),
        Some(ErrorCode::Unknown) if wrong_tables => StageError::halt(format!(
            "the tables of {file} do not fit the mapping: repair them by a migration, or change `tables`"
        )),
        _ => StageError::retry(format!("cannot {doing} {file}")),
    };
    stage_error.because(error)
}

/// Whether the tables are not those of the mapping.
pub(crate) fn says_wrong_tables(error: &rusqlite::Error) -> bool {
    let said = error.to_string();
    [
        "no such table",
        "no such column",
        "has no column named",
        "ON CONFLICT clause does not match",
        "cannot modify",
    ]
    .iter()
    .any(|words| said.contains(words))
}

#[cfg(test)]
mod tests {
    use smiles_stage::Action;

    use super::*;

    fn failed(code: i32, message: &str) -> rusqlite::Error {
        rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(code), Some(message.to_owned()))
    }

    #[test]
    fn every_code_has_its_action_and_sentence() {
        use rusqlite::ffi;
        let rows = [
            (ffi::SQLITE_FULL, "database or disk is full", false, "no space left"),
            (ffi::SQLITE_IOERR_WRITE, "disk I/O error", false, "the disk under"),
            (ffi::SQLITE_BUSY, "database is locked", false, "another program"),
            (ffi::SQLITE_LOCKED, "database table is locked", false, "another program"),
            (ffi::SQLITE_READONLY, "attempt to write a readonly database", false, "read-only"),
            (ffi::SQLITE_CANTOPEN, "unable to open database file", false, "cannot open"),
            (ffi::SQLITE_NOTADB, "file is not a database", true, "is damaged"),
            (ffi::SQLITE_CORRUPT, "database disk image is malformed", true, "is damaged"),
            (ffi::SQLITE_ERROR, "no such table: a", true, "do not fit the mapping"),
            (ffi::SQLITE_ERROR, "table a has no column named b", true, "do not fit the mapping"),
            (ffi::SQLITE_ERROR, "something nobody knows", false, "cannot write"),
            (ffi::SQLITE_CONSTRAINT_FOREIGNKEY, "FOREIGN KEY constraint failed", false, "by no single row"),
            (ffi::SQLITE_NOMEM, "out of memory", false, "cannot write"),
        ];
        for (code, message, halts, says) in rows {
            let stage_error = stage_error(Path::new("/data/a.db"), "write", failed(code, message));
            assert_eq!(*stage_error.action() == Action::Halt, halts, "{message}");
            assert!(stage_error.to_string().contains(says), "{stage_error}");
            assert!(stage_error.to_string().contains("/data/a.db"), "{stage_error}");
            assert!(stage_error.chain().contains(message), "{}", stage_error.chain());
        }
    }
}
