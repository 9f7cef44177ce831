//! A correction by hand, as what it adds to numbers of a state.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// The state with every number of `by` added to its own numbers of that name, also to those within it: what it was before
/// something doubtful moves with what it is. `None`: it has none.
pub fn corrected(state: &[u8], by: &[u8]) -> Option<Vec<u8>> {
    let mut state: Map<String, Value> = serde_json::from_slice(state).ok()?;
    let by: BTreeMap<String, f64> = serde_json::from_slice(by).ok()?;
    for (name, by) in by {
        state.get(&name)?.as_f64()?;
        add(&mut state, &name, by);
    }
    serde_json::to_vec(&state).ok()
}

/// The published total in the state of a counter.
pub(crate) fn published(state: &[u8]) -> Option<f64> {
    serde_json::from_slice::<Value>(state).ok()?.get("published")?.as_f64()
}

fn add(state: &mut Map<String, Value>, name: &str, by: f64) {
    for (key, value) in state {
        match value {
            Value::Object(inner) => add(inner, name, by),
            Value::Number(own) if key == name => {
                *value = own.as_f64().map_or(Value::Null, |own| Value::from(own + by));
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_added_to_and_everything_else_stays() {
        let state = br#"{"raw":5.0,"published":7.5,"at":"now"}"#;
        let by = corrected(state, br#"{"published":-2.5}"#).unwrap();
        assert_eq!(by, br#"{"raw":5.0,"published":5.0,"at":"now"}"#);
        assert_eq!(corrected(state, br#"{"total":1}"#), None);
        let held = corrected(br#"{"total":5,"fell":{"total":7,"sum":1}}"#, br#"{"total":10}"#).unwrap();
        assert_eq!(String::from_utf8(held).unwrap(), r#"{"total":15.0,"fell":{"total":17.0,"sum":1}}"#);
        assert_eq!(corrected(b"counted", br#"{"total":1}"#), None);
    }
}
