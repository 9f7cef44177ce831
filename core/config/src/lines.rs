//! `lines:`, what several sources of a file share to reach their devices: declared once, and named by each (`line: NAME`).
//!
//! A stage type takes a line by an option `line` of the format `line`. What its options say there is the name; what the
//! stage is planned with is the declaration, its name added. A complaint about it finds its place in `lines:`.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use smiles_stage::did_you_mean;

use crate::NodeId;
use crate::check::checker::check;
use crate::diagnostic::{Diagnostic, origins};
use crate::document::{Entry, Kind, Node};
use crate::each::Items;
use crate::keys::schema_of;
use crate::line::{Line, LineKeys};
use crate::loader::Loader;
use crate::names::{self, short};
use crate::stage::shown_value;

/// The option that names a line, and the format by which its schema says so.
const LINE: &str = "line";

impl Loader<'_> {
    /// Reads `lines:`; returns what it says, without secrets.
    pub(crate) fn lines(&mut self, root: NodeId) -> Value {
        let Some(all) = self.document.entry(root, "lines").cloned() else { return Value::Null };
        let all = self.resolved_lines(all.value);
        if self.is_flooded() {
            return Value::Null;
        }
        let typed = check(&self.document, all, &schema_of::<BTreeMap<String, LineKeys>>(), &[]);
        for fault in typed.faults {
            self.out.push(fault.diagnostic(&self.document));
        }
        self.out.count(typed.unsaid);
        self.lines.broken = !matches!(self.document.kind(all), Kind::Map(_));
        for entry in self.document.entries(all).to_vec() {
            if let Some(diagnostic) = names::line(&entry.key, entry.span) {
                self.out.push(diagnostic);
            }
            let keys = typed.value.get(&entry.key).and_then(Value::as_object).cloned().unwrap_or_default();
            self.lines.by_name.insert(entry.key.clone(), Line { entry, keys, used: false });
        }
        shown_value(&self.document, all, &typed.value)
    }

    /// Each entry by itself: a line may be called as secrets are, and has none for that.
    fn resolved_lines(&mut self, all: NodeId) -> NodeId {
        let Some(node) = self.document.get(all).cloned() else { return all };
        let Kind::Map(entries) = node.kind else { return self.resolve(all, &Items::Outside, false) };
        let resolve =
            |entry: Entry| Entry { value: self.resolve(entry.value, &Items::Outside, false), ..entry };
        let kind = Kind::Map(entries.into_iter().map(resolve).collect());
        self.document.add(Node { kind, ..node })
    }

    /// Puts the line into the options of a source that names one. Returns the source's node with the line in it.
    pub(crate) fn with_line(&mut self, source: NodeId, schema: &Value, options: &mut Value) -> NodeId {
        if schema.pointer("/properties/line/format") != Some(&json!(LINE)) {
            return source;
        }
        let Some(naming) = self.document.entry(source, LINE).cloned() else { return source };
        let Some(Value::String(name)) = options.get(LINE).cloned() else { return source };
        let Some(line) = self.lines.by_name.get_mut(&name) else {
            self.no_such_line(&name, naming.value);
            return source;
        };
        line.used = true;
        let declared = line.entry.value;
        let mut keys = line.keys.clone();
        keys.insert("name".to_owned(), json!(name));
        options[LINE] = Value::Object(keys);
        // The name stands last: what is wrong with the line as a whole is shown at its declaration.
        let mut entries = self.document.entries(declared).to_vec();
        entries.push(Entry { key: "name".to_owned(), ..naming });
        let line = self.in_place_of(declared, entries);
        let put = |entry: &Entry| match entry.key.as_str() {
            LINE => Entry { value: line, ..entry.clone() },
            _ => entry.clone(),
        };
        let entries = self.document.entries(source).iter().map(put).collect();
        self.in_place_of(source, entries)
    }

    /// A map that stands where another node does.
    fn in_place_of(&mut self, place: NodeId, entries: Vec<Entry>) -> NodeId {
        match self.document.get(place).cloned() {
            Some(node) => self.document.add(Node { kind: Kind::Map(entries), ..node }),
            None => place,
        }
    }

    fn no_such_line(&mut self, name: &str, at: NodeId) {
        if self.lines.broken {
            return;
        }
        let message = format!("there is no line `{}`", short(name));
        let help = match self.lines.by_name.len() {
            0 => Some(format!(
                "declare it at the top of the file: `lines: {{{}: {{address: ...}}}}`",
                short(name)
            )),
            _ => did_you_mean(name, self.lines.by_name.keys().map(String::as_str)),
        };
        let said = Diagnostic::error(self.document.anchor(at), message).help(help);
        let said = origins(&self.document, at).into_iter().fold(said, Diagnostic::note);
        self.out.push(said);
    }

    /// A source that is switched off has a use for its line: it may be switched on again.
    pub(crate) fn keeps_its_line(&mut self, source: NodeId) {
        let Some(naming) = self.document.entry(source, LINE).cloned() else { return };
        let before = self.out.mark();
        let name = self.resolve(naming.value, &Items::Unset, false);
        self.out.back_to(before);
        let name = self.document.scalar(name).map(|scalar| scalar.text.clone()).unwrap_or_default();
        if let Some(line) = self.lines.by_name.get_mut(&name) {
            line.used = true;
        }
    }

    /// Warns of lines without a source. A source that is wrong may be the one, so they are told of when all is sound.
    pub(crate) fn unused_lines(&mut self) {
        if self.out.has_error() {
            return;
        }
        let unused = self.lines.by_name.values().filter(|line| !line.used);
        let unused: Vec<Entry> = unused.map(|line| line.entry.clone()).collect();
        for entry in unused {
            let message = format!("no source uses the line `{}`", short(&entry.key));
            let help = format!("name it at a source, `line: {}`, or remove it", short(&entry.key));
            self.out.push(Diagnostic::warning(entry.span, message).help(help));
        }
    }
}
