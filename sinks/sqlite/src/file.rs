//! The database file: opening it, and knowing it again.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};
use smiles_stage::StageError;

use crate::config::Synchronous;
use crate::error::stage_error;

/// Where the database is and how it is opened.
#[derive(Clone, Debug)]
pub(crate) struct Location {
    /// Absolute, or relative to the working directory.
    pub(crate) path: PathBuf,
    /// How long a lock of another program is waited for.
    pub(crate) busy_timeout: Duration,
    /// What a commit waits for.
    pub(crate) synchronous: Synchronous,
}

/// Which file a connection has open. SQLite would go on with a file that was removed or replaced under it, and
/// nobody would ever find the rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileId {
    device: u64,
    inode: u64,
}

/// The file that stands at the path now; `None` if there is none or nobody can say.
pub(crate) fn file_id(path: &Path) -> Option<FileId> {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata(path).ok().map(|data| FileId { device: data.dev(), inode: data.ino() })
}

/// Opens for writing; makes the file if there is none.
///
/// # Errors
/// As [`stage_error`].
pub(crate) fn open_writer(location: &Location) -> Result<Connection, StageError> {
    let flags =
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let synchronous = match location.synchronous {
        Synchronous::Full => "FULL",
        Synchronous::Normal => "NORMAL",
    };
    let open = || {
        let connection = Connection::open_with_flags(&location.path, flags)?;
        connection.busy_timeout(location.busy_timeout)?;
        let mode: String =
            connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
        if !mode.eq_ignore_ascii_case("wal") {
            let file = location.path.display();
            tracing::warn!(%file, mode, "this disk supports no write-ahead log: queries and writes block each other");
        }
        connection.pragma_update(None, "synchronous", synchronous)?;
        connection.pragma_update(None, "foreign_keys", true)?;
        // After a long backlog the log shrinks again to what ordinary polls need.
        connection.pragma_update(None, "journal_size_limit", 64 << 20)?;
        connection.set_prepared_statement_cache_capacity(64);
        Ok(connection)
    };
    open().map_err(|error| stage_error(&location.path, "open", error))
}

/// Opens for reading only.
///
/// # Errors
/// As [`stage_error`]; also when there is no file yet.
pub(crate) fn open_reader(location: &Location) -> Result<Connection, StageError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let open = || {
        let connection = Connection::open_with_flags(&location.path, flags)?;
        connection.busy_timeout(location.busy_timeout)?;
        connection.pragma_update(None, "query_only", true)?;
        Ok(connection)
    };
    open().map_err(|error| stage_error(&location.path, "open", error))
}
