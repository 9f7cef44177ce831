//! A correction by hand, as what it adds to numbers of a state.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// The state with every number of `by` added to its own number of that name; `None`: it has none.
pub fn corrected(state: &[u8], by: &[u8]) -> Option<Vec<u8>> {
    let mut state: Map<String, Value> = serde_json::from_slice(state).ok()?;
    let by: BTreeMap<String, f64> = serde_json::from_slice(by).ok()?;
    for (name, by) in by {
        let own = state.get(&name)?.as_f64()?;
        state.insert(name, Value::from(own + by));
    }
    serde_json::to_vec(&state).ok()
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
        assert_eq!(corrected(b"counted", br#"{"total":1}"#), None);
    }
}
