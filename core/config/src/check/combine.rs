//! References, and several schemas that speak about one node.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::check::checker::{Check, MAX_DEPTH, Typed};

impl<'a> Check<'a> {
    /// Where `$ref` leads.
    pub(super) fn target(&self, schema: &Value) -> Option<&'a Value> {
        let path = schema.get("$ref")?.as_str()?.strip_prefix('#')?;
        self.root.pointer(path)
    }

    /// Follows `$ref` to a schema that says something itself.
    pub(super) fn followed<'s>(&self, schema: &'s Value) -> &'s Value
    where
        'a: 's,
    {
        let mut at = schema;
        for _ in 0..MAX_DEPTH {
            match self.target(at) {
                Some(target) => at = target,
                None => break,
            }
        }
        at
    }

    /// Both say something: of the keys that `by` knows its values are taken, the rest stays.
    pub(super) fn merge(&self, mut base: Typed, other: Typed, by: &Value) -> Typed {
        base.faults.extend(other.faults);
        if !other.guided {
            return base;
        }
        match (&mut base.value, other.value) {
            (Value::Object(kept), Value::Object(news)) if base.guided => {
                let mut names = BTreeSet::new();
                let open = self.names(by, &mut names, 0);
                for (key, value) in news {
                    if open || names.contains(&key) {
                        kept.insert(key, value);
                    }
                }
            }
            (Value::Array(_) | Value::Object(_), Value::Array(_)) if base.guided => {}
            (kept, value) => *kept = value,
        }
        base.guided = true;
        base
    }

    /// The property names a schema knows, through references and choices; true if it takes any key by a schema.
    pub(super) fn names(&self, schema: &Value, found: &mut BTreeSet<String>, depth: usize) -> bool {
        if depth > 16 {
            return false;
        }
        let mut open = schema.get("additionalProperties").is_some_and(Value::is_object)
            || schema.get("patternProperties").is_some();
        if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
            found.extend(properties.keys().cloned());
        }
        if let Some(target) = self.target(schema) {
            open |= self.names(target, found, depth + 1);
        }
        for keyword in ["if", "then", "else"] {
            open |= schema.get(keyword).is_some_and(|part| self.names(part, found, depth + 1));
        }
        for part in
            schema.get("dependentSchemas").and_then(Value::as_object).into_iter().flat_map(Map::values)
        {
            open |= self.names(part, found, depth + 1);
        }
        for keyword in ["allOf", "oneOf", "anyOf"] {
            for part in schema.get(keyword).and_then(Value::as_array).into_iter().flatten() {
                open |= self.names(part, found, depth + 1);
            }
        }
        open
    }
}
