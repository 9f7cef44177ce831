//! Whether the files that are open are still those at their path. SQLite does not notice: it would go on writing into files
//! that nobody will find again.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::format::layout::PAGE;
use crate::format::lock::beside;

/// A file as the system knows it.
type Identity = (u64, u64);

/// What was seen of the journal and its write-ahead log.
#[derive(Debug)]
pub(crate) struct Presence {
    path: PathBuf,
    journal: Identity,
    log: Identity,
    /// How long the journal is at least: it shrinks to the pages in use, and to no less.
    journal_bytes: u64,
    log_bytes: u64,
}

/// What became of files that are open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Absence {
    /// They are not at their path any more; they can still be read through what is open.
    Gone(&'static str),
    /// They are, and a part of what they held is not in them any more.
    Cut(&'static str),
}

impl Absence {
    /// What happened, as a part of a sentence.
    pub(crate) fn what(self) -> &'static str {
        match self {
            Self::Gone(what) | Self::Cut(what) => what,
        }
    }
}

impl Presence {
    /// Remembers the files at this path; `pages`: in use. Both are there: a connection has read them.
    pub(crate) fn of(path: &Path, pages: u64) -> io::Result<Self> {
        let (journal, log) = (fs::metadata(path)?, fs::metadata(beside(path, "-wal"))?);
        Ok(Self {
            path: path.to_owned(),
            journal: identity(&journal),
            log: identity(&log),
            journal_bytes: journal.len().min(pages.saturating_mul(PAGE)),
            log_bytes: log.len(),
        })
    }

    /// Looks before something is written.
    pub(crate) fn look(&mut self, pages: u64) -> Option<Absence> {
        let journal = match fs::metadata(&self.path) {
            Ok(journal) if identity(&journal) == self.journal => journal,
            Ok(_) => return Some(Absence::Gone("was exchanged for another file")),
            Err(error) if is_gone(&error) => return Some(Absence::Gone("was deleted")),
            // Nothing can be said.
            Err(_) => return None,
        };
        let log = match fs::metadata(beside(&self.path, "-wal")) {
            Ok(log) if identity(&log) == self.log => log,
            Ok(_) => return Some(Absence::Gone("lost its write-ahead log to another file")),
            Err(error) if is_gone(&error) => return Some(Absence::Gone("lost its write-ahead log")),
            Err(_) => return None,
        };
        let bytes = self.journal_bytes.min(pages.saturating_mul(PAGE));
        if journal.len() < bytes {
            return Some(Absence::Cut("was cut"));
        }
        if log.len() < self.log_bytes {
            return Some(Absence::Cut("had its write-ahead log cut"));
        }
        self.journal_bytes = journal.len().min(pages.saturating_mul(PAGE));
        None
    }

    /// Whether the journal is at its path, and this one.
    pub(crate) fn is_at_its_path(&self) -> bool {
        fs::metadata(&self.path).is_ok_and(|found| identity(&found) == self.journal)
    }

    /// Remembers what the files hold after something was written.
    pub(crate) fn wrote(&mut self) {
        if let Ok(log) = fs::metadata(beside(&self.path, "-wal")) {
            self.log_bytes = log.len();
        }
    }
}

fn identity(file: &fs::Metadata) -> Identity {
    (file.dev(), file.ino())
}

/// Its folder may have gone too.
fn is_gone(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}
