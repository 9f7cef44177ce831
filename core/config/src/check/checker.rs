//! Checks a value against a schema: the dispatch over its keywords and kinds.

#[cfg(test)]
mod tests;

use std::cell::Cell;

use serde_json::Value;

use crate::NodeId;
use crate::check::natural::natural;
use crate::diagnostic::{Diagnostic, origins};
use crate::document::{Document, Kind, Span};

/// References between definitions deeper than this are a schema that never ends.
pub(super) const MAX_DEPTH: usize = 200;

/// Looking for what an unknown key may mean takes time; a file with more of them than this is another kind of file.
pub(super) const SUGGESTIONS: usize = 1_000;

/// A node's value by its schema, and what is wrong with it.
#[derive(Debug, Default)]
pub(crate) struct Typed {
    pub(crate) value: Value,
    pub(crate) faults: Vec<Fault>,
    /// Whether any schema had a say; else the value is YAML's own reading.
    pub(super) guided: bool,
    /// How many faults there are beside, of keys in maps that have a thousand such faults already.
    pub(crate) unsaid: usize,
}

/// One thing that does not fit.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    pub(crate) node: NodeId,
    pub(crate) span: Option<Span>,
    pub(crate) message: String,
    pub(crate) help: Option<String>,
    /// How far the node is from this schema; the nearest alternative is the one told about.
    pub(super) weight: u32,
}

impl Fault {
    /// The same of a key, which is no node.
    pub(super) fn about(self, key: &str) -> Self {
        Self { node: NodeId::NOWHERE, message: format!("the key `{key}`: {}", self.message), ..self }
    }

    /// As a diagnostic, with the variables the value came from.
    pub(crate) fn diagnostic(self, document: &Document) -> Diagnostic {
        let diagnostic = Diagnostic::error(self.span, self.message).help(self.help);
        origins(document, self.node).into_iter().fold(diagnostic, Diagnostic::note)
    }
}

/// Checks nodes of one document against one schema.
pub(crate) struct Check<'a> {
    pub(super) document: &'a Document,
    /// What `#/...` refers to.
    pub(super) root: &'a Value,
    /// Keys that are known at the top beside the schema's own, for "did you mean".
    pub(super) also: &'a [&'a str],
    pub(super) top: NodeId,
    /// How often it was looked for what an unknown key may mean.
    suggestions: Cell<usize>,
    pub(super) unsaid: Cell<usize>,
}

impl Check<'_> {
    /// Whether to look for what an unknown key may mean.
    pub(super) fn may_suggest(&self) -> bool {
        let count = self.suggestions.get();
        self.suggestions.set(count + 1);
        count < SUGGESTIONS
    }

    pub(super) fn node(&self, node: NodeId, schema: &Value, depth: usize) -> Typed {
        if depth > MAX_DEPTH || matches!(self.document.kind(node), Kind::Broken) {
            return Typed { value: Value::Null, ..Typed::default() };
        }
        let Value::Object(keywords) = schema else {
            let typed = Typed { value: self.untyped(node), ..Typed::default() };
            return if schema == &Value::Bool(false) {
                self.refuse(node, typed, "nothing may stand here")
            } else {
                typed
            };
        };
        let mut typed = self.own(node, schema, depth);
        if let Some(target) = self.target(schema) {
            typed = self.merge(typed, self.node(node, target, depth + 1), target);
        }
        for part in keywords.get("allOf").and_then(Value::as_array).into_iter().flatten() {
            typed = self.merge(typed, self.node(node, part, depth + 1), part);
        }
        for choice in ["oneOf", "anyOf"] {
            if let Some(branches) = keywords.get(choice).and_then(Value::as_array) {
                let (chosen, by) = self.choose(node, schema, branches, depth + 1);
                typed = self.merge(typed, chosen, by);
            }
        }
        self.conditions(node, schema, typed, depth)
    }

    /// What the schema itself says, without the schemas it refers to.
    pub(super) fn own(&self, node: NodeId, schema: &Value, depth: usize) -> Typed {
        match self.document.kind(node) {
            Kind::Scalar(scalar) => self.scalar(node, scalar, schema),
            Kind::List(items) => self.list(node, items, schema, depth),
            Kind::Map(entries) => self.map(node, entries, schema, depth),
            Kind::Include(_) | Kind::Broken => Typed::default(),
        }
    }

    /// The value by YAML's core schema.
    pub(super) fn untyped(&self, node: NodeId) -> Value {
        match self.document.kind(node) {
            Kind::Scalar(scalar) => natural(scalar),
            Kind::List(items) => items.iter().map(|item| self.untyped(*item)).collect(),
            Kind::Map(entries) => {
                entries.iter().map(|entry| (entry.key.clone(), self.untyped(entry.value))).collect()
            }
            Kind::Include(_) | Kind::Broken => Value::Null,
        }
    }

    pub(super) fn fault(&self, node: NodeId, weight: u32, message: impl Into<String>) -> Fault {
        Fault { node, span: self.document.anchor(node), message: message.into(), help: None, weight }
    }

    pub(super) fn refuse(&self, node: NodeId, mut typed: Typed, message: &str) -> Typed {
        typed.faults.push(self.fault(node, 1, message));
        typed
    }
}

/// Types a node of another document by a part of the schema `root`.
pub(super) fn check_as_part(document: &Document, node: NodeId, part: &Value, root: &Value) -> Typed {
    typed(document, node, part, root, &[])
}

/// Types `node` by `schema`; `also` are keys taken out before.
pub(crate) fn check(document: &Document, node: NodeId, schema: &Value, also: &[&str]) -> Typed {
    typed(document, node, schema, schema, also)
}

fn typed(document: &Document, node: NodeId, part: &Value, root: &Value, also: &[&str]) -> Typed {
    let (suggestions, unsaid) = (Cell::new(0), Cell::new(0));
    let check = Check { document, root, also, top: node, suggestions, unsaid };
    let typed = check.node(node, part, 0);
    // Where another alternative fits, they are none.
    let unsaid = if typed.faults.is_empty() { 0 } else { check.unsaid.get() };
    Typed { unsaid, ..typed }
}
