//! What a journal keeps of published totals, and what a correction of one changes. Pure.
//!
//! What a counter keeps of a key is an object with `published`; other stages that follow the published total of a key
//! keep the last they saw as `total`. A correction moves all of them by as much, so that it is no production to anyone. It
//! says what to add and not what to have: while a person thinks about it, the bridge goes on counting.

use serde_json::{Map, Value};
use smiles_journal::{CorrectableState, StateChange};
use smiles_runtime::corrected;

/// Before the key of what a sum remembers of it.
const OF_SUM: &[u8] = b"key\0";
/// The stage under which the journal keeps what the state of each other one is about.
const INDEX: &str = "smiles:memory";
/// In the sentence of a total that was handed on, before the key it came from.
const GOES_ON: &str = " (goes on from ";
/// The end of the sentence of a total that a person set.
const BY_HAND: &str = " (set by hand)";

/// The total of one key.
#[derive(Clone)]
pub(super) struct Total {
    pub(super) stage: String,
    pub(super) key: Vec<u8>,
    kept: Map<String, Value>,
}

impl Total {
    fn of(change: &StateChange) -> Option<Self> {
        let kept: Map<String, Value> = serde_json::from_slice(&change.value).ok()?;
        kept.get("published")?.as_f64()?;
        Some(Self { stage: change.stage.clone(), key: change.key.clone(), kept })
    }

    pub(super) fn published(&self) -> f64 {
        self.kept.get("published").and_then(Value::as_f64).unwrap_or(0.0)
    }

    /// The last accepted value of the device.
    pub(super) fn raw(&self) -> f64 {
        self.kept.get("raw").and_then(Value::as_f64).unwrap_or(0.0)
    }

    pub(super) fn read_at(&self) -> &str {
        self.kept.get("at").and_then(Value::as_str).unwrap_or("")
    }

    /// What the device says and nobody believes yet, and since when.
    pub(super) fn held(&self) -> Option<(f64, &str)> {
        let candidate = self.kept.get("candidate")?;
        Some((candidate.get("last")?.as_f64()?, candidate.get("since")?.as_str()?))
    }

    pub(super) fn shown(&self) -> String {
        String::from_utf8_lossy(&self.key).replace('\0', "/")
    }

    fn is(&self, other: &Self) -> bool {
        self.stage == other.stage && self.key == other.key
    }
}

/// All state of transforms, and what was corrected so far.
pub(super) struct Kept {
    /// As the journal holds it.
    held: Vec<StateChange>,
    /// As it will be once the bridge has taken over what was ordered.
    state: Vec<StateChange>,
    pub(super) corrections: Vec<String>,
}

impl Kept {
    pub(super) fn new(
        CorrectableState { state: held, pending_corrections, corrections }: CorrectableState,
    ) -> Self {
        let mut state = held.clone();
        for order in pending_corrections {
            for changed in added(&state, std::slice::from_ref(&order.change)) {
                state.retain(|own| own.stage != changed.stage || own.key != changed.key);
                state.push(changed);
            }
        }
        Self { held, state, corrections }
    }

    pub(super) fn totals(&self) -> impl Iterator<Item = Total> {
        self.state.iter().filter_map(Total::of)
    }

    /// The same total as it is now.
    pub(super) fn now(&self, total: &Total) -> Result<Total, String> {
        let gone = || format!("the total of `{}` is gone", total.shown());
        self.totals().find(|now| now.is(total)).ok_or_else(gone)
    }

    /// What is to be added to everything that follows the total; the counter's own first.
    pub(super) fn moved(&self, total: &Total, by: f64) -> Vec<StateChange> {
        let of_sum = [OF_SUM, &total.key].concat();
        let follows = |change: &&StateChange| {
            (change.key == total.key || change.key == of_sum)
                && self.follows(&change.stage, &total.stage)
                && serde_json::from_slice::<Map<String, Value>>(&change.value)
                    .is_ok_and(|kept| kept.get("total").is_some_and(Value::is_number))
        };
        let followers = self.state.iter().filter(follows).map(|change| (&change.stage, &change.key, "total"));
        let all = std::iter::once((&total.stage, &total.key, "published")).chain(followers);
        let order = |(stage, key, name): (&String, &Vec<u8>, &str)| {
            let by = Map::from_iter([(name.to_owned(), Value::from(by))]);
            let value = Value::Object(by).to_string().into_bytes();
            StateChange { stage: stage.clone(), key: key.clone(), value }
        };
        all.map(order).collect()
    }

    /// The states that come of adding to what the journal holds, only those.
    pub(super) fn added(&self, by: &[StateChange]) -> Vec<StateChange> {
        added(&self.held, by)
    }

    /// Whether a stage follows the column that the counter publishes. Where the journal does not say what they are about (it
    /// is of an earlier version), there is one counter, or a person named it.
    fn follows(&self, stage: &str, counter: &str) -> bool {
        let about = |stage: &str, part: &str| {
            let row = self.state.iter().find(|row| row.stage == INDEX && row.key == stage.as_bytes())?;
            let record: Value = serde_json::from_slice(&row.value).ok()?;
            record.pointer(&format!("/about/{part}"))?.as_str().map(str::to_owned)
        };
        match (about(stage, "total"), about(counter, "column")) {
            (Some(followed), Some(published)) => followed == published,
            _ => true,
        }
    }

    /// Whose histories are in the total of a key: those handed on to it, directly or to one of those, since it was last set.
    pub(super) fn goes_on_from(&self, key: &str) -> Vec<String> {
        let mut all = vec![key.to_owned()];
        let mut next = 0;
        while let Some(heir) = all.get(next) {
            let heir = format!("{heir} from ");
            let of = self.corrections.iter().filter_map(|sentence| sentence.strip_prefix(&heir));
            let mut handed = Vec::new();
            for rest in of {
                match rest.split_once(GOES_ON).and_then(|(_, old)| old.strip_suffix(')')) {
                    Some(old) => handed.push(old.to_owned()),
                    None => handed.clear(),
                }
            }
            handed.retain(|old| !all.contains(old));
            all.extend(handed);
            next += 1;
        }
        all.split_off(1)
    }
}

pub(super) fn set_by_hand(total: &Total, value: f64) -> String {
    format!("{} from {} to {value}{BY_HAND}", total.shown(), total.published())
}

pub(super) fn handed_on(new: &Total, old: &Total) -> String {
    let (own, by) = (new.published(), old.published());
    format!("{} from {own} to {}{GOES_ON}{})", new.shown(), own + by, old.shown())
}

fn added(state: &[StateChange], by: &[StateChange]) -> Vec<StateChange> {
    let add = |by: &StateChange| {
        let own = state.iter().find(|own| own.stage == by.stage && own.key == by.key)?;
        Some(StateChange { value: corrected(&own.value, &by.value)?, ..by.clone() })
    };
    by.iter().filter_map(add).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_total_goes_on_from_is_known_until_it_is_set() {
        let goes_on = |corrections: &[&str], key: &str| {
            let corrections = corrections.iter().map(|text| (*text).to_owned()).collect();
            Kept::new(CorrectableState { state: Vec::new(), pending_corrections: Vec::new(), corrections })
                .goes_on_from(key)
        };
        let all = ["B/1 from 1 to 3 (goes on from A/1)", "C/1 from 0 to 3 (goes on from B/1)"];
        assert_eq!(goes_on(&all, "C/1"), ["B/1", "A/1"]);
        assert_eq!(goes_on(&all, "C/10"), [""; 0]);
        assert_eq!(goes_on(&[all[0], "B/1 from 3 to 1 (set by hand)"], "B/1"), [""; 0]);
        let circle = [all[0], "A/1 from 2 to 5 (goes on from B/1)"];
        assert_eq!(goes_on(&circle, "A/1"), ["B/1"], "of an earlier version");
    }
}
