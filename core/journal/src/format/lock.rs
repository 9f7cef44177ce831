//! Who may touch a journal, by advisory locks on files beside it, which the system releases with the process.
//!
//! The owner's lock is held as long as a process uses the journal. The door is held for moments: by who opens or
//! repairs the file, and by who makes a transaction in it as a guest. So a guest never writes to a file that is being
//! examined or exchanged. One waits at the door and never for the owner.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use crate::api::error::JournalError;
use crate::format::failure::Failure;

/// Held as long as it lives.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the owner's lock or says that somebody has it.
    pub(crate) fn take(journal: &Path) -> Result<Self, JournalError> {
        Self::attempt(&beside(journal, ".lock"))?
            .ok_or_else(|| JournalError::Locked { path: journal.to_owned() })
    }

    /// Takes the lock of those who replay dead letters; `None`: somebody does.
    pub(crate) fn replaying(journal: &Path) -> Result<Option<Self>, JournalError> {
        Self::attempt(&beside(journal, ".replay"))
    }

    /// Waits at the door.
    pub(crate) fn door(journal: &Path) -> Result<Self, Failure> {
        let file = open(&beside(journal, ".door"))?;
        file.lock()?;
        Ok(Self { _file: file })
    }

    fn attempt(path: &Path) -> Result<Option<Self>, JournalError> {
        let failed = |error: std::io::Error| JournalError::Storage { doing: "lock", source: error.into() };
        let file = open(path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(failed(error)),
        }
    }
}

fn open(path: &Path) -> std::io::Result<File> {
    File::options().create(true).truncate(false).write(true).open(path)
}

/// `journal.db` and `.lock` make `journal.db.lock`.
pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
