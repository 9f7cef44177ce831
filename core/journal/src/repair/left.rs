//! What the last owner of a journal left, against what is there now: a file that was deleted in between leaves no trace in
//! the journal itself.

use std::fs;
use std::path::Path;

use crate::format::lock::{Lock, beside};

/// In the lock's file while a process has the journal open, and after it was killed.
const OPEN: &str = "open";
/// After a proper end.
const CLOSED: &str = "closed";

/// What went missing since the journal was last open, as a sentence; to be asked before anything is opened.
pub(crate) fn missing(path: &Path, lock: &Lock) -> Option<String> {
    let word = lock.left().unwrap_or_default();
    let there = |path: &Path| fs::metadata(path).is_ok_and(|file| file.len() > 0);
    let (journal, log) = (there(path), beside(path, "-wal"));
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    if !journal && !there(&log) && (word == OPEN || word == CLOSED) {
        return Some(format!(
            "the journal {name} was deleted since the bridge last ran: what no sink had yet, and the state of counters, \
             went with it"
        ));
    }
    if journal && word == OPEN && !log.exists() {
        return Some(format!(
            "the bridge was not stopped properly, and the write-ahead log {name}-wal is gone since: unless another program \
             (sqlite3) has merged it, the last readings that no sink had yet are missing"
        ));
    }
    None
}

/// The journal is in use from now on.
pub(crate) fn begin(lock: &Lock) -> std::io::Result<()> {
    lock.leave(OPEN)
}

/// Its log may go with the last connection.
pub(crate) fn end(lock: &Lock) -> std::io::Result<()> {
    lock.leave(CLOSED)
}
