//! The whole way from a file to a declaration.

use std::sync::Arc;

use serde_json::Value;
use smiles_stage::{Files, Registry};

use crate::diagnostic::Diagnostics;
use crate::loader::{Loader, What};
use crate::tree::Beside;
use crate::variables::{Retired, Variable, any_error};
use crate::{Environment, Pipeline, Tree};

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
    variables: Vec<Variable>,
    resolved: Value,
}

/// Reads `file` of the tree, with everything it includes and every `${}` in it, and types it by the stages of the
/// registry. Never fails: what is wrong is in [`Loaded::diagnostics`].
pub fn load(tree: Arc<dyn Tree>, file: &str, environment: &Environment, registry: &Registry) -> Loaded {
    let mut loader = Loader::new(tree.as_ref(), environment, What::Pipeline);
    let root = loader.read(file);
    let (variables, retired) = root.map(|root| loader.variables(root)).unwrap_or_default();
    let assembled = root.and_then(|root| loader.assemble(root, registry));
    let failed = any_error(&loader.out);
    let (pipeline, resolved) = match assembled {
        Some(assembled) => ((!failed).then_some(assembled.pipeline), assembled.resolved),
        None => (None, Value::Null),
    };
    let Loader { document, out, secrets, .. } = loader;
    let diagnostics = Diagnostics::new(Arc::new(document), secrets.into_iter().rev().collect(), out);
    let files = Arc::new(Beside { tree: Arc::clone(&tree), file: file.to_owned() });
    Loaded { pipeline, diagnostics, files, retired, variables, resolved }
}

impl Loaded {
    /// Every variable the file names or declares, by name.
    pub fn variables(&self) -> &[Variable] {
        &self.variables
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
