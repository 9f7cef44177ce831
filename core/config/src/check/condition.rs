//! What one part of a value asks of another: `if`, `not`, `contains`, and keys that go with other keys.

use serde_json::Value;

use crate::NodeId;
use crate::check::checker::{Check, Typed, check_as_part};
use crate::document::{Document, Kind, Node, Scalar};

impl Check<'_> {
    pub(super) fn conditions(&self, node: NodeId, schema: &Value, mut typed: Typed, depth: usize) -> Typed {
        if let Some(condition) = schema.get("if") {
            let branch = if self.fits(node, condition, depth) { "then" } else { "else" };
            if let Some(branch) = schema.get(branch) {
                typed = self.merge(typed, self.node(node, branch, depth + 1), branch);
            }
        }
        if schema.get("not").is_some_and(|excluded| self.fits(node, excluded, depth)) {
            let message = format!("expected something else, found {}", self.found(node));
            typed = self.refuse(node, typed, &message);
        }
        match self.document.kind(node) {
            Kind::List(items) => self.contains(node, items, schema, typed, depth),
            Kind::Map(_) => self.dependents(node, schema, typed, depth),
            _ => typed,
        }
    }

    fn fits(&self, node: NodeId, schema: &Value, depth: usize) -> bool {
        self.node(node, schema, depth + 1).faults.is_empty()
    }

    fn contains(&self, node: NodeId, items: &[NodeId], schema: &Value, typed: Typed, depth: usize) -> Typed {
        let Some(wanted) = schema.get("contains") else { return typed };
        let count = items.iter().filter(|item| self.fits(**item, wanted, depth)).count() as u64;
        let bound = |name: &str| schema.get(name).and_then(Value::as_u64);
        let (least, most) = (bound("minContains").unwrap_or(1), bound("maxContains").unwrap_or(u64::MAX));
        if (least..=most).contains(&count) {
            return typed;
        }
        let bound = if count < least { format!("at least {least}") } else { format!("at most {most}") };
        let wanted = self.expected(wanted);
        self.refuse(node, typed, &format!("expected {bound} of the items to be {wanted}, found {count}"))
    }

    /// Keys that ask for others, for more of the whole, or for a form of their own.
    fn dependents(&self, node: NodeId, schema: &Value, mut typed: Typed, depth: usize) -> Typed {
        let entries = self.document.entries(node);
        for keyword in ["dependentRequired", "dependentSchemas", "dependencies"] {
            for (key, asks) in schema.get(keyword).and_then(Value::as_object).into_iter().flatten() {
                if !entries.iter().any(|entry| entry.key == *key) {
                    continue;
                }
                let Some(others) = asks.as_array() else {
                    typed = self.merge(typed, self.node(node, asks, depth + 1), asks);
                    continue;
                };
                for other in others.iter().filter_map(Value::as_str) {
                    if !entries.iter().any(|entry| entry.key == other) {
                        typed =
                            self.refuse(node, typed, &format!("`{other}` is missing: `{key}` asks for it"));
                    }
                }
            }
        }
        if let Some(names) = schema.get("propertyNames") {
            for entry in entries {
                let scalar = Scalar { text: entry.key.clone(), ..Scalar::default() };
                let mut document = Document::default();
                let name = document.add(Node { kind: Kind::Scalar(scalar), span: entry.span, key: None });
                let faults = check_as_part(&document, name, names, self.root).faults;
                typed.faults.extend(faults.into_iter().map(|fault| fault.about(&entry.key)));
            }
        }
        typed
    }
}
