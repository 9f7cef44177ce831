//! State of transforms corrected by a person: at once where nobody works with the file, else as an order that the
//! process which does takes over with its next batch, because it keeps that state in memory. An order says what to add, not
//! what to have: meanwhile the state goes on.

use jiff::Timestamp;
use rusqlite::Connection;

use crate::api::entry::StateChange;
use crate::api::pending_correction::{ORDERS, PendingCorrection};
use crate::format::failure::Failure;
use crate::format::seal::put;

/// What was corrected, as sentences, by when.
const CORRECTIONS: &str = "@corrections";

/// Everything that is ordered and not taken over yet, oldest first.
pub(crate) fn pending_corrections(connection: &Connection) -> Result<Vec<PendingCorrection>, Failure> {
    let mut statement = connection
        .prepare_cached("SELECT key, value FROM state WHERE stage = ?1 AND length(value) > 0 ORDER BY key")?;
    let rows = statement.query_map([ORDERS], |row| Ok((row.get::<_, Vec<u8>>(0)?, row.get(1)?)))?;
    let mut pending_corrections = Vec::new();
    for row in rows {
        let (id, value) = row?;
        pending_corrections.extend(PendingCorrection::read(id, value));
    }
    Ok(pending_corrections)
}

/// What a person may correct.
#[derive(Clone, Debug)]
pub struct CorrectableState {
    /// All state of transforms.
    pub state: Vec<StateChange>,
    /// What was ordered and not taken over yet, oldest first.
    pub pending_corrections: Vec<PendingCorrection>,
    /// What was corrected so far, as sentences, oldest first.
    pub corrections: Vec<String>,
}

/// State to put in place, or orders of what to add, and the sentence to book.
#[derive(Clone, Debug)]
pub struct Correction {
    /// Whose state of which key.
    pub changes: Vec<StateChange>,
    /// What a person is told of it for ever.
    pub sentence: String,
}

pub(crate) fn correctable_state(connection: &Connection) -> Result<CorrectableState, Failure> {
    let (state, pending_corrections) = (state(connection)?, pending_corrections(connection)?);
    Ok(CorrectableState { state, pending_corrections, corrections: corrections(connection)? })
}

/// All state of stages.
fn state(connection: &Connection) -> Result<Vec<StateChange>, Failure> {
    let mut statement = connection.prepare(
        "SELECT stage, key, value FROM state WHERE substr(stage, 1, 1) <> '@' ORDER BY stage, key",
    )?;
    let rows = statement
        .query_map([], |row| Ok(StateChange { stage: row.get(0)?, key: row.get(1)?, value: row.get(2)? }))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// What was corrected so far, oldest first.
fn corrections(connection: &Connection) -> Result<Vec<String>, Failure> {
    let mut statement = connection.prepare("SELECT value FROM state WHERE stage = ?1 ORDER BY key")?;
    let rows = statement.query_map([CORRECTIONS], |row| row.get::<_, Vec<u8>>(0))?;
    rows.map(|value| Ok(String::from_utf8_lossy(&value?).into_owned())).collect()
}

/// Puts the state in place, or orders what to add to it, and books the sentence.
pub(crate) fn correct(
    connection: &Connection,
    Correction { changes, sentence }: &Correction,
    (now, alone): (Timestamp, bool),
) -> Result<(), Failure> {
    // Those that were taken over are empty, and of no use any more.
    connection.execute("DELETE FROM state WHERE stage = ?1 AND length(value) = 0", [ORDERS])?;
    for change in changes {
        if alone {
            put(connection, "state", &[&change.stage, &change.key, &change.value])?;
        } else {
            put(connection, "state", &[&ORDERS, &PendingCorrection::new(change, now).id, &change.value])?;
        }
    }
    let key = now.to_string().into_bytes();
    put(connection, "state", &[&CORRECTIONS, &key, &sentence.as_bytes()])
}
