//! The tree becomes a [`Pipeline`]: each part is resolved, typed by its schema and taken apart.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};
use smiles_stage::Registry;

use crate::check::checker::check;
use crate::common::{SinkKeys, TransformKeys};
use crate::diagnostic::{Diagnostic, origins};
use crate::document::{Entry, Kind, Node};
use crate::each::Items;
use crate::head::{self, FileKeys};
use crate::keys::schema_of;
use crate::loader::Loader;
use crate::names::{LONGEST, Names, short};
use crate::stage::Stage;
use crate::{DisabledTransform, JournalDecl, NodeId, Pipeline, SinkDecl, TransformDecl};

/// The least that a journal can be given: its tables alone take a good part of this.
const SMALLEST: u64 = 64 << 10;

/// Those enabled, those not, and all of them for people.
type Transforms = (Vec<TransformDecl>, Vec<DisabledTransform>, Value);

/// The pipeline and, for people, what it was made of.
pub(crate) struct Assembled {
    pub(crate) pipeline: Pipeline,
    pub(crate) resolved: Value,
}

impl Loader<'_> {
    /// Builds the declaration; complaints go to `out`, and what is returned beside them is not to be used.
    pub(crate) fn assemble(
        &mut self,
        root: NodeId,
        registry: &Registry,
        plugins: Value,
    ) -> Option<Assembled> {
        let (name, journal, shown_journal) = self.head(root)?;
        let mut resolved = Map::new();
        resolved.insert("pipeline".to_owned(), json!(name));
        let enabled = !self.is_off(root);
        if !enabled {
            resolved.insert("enabled".to_owned(), json!(false));
        }
        if !shown_journal.is_null() {
            resolved.insert("journal".to_owned(), shown_journal);
        }
        if !plugins.is_null() {
            resolved.insert("plugins".to_owned(), plugins);
        }
        let lines = self.lines(root);
        if !lines.is_null() {
            resolved.insert("lines".to_owned(), lines);
        }
        let mut names = Names::default();
        let sources = self.sources(root, registry, &mut names);
        resolved.insert("sources".to_owned(), Value::Object(sources.shown));
        let (transforms, disabled_transforms, shown) = self.transforms(root, registry);
        resolved.insert("transforms".to_owned(), shown);
        let (sinks, shown) = self.sinks(root, registry, &mut names);
        resolved.insert("sinks".to_owned(), shown);
        let disabled_sinks = self.disabled(root, "sinks");
        let sources = sources.list;
        let pipeline = Pipeline {
            name,
            enabled,
            journal,
            sources,
            transforms,
            sinks,
            disabled_transforms,
            disabled_sinks,
        };
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
        let entries = entries.into_iter().map(|entry| {
            let value = match entry.key.as_str() {
                "pipeline" | "enabled" | "journal" => self.resolve(entry.value, &Items::Outside, false),
                "sources" | "transforms" | "sinks" => self.outline(entry.value),
                _ => entry.value,
            };
            Entry { value, ..entry }
        });
        let kind = Kind::Map(entries.collect());
        let head = self.document.add(Node { kind, ..node });
        let mut schema = schema_of::<FileKeys>();
        // Said in better words below.
        if let Some(name) = schema["properties"]["pipeline"].as_object_mut() {
            name.remove("pattern");
        }
        // These are checked on their own.
        for key in ["variables", "plugins", "lines"] {
            schema["properties"][key] = Value::Bool(true);
        }
        let typed = check(&self.document, head, &schema, &[]);
        for fault in typed.faults {
            self.out.push(fault.diagnostic(&self.document));
        }
        self.out.count(typed.unsaid);
        let name = typed.value.get("pipeline").and_then(Value::as_str).unwrap_or_default().to_owned();
        if let Some(entry) = self.document.entry(head, "pipeline").cloned()
            && !name.is_empty()
            && !is_pipeline_name(&name)
        {
            let help = format!(
                "it names files: lower-case letters, digits, `-` and `_`, a letter first, {LONGEST} at most"
            );
            let message = format!("`{}` cannot be the name of a pipeline", short(&name));
            self.out.push(Diagnostic::error(self.document.anchor(entry.value), message).help(help));
        }
        let journal = typed.value.get("journal").cloned().unwrap_or_default();
        let declared = head::journal(&journal);
        if let Some(entry) = self.document.entry(head, "journal").cloned() {
            self.limits(entry.value, &declared);
        }
        Some((name, declared, journal))
    }

    /// A list or map without what is in it, which is looked at stage by stage.
    fn outline(&mut self, id: NodeId) -> NodeId {
        let Some(node) = self.document.get(id) else { return id };
        let kind = match &node.kind {
            Kind::List(items) => Kind::List(vec![NodeId::NOWHERE; items.len()]),
            Kind::Map(entries) => {
                let outline = |entry: &Entry| Entry { value: NodeId::NOWHERE, ..entry.clone() };
                Kind::Map(entries.iter().map(outline).collect())
            }
            _ => return id,
        };
        let outline = Node { kind, span: node.span, key: node.key };
        self.document.add(outline)
    }

    /// What a journal cannot work with, or would surprise.
    fn limits(&mut self, journal: NodeId, declared: &JournalDecl) {
        let span = |key: &str| {
            let at = self.document.entry(journal, key).map(|entry| entry.value);
            at.and_then(|at| self.document.anchor(at))
        };
        let (size, retain) = (span("max_size"), span("retain"));
        if declared.max_size < SMALLEST {
            let help = "write 64KiB or more; 1GiB unless given".to_owned();
            self.out.push(Diagnostic::error(size, "a journal of this size holds nothing").help(help));
        }
        if declared.retain.is_zero() {
            let message = "nothing that is delivered is retained: a database that is restored from a backup gets \
                           nothing back";
            self.out.push(Diagnostic::warning(retain, message).help("write, for instance, `24h`".to_owned()));
        }
    }

    fn transforms(&mut self, root: NodeId, registry: &Registry) -> Transforms {
        let (mut off, mut shown, mut stages) = (Vec::new(), Vec::new(), Vec::new());
        let all = self.document.entry(root, "transforms").map(|entry| entry.value);
        let list = match all.map(|all| self.document.kind(all).clone()) {
            Some(Kind::List(list)) => list,
            _ => Vec::new(),
        };
        for item in list {
            if self.out.is_full() {
                break;
            }
            if self.is_off(item) {
                off.push(self.disabled_transform(item, stages.len(), registry));
                shown.push(json!({ "enabled": false }));
            } else if let Some(stage) = self.stage::<TransformKeys>(item, &Items::Outside, registry) {
                shown.push(stage.shown.clone());
                stages.push(stage);
            }
        }
        (self.named(stages), off, Value::Array(shown))
    }

    fn disabled_transform(&mut self, item: NodeId, place: usize, registry: &Registry) -> DisabledTransform {
        let before = self.out.mark();
        let stage = self.stage::<TransformKeys>(item, &Items::Outside, registry);
        let is_sound = self.out.mark() == before;
        self.out.back_to(before);
        let plain = |key| {
            let scalar = self.document.scalar(self.document.entry(item, key)?.value)?;
            Some(scalar.text.clone())
        };
        let (type_name, name) = (plain("type").unwrap_or_default(), plain("name"));
        let called = name.clone().unwrap_or_else(|| type_name.clone());
        let stage = stage.filter(|_| is_sound).map(|stage| stage.decl(called));
        DisabledTransform { place, type_name, name, stage }
    }

    /// Each with the name it is called by; two of one name are one too many.
    fn named(&mut self, stages: Vec<Stage<TransformKeys>>) -> Vec<TransformDecl> {
        let mut transforms = Vec::new();
        let own = |stage: &Stage<TransformKeys>| stage.common.name.clone();
        let given: BTreeSet<String> = stages.iter().filter_map(own).collect();
        let mut taken: BTreeSet<String> = BTreeSet::new();
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for stage in stages {
            let given_name = own(&stage);
            let named = given_name.is_some();
            let name = match given_name {
                Some(name) if taken.contains(&name) => {
                    let at = self.document.entry(stage.node, "name").map(|entry| entry.value);
                    let span = at.and_then(|at| self.document.anchor(at));
                    self.out.push(Diagnostic::error(span, format!("two transforms are called `{name}`")));
                    continue;
                }
                Some(name) => name,
                None => {
                    let count = counts.entry(stage.type_name.clone()).or_default();
                    unnamed(&stage.type_name, count, |name| given.contains(name) || taken.contains(name))
                }
            };
            taken.insert(name.clone());
            transforms.push(TransformDecl { stage: stage.decl(name), named });
        }
        transforms
    }

    fn sinks(&mut self, root: NodeId, registry: &Registry, names: &mut Names) -> (Vec<SinkDecl>, Value) {
        let (mut sinks, mut shown) = (Vec::new(), Map::new());
        let Some(all) = self.document.entry(root, "sinks").cloned() else { return (sinks, Value::Null) };
        let mut off = true;
        for entry in self.document.entries(all.value).to_vec() {
            if self.out.is_full() {
                break;
            }
            if let Some(diagnostic) = names.sink(&entry.key, entry.span) {
                self.out.push(diagnostic);
            }
            if self.is_off(entry.value) {
                shown.insert(entry.key.clone(), json!({ "enabled": false }));
                continue;
            }
            off = false;
            let Some(stage) = self.stage::<SinkKeys>(entry.value, &Items::Outside, registry) else {
                continue;
            };
            shown.insert(entry.key.clone(), stage.shown.clone());
            sinks.push(SinkDecl {
                from: stage.common.from,
                max_rows: usize::try_from(stage.common.batch.max_rows).unwrap_or(usize::MAX),
                stage: stage.decl(entry.key),
            });
        }
        self.at_least_one("sink", &all, off);
        (sinks, Value::Object(shown))
    }

    /// The names of the disabled entries of a map of stages.
    fn disabled(&mut self, root: NodeId, key: &str) -> Vec<String> {
        let entries = self.document.entry(root, key).map(|all| self.document.entries(all.value).to_vec());
        let entries = entries.unwrap_or_default().into_iter();
        entries.filter(|entry| self.is_off(entry.value)).map(|entry| entry.key).collect()
    }

    /// `off`: no entry is enabled.
    pub(crate) fn at_least_one(&mut self, word: &str, all: &Entry, off: bool) {
        if !off || !matches!(self.document.kind(all.value), Kind::Map(_)) {
            return;
        }
        let diagnostic = if self.document.entries(all.value).is_empty() {
            Diagnostic::error(all.span, format!("a pipeline needs at least one {word}"))
        } else {
            let message = format!("every {word} is disabled: a pipeline needs at least one");
            let diagnostic = Diagnostic::error(all.span, message).help("enable one".to_owned());
            self.off_by(all.value).into_iter().fold(diagnostic, Diagnostic::note)
        };
        self.out.push(diagnostic);
    }
}

impl Loader<'_> {
    /// The variables that disabled the entries of a map.
    fn off_by(&mut self, all: NodeId) -> Vec<String> {
        let mut notes = Vec::new();
        for entry in self.document.entries(all).to_vec() {
            if let Some(enabled) = self.document.entry(entry.value, "enabled").map(|entry| entry.value) {
                let node = self.resolve(enabled, &Items::Unset, false);
                notes.extend(origins(&self.document, node));
            }
        }
        notes
    }
}

/// The type, then `type-2`, `type-3`; `count` is how many were looked at for this type.
fn unnamed(type_name: &str, count: &mut usize, taken: impl Fn(&str) -> bool) -> String {
    loop {
        *count += 1;
        let name = if *count == 1 { type_name.to_owned() } else { format!("{type_name}-{count}") };
        if !taken(&name) {
            return name;
        }
    }
}

fn is_pipeline_name(name: &str) -> bool {
    name.len() <= LONGEST
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_'))
}
