//! Maps and lists: which keys, how many, of what.

use serde_json::{Map, Value};
use smiles_stage::did_you_mean;

use crate::NodeId;
use crate::check::checker::{Check, Fault, Typed};
use crate::check::describe::types;
use crate::document::Entry;

/// A list in place of a map is as far off as it gets.
const WRONG_SHAPE: u32 = 1_000;
const WRONG_KEY: u32 = 4;

impl Check<'_> {
    pub(super) fn list(&self, node: NodeId, items: &[NodeId], schema: &Value, depth: usize) -> Typed {
        if let Some(typed) = self.wrong_shape(node, schema, "array") {
            return typed;
        }
        let prefix = schema.get("prefixItems").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let rest = schema.get("items");
        let mut faults = Vec::new();
        let mut values = Vec::new();
        for (index, item) in items.iter().enumerate() {
            match prefix.get(index).or(rest) {
                Some(schema) => {
                    let typed = self.node(*item, schema, depth + 1);
                    faults.extend(typed.faults);
                    values.push(typed.value);
                }
                None => values.push(self.untyped(*item)),
            }
        }
        faults.extend(self.count(node, items.len(), schema, ("minItems", "maxItems"), "item"));
        if schema.get("uniqueItems").and_then(Value::as_bool) == Some(true) {
            for (index, item) in items.iter().enumerate() {
                if values[..index].contains(&values[index]) {
                    faults.push(self.fault(*item, 1, format!("{} is in this list twice", self.found(*item))));
                }
            }
        }
        let guided = !types(schema).is_empty() || rest.is_some() || !prefix.is_empty();
        Typed { value: Value::Array(values), faults, guided }
    }

    pub(super) fn map(&self, node: NodeId, entries: &[Entry], schema: &Value, depth: usize) -> Typed {
        if let Some(typed) = self.wrong_shape(node, schema, "object") {
            return typed;
        }
        let mut known = std::collections::BTreeSet::new();
        let closed = schema.get("additionalProperties") == Some(&Value::Bool(false));
        let closed_over = schema.get("unevaluatedProperties") == Some(&Value::Bool(false));
        let open = self.names(schema, &mut known, 0);
        let (mut faults, mut values, mut strangers) = (Vec::new(), Map::new(), Vec::new());
        for entry in entries {
            if let Some(schema) = key_schema(schema, &entry.key) {
                let typed = self.node(entry.value, schema, depth + 1);
                faults.extend(typed.faults);
                values.insert(entry.key.clone(), typed.value);
            } else if let Some(fault) = self.renamed(entry, schema) {
                strangers.push(entry.key.as_str());
                faults.push(fault);
            } else if closed || (closed_over && !open && !known.contains(&entry.key)) {
                strangers.push(entry.key.as_str());
                faults.push(self.unknown_key(node, entry, schema, &known));
            } else {
                values.insert(entry.key.clone(), self.untyped(entry.value));
            }
        }
        faults.extend(self.missing(node, entries, &strangers, schema));
        faults.extend(self.count(node, entries.len(), schema, ("minProperties", "maxProperties"), "entry"));
        let says = ["properties", "additionalProperties", "patternProperties", "required"];
        let guided = !types(schema).is_empty() || says.iter().any(|keyword| schema.get(keyword).is_some());
        Typed { value: Value::Object(values), faults, guided }
    }

    fn wrong_shape(&self, node: NodeId, schema: &Value, shape: &str) -> Option<Typed> {
        let allowed = types(schema);
        let values = schema.get("const").or_else(|| schema.get("enum")).is_some();
        if (allowed.is_empty() && !values) || allowed.contains(&shape) {
            return None;
        }
        let message = format!("expected {}, found {}", self.expected(schema), self.found(node));
        let faults = vec![self.fault(node, WRONG_SHAPE, message)];
        Some(Typed { value: Value::Null, faults, guided: true })
    }

    fn unknown_key(
        &self,
        node: NodeId,
        entry: &Entry,
        schema: &Value,
        known: &std::collections::BTreeSet<String>,
    ) -> Fault {
        // `x-instead: {key: what to write}`: for what other programs call so and this one says otherwise.
        let instead = schema.get("x-instead").and_then(|map| map.get(&entry.key)).and_then(Value::as_str);
        let also = if node == self.top { self.also } else { &[] };
        let names = known.iter().map(String::as_str).chain(also.iter().copied());
        Fault {
            span: Some(entry.span),
            help: instead.map(str::to_owned).or_else(|| did_you_mean(&entry.key, names)),
            ..self.fault(NodeId::NOWHERE, WRONG_KEY, format!("unknown key `{}`", entry.key))
        }
    }

    /// `x-renamed: {old: new}`.
    fn renamed(&self, entry: &Entry, schema: &Value) -> Option<Fault> {
        let new = schema.get("x-renamed")?.get(&entry.key)?.as_str()?;
        let message = format!("`{}` is now called `{new}`", entry.key);
        Some(Fault { span: Some(entry.span), ..self.fault(NodeId::NOWHERE, WRONG_KEY, message) })
    }

    /// Required keys that are absent; not those that an unknown key is a misspelling of.
    fn missing(&self, node: NodeId, entries: &[Entry], strangers: &[&str], schema: &Value) -> Vec<Fault> {
        let required =
            schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
        let absent = required.filter(|name| !entries.iter().any(|entry| entry.key == *name));
        let meant = |name: &str| {
            strangers.iter().any(|stranger| {
                let renamed =
                    schema.get("x-renamed").and_then(|map| map.get(*stranger)).and_then(Value::as_str);
                renamed == Some(name)
                    || did_you_mean(stranger, [name]).is_some_and(|help| help.starts_with("did you"))
            })
        };
        let fault = |name: &str| {
            let about = schema.pointer(&format!("/properties/{name}/description")).and_then(Value::as_str);
            let about = about.and_then(|text| text.lines().next()).map(|line| format!("`{name}`: {line}"));
            Fault { help: about, ..self.fault(node, WRONG_KEY, format!("`{name}` is missing")) }
        };
        absent.filter(|name| !meant(name)).map(fault).collect()
    }

    fn count(
        &self,
        node: NodeId,
        count: usize,
        schema: &Value,
        bounds: (&str, &str),
        of: &str,
    ) -> Option<Fault> {
        let bound = |name: &str| {
            schema.get(name).and_then(Value::as_u64).and_then(|limit| usize::try_from(limit).ok())
        };
        let items = if of == "entry" { "entries" } else { "items" };
        let message = match (bound(bounds.0), bound(bounds.1)) {
            (Some(least), _) if count < least && least == 1 => format!("expected at least one {of}"),
            (Some(least), _) if count < least => format!("expected at least {least} {items}, found {count}"),
            (_, Some(most)) if count > most => format!("expected at most {most} {items}, found {count}"),
            _ => return None,
        };
        Some(self.fault(node, 1, message))
    }
}

/// The schema of a key's value.
fn key_schema<'a>(schema: &'a Value, key: &str) -> Option<&'a Value> {
    let named = schema.get("properties").and_then(|properties| properties.get(key));
    let by_pattern = || {
        let patterns = schema.get("patternProperties")?.as_object()?;
        patterns.iter().find(|(pattern, _)| matches(pattern, key)).map(|(_, schema)| schema)
    };
    let other = || schema.get("additionalProperties").filter(|schema| schema.is_object());
    named.or_else(by_pattern).or_else(other)
}

/// The patterns schemars writes for maps with number keys, `^prefix`, and anything else taken as a match:
/// a pattern that is not understood must not refuse a good file.
fn matches(pattern: &str, key: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match pattern {
        r"^\d+$" | "^[0-9]+$" => digits(key),
        r"^-?\d+$" => digits(key.strip_prefix('-').unwrap_or(key)),
        _ => match pattern.strip_prefix('^') {
            Some(prefix)
                if prefix.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')) =>
            {
                key.starts_with(prefix)
            }
            _ => true,
        },
    }
}
