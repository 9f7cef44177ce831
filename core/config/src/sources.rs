//! `sources:`, each made once or once per item.

use serde_json::{Map, Value, json};
use smiles_stage::Registry;

use crate::common::SourceKeys;
use crate::diagnostic::Diagnostic;
use crate::document::Entry;
use crate::each::Items;
use crate::items::Refused;
use crate::loader::Loader;
use crate::names::Names;
use crate::{NodeId, SourceDecl, limits};

/// The sources found so far.
#[derive(Default)]
pub(crate) struct Sources {
    pub(crate) list: Vec<SourceDecl>,
    /// By name, without secrets.
    pub(crate) shown: Map<String, Value>,
}

impl Loader<'_> {
    pub(crate) fn sources(&mut self, root: NodeId, registry: &Registry, names: &mut Names) -> Sources {
        let mut sources = Sources::default();
        let Some(all) = self.document.entry(root, "sources").cloned() else { return sources };
        let mut off = true;
        for entry in self.document.entries(all.value).to_vec() {
            if self.out.is_full() {
                break;
            }
            if self.is_off(entry.value) {
                self.keeps_its_line(entry.value);
                sources.shown.insert(entry.key, json!({ "enabled": false }));
                continue;
            }
            off = false;
            let for_each = self.document.entry(entry.value, "for_each").cloned();
            match for_each.map(|for_each| self.items(entry.value, &for_each)) {
                None => self.source(&entry, &Items::Outside, registry, names, &mut sources),
                Some(Ok(None)) => self.source(&entry, &Items::Unset, registry, names, &mut sources),
                Some(Ok(Some(items))) if self.is_too_much(&entry, items.len()) => {}
                Some(Ok(Some(items))) => {
                    for item in &items {
                        // Each would be found wrong in the same places again.
                        if self.out.is_full() {
                            break;
                        }
                        self.source(&entry, &Items::Set(item), registry, names, &mut sources);
                    }
                }
                Some(Err(Refused)) => {}
            }
        }
        self.at_least_one("source", &all, off);
        self.unused_lines();
        sources
    }

    /// Whether so many items make more of a source than may be; it has been said then.
    fn is_too_much(&mut self, entry: &Entry, items: usize) -> bool {
        let weight = |id| self.measures.get(id).map_or(1, |measure| measure.weight);
        // The list stands in the source, and is no part of what each item makes.
        let list = self.document.entry(entry.value, "for_each").map_or(0, |list| weight(list.value));
        let one = weight(entry.value).saturating_sub(list).max(1);
        let is_too_much = one.saturating_mul(items as u64) > limits::EACH;
        if is_too_much {
            let message =
                format!("{items} items of {one} values each are more than {} together", limits::EACH);
            let help = "divide the devices among several pipelines".to_owned();
            self.out.push(Diagnostic::error(entry.span, message).help(help));
        }
        is_too_much
    }

    fn source(
        &mut self,
        entry: &Entry,
        items: &Items<'_>,
        registry: &Registry,
        names: &mut Names,
        sources: &mut Sources,
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
        let Some(stage) = self.stage::<SourceKeys>(entry.value, items, registry) else { return };
        sources.shown.insert(name.clone(), stage.shown.clone());
        let every = stage.common.every.map(|every| every.0);
        if every.is_some_and(|every| every.is_zero()) {
            let at = self.document.entry(stage.node, "every").map(|entry| entry.value);
            let span = at.and_then(|at| self.document.anchor(at));
            let message = "no time between two polls: the source would be polled without a pause";
            self.out.push(Diagnostic::error(span, message).help("write how often, such as `60s`".to_owned()));
        }
        sources.list.push(SourceDecl {
            every,
            stretch_after: stage.common.stretch_after,
            stage: stage.decl(name),
        });
    }
}
