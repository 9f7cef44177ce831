//! One load: the files read so far, what was found wrong, and reading further files.

use std::collections::{BTreeMap, HashSet};
use std::io;
use std::sync::Arc;

use serde_json::Value;
use smiles_stage::did_you_mean;

use crate::complaints::Complaints;
use crate::compose::compose;
use crate::declarations::Declarations;
use crate::diagnostic::Diagnostic;
use crate::document::{Document, Entry, FileId, Kind, MERGE, Node, Source, Span};
use crate::each::Items;
use crate::line::Lines;
use crate::measure::{Measures, extra, measure};
use crate::redact::Secrets;
use crate::role::Role;
use crate::secret::is_secret_name;
use crate::tree::{beside, reason};
use crate::{Environment, NodeId, Tree, limits};

/// What is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    Pipeline,
    Other,
}

/// The state of a load.
pub(crate) struct Loader<'a> {
    what: What,
    pub(crate) tree: &'a dyn Tree,
    pub(crate) environment: &'a Environment,
    pub(crate) document: Document,
    pub(crate) out: Complaints,
    pub(crate) declarations: Declarations,
    /// Values that must not be printed.
    pub(crate) secrets: Secrets,
    /// What sources may name by `line:`.
    pub(crate) lines: Lines,
    /// What the tree comes to; nothing, where it is more than may be.
    pub(crate) measures: Measures,
    /// How many bytes all files have.
    read: usize,
    /// How many values `<<` has looked at.
    merged: u64,
    /// How many bytes the copies have that resolving has made.
    pub(crate) copied: usize,
    /// How many bytes the texts have that resolving has put together.
    pub(crate) substituted: usize,
    /// Of the keys of each role, by an empty name, and of each stage type that is used.
    pub(crate) schemas: BTreeMap<(Role, String), Arc<Value>>,
    /// A plugin could not be used: a type that is not known may be one of its own.
    pub(crate) without_plugins: bool,
}

impl<'a> Loader<'a> {
    pub(crate) fn new(tree: &'a dyn Tree, environment: &'a Environment, what: What) -> Self {
        Self {
            what,
            tree,
            environment,
            document: Document::default(),
            out: Complaints::default(),
            declarations: Declarations::default(),
            secrets: Secrets::default(),
            lines: Lines::default(),
            measures: Measures::default(),
            read: 0,
            merged: 0,
            copied: 0,
            substituted: 0,
            schemas: BTreeMap::new(),
            without_plugins: false,
        }
    }

    /// Reads the file and everything it includes; `None`: it has been said why nothing can be made of it.
    pub(crate) fn read(&mut self, path: &str) -> Option<NodeId> {
        match self.tree.read(path) {
            Ok(text) => {
                let root = self.take(path.to_owned(), text, &mut Vec::new())?;
                // Children come before their parents, and anchors before their aliases.
                (0..self.document.len()).try_for_each(|id| self.merge(NodeId(id)))?;
                match measure(&self.document, root) {
                    Ok(measures) => self.measures = measures,
                    Err(refused) => {
                        self.out.push(*refused);
                        return None;
                    }
                }
                Some(root)
            }
            Err(error) => {
                let what = if self.what == What::Pipeline { "the pipeline file " } else { "" };
                let message = format!("cannot read {what}{}: {}", self.tree.shown(path), reason(&error));
                let help = self.similar(path, &error);
                self.out.push(Diagnostic::error(None, message).help(help));
                None
            }
        }
    }

    /// Composes one file and puts its includes in their places. `chain` are the files that led here.
    fn take(&mut self, path: String, text: String, chain: &mut Vec<String>) -> Option<NodeId> {
        let text = with_plain_line_ends(text);
        self.read += text.len();
        let file = FileId(self.document.sources.len());
        let shown = self.tree.shown(&path);
        let first = self.document.len();
        let root = if self.is_too_long(file, &text) {
            None
        } else {
            compose(&mut self.document, file, &text, &mut self.out)
        };
        self.document.sources.push(Source { path: path.clone(), shown, text, masked: Vec::new() });
        self.mask(first);
        let Some(root) = root else {
            if !self.out.about(file) && !self.out.is_full() {
                let whole = Span { file, start: 0, end: 0 };
                let help = match self.what {
                    _ if !chain.is_empty() => Some("another file includes it: it must hold a value"),
                    What::Pipeline => Some("a pipeline file has the keys `pipeline`, `sources` and `sinks`"),
                    What::Other => None,
                };
                let help = help.map(str::to_owned);
                self.out.push(Diagnostic::error(whole, "the file is empty").help(help));
            }
            return None;
        };
        chain.push(path);
        for id in (first..self.document.len()).map(NodeId) {
            if let Kind::Include(name) = self.document.kind(id).clone() {
                self.include(id, &name, chain);
            }
        }
        chain.pop();
        Some(root)
    }

    /// Whether there are more `,`, `[` and `{` than values may be; it has been said then. The parser keeps all of a `[...]`
    /// or `{...}` until it has seen its end.
    fn is_too_long(&mut self, file: FileId, text: &str) -> bool {
        let count = text.bytes().filter(|byte| matches!(byte, b',' | b'[' | b'{')).count();
        if count <= limits::VALUES {
            return false;
        }
        let message =
            format!("more than {} values are written: it has {count} `,`, `[` and `{{`", limits::VALUES);
        let help = "divide the file among several pipelines".to_owned();
        let top = Span { file, start: 0, end: 0 };
        self.out.push(Diagnostic::error(top, message).help(help));
        true
    }

    /// Keeps what stands behind the name of a secret out of excerpts, on however many lines, and also where nothing is
    /// made of it: below a key that is not known, in a stage that is disabled.
    fn mask(&mut self, first: usize) {
        let mut spans = Vec::new();
        for id in (first..self.document.len()).map(NodeId) {
            for entry in self.document.entries(id).iter().filter(|entry| is_secret_name(&entry.key)) {
                let values = match self.document.kind(entry.value) {
                    Kind::List(items) => items.as_slice(),
                    _ => std::slice::from_ref(&entry.value),
                };
                let own = |id: &NodeId| match self.document.get(*id) {
                    Some(Node { kind: Kind::Scalar(scalar), span, .. }) if !scalar.text.contains("${") => {
                        Some(*span)
                    }
                    _ => None,
                };
                spans.extend(values.iter().filter_map(own));
            }
        }
        for span in spans {
            if let Some(source) = self.document.sources.get_mut(span.file.0) {
                source.masked.push(span.start..span.end);
            }
        }
    }

    /// Replaces an `!include` node by the file it names.
    fn include(&mut self, id: NodeId, name: &str, chain: &mut Vec<String>) {
        let Some(place) = self.document.get(id).cloned() else { return };
        let included = self.included(id, name, place.span, chain);
        let root = included.and_then(|root| self.document.get(root).cloned());
        let node = match root {
            // The key stands in another file: what is wrong with the whole is shown in the included one.
            Some(root) => Node { key: None, ..root },
            None => Node { kind: Kind::Broken, ..place },
        };
        self.document.replace(id, node);
    }

    fn included(&mut self, id: NodeId, name: &str, span: Span, chain: &mut Vec<String>) -> Option<NodeId> {
        // That it is too much has been said: no other file is read in vain.
        if self.out.is_full() || self.read > limits::TEXT_BYTES || self.document.len() > limits::VALUES {
            return None;
        }
        let (name, _) = self.substitute(id, name, &Items::Outside)?;
        if name.is_empty() {
            let help = "write `!include folder/file.yaml`".to_owned();
            self.out.push(Diagnostic::error(span, "`!include` takes the name of one file").help(help));
            return None;
        }
        let from = self.document.sources.get(span.file.0).map_or("", |source| source.path.as_str());
        let path = beside(from, &name);
        if let Some(at) = chain.iter().position(|file| *file == path) {
            let mut circle: Vec<String> = chain[at..].iter().map(|file| self.tree.shown(file)).collect();
            circle.push(self.tree.shown(&path));
            let message = format!("a circle of files that include each other: {}", circle.join(" -> "));
            self.out.push(Diagnostic::error(span, message).help("take one `!include` out of it".to_owned()));
            return None;
        }
        if self.document.sources.len() >= limits::FILES {
            let message = format!("more than {} files are included", limits::FILES);
            self.out.push(Diagnostic::error(span, message));
            return None;
        }
        match self.tree.read(&path) {
            Ok(text) if self.read + text.len() > limits::TEXT_BYTES => {
                self.read += text.len();
                let message = format!("the files together are larger than {} MiB", limits::TEXT_BYTES >> 20);
                self.out.push(Diagnostic::error(span, message));
                None
            }
            Ok(text) => self.take(path, text, chain),
            Err(error) => {
                let message = format!("cannot read {}: {}", self.tree.shown(&path), reason(&error));
                let help = self.similar(&path, &error);
                self.out.push(Diagnostic::error(span, message).help(help));
                None
            }
        }
    }

    /// `<<`: the entries of other maps, where the map has none of the key itself. `None`: that is more than may be.
    fn merge(&mut self, id: NodeId) -> Option<()> {
        if self.document.entry(id, MERGE).is_none() {
            return Some(());
        }
        let Some(Node { kind: Kind::Map(entries), span, key }) = self.document.get(id).cloned() else {
            return Some(());
        };
        let (merges, mut own): (Vec<Entry>, Vec<Entry>) =
            entries.into_iter().partition(|entry| entry.key == MERGE);
        let mut keys: HashSet<String> = own.iter().map(|entry| entry.key.clone()).collect();
        for entry in merges {
            let maps = match self.document.kind(entry.value) {
                Kind::List(list) => list.clone(),
                _ => vec![entry.value],
            };
            // Looking at a map or a key costs time, if anything of it is taken or not.
            self.merged += maps.len() as u64;
            for map in maps {
                if let Kind::Map(more) = self.document.kind(map) {
                    self.merged += more.iter().map(|entry| 1 + extra(&entry.key)).sum::<u64>();
                }
                if self.merged > limits::EXPANDED {
                    return self.too_many_merges(entry.span);
                }
                match self.document.kind(map) {
                    Kind::Map(more) => {
                        own.extend(more.iter().filter(|new| keys.insert(new.key.clone())).cloned());
                    }
                    Kind::Broken => {}
                    _ => self.out.push(Diagnostic::error(entry.span, "`<<` merges a map or a list of maps")),
                }
            }
        }
        self.document.replace(id, Node { kind: Kind::Map(own), span, key });
        Some(())
    }

    fn too_many_merges(&mut self, span: Span) -> Option<()> {
        let message = format!("`<<` merges more than {} values up to here", limits::EXPANDED);
        let help = "merge smaller maps, or divide the file among several pipelines".to_owned();
        self.out.push(Diagnostic::error(span, message).help(help));
        None
    }

    /// Where a file is missing: one of the same folder with nearly that name.
    fn similar(&self, path: &str, error: &io::Error) -> Option<String> {
        if error.kind() != io::ErrorKind::NotFound {
            return None;
        }
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        let names = self.tree.list(folder).ok()?;
        did_you_mean(name, names.iter().map(String::as_str)).filter(|help| help.starts_with("did you"))
    }
}

/// Without a byte order mark, every line end `\n`.
fn with_plain_line_ends(text: String) -> String {
    let plain = text.strip_prefix('\u{feff}').unwrap_or(&text);
    if plain.contains('\r') {
        return plain.replace("\r\n", "\n").replace('\r', "\n");
    }
    if plain.len() == text.len() { text } else { plain.to_owned() }
}
