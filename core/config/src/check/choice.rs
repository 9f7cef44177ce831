//! `oneOf` and `anyOf`: which alternative is meant, so that only its faults are told.

use serde_json::Value;
use smiles_stage::did_you_mean;

use crate::NodeId;
use crate::check::checker::{Check, Fault, Typed};
use crate::check::describe::{allowed_values, bare, joined, types};
use crate::check::scalar::{WRONG_TYPE, meant};
use crate::document::Kind;

impl<'a> Check<'a> {
    /// The alternative of the schema that fits, else the one that fits best, and its own schema.
    pub(super) fn choose<'s>(
        &self,
        node: NodeId,
        schema: &Value,
        branches: &'s [Value],
        depth: usize,
    ) -> (Typed, &'s Value)
    where
        'a: 's,
    {
        let all: Vec<&Value> = branches.iter().collect();
        let fitting: Vec<&Value> =
            all.iter().copied().filter(|branch| self.takes_kind(node, branch, 0)).collect();
        if matches!(self.document.kind(node), Kind::Map(_)) {
            if let Some(chosen) = self.by_tag(node, &fitting, depth) {
                return chosen;
            }
            if let Some(chosen) = self.by_key(node, &fitting, depth) {
                return chosen;
            }
        }
        let mut outcomes: Vec<(Typed, &Value)> =
            fitting.iter().map(|branch| (self.node(node, branch, depth), *branch)).collect();
        let own = self.untyped(node);
        let good = |outcome: &(Typed, &Value)| outcome.0.faults.is_empty();
        let alike = |outcome: &(Typed, &Value)| good(outcome) && same_type(&outcome.0.value, &own);
        if let Some(at) = outcomes.iter().position(alike).or_else(|| outcomes.iter().position(good)) {
            return outcomes.swap_remove(at);
        }
        let scalar = matches!(self.document.kind(node), Kind::Scalar(_));
        let real: Vec<&Value> = all
            .iter()
            .map(|branch| self.followed(branch))
            .filter(|branch| types(branch) != ["null"])
            .collect();
        let concrete = outcomes.iter().filter(|(_, branch)| types(self.followed(branch)) != ["null"]).count();
        // A word or a type that is none of several is told with all of them; a number out of range is not.
        let other = |(typed, branch): &(Typed, &Value)| {
            allowed_values(self.followed(branch)).is_some()
                || typed.faults.iter().any(|fault| fault.weight >= WRONG_TYPE)
        };
        let words = real.len() > 1 && outcomes.iter().any(other);
        if outcomes.is_empty() || (scalar && (concrete != 1 || words)) {
            return (self.none_fits(node, schema, &all), &Value::Null);
        }
        let weight =
            |outcome: &(Typed, &Value)| outcome.0.faults.iter().map(|fault| fault.weight).sum::<u32>();
        let null = |outcome: &(Typed, &Value)| types(self.followed(outcome.1)) == ["null"];
        let best = (0..outcomes.len()).min_by_key(|at| (null(&outcomes[*at]), weight(&outcomes[*at])));
        match best {
            Some(at) => outcomes.swap_remove(at),
            None => (self.none_fits(node, schema, &all), &Value::Null),
        }
    }

    fn none_fits(&self, node: NodeId, schema: &Value, branches: &[&Value]) -> Typed {
        let union = serde_json::json!({ "anyOf": branches });
        let values: Option<Vec<&Value>> = {
            let each = branches
                .iter()
                .map(|branch| self.followed(branch))
                .filter(|branch| types(branch) != ["null"]);
            each.map(allowed_values)
                .collect::<Option<Vec<_>>>()
                .map(|lists| lists.into_iter().flatten().collect())
        };
        let (expected, help) = match &values {
            Some(values) if !values.is_empty() => {
                (super::describe::one_of(values), self.meant(node, schema, values))
            }
            _ => (self.expected(&union), None),
        };
        let fault = self.fault(node, 1, format!("expected {expected}, found {}", self.found(node)));
        Typed { value: Value::Null, faults: vec![Fault { help, ..fault }], guided: true, unsaid: 0 }
    }

    fn meant(&self, node: NodeId, schema: &Value, values: &[&Value]) -> Option<String> {
        let scalar = self.document.scalar(node).filter(|scalar| !scalar.secret)?;
        meant(&scalar.text, schema, values)
    }

    /// Alternatives told apart by one key with a fixed value (`kind: a` or `kind: b`).
    fn by_tag<'s>(&self, node: NodeId, branches: &[&'s Value], depth: usize) -> Option<(Typed, &'s Value)>
    where
        'a: 's,
    {
        let first = self.followed(branches.first()?).get("properties")?.as_object()?;
        let tag =
            first.keys().find(|key| branches.iter().all(|branch| self.tag_value(branch, key).is_some()))?;
        if branches.len() < 2 {
            return None;
        }
        let values: Vec<&Value> = branches.iter().filter_map(|branch| self.tag_value(branch, tag)).collect();
        let Some(entry) = self.document.entry(node, tag) else {
            let names = super::describe::one_of(&values);
            let fault = self.fault(node, 1, format!("`{tag}` is missing: expected {names}"));
            return Some((
                Typed { value: Value::Null, faults: vec![fault], guided: true, unsaid: 0 },
                &Value::Null,
            ));
        };
        let text = self.document.scalar(entry.value).map(|scalar| scalar.text.as_str());
        let chosen = branches.iter().find(|branch| {
            let value = self.tag_value(branch, tag);
            value.is_some_and(|value| Some(bare(value).as_str()) == text)
        });
        match chosen {
            Some(branch) => Some((self.node(node, branch, depth), branch)),
            None if matches!(self.document.kind(entry.value), Kind::Broken) => {
                Some((Typed { guided: true, ..Typed::default() }, &Value::Null))
            }
            None => {
                let all: Vec<Value> =
                    values.iter().map(|value| serde_json::json!({ "const": value })).collect();
                Some((
                    self.none_fits(entry.value, &Value::Null, &all.iter().collect::<Vec<_>>()),
                    &Value::Null,
                ))
            }
        }
    }

    fn tag_value<'s>(&self, branch: &'s Value, key: &str) -> Option<&'s Value>
    where
        'a: 's,
    {
        let values = allowed_values(self.followed(branch).get("properties")?.get(key)?)?;
        match values.as_slice() {
            [one] => Some(one),
            _ => None,
        }
    }

    /// Alternatives told apart by which single key they have (`{append: ..}` or `{upsert: ..}`).
    fn by_key<'s>(&self, node: NodeId, branches: &[&'s Value], depth: usize) -> Option<(Typed, &'s Value)>
    where
        'a: 's,
    {
        if branches.len() < 2 {
            return None;
        }
        let keys: Vec<&str> =
            branches.iter().map(|branch| only_key(self.followed(branch))).collect::<Option<_>>()?;
        let entries = self.document.entries(node);
        let found = keys.iter().position(|key| entries.iter().any(|entry| entry.key == *key));
        if let Some(branch) = found.and_then(|at| branches.get(at)) {
            return Some((self.node(node, branch, depth), branch));
        }
        let names: Vec<String> = keys.iter().map(|key| format!("`{key}`")).collect();
        let mut fault = self.fault(node, 1, format!("expected one of the keys {}", joined(&names)));
        if let Some(entry) = entries.first() {
            fault = Fault { span: Some(entry.span), help: did_you_mean(&entry.key, keys), ..fault };
        }
        Some((Typed { value: Value::Null, faults: vec![fault], guided: true, unsaid: 0 }, &Value::Null))
    }

    /// Whether the alternative is for scalars, lists or maps, as the node is.
    fn takes_kind(&self, node: NodeId, schema: &Value, depth: usize) -> bool {
        let schema = self.followed(schema);
        let allowed = types(schema);
        let shape = match self.document.kind(node) {
            Kind::List(_) => Some("array"),
            Kind::Map(_) => Some("object"),
            _ => None,
        };
        if !allowed.is_empty() {
            return allowed.iter().any(|name| match shape {
                Some(shape) => *name == shape,
                None => !matches!(*name, "array" | "object"),
            });
        }
        if let Some(values) = allowed_values(schema) {
            return shape.is_none() == values.iter().any(|value| !value.is_array() && !value.is_object());
        }
        let any = |keyword: &str| {
            let parts = schema.get(keyword).and_then(Value::as_array)?;
            Some(depth > 8 || parts.iter().any(|part| self.takes_kind(node, part, depth + 1)))
        };
        any("oneOf").or_else(|| any("anyOf")).unwrap_or(true)
    }
}

/// The key of an object schema that has exactly one and requires it.
fn only_key(schema: &Value) -> Option<&str> {
    let mut keys = schema.get("properties")?.as_object()?.keys();
    let key = keys.next()?;
    let alone = keys.next().is_none();
    let required = schema.get("required")?.as_array()?.iter().any(|name| name.as_str() == Some(key));
    (alone && required).then_some(key)
}

fn same_type(a: &Value, b: &Value) -> bool {
    std::mem::discriminant(a) == std::mem::discriminant(b)
}
