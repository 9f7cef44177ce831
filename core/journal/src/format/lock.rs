//! Who may touch a journal, by advisory locks on files beside it, which the system releases with the process.
//!
//! The owner's lock is held as long as a process uses the journal. The door is held for moments: by who opens or
//! repairs the file, and by who makes a transaction in it as a guest. So a guest never writes to a file that is being
//! examined or exchanged. One waits at the door and never for the owner.

use std::fs::{File, Metadata, TryLockError};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use crate::api::error::JournalError;
use crate::format::failure::Failure;

/// Held as long as it lives.
#[derive(Debug)]
pub(crate) struct Lock {
    file: File,
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
        Ok(Self { file })
    }

    /// Whether the owner's lock at this path is this one: a file that was deleted keeps nobody out.
    pub(crate) fn is_at(&self, journal: &Path) -> bool {
        let identity = |file: Metadata| (file.dev(), file.ino());
        let held = self.file.metadata().map(identity);
        let found = std::fs::metadata(beside(journal, ".lock")).map(identity);
        matches!((held, found), (Ok(held), Ok(found)) if held == found)
    }

    /// What the last owner left in the file.
    pub(crate) fn left(&self) -> std::io::Result<String> {
        let mut bytes = [0; 16];
        let read = self.file.read_at(&mut bytes, 0)?;
        Ok(String::from_utf8_lossy(bytes.get(..read).unwrap_or_default()).trim().to_owned())
    }

    /// Leaves a word for the next owner.
    pub(crate) fn leave(&self, word: &str) -> std::io::Result<()> {
        self.file.set_len(0)?;
        self.file.write_all_at(word.as_bytes(), 0)
    }

    fn attempt(path: &Path) -> Result<Option<Self>, JournalError> {
        let failed = |error: std::io::Error| JournalError::Storage { doing: "lock", source: error.into() };
        let file = open(path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(failed(error)),
        }
    }
}

/// Whether a process uses the journal at this moment.
pub fn in_use(journal: &Path) -> bool {
    // Looking must not make the file.
    let found = beside(journal, ".lock").is_file();
    found && matches!(Lock::take(journal), Err(JournalError::Locked { .. }))
}

fn open(path: &Path) -> std::io::Result<File> {
    // Whoever put a pipe there must not keep us waiting.
    let flags = i32::try_from(OFlags::NONBLOCK.bits()).map_err(std::io::Error::other)?;
    let file =
        File::options().create(true).truncate(false).read(true).write(true).custom_flags(flags).open(path);
    let file = file.map_err(|error| at(path, &error))?;
    if !file.metadata()?.is_file() {
        return Err(at(path, &"it is no file: move it away"));
    }
    Ok(file)
}

fn at(path: &Path, error: &dyn std::fmt::Display) -> std::io::Error {
    std::io::Error::other(format!("{}: {error}", path.display()))
}

/// `journal.db` and `.lock` make `journal.db.lock`.
pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
