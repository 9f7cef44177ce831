//! Maps and lists: which keys, how many, of what.

use std::cell::LazyCell;
use std::collections::{BTreeSet, HashSet};

use serde_json::{Map, Value};
use smiles_stage::did_you_mean;

use crate::NodeId;
use crate::check::checker::{Check, Fault, SUGGESTIONS, Typed};
use crate::check::describe::{allowed_values, one_of, types};
use crate::check::pattern::compiled;
use crate::document::Entry;
use crate::names::short;

/// A list in place of a map is as far off as it gets.
const WRONG_SHAPE: u32 = 1_000;
const WRONG_KEY: u32 = 4;

impl Check<'_> {
    pub(super) fn list(&self, node: NodeId, items: &[NodeId], schema: &Value, depth: usize) -> Typed {
        if let Some(typed) = self.wrong_shape(node, schema, "array") {
            return typed;
        }
        let list = |keyword: &str| schema.get(keyword).and_then(Value::as_array);
        // Before 2020 a list of schemas was called `items`, and what follows them `additionalItems`.
        let rest = schema.get(if list("items").is_some() { "additionalItems" } else { "items" });
        let prefix = list("prefixItems").or_else(|| list("items")).map_or(&[][..], Vec::as_slice);
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
            let mut seen = Seen::default();
            for (item, value) in items.iter().zip(&values) {
                if !seen.is_new(value) {
                    faults.push(self.fault(*item, 1, format!("{} is in this list twice", self.found(*item))));
                }
            }
        }
        let guided = !types(schema).is_empty() || rest.is_some() || !prefix.is_empty();
        self.among_allowed(node, schema, Typed { value: Value::Array(values), faults, guided, unsaid: 0 })
    }

    pub(super) fn map(&self, node: NodeId, entries: &[Entry], schema: &Value, depth: usize) -> Typed {
        if let Some(typed) = self.wrong_shape(node, schema, "object") {
            return typed;
        }
        // Asked for by keys that the schema does not have: walking it for every map takes longer than all else.
        let names = LazyCell::new(|| {
            let mut known = BTreeSet::new();
            let open = self.names(schema, &mut known, 0);
            (open, known)
        });
        let closed = schema.get("additionalProperties") == Some(&Value::Bool(false));
        let closed_over = schema.get("unevaluatedProperties") == Some(&Value::Bool(false));
        let (mut faults, mut values, mut strangers) = (Vec::new(), Map::new(), Vec::new());
        for entry in entries {
            let mut schemas = key_schemas(schema, &entry.key).into_iter();
            if let Some(schema) = schemas.next() {
                let first = self.node(entry.value, schema, depth + 1);
                let more =
                    |typed, schema| self.merge(typed, self.node(entry.value, schema, depth + 1), schema);
                let typed = schemas.fold(first, more);
                faults.extend(typed.faults);
                values.insert(entry.key.clone(), typed.value);
            } else if let Some(fault) = self.renamed(entry, schema) {
                strangers.push(entry.key.as_str());
                faults.push(fault);
            } else if closed || (closed_over && !names.0 && !names.1.contains(&entry.key)) {
                strangers.push(entry.key.as_str());
                if strangers.len() <= SUGGESTIONS {
                    faults.push(self.unknown_key(node, entry, schema, &names.1));
                } else {
                    self.unsaid.set(self.unsaid.get() + 1);
                }
            } else {
                values.insert(entry.key.clone(), self.untyped(entry.value));
            }
        }
        faults.extend(self.missing(node, entries, &strangers, schema));
        faults.extend(self.count(node, entries.len(), schema, ("minProperties", "maxProperties"), "entry"));
        let says = ["properties", "additionalProperties", "patternProperties", "required"];
        let guided = !types(schema).is_empty() || says.iter().any(|keyword| schema.get(keyword).is_some());
        self.among_allowed(node, schema, Typed { value: Value::Object(values), faults, guided, unsaid: 0 })
    }

    /// `const` and `enum` of lists and maps.
    fn among_allowed(&self, node: NodeId, schema: &Value, typed: Typed) -> Typed {
        match allowed_values(schema) {
            Some(values) if !values.contains(&&typed.value) => {
                let message = format!("expected {}, found {}", one_of(&values), self.found(node));
                self.refuse(node, typed, &message)
            }
            _ => typed,
        }
    }

    fn wrong_shape(&self, node: NodeId, schema: &Value, shape: &str) -> Option<Typed> {
        let allowed = types(schema);
        let of_shape = |value: &&Value| if shape == "array" { value.is_array() } else { value.is_object() };
        let open = allowed_values(schema).is_none_or(|values| values.iter().any(of_shape));
        if (allowed.is_empty() && open) || allowed.contains(&shape) {
            return None;
        }
        let message = format!("expected {}, found {}", self.expected(schema), self.found(node));
        let faults = vec![self.fault(node, WRONG_SHAPE, message)];
        Some(Typed { value: Value::Null, faults, guided: true, unsaid: 0 })
    }

    fn unknown_key(&self, node: NodeId, entry: &Entry, schema: &Value, known: &BTreeSet<String>) -> Fault {
        // `x-instead: {key: what to write}`: for what other programs call so and this one says otherwise.
        let instead = schema.get("x-instead").and_then(|map| map.get(&entry.key)).and_then(Value::as_str);
        let also = if node == self.top { self.also } else { &[] };
        let names = known.iter().map(String::as_str).chain(also.iter().copied());
        let suggestion = || if self.may_suggest() { did_you_mean(&entry.key, names) } else { None };
        Fault {
            span: Some(entry.span),
            help: instead.map(str::to_owned).or_else(suggestion),
            ..self.fault(NodeId::NOWHERE, WRONG_KEY, format!("unknown key `{}`", short(&entry.key)))
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
            strangers.iter().take(SUGGESTIONS).any(|stranger| {
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

/// The values of a list so far, each as one text: comparing them with each other takes the square of their number.
#[derive(Default)]
struct Seen(HashSet<String>);

impl Seen {
    fn is_new(&mut self, value: &Value) -> bool {
        let mut value = value.clone();
        value.sort_all_objects();
        self.0.insert(value.to_string())
    }
}

/// The schemas of a key's value.
fn key_schemas<'a>(schema: &'a Value, key: &str) -> Vec<&'a Value> {
    let map = |keyword: &str| schema.get(keyword).and_then(Value::as_object);
    let named = map("properties").and_then(|properties| properties.get(key));
    // A pattern that is not understood must not refuse a good file.
    let matches = |pattern: &str| compiled(pattern).is_none_or(|pattern| pattern.is_match(key));
    let patterns = map("patternProperties").into_iter().flatten();
    let by_pattern = patterns.filter(|(pattern, _)| matches(pattern)).map(|(_, schema)| schema);
    let found: Vec<&Value> = named.into_iter().chain(by_pattern).collect();
    let other = || schema.get("additionalProperties").filter(|schema| schema.is_object());
    if found.is_empty() { other().into_iter().collect() } else { found }
}
