//! The whole way from a file to a declaration.

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::{Map, Value};
use smiles_stage::{Files, Registry};

use crate::declarations::{Retired, Variable};
use crate::diagnostic::Diagnostics;
use crate::loader::{Loader, What};
use crate::plugins::{NoPlugins, Plugins};
use crate::redact::{REDACTED, Secrets, without_passwords};
use crate::settings::settings;
use crate::tree::Beside;
use crate::{Environment, NodeId, Pipeline, Tree};

/// What a pipeline file came to.
pub struct Loaded {
    /// The declaration; `None` where the diagnostics have an error.
    pub pipeline: Option<Pipeline>,
    /// Everything wrong with the file; planning and wiring add theirs.
    pub diagnostics: Diagnostics,
    /// Files that stages name, relative to the pipeline file.
    pub files: Arc<dyn Files>,
    /// Variables that are set and have no use any more.
    pub retired: Vec<Retired>,
    /// The stage types the file may use: those given, and those of its plugins.
    pub registry: Registry,
    /// The top of the file, for [`Diagnostics::problem`].
    pub root: NodeId,
    variables: Vec<Variable>,
    settings: Map<String, Value>,
    resolved: Value,
}

/// Reads `file` of the tree, with everything it includes and every `${}` in it, and types it by the stages of the
/// registry. Never fails: what is wrong is in [`Loaded::diagnostics`].
pub fn load(tree: Arc<dyn Tree>, file: &str, environment: &Environment, registry: &Registry) -> Loaded {
    load_with(tree, file, environment, registry, &NoPlugins)
}

/// As [`load`], for a file that may name plugins.
pub fn load_with(
    tree: Arc<dyn Tree>,
    file: &str,
    environment: &Environment,
    registry: &Registry,
    plugins: &dyn Plugins,
) -> Loaded {
    let mut loader = Loader::new(tree.as_ref(), environment, What::Pipeline);
    let root = loader.read(file);
    let (variables, retired) = root.map(|root| loader.variables(root)).unwrap_or_default();
    let (registry, named) = match root {
        Some(root) => loader.plugins(root, plugins, registry.clone()),
        None => (registry.clone(), Value::Null),
    };
    let assembled = root.and_then(|root| loader.assemble(root, &registry, named));
    let failed = loader.out.has_error();
    let root = root.unwrap_or(NodeId::NOWHERE);
    let (pipeline, resolved) = match assembled {
        Some(assembled) => ((!failed).then_some(assembled.pipeline), assembled.resolved),
        None => (None, Value::Null),
    };
    let Loader { document, out, secrets, .. } = loader;
    let mut resolved = resolved;
    hide(&mut resolved, &secrets);
    let secrets = secrets.into_list();
    let settings = settings(&variables, environment, &secrets);
    let diagnostics = Diagnostics::new(Arc::new(document), secrets, out.into_parts());
    let files = Arc::new(Beside { tree: Arc::clone(&tree), file: file.to_owned() });
    Loaded { pipeline, diagnostics, files, retired, registry, root, variables, settings, resolved }
}

/// What the keys of the file did not tell: a secret by another way, or within an address.
fn hide(value: &mut Value, secrets: &Secrets) {
    match value {
        Value::String(text) if secrets.has(text) => REDACTED.clone_into(text),
        Value::String(text) => {
            if let Cow::Owned(hidden) = without_passwords(text) {
                *text = hidden;
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| hide(item, secrets)),
        Value::Object(fields) => fields.values_mut().for_each(|field| hide(field, secrets)),
        _ => {}
    }
}

impl Loaded {
    /// Every variable the file names or declares, by name.
    pub fn variables(&self) -> &[Variable] {
        &self.variables
    }

    /// The variables the file uses, with their values, secrets as `***`; null for what is neither set nor has a default.
    pub fn settings(&self) -> &Map<String, Value> {
        &self.settings
    }

    /// Changes when [`Loaded::resolved`] does, for people who wonder whether two bridges run the same; 16 digits.
    pub fn fingerprint(&self) -> String {
        format!("{:016x}", smiles_stage::fingerprint(self.resolved.to_string().as_bytes()))
    }

    /// The file with includes, variables and items in their places and every secret as `***`; null where it could
    /// not be put together.
    pub fn resolved(&self) -> &Value {
        &self.resolved
    }

    /// [`Loaded::resolved`] as YAML.
    pub fn resolved_yaml(&self) -> String {
        serde_yaml::to_string(&self.resolved).unwrap_or_default()
    }
}
