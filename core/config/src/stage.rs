//! One stage of the file: its common keys apart from its own options, both typed.

use std::sync::Arc;

use serde_json::{Map, Value, json};
use smiles_stage::{Registry, did_you_mean};

use crate::check::checker::check;
use crate::common::StageKeys;
use crate::diagnostic::Diagnostic;
use crate::document::{Document, Entry, Kind, Node};
use crate::each::Items;
use crate::keys::{read, schema_of};
use crate::loader::Loader;
use crate::names::short;
use crate::redact::REDACTED;
use crate::role::Role;
use crate::{NodeId, StageDecl};

/// A stage's part of the file, typed.
pub(crate) struct Stage<K> {
    pub(crate) node: NodeId,
    pub(crate) type_name: String,
    /// The keys every stage of the role has.
    pub(crate) common: K,
    options: Value,
    /// Both, without secrets.
    pub(crate) shown: Value,
}

impl<K> Stage<K> {
    pub(crate) fn decl(self, name: String) -> StageDecl {
        StageDecl { name, type_name: self.type_name, options: Arc::new(self.options), node: self.node }
    }
}

impl Loader<'_> {
    /// Resolves and types a stage; `None`: it has been said why not.
    pub(crate) fn stage<K: StageKeys>(
        &mut self,
        id: NodeId,
        items: &Items<'_>,
        registry: &Registry,
    ) -> Option<Stage<K>> {
        let role = K::ROLE;
        let id = if role == Role::Source { self.without_for_each(id) } else { id };
        let node = self.resolve(id, items, false);
        if self.is_flooded() {
            return None;
        }
        let keys = self.schema((role, String::new()), || Some(schema_of::<K>()))?;
        let known: Vec<&str> = names(&keys).collect();
        let (common, own) = self.split(node, role, &known)?;
        let typed = self.common(common, role, &keys, registry);
        let mut read: K = read(&typed);
        let type_name = read.type_name()?;
        let schema = self.options_schema(common, role, &type_name, registry)?;
        let mut options = check(&self.document, own, &schema, &known);
        for fault in options.faults {
            self.out.push(fault.diagnostic(&self.document));
        }
        self.out.count(options.unsaid);
        let mut shown = Map::new();
        for (node, value) in [(common, &typed), (own, &options.value)] {
            if let Value::Object(part) = shown_value(&self.document, node, value) {
                shown.extend(part);
            }
        }
        let node = match role {
            Role::Source => self.with_line(node, &schema, &mut options.value),
            Role::Transform | Role::Sink => node,
        };
        Some(Stage { node, type_name, common: read, options: options.value, shown: Value::Object(shown) })
    }

    /// `enabled: false`. What it leaves out is not looked at: a variable it names may be unset.
    pub(crate) fn is_off(&mut self, stage: NodeId) -> bool {
        let Some(entry) = self.document.entry(stage, "enabled").cloned() else { return false };
        let before = self.out.mark();
        let value = self.resolve(entry.value, &Items::Unset, false);
        // Said again, once, when the stage as a whole is looked at.
        self.out.back_to(before);
        check(&self.document, value, &json!({ "type": "boolean" }), &[]).value == Value::Bool(false)
    }

    /// The stage without the one key that is not resolved like others.
    fn without_for_each(&mut self, id: NodeId) -> NodeId {
        match self.document.get(id).cloned() {
            Some(Node { kind: Kind::Map(mut entries), span, key })
                if self.document.entry(id, "for_each").is_some() =>
            {
                entries.retain(|entry| entry.key != "for_each");
                self.document.add(Node { kind: Kind::Map(entries), span, key })
            }
            _ => id,
        }
    }

    /// The role's keys and the others, as two maps in the stage's place.
    fn split(&mut self, node: NodeId, role: Role, keys: &[&str]) -> Option<(NodeId, NodeId)> {
        let place = self.document.get(node).cloned()?;
        let Kind::Map(entries) = place.kind.clone() else {
            if !matches!(place.kind, Kind::Broken) {
                let message = format!("a {} is a map with a `type`", role.word());
                self.out.push(Diagnostic::error(self.document.anchor(node), message));
            }
            return None;
        };
        let (common, own): (Vec<Entry>, Vec<Entry>) =
            entries.into_iter().partition(|entry| keys.contains(&entry.key.as_str()));
        let common = self.document.add(Node { kind: Kind::Map(common), ..place.clone() });
        let own = self.document.add(Node { kind: Kind::Map(own), ..place });
        Some((common, own))
    }

    /// The stage's common keys.
    fn common(&mut self, common: NodeId, role: Role, keys: &Value, registry: &Registry) -> Value {
        let typed = check(&self.document, common, keys, &[]);
        let without_type = self.document.entry(common, "type").is_none();
        for fault in typed.faults {
            let mut diagnostic = fault.diagnostic(&self.document);
            if without_type && diagnostic.message == "`type` is missing" {
                diagnostic.help = known_types(role, registry);
            }
            self.out.push(diagnostic);
        }
        typed.value
    }

    /// Made once: making one takes longer than typing a stage by it.
    fn schema(&mut self, of: (Role, String), make: impl FnOnce() -> Option<Value>) -> Option<Arc<Value>> {
        if let Some(known) = self.schemas.get(&of) {
            return Some(Arc::clone(known));
        }
        let made = Arc::new(make()?);
        self.schemas.insert(of, Arc::clone(&made));
        Some(made)
    }

    fn options_schema(
        &mut self,
        common: NodeId,
        role: Role,
        name: &str,
        registry: &Registry,
    ) -> Option<Arc<Value>> {
        let schema = self.schema((role, name.to_owned()), || match role {
            Role::Source => registry.find_source(name).map(|factory| factory.schema()),
            Role::Transform => registry.find_transform(name).map(|factory| factory.schema()),
            Role::Sink => registry.find_sink(name).map(|factory| factory.schema()),
        });
        if schema.is_none() && !self.without_plugins {
            let at = self.document.entry(common, "type").and_then(|entry| self.document.anchor(entry.value));
            let message = format!("there is no {} of type `{}`", role.word(), short(name));
            self.out.push(Diagnostic::error(at, message).help(type_help(role, name, registry)));
        }
        schema
    }
}

/// The keys of a schema.
fn names(schema: &Value) -> impl Iterator<Item = &str> {
    schema.get("properties").and_then(Value::as_object).into_iter().flat_map(Map::keys).map(String::as_str)
}

fn known_types(role: Role, registry: &Registry) -> Option<String> {
    let names = type_names(role, registry);
    (!names.is_empty()).then(|| format!("known here: {}", names.join(", ")))
}

/// Plugins that come with the source of this program: the role, the type, the folder.
const EXAMPLES: &[(Role, &str, &str)] = &[
    (Role::Source, "temperature", "plugins/examples/temperature"),
    (Role::Transform, "moving_average", "plugins/examples/moving_average"),
    (Role::Transform, "sun_position", "plugins/examples/sun_position"),
    (Role::Sink, "csv", "plugins/examples/csv"),
    (Role::Sink, "influxdb", "plugins/examples/influxdb"),
];

/// What to write for a type that is unknown.
fn type_help(role: Role, name: &str, registry: &Registry) -> Option<String> {
    let close = |help: &String| help.starts_with("did you mean");
    let meant = |role| did_you_mean(name, type_names(role, registry)).filter(close);
    if let Some(help) = meant(role) {
        return Some(help);
    }
    let elsewhere = Role::ALL.into_iter().filter(|other| *other != role);
    if let Some(other) = elsewhere.into_iter().find(|other| type_names(*other, registry).contains(&name)) {
        return Some(format!("`{name}` is a {}: it stands under `{}s:`", other.word(), other.word()));
    }
    let examples = EXAMPLES.iter().map(|(_, example, _)| *example);
    let closest = did_you_mean(name, examples).filter(close);
    let example = EXAMPLES.iter().find(|(_, example, _)| {
        closest.as_ref().is_some_and(|help| *help == format!("did you mean `{example}`?"))
    });
    if let Some((own, example, folder)) = example {
        let word = own.word();
        return Some(format!(
            "a plugin brings the {word} `{example}`: build {folder} and name the library under `plugins:` \
             (docs/plugins.md)"
        ));
    }
    let more = "plugins add others: `plugins:`, docs/plugins.md";
    Some(known_types(role, registry).map_or_else(|| more.to_owned(), |known| format!("{known}; {more}")))
}

fn type_names(role: Role, registry: &Registry) -> Vec<&str> {
    match role {
        Role::Source => registry.all_sources().map(|factory| factory.name()).collect(),
        Role::Transform => registry.all_transforms().map(|factory| factory.name()).collect(),
        Role::Sink => registry.all_sinks().map(|factory| factory.name()).collect(),
    }
}

/// The typed value with every secret in it hidden.
pub(crate) fn shown_value(document: &Document, node: NodeId, value: &Value) -> Value {
    match (document.kind(node), value) {
        (Kind::Scalar(scalar), value) if scalar.secret && !value.is_null() && value != "" => json!(REDACTED),
        (Kind::List(items), Value::Array(values)) => {
            items.iter().zip(values).map(|(item, value)| shown_value(document, *item, value)).collect()
        }
        (Kind::Map(entries), Value::Object(values)) => {
            let shown = entries.iter().filter_map(|entry| {
                Some((entry.key.clone(), shown_value(document, entry.value, values.get(&entry.key)?)))
            });
            shown.collect()
        }
        (_, value) => value.clone(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    use super::*;

    #[test]
    fn every_example_of_a_plugin_is_known_by_its_type() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let folders = fs::read_dir(root.join("plugins/examples")).unwrap();
        let folders: BTreeSet<String> = folders
            .map(|entry| format!("plugins/examples/{}", entry.unwrap().file_name().display()))
            .collect();
        let listed: BTreeSet<String> = EXAMPLES.iter().map(|(.., folder)| (*folder).to_owned()).collect();
        assert_eq!(listed, folders);
        for (role, name, folder) in EXAMPLES {
            let about = fs::read_to_string(root.join(folder).join("README.md")).unwrap();
            let says = |word: &str| about.to_lowercase().contains(word);
            assert!(says(name) && says(role.word()), "{folder} brings no {} {name}", role.word());
        }
    }
}
