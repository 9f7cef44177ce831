//! State of transforms corrected by a person: at once where nobody works with the file, else as an order that the
//! process which does takes over with its next batch, because it keeps that state in memory.

use jiff::Timestamp;
use rusqlite::Connection;

use crate::StateChange;
use crate::failure::Failure;
use crate::seal::put;

/// Orders lie beside the state, under this name in place of a stage's; one that was taken over is empty.
pub(crate) const ORDERS: &str = "@orders";
/// What was corrected, as sentences, by when.
const CORRECTIONS: &str = "@corrections";
/// Between stage and key in the key of an order.
const BETWEEN: u8 = 1;

/// State as an order to keep it.
pub(crate) fn order(change: &StateChange) -> StateChange {
    let key = [change.stage.as_bytes(), &[BETWEEN], &change.key].concat();
    StateChange { stage: ORDERS.to_owned(), key, value: change.value.clone() }
}

/// The order as it is kept once it was taken over.
pub fn order_done(change: &StateChange) -> StateChange {
    StateChange { value: Vec::new(), ..order(change) }
}

/// Everything that is ordered and not taken over yet.
pub(crate) fn orders(connection: &Connection) -> Result<Vec<StateChange>, Failure> {
    let mut statement = connection
        .prepare_cached("SELECT key, value FROM state WHERE stage = ?1 AND length(value) > 0 ORDER BY key")?;
    let rows = statement.query_map([ORDERS], |row| Ok((row.get::<_, Vec<u8>>(0)?, row.get(1)?)))?;
    let mut orders = Vec::new();
    for row in rows {
        let (key, value) = row?;
        let Some(cut) = key.iter().position(|byte| *byte == BETWEEN) else { continue };
        let Ok(stage) = String::from_utf8(key[..cut].to_vec()) else { continue };
        orders.push(StateChange { stage, key: key[cut + 1..].to_vec(), value });
    }
    Ok(orders)
}

/// All state of stages.
pub(crate) fn state(connection: &Connection) -> Result<Vec<StateChange>, Failure> {
    let mut statement = connection.prepare(
        "SELECT stage, key, value FROM state WHERE substr(stage, 1, 1) <> '@' ORDER BY stage, key",
    )?;
    let rows = statement
        .query_map([], |row| Ok(StateChange { stage: row.get(0)?, key: row.get(1)?, value: row.get(2)? }))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// What was corrected so far, oldest first.
pub(crate) fn corrections(connection: &Connection) -> Result<Vec<String>, Failure> {
    let mut statement = connection.prepare("SELECT value FROM state WHERE stage = ?1 ORDER BY key")?;
    let rows = statement.query_map([CORRECTIONS], |row| row.get::<_, Vec<u8>>(0))?;
    rows.map(|value| Ok(String::from_utf8_lossy(&value?).into_owned())).collect()
}

/// Puts the state in place, or orders it, and books the sentence.
pub(crate) fn correct(
    connection: &Connection,
    changes: &[StateChange],
    sentence: &str,
    (now, alone): (Timestamp, bool),
) -> Result<(), Failure> {
    for change in changes {
        let change = if alone { change.clone() } else { order(change) };
        put(connection, "state", &[&change.stage, &change.key, &change.value])?;
    }
    let key = now.to_string().into_bytes();
    put(connection, "state", &[&CORRECTIONS, &key, &sentence.as_bytes()])
}
