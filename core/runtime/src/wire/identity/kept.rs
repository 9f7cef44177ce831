//! What a journal keeps of transforms: the handles with state, and what each belongs to.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use smiles_journal::StateChange;
use smiles_stage::Subject;

use crate::wire::identity::stage::Stage;

/// The stage under which the journal keeps what each handle belongs to: key is the handle, value a [`Record`] as JSON.
pub(crate) const INDEX: &str = "smiles:memory";

/// A name that begins so is no transform's: what the journal keeps for the clock and for corrections by hand.
const RESERVED: char = '@';

/// What a handle belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// Empty: an earlier version did not say.
    #[serde(rename = "type", default, skip_serializing_if = "String::is_empty")]
    pub(crate) type_name: String,
    /// `name:`, where the file gives one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    /// `None`: an earlier version did not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) about: Option<Subject>,
    /// Whether a transform of the file as it was last goes on with it, or would if it were not switched off.
    pub(crate) used: bool,
}

impl Record {
    pub(crate) fn of(stage: &Stage, subject: &Subject) -> Self {
        Self {
            type_name: stage.type_name.clone(),
            name: stage.named.then(|| stage.called.clone()),
            about: Some(subject.clone()),
            used: true,
        }
    }

    /// Whether both are memory of one and the same transform.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        (&self.type_name, &self.name, &self.about) == (&other.type_name, &other.name, &other.about)
    }

    /// The row that keeps it.
    pub(crate) fn row(&self, handle: &str) -> StateChange {
        let value = serde_json::to_vec(self).unwrap_or_default();
        StateChange { stage: INDEX.to_owned(), key: handle.as_bytes().to_vec(), value }
    }
}

/// As people are told: `counter (column: import, key: [serial])`.
impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (type_name, about) = (self.type_name.as_str(), self.about.as_ref().map(ToString::to_string));
        let parts = [self.name.as_ref().map(|_| type_name.to_owned()), about];
        let inside: Vec<String> = parts.into_iter().flatten().filter(|part| !part.is_empty()).collect();
        f.write_str(self.name.as_deref().unwrap_or(type_name))?;
        if inside.is_empty() { Ok(()) } else { write!(f, " ({})", inside.join(", ")) }
    }
}

/// What a journal keeps of transforms.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    /// Handles with state, and the newest time that the state speaks of, where it can be told.
    pub(crate) handles: BTreeMap<String, Option<Timestamp>>,
    /// What they belong to; `None`: an earlier version wrote the journal.
    pub(crate) records: Option<BTreeMap<String, Record>>,
}

impl Kept {
    pub(crate) fn of(state: &[StateChange]) -> Self {
        let state = state.iter().filter(|change| !change.stage.starts_with(RESERVED));
        let (index, state): (Vec<_>, Vec<_>) = state.partition(|change| change.stage == INDEX);
        let record = |change: &&StateChange| {
            let handle = String::from_utf8(change.key.clone()).ok()?;
            Some((handle, serde_json::from_slice(&change.value).ok()?))
        };
        let records = (!index.is_empty()).then(|| index.iter().filter_map(record).collect());
        let mut handles: BTreeMap<String, Option<Timestamp>> = BTreeMap::new();
        for change in state {
            let newest = handles.entry(change.stage.clone()).or_default();
            // Only what an earlier version wrote is judged by its times.
            if index.is_empty() {
                *newest =
                    (*newest).max(serde_json::from_slice(&change.value).ok().as_ref().and_then(newest_in));
            }
        }
        Self { handles, records }
    }
}

/// The latest time anywhere in a state.
fn newest_in(state: &Value) -> Option<Timestamp> {
    match state {
        Value::String(text) => text.parse().ok(),
        Value::Array(items) => items.iter().filter_map(newest_in).max(),
        Value::Object(entries) => entries.values().filter_map(newest_in).max(),
        _ => None,
    }
}
