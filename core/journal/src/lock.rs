//! One process per journal: an advisory lock on a file beside it, which the system releases with the process.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use crate::JournalError;

/// Held as long as it lives.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock or says who cannot have it.
    pub(crate) fn take(journal: &Path) -> Result<Self, JournalError> {
        let failed = |error: std::io::Error| JournalError::Storage { doing: "lock", source: error.into() };
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(beside(journal, ".lock"))
            .map_err(failed)?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(JournalError::Locked { path: journal.to_owned() }),
            Err(TryLockError::Error(error)) => Err(failed(error)),
        }
    }
}

/// `journal.db` and `.lock` make `journal.db.lock`.
pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
