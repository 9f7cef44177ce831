//! What the journal keeps of the clock: the last trusted time, and what is still to be told.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use smiles_journal::StateChange;

use crate::time::trust::distrust::DistrustReport;

/// Whose state it is in the journal: no stage's.
const STAGE: &str = "@clock";
const KEY: &[u8] = b"trusted";
/// The last trusted time is written so often.
const WRITTEN: SignedDuration = SignedDuration::from_hours(1);

/// What a judge knows that outlives the process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Known {
    /// The last time that was trusted.
    pub(super) last: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) told: Option<DistrustReport>,
}

impl Known {
    /// Nothing but a time that was trusted.
    #[cfg(test)]
    pub(crate) fn last(last: Timestamp) -> Self {
        Self { last: Some(last), told: None }
    }

    /// The same, once it is known when the newest batch was accepted: by the best that was known then.
    pub(crate) fn and_accepted(self, newest: Option<Timestamp>) -> Self {
        Self { last: self.last.map(|last| newest.map_or(last, |newest| newest.max(last))), ..self }
    }
}

/// It, as the journal has it.
#[derive(Debug, Default)]
pub(crate) struct Trusted {
    written: Known,
}

impl Trusted {
    /// Takes it out of the state that a journal holds.
    pub(crate) fn take(state: &mut Vec<StateChange>) -> Self {
        let place = state.iter().position(|change| change.stage == STAGE && change.key == KEY);
        let kept = place.map(|place| state.remove(place).value);
        let written = kept.and_then(|kept| serde_json::from_slice(&kept).ok()).unwrap_or_default();
        Self { written }
    }

    pub(crate) fn known(&self) -> Known {
        self.written
    }

    /// What the next record is to keep of it, now and then.
    pub(crate) fn staged(&mut self, known: Known) -> Option<StateChange> {
        let written = self.written;
        let lately = match (known.last, written.last) {
            (Some(last), Some(written)) => last.duration_since(written).abs() < WRITTEN,
            (last, written) => last == written,
        };
        if lately && known.told == written.told {
            return None;
        }
        self.written = known;
        let value = serde_json::to_vec(&known).ok()?;
        Some(StateChange { stage: STAGE.to_owned(), key: KEY.to_vec(), value })
    }
}
