//! Plugins a pipeline names: how this binary loads them, the first time in a child process of its own kind.

use std::time::Duration;

use anyhow::Context;
use smiles_config::{PluginDecl, Plugins};
use smiles_plugin_host::{PluginFile, PluginHost, Prober};
use smiles_stage::{Path, Problem, Registry};

use crate::exit::Failure;

/// How long a library may take to load and to answer what it adds.
const LOADING: Duration = Duration::from_secs(10);

/// Loads what pipelines name.
pub(crate) struct Loader(PluginHost);

/// The loader; child processes are this program again.
pub(crate) fn loader() -> Result<Loader, Failure> {
    Ok(Loader(host()?))
}

/// As [`loader`], for commands that ask more.
pub(crate) fn host() -> Result<PluginHost, Failure> {
    let program =
        std::env::current_exe().context("cannot find this program to start it again for a plugin")?;
    let arguments = vec!["plugin".into(), "probe".into()];
    Ok(PluginHost::new(Prober { program, arguments, limit: LOADING }))
}

impl Plugins for Loader {
    fn adopt(
        &self,
        plugin: &PluginDecl,
        registry: Registry,
        warnings: &mut Vec<Problem>,
    ) -> Result<Registry, Problem> {
        let PluginDecl { path, sha256, timeout, prefix } = plugin.clone();
        let file = PluginFile { path, sha256, timeout, prefix };
        let (registry, replaced) = self.0.adopt(&file, registry).map_err(|refusal| {
            let at = Path::root().key(if refusal.of_sum { "sha256" } else { "path" });
            Problem::error(at, refusal.to_string())
        })?;
        warnings.extend(replaced.into_iter().map(|(role, name)| {
            let message = format!("`type: {name}` is the {role} of this plugin here, not the built-in one");
            Problem::warning(Path::root(), message).help(format!(
                "give the plugin a `prefix:` to have both: with `prefix: my` its own is `my_{name}`"
            ))
        }));
        Ok(registry)
    }
}
