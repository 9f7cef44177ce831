//! Looking at a journal file from outside: without its lock, without a run, also while a process uses it.

use std::path::Path;

use arrow_array::RecordBatch;
use rusqlite::Connection;

use crate::api::entry::StateChange;
use crate::api::error::JournalError;
use crate::api::status::Status;
use crate::format::failure::Failure;
use crate::format::layout;
use crate::ledger::report;
use crate::ledger::selection::{Selection, StoredDeadLetter};
use crate::repair::examine;

/// What a journal file holds.
///
/// # Errors
/// [`JournalError::Refused`] if it is no journal of this version; [`JournalError::Storage`] if it is not there or
/// damaged.
pub fn inspect(path: &Path) -> Result<Status, JournalError> {
    snapshot(path)
        .and_then(|connection| report::status(&connection))
        .map_err(|failure| failure.told("read", 0))
}

/// The state that a journal file keeps for transforms.
///
/// # Errors
/// As [`inspect`].
pub fn kept_state(path: &Path) -> Result<Vec<StateChange>, JournalError> {
    snapshot(path)
        .and_then(|connection| report::state(&connection))
        .map_err(|failure| failure.told("read", 0))
}

/// The dead letters selected, in the order in which their rows were accepted.
///
/// # Errors
/// As [`inspect`].
pub fn dead_letters(path: &Path, selection: &Selection) -> Result<Vec<StoredDeadLetter>, JournalError> {
    snapshot(path)
        .and_then(|connection| crate::ledger::dead_letters::list(&connection, selection))
        .map_err(|failure| failure.told("read", 0))
}

/// The row that a dead letter keeps; `None`: it could not be kept.
///
/// # Errors
/// As [`inspect`].
pub fn dead_letter_row(path: &Path, letter: &StoredDeadLetter) -> Result<Option<RecordBatch>, JournalError> {
    snapshot(path)
        .and_then(|connection| {
            crate::ledger::dead_letters::row(&connection, &letter.sink, letter.letter.id())
        })
        .map_err(|failure| failure.told("read", 0))
}

/// What is wrong with a journal file, as sentences; none: every page, every checksum and the books are right.
/// Reads the whole file. The next opening repairs what is found.
///
/// # Errors
/// As [`inspect`], but damage is the answer, not an error.
pub fn verify(path: &Path) -> Result<Vec<String>, JournalError> {
    match snapshot(path).and_then(|connection| faults(&connection)) {
        Ok(sentences) => Ok(sentences),
        Err(failure) if failure.is_damage() => Ok(vec![failure.to_string()]),
        Err(failure) => Err(failure.told("read", 0)),
    }
}

/// One state of the file for all questions, so that the books of a journal in use balance.
fn snapshot(path: &Path) -> Result<Connection, Failure> {
    let connection = layout::read_only(path)?;
    layout::pipeline_of(&connection)?;
    connection.execute_batch("BEGIN")?;
    Ok(connection)
}

fn faults(connection: &Connection) -> Result<Vec<String>, Failure> {
    let mut sentences = Vec::new();
    examine::check(connection)?;
    let damaged = examine::damaged_rows(connection, &layout::BATCHES)?;
    if damaged > 0 {
        sentences.push(format!("{damaged} batches are damaged: their checksums do not match"));
    }
    let Status { row_counts, transforms, .. } = report::status(connection)?;
    for row_counts in row_counts.into_iter().chain(transforms) {
        let accounted = row_counts.delivered
            + row_counts.dead_lettered
            + row_counts.dropped
            + row_counts.lost
            + row_counts.waiting;
        if accounted != row_counts.accepted {
            sentences.push(format!(
                "the row counts of `{}` do not add up: {} rows accepted, {accounted} accounted for",
                row_counts.sink, row_counts.accepted
            ));
        }
        let kept = crate::ledger::dead_letters::kept(connection, &row_counts.sink)?;
        if kept != row_counts.dead_lettered {
            sentences.push(format!(
                "the row counts of `{}` say {} dead letters, and there are {kept}",
                row_counts.sink, row_counts.dead_lettered
            ));
        }
    }
    Ok(sentences)
}
