//! State of transforms corrected by a person: at once where nobody works with the file, else as an order that the
//! process which does takes over with its next batch, because it keeps that state in memory. An order says what to add, not
//! what to have: meanwhile the state goes on.

use jiff::Timestamp;
use rusqlite::Connection;

use crate::api::journal::StateChange;
use crate::format::failure::Failure;
use crate::format::seal::put;

/// Orders lie beside the state, under this name in place of a stage's; one that was taken over is empty.
pub(crate) const ORDERS: &str = "@orders";
/// What was corrected, as sentences, by when.
const CORRECTIONS: &str = "@corrections";
/// Between the parts of an order's key: when it was given, the stage, the key.
const BETWEEN: u8 = 1;

/// State that a person has corrected and that was not taken over yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    id: Vec<u8>,
    /// Whose state of which key; the value says what to add.
    pub change: StateChange,
}

impl Order {
    fn new(change: &StateChange, now: Timestamp) -> Self {
        let between: &[u8] = &[BETWEEN];
        let (now, stage) = (now.to_string(), change.stage.as_bytes());
        let id = [now.as_bytes(), between, stage, between, change.key.as_slice()].concat();
        Self { id, change: change.clone() }
    }

    fn read(id: Vec<u8>, value: Vec<u8>) -> Option<Self> {
        let mut parts = id.splitn(3, |byte| *byte == BETWEEN).skip(1);
        let stage = String::from_utf8(parts.next()?.to_vec()).ok()?;
        let key = parts.next()?.to_vec();
        Some(Self { id, change: StateChange { stage, key, value } })
    }

    /// What the journal is to keep of it once it was taken over.
    pub fn done(&self) -> StateChange {
        StateChange { stage: ORDERS.to_owned(), key: self.id.clone(), value: Vec::new() }
    }
}

/// Everything that is ordered and not taken over yet, oldest first.
pub(crate) fn orders(connection: &Connection) -> Result<Vec<Order>, Failure> {
    let mut statement = connection
        .prepare_cached("SELECT key, value FROM state WHERE stage = ?1 AND length(value) > 0 ORDER BY key")?;
    let rows = statement.query_map([ORDERS], |row| Ok((row.get::<_, Vec<u8>>(0)?, row.get(1)?)))?;
    let mut orders = Vec::new();
    for row in rows {
        let (id, value) = row?;
        orders.extend(Order::read(id, value));
    }
    Ok(orders)
}

/// What a person may correct.
#[derive(Clone, Debug)]
pub struct Corrigible {
    /// All state of transforms.
    pub state: Vec<StateChange>,
    /// What was ordered and not taken over yet, oldest first.
    pub orders: Vec<Order>,
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

pub(crate) fn corrigible(connection: &Connection) -> Result<Corrigible, Failure> {
    let (state, orders) = (state(connection)?, orders(connection)?);
    Ok(Corrigible { state, orders, corrections: corrections(connection)? })
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
            put(connection, "state", &[&ORDERS, &Order::new(change, now).id, &change.value])?;
        }
    }
    let key = now.to_string().into_bytes();
    put(connection, "state", &[&CORRECTIONS, &key, &sentence.as_bytes()])
}
