//! `plugins:` names libraries that add stage types; they join the registry before any stage is typed.

use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use smiles_stage::option::Period;
use smiles_stage::{Problem, Registry, Segment};

use crate::NodeId;
use crate::check::checker::check;
use crate::check::dialect::unchecked;
use crate::diagnostic::{Diagnostic, origins};
use crate::document::Kind;
use crate::each::Items;
use crate::keys::schema_of;
use crate::loader::Loader;
use crate::role::Role;
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

/// a library: its path, or more
#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum PluginKeys {
    Path(#[schemars(length(min = 1), extend("description" = PATH))] String),
    Options(PluginOptions),
}

const PATH: &str = "a shared library, from this file's folder";

/// a library and how it is used
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PluginOptions {
    #[schemars(length(min = 1), extend("description" = PATH))]
    path: String,
    /// refuse any other file
    #[schemars(length(min = 64, max = 64), regex(pattern = r"^[0-9a-fA-F]{64}$"))]
    sha256: Option<String>,
    /// how long one call into the plugin may take
    #[schemars(extend("default" = "30s"))]
    timeout: Option<Period>,
    /// stands before each of its types in this file: with `my` its `csv` is `my_csv`
    #[schemars(length(max = 32), regex(pattern = r"^[a-z][a-z0-9_]*$"))]
    prefix: Option<String>,
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
        let typed = check(&self.document, node, &schema_of::<Vec<PluginKeys>>(), &[]);
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
        for message in unchecked_by(&registry) {
            self.out.push(Diagnostic::warning(self.document.anchor(entry.value), message));
        }
        (registry, typed.value)
    }

    fn plugin(&self, item: NodeId, value: &Value) -> Result<PluginDecl, Problem> {
        // What cannot be read was told about before.
        let PluginOptions { path, sha256, timeout, prefix } = match PluginKeys::deserialize(value) {
            Ok(PluginKeys::Options(options)) => options,
            Ok(PluginKeys::Path(path)) => PluginOptions { path, ..PluginOptions::default() },
            Err(_) => PluginOptions::default(),
        };
        let file = self.document.get(item).and_then(|node| self.document.sources.get(node.span.file.0));
        let from = file.map_or("", |source| source.path.as_str());
        let Some(path) = self.tree.on_disk(&beside(from, &path)) else {
            let problem = Problem::error(
                smiles_stage::Path::root(),
                "a built-in file cannot name a plugin by a relative path",
            );
            return Err(problem.help("give the whole path, beginning with `/`"));
        };
        Ok(PluginDecl { path, sha256, timeout: timeout.map(|limit| limit.0), prefix })
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

/// What the schemas of stages ask for in vain; those of the built-in ones ask for nothing so.
fn unchecked_by(registry: &Registry) -> Vec<String> {
    let sources = registry.all_sources().map(|stage| (Role::Source, stage.name(), stage.schema()));
    let transforms = registry.all_transforms().map(|stage| (Role::Transform, stage.name(), stage.schema()));
    let sinks = registry.all_sinks().map(|stage| (Role::Sink, stage.name(), stage.schema()));
    let all = sources.chain(transforms).chain(sinks);
    all.flat_map(|(role, name, schema)| {
        let said = move |what| format!("the schema of the {} `{name}`: {what}", role.word());
        unchecked(&schema).into_iter().map(said)
    })
    .collect()
}
