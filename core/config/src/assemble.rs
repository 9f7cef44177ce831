//! The tree becomes a [`Pipeline`]: each part is resolved, typed by its schema and taken apart.

use std::time::Duration;

use serde_json::{Map, Value, json};
use smiles_stage::Registry;
use smiles_stage::option::{Period, Size};

use crate::check::check;
use crate::common::{Role, file_schema};
use crate::diagnostic::Diagnostic;
use crate::document::{Document, Entry, Kind, Node};
use crate::items::Refused;
use crate::loader::Loader;
use crate::names::Names;
use crate::resolve::Items;
use crate::secret::REDACTED;
use crate::{
    JournalDecl, NodeId, OnFull, Pipeline, SinkDecl, SourceDecl, StageDecl, StartFrom, TransformDecl,
};

/// A stage's own part of the file, typed.
struct Stage {
    node: NodeId,
    type_name: String,
    common: Value,
    options: Value,
    shown: Value,
}

/// The pipeline and, for people, what it was made of.
pub(crate) struct Assembled {
    pub(crate) pipeline: Pipeline,
    pub(crate) resolved: Value,
}

impl Loader<'_> {
    /// Builds the declaration; complaints go to `out`, and what is returned beside them is not to be used.
    pub(crate) fn assemble(&mut self, root: NodeId, registry: &Registry) -> Option<Assembled> {
        let (name, journal, shown_journal) = self.head(root)?;
        let mut resolved = Map::new();
        resolved.insert("pipeline".to_owned(), json!(name));
        if !shown_journal.is_null() {
            resolved.insert("journal".to_owned(), shown_journal);
        }
        let mut names = Names::default();
        let (sources, shown) = self.sources(root, registry, &mut names);
        resolved.insert("sources".to_owned(), shown);
        let (transforms, shown) = self.transforms(root, registry);
        resolved.insert("transforms".to_owned(), shown);
        let (sinks, shown) = self.sinks(root, registry, &mut names);
        resolved.insert("sinks".to_owned(), shown);
        let pipeline = Pipeline { name, journal, sources, transforms, sinks };
        Some(Assembled { pipeline, resolved: Value::Object(resolved) })
    }

    /// The keys of the file, and the small ones' values.
    fn head(&mut self, root: NodeId) -> Option<(String, JournalDecl, Value)> {
        let node = self.document.get(root).cloned()?;
        let Kind::Map(entries) = node.kind.clone() else {
            if !matches!(node.kind, Kind::Broken) {
                let help = "a pipeline file has the keys `pipeline`, `sources` and `sinks`".to_owned();
                let span = self.document.anchor(root);
                self.out.push(Diagnostic::error(span, "this is not a pipeline: expected a map").help(help));
            }
            return None;
        };
        let small = |key: &str| matches!(key, "pipeline" | "journal");
        let entries = entries.into_iter().map(|entry| {
            let value = if small(&entry.key) {
                self.resolve(entry.value, &Items::Outside, false)
            } else {
                entry.value
            };
            Entry { value, ..entry }
        });
        let kind = Kind::Map(entries.collect());
        let head = self.document.add(Node { kind, ..node });
        let mut schema = file_schema();
        // `variables` has been checked on its own.
        schema["properties"]["variables"] = Value::Bool(true);
        let typed = check(&self.document, head, &schema, &[]);
        for fault in typed.faults {
            self.out.push(fault.diagnostic(&self.document));
        }
        let name = typed.value.get("pipeline").and_then(Value::as_str).unwrap_or_default().to_owned();
        if let Some(entry) = self.document.entry(head, "pipeline").cloned()
            && !name.is_empty()
            && !is_pipeline_name(&name)
        {
            let help = "it names files: lower-case letters, digits, `-` and `_`, a letter first".to_owned();
            let message = format!("`{}` cannot be the name of a pipeline", name.escape_debug());
            self.out.push(Diagnostic::error(self.document.anchor(entry.value), message).help(help));
        }
        let journal = typed.value.get("journal").cloned().unwrap_or_default();
        Some((name, journal_of(&journal), journal))
    }

    fn sources(&mut self, root: NodeId, registry: &Registry, names: &mut Names) -> (Vec<SourceDecl>, Value) {
        let (mut sources, mut shown) = (Vec::new(), Map::new());
        let Some(all) = self.document.entry(root, "sources").cloned() else { return (sources, Value::Null) };
        let entries = self.document.entries(all.value).to_vec();
        let mut off = !entries.is_empty();
        for entry in entries {
            let for_each = self.document.entry(entry.value, "for_each").cloned();
            if self.is_off(entry.value) {
                shown.insert(entry.key.clone(), json!({ "enabled": false }));
                continue;
            }
            off = false;
            let items = match for_each.map(|for_each| self.items(entry.value, &for_each)) {
                None => vec![Items::Outside],
                Some(Ok(None)) => vec![Items::Unset],
                Some(Err(Refused)) => continue,
                Some(Ok(Some(items))) => {
                    self.each(&entry, &items, registry, names, &mut sources, &mut shown);
                    continue;
                }
            };
            for item in &items {
                self.source(&entry, item, registry, names, &mut sources, &mut shown);
            }
        }
        self.at_least_one("source", &all, off, shown.is_empty());
        (sources, Value::Object(shown))
    }

    fn each(
        &mut self,
        entry: &Entry,
        items: &[crate::resolve::Item],
        registry: &Registry,
        names: &mut Names,
        sources: &mut Vec<SourceDecl>,
        shown: &mut Map<String, Value>,
    ) {
        for item in items {
            self.source(entry, &Items::Set(item), registry, names, sources, shown);
        }
    }

    fn source(
        &mut self,
        entry: &Entry,
        items: &Items<'_>,
        registry: &Registry,
        names: &mut Names,
        sources: &mut Vec<SourceDecl>,
        shown: &mut Map<String, Value>,
    ) {
        let (name, origin) = match items {
            Items::Set(item) => {
                let name = item.values.get("name").filter(|name| !name.is_empty()).unwrap_or(&entry.key);
                (name.clone(), Some(item.shown.as_str()))
            }
            Items::Outside | Items::Unset => (entry.key.clone(), None),
        };
        if let Some(diagnostic) = names.source(&name, entry.span, origin) {
            self.out.push(diagnostic);
        }
        let Some(stage) = self.stage(entry.value, items, Role::Source, registry) else {
            shown.insert(name, Value::Null);
            return;
        };
        shown.insert(name.clone(), stage.shown.clone());
        sources.push(SourceDecl {
            every: stage.common.get("every").and_then(duration),
            stretch_after: stage.common.get("stretch_after").and_then(Value::as_u64).map_or(5, saturating),
            stage: stage.decl(name),
        });
    }

    fn transforms(&mut self, root: NodeId, registry: &Registry) -> (Vec<TransformDecl>, Value) {
        let (mut transforms, mut shown) = (Vec::new(), Vec::new());
        let all = self.document.entry(root, "transforms").map(|entry| entry.value);
        let Some(Kind::List(list)) = all.map(|all| self.document.kind(all).clone()) else {
            return (transforms, Value::Array(shown));
        };
        let mut stages = Vec::new();
        for item in list {
            if self.is_off(item) {
                shown.push(json!({ "enabled": false }));
            } else if let Some(stage) = self.stage(item, &Items::Outside, Role::Transform, registry) {
                shown.push(stage.shown.clone());
                stages.push(stage);
            }
        }
        let own = |stage: &Stage| stage.common.get("name").and_then(Value::as_str).map(str::to_owned);
        let given: Vec<String> = stages.iter().filter_map(own).collect();
        let mut taken: Vec<String> = Vec::new();
        for stage in stages {
            let name = match own(&stage) {
                Some(name) if taken.contains(&name) => {
                    let at = self.document.entry(stage.node, "name").map(|entry| entry.value);
                    let span = at.and_then(|at| self.document.anchor(at));
                    self.out.push(Diagnostic::error(span, format!("two transforms are called `{name}`")));
                    continue;
                }
                Some(name) => name,
                None => {
                    unnamed(&stage.type_name, |name| given.iter().chain(&taken).any(|other| other == name))
                }
            };
            taken.push(name.clone());
            transforms.push(TransformDecl { stage: stage.decl(name) });
        }
        (transforms, Value::Array(shown))
    }

    fn sinks(&mut self, root: NodeId, registry: &Registry, names: &mut Names) -> (Vec<SinkDecl>, Value) {
        let (mut sinks, mut shown) = (Vec::new(), Map::new());
        let Some(all) = self.document.entry(root, "sinks").cloned() else { return (sinks, Value::Null) };
        let entries = self.document.entries(all.value).to_vec();
        let mut off = !entries.is_empty();
        for entry in entries {
            if let Some(diagnostic) = names.sink(&entry.key, entry.span) {
                self.out.push(diagnostic);
            }
            if self.is_off(entry.value) {
                shown.insert(entry.key.clone(), json!({ "enabled": false }));
                continue;
            }
            off = false;
            let Some(stage) = self.stage(entry.value, &Items::Outside, Role::Sink, registry) else {
                continue;
            };
            shown.insert(entry.key.clone(), stage.shown.clone());
            let oldest = stage.common.get("from").and_then(Value::as_str) == Some("oldest");
            let rows = stage.common.pointer("/batch/max_rows").and_then(Value::as_u64);
            sinks.push(SinkDecl {
                from: if oldest { StartFrom::Oldest } else { StartFrom::Now },
                max_rows: rows.and_then(|rows| usize::try_from(rows).ok()).unwrap_or(10_000),
                stage: stage.decl(entry.key),
            });
        }
        self.at_least_one("sink", &all, off, self.document.entries(all.value).is_empty());
        (sinks, Value::Object(shown))
    }

    fn at_least_one(&mut self, word: &str, all: &Entry, off: bool, none: bool) {
        if !matches!(self.document.kind(all.value), Kind::Map(_)) {
            return;
        }
        if off {
            let message = format!("every {word} is disabled: a pipeline needs at least one");
            self.out.push(
                Diagnostic::error(all.span, message).help("take `enabled: false` out of one".to_owned()),
            );
        } else if none && self.document.entries(all.value).is_empty() {
            self.out.push(Diagnostic::error(all.span, format!("a pipeline needs at least one {word}")));
        }
    }

    /// `enabled: false`. What it leaves out is not looked at: a variable it names may be unset.
    fn is_off(&mut self, stage: NodeId) -> bool {
        let Some(entry) = self.document.entry(stage, "enabled").cloned() else { return false };
        let before = self.out.len();
        let value = self.resolve(entry.value, &Items::Unset, false);
        // Said again, once, when the stage as a whole is looked at.
        self.out.truncate(before);
        check(&self.document, value, &json!({ "type": "boolean" }), &[]).value == Value::Bool(false)
    }

    fn stage(&mut self, id: NodeId, items: &Items<'_>, role: Role, registry: &Registry) -> Option<Stage> {
        let id = if role == Role::Source { self.without_for_each(id) } else { id };
        let node = self.resolve(id, items, false);
        if self.is_flooded() {
            return None;
        }
        let Some(place @ Node { kind: Kind::Map(_), .. }) = self.document.get(node).cloned() else {
            if !matches!(self.document.kind(node), Kind::Broken) {
                let message = format!("a {} is a map with a `type`", role.word());
                self.out.push(Diagnostic::error(self.document.anchor(node), message));
            }
            return None;
        };
        let Kind::Map(entries) = place.kind.clone() else { return None };
        let (common, own): (Vec<Entry>, Vec<Entry>) =
            entries.into_iter().partition(|entry| role.keys().contains(&entry.key.as_str()));
        let common = self.document.add(Node { kind: Kind::Map(common), ..place.clone() });
        let own = self.document.add(Node { kind: Kind::Map(own), ..place });
        let typed = check(&self.document, common, &role.schema(), &[]);
        let without_type = self.document.entry(common, "type").is_none();
        for fault in typed.faults {
            let mut diagnostic = fault.diagnostic(&self.document);
            if without_type && diagnostic.message == "`type` is missing" {
                diagnostic.help = known_types(role, registry);
            }
            self.out.push(diagnostic);
        }
        let type_name = typed.value.get("type").and_then(Value::as_str)?.to_owned();
        let schema = match factory_schema(role, &type_name, registry) {
            Ok(schema) => schema,
            Err(help) => {
                let at =
                    self.document.entry(common, "type").and_then(|entry| self.document.anchor(entry.value));
                let message = format!("there is no {} of type `{type_name}`", role.word());
                self.out.push(Diagnostic::error(at, message).help(help));
                return None;
            }
        };
        let options = check(&self.document, own, &schema, role.keys());
        for fault in options.faults {
            self.out.push(fault.diagnostic(&self.document));
        }
        let mut shown = Map::new();
        for part in [
            shown_value(&self.document, common, &typed.value),
            shown_value(&self.document, own, &options.value),
        ] {
            if let Value::Object(part) = part {
                shown.extend(part);
            }
        }
        Some(Stage {
            node,
            type_name,
            common: typed.value,
            options: options.value,
            shown: Value::Object(shown),
        })
    }
}

impl Loader<'_> {
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
}

impl Stage {
    fn decl(self, name: String) -> StageDecl {
        StageDecl { name, type_name: self.type_name, options: self.options, node: self.node }
    }
}

fn factory_schema(role: Role, name: &str, registry: &Registry) -> Result<Value, Option<String>> {
    let schema = match role {
        Role::Source => registry.find_source(name).map(|factory| factory.schema()),
        Role::Transform => registry.find_transform(name).map(|factory| factory.schema()),
        Role::Sink => registry.find_sink(name).map(|factory| factory.schema()),
    };
    schema.map_err(|unknown| unknown.help)
}

fn known_types(role: Role, registry: &Registry) -> Option<String> {
    let names: Vec<&str> = match role {
        Role::Source => registry.all_sources().map(|factory| factory.name()).collect(),
        Role::Transform => registry.all_transforms().map(|factory| factory.name()).collect(),
        Role::Sink => registry.all_sinks().map(|factory| factory.name()).collect(),
    };
    (!names.is_empty()).then(|| format!("known here: {}", names.join(", ")))
}

/// The typed value with every secret in it hidden.
fn shown_value(document: &Document, node: NodeId, value: &Value) -> Value {
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

fn journal_of(value: &Value) -> JournalDecl {
    let size = value.get("max_size").and_then(Value::as_str).and_then(|text| text.parse::<Size>().ok());
    JournalDecl {
        memory: value == "memory",
        max_size: size.map_or(1 << 30, |size| size.0),
        retain: value.get("retain").and_then(duration).unwrap_or(Duration::from_secs(24 * 3600)),
        on_full: if value.get("on_full").is_some_and(|word| word == "drop_oldest") {
            OnFull::DropOldest
        } else {
            OnFull::Block
        },
    }
}

fn duration(value: &Value) -> Option<Duration> {
    Some(value.as_str()?.parse::<Period>().ok()?.0)
}

fn saturating(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

/// The type, then `type-2`, `type-3`.
fn unnamed(type_name: &str, taken: impl Fn(&str) -> bool) -> String {
    let mut name = type_name.to_owned();
    let mut number = 1;
    while taken(&name) {
        number += 1;
        name = format!("{type_name}-{number}");
    }
    name
}

fn is_pipeline_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_'))
}
