//! A correction of state that waits for the process which has that state in memory.

use jiff::Timestamp;

use crate::api::entry::StateChange;

/// State that a person has corrected and that was not taken over yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PendingCorrection {
    pub(crate) id: Vec<u8>,
    /// Whose state of which key; the value says what to add.
    pub change: StateChange,
}

impl PendingCorrection {
    pub(crate) fn new(change: &StateChange, now: Timestamp) -> Self {
        let between: &[u8] = &[BETWEEN];
        let (now, stage) = (now.to_string(), change.stage.as_bytes());
        let id = [now.as_bytes(), between, stage, between, change.key.as_slice()].concat();
        Self { id, change: change.clone() }
    }

    pub(crate) fn read(id: Vec<u8>, value: Vec<u8>) -> Option<Self> {
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

/// Orders lie beside the state, under this name in place of a stage's; one that was taken over is empty.
pub(crate) const ORDERS: &str = "@orders";

/// Between the parts of an order's key: when it was given, the stage, the key.
const BETWEEN: u8 = 1;
