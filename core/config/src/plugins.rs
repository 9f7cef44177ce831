//! `plugins:` names libraries that add stage types; they join the registry before any stage is typed.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};
use smiles_stage::{Problem, Registry, Segment};

use crate::NodeId;
use crate::check::checker::check;
use crate::diagnostic::{Diagnostic, origins};
use crate::document::Kind;
use crate::each::Items;
use crate::loader::Loader;
use crate::sources::duration;
use crate::tree::beside;

/// One of `plugins:`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PluginDecl {
    /// Where it is; a relative path is taken from the file that names it.
    pub path: PathBuf,
    /// What the file must be, in hexadecimal.
    pub sha256: Option<String>,
    /// How long one call into it may take.
    pub timeout: Option<Duration>,
    /// Stands before each of its types in this file, with a `_`.
    pub prefix: Option<String>,
}

/// Turns what a file names into stage types.
pub trait Plugins {
    /// The registry with the stages of this library; `warnings` hears what a person should know of it.
    ///
    /// # Errors
    /// It cannot be used; the path leads to `path` or `sha256`.
    fn adopt(
        &self,
        plugin: &PluginDecl,
        registry: Registry,
        warnings: &mut Vec<Problem>,
    ) -> Result<Registry, Problem>;
}

/// Where no plugin can be loaded.
#[derive(Clone, Copy, Debug)]
pub struct NoPlugins;

impl Plugins for NoPlugins {
    fn adopt(&self, _: &PluginDecl, _: Registry, _: &mut Vec<Problem>) -> Result<Registry, Problem> {
        Err(Problem::error(smiles_stage::Path::root(), "plugins cannot be loaded here"))
    }
}

/// The schema of `plugins:`.
pub(crate) fn schema() -> Value {
    let path = json!({ "type": "string", "minLength": 1, "description": "a shared library, from this file's folder" });
    json!({
        "type": "array",
        "description": "libraries that add stage types",
        "items": {
            "oneOf": [
                path,
                {
                    "type": "object",
                    "additionalProperties": false,
                    "required": ["path"],
                    "properties": {
                        "path": path,
                        "sha256": {
                            "type": "string", "minLength": 64, "maxLength": 64, "pattern": "^[0-9a-fA-F]{64}$",
                            "description": "refuse any other file"
                        },
                        "timeout": {
                            "type": "string", "format": "duration", "default": "30s",
                            "description": "how long one call into the plugin may take"
                        },
                        "prefix": {
                            "type": "string", "pattern": "^[a-z][a-z0-9_]*$", "maxLength": 32,
                            "description": "stands before each of its types in this file: with `my` its `csv` is `my_csv`"
                        }
                    }
                }
            ]
        }
    })
}

impl Loader<'_> {
    /// The registry with every plugin of the file; what the file says, for people.
    pub(crate) fn plugins(
        &mut self,
        root: NodeId,
        plugins: &dyn Plugins,
        mut registry: Registry,
    ) -> (Registry, Value) {
        let Some(entry) = self.document.entry(root, "plugins").cloned() else {
            return (registry, Value::Null);
        };
        let node = self.resolve(entry.value, &Items::Outside, false);
        let typed = check(&self.document, node, &schema(), &[]);
        let sound = typed.faults.is_empty();
        for fault in typed.faults {
            self.out.push(fault.diagnostic(&self.document));
        }
        let (Kind::List(items), Some(values), true) =
            (self.document.kind(node).clone(), typed.value.as_array(), sound)
        else {
            self.without_plugins = true;
            return (registry, Value::Null);
        };
        for (item, value) in items.into_iter().zip(values) {
            let mut warnings = Vec::new();
            let adopted = self.plugin(item, value);
            match adopted.and_then(|plugin| plugins.adopt(&plugin, registry.clone(), &mut warnings)) {
                Ok(more) => registry = more,
                Err(problem) => self.refused(item, problem),
            }
            for Problem { message, help, .. } in warnings {
                self.out.push(Diagnostic::warning(self.document.anchor(item), message).help(help));
            }
        }
        (registry, typed.value)
    }

    fn plugin(&self, item: NodeId, value: &Value) -> Result<PluginDecl, Problem> {
        let text = |key: &str| value.get(key).and_then(Value::as_str);
        let path = value.as_str().or_else(|| text("path")).unwrap_or_default();
        let file = self.document.get(item).and_then(|node| self.document.sources.get(node.span.file.0));
        let from = file.map_or("", |source| source.path.as_str());
        let Some(path) = self.tree.on_disk(&beside(from, path)) else {
            let problem = Problem::error(
                smiles_stage::Path::root(),
                "a built-in file cannot name a plugin by a relative path",
            );
            return Err(problem.help("give the whole path, beginning with `/`"));
        };
        let timeout = value.get("timeout").and_then(duration);
        let (sha256, prefix) = (text("sha256").map(str::to_owned), text("prefix").map(str::to_owned));
        let is_word = |prefix: &String| {
            prefix.starts_with(|first: char| first.is_ascii_lowercase())
                && prefix
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
        };
        if !prefix.as_ref().is_none_or(is_word) {
            let at = smiles_stage::Path::root().key("prefix");
            return Err(Problem::error(at, "a prefix is lower-case letters, digits and `_`, a letter first"));
        }
        Ok(PluginDecl { path, sha256, timeout, prefix })
    }

    fn refused(&mut self, item: NodeId, problem: Problem) {
        self.without_plugins = true;
        let key = problem.at.0.first().and_then(|segment| match segment {
            Segment::Key(key) => Some(key.as_str()),
            Segment::Index(_) => None,
        });
        let at = key.and_then(|key| self.document.entry(item, key)).map_or(item, |entry| entry.value);
        let diagnostic = Diagnostic::error(self.document.anchor(at), problem.message).help(problem.help);
        let notes = origins(&self.document, at);
        self.out.push(notes.into_iter().fold(diagnostic, Diagnostic::note));
    }
}
