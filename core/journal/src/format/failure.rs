//! What goes wrong inside: named once, told apart (damage, refusal, fullness) at the edge of the crate.

use std::error::Error;
use std::path::Path;

use rusqlite::ErrorCode;

use crate::api::error::JournalError;

/// A failure before the edge adds what was being done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// SQLite said no.
    #[error(transparent)]
    Sql(#[from] rusqlite::Error),
    /// The file system said no.
    #[error(transparent)]
    File(#[from] std::io::Error),
    /// No room, and nothing may go.
    #[error("full")]
    Full {
        /// Bytes in use.
        size: u64,
    },
    /// No room for more dead letters.
    #[error("no room for dead letters")]
    DeadLettersFull {
        /// Bytes in use.
        size: u64,
        /// The limit.
        max: u64,
    },
    /// A sentence for the caller.
    #[error("{0}")]
    Refused(String),
    /// Bytes that are not what was written.
    #[error("{0}")]
    Damaged(String),
    /// Rows that cannot be encoded, or another cause of no class.
    #[error(transparent)]
    Other(Box<dyn Error + Send + Sync>),
}

impl Failure {
    /// The error as callers see it.
    pub(crate) fn told(self, doing: &'static str, max: u64) -> JournalError {
        match self {
            Self::Full { size } => JournalError::Full { size, max },
            Self::DeadLettersFull { size, max } => JournalError::DeadLettersFull { size, max },
            Self::Refused(sentence) => JournalError::Refused(sentence),
            Self::Sql(source) => JournalError::Storage { doing, source: source.into() },
            Self::File(source) => JournalError::Storage { doing, source: source.into() },
            Self::Damaged(sentence) => JournalError::Storage { doing, source: sentence.into() },
            Self::Other(source) => JournalError::Storage { doing, source },
        }
    }

    /// Names the file, where the cause alone does not.
    pub(crate) fn at(self, path: &Path) -> Self {
        match self {
            Self::Sql(_) | Self::File(_) => Self::Other(format!("{}: {self}", path.display()).into()),
            other => other,
        }
    }

    /// Whether the bytes of the file are to blame, so that a repair helps and a retry does not.
    pub(crate) fn is_damage(&self) -> bool {
        match self {
            Self::Damaged(_) => true,
            Self::Sql(error) => damages(error),
            Self::File(_)
            | Self::Full { .. }
            | Self::DeadLettersFull { .. }
            | Self::Refused(_)
            | Self::Other(_) => false,
        }
    }
}

/// `SQLITE_IOERR_SHORT_READ`: the file ends inside a page, <https://www.sqlite.org/rescode.html>.
const SHORT_READ: i32 = 522;

fn damages(error: &rusqlite::Error) -> bool {
    match error {
        rusqlite::Error::SqliteFailure(code, _) => match code.code {
            // `Unknown` is plain SQLITE_ERROR: our fixed statements fail so only where the schema is damaged.
            ErrorCode::DatabaseCorrupt
            | ErrorCode::NotADatabase
            | ErrorCode::Unknown
            | ErrorCode::TypeMismatch
            | ErrorCode::ConstraintViolation => true,
            _ => code.extended_code == SHORT_READ,
        },
        rusqlite::Error::InvalidColumnType(..)
        | rusqlite::Error::FromSqlConversionFailure(..)
        | rusqlite::Error::IntegralValueOutOfRange(..)
        | rusqlite::Error::Utf8Error(..)
        | rusqlite::Error::SqlInputError { .. }
        | rusqlite::Error::InvalidColumnName(_)
        | rusqlite::Error::InvalidColumnIndex(_) => true,
        _ => false,
    }
}
