//! Plugins a pipeline names: how this binary loads them, the first time in a child process of its own kind.

use anyhow::Context;
use smiles_config::{PluginDecl, Plugins};
use smiles_plugin_host::{PluginFile, PluginHost, Prober};
use smiles_stage::{Path, Problem, Registry};

use crate::exit::Failure;

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
    Ok(PluginHost::new(Prober { program, arguments: vec!["plugin".into(), "probe".into()] }))
}

impl Plugins for Loader {
    fn adopt(&self, plugin: &PluginDecl, registry: Registry) -> Result<Registry, Problem> {
        let PluginDecl { path, sha256, timeout } = plugin.clone();
        self.0.adopt(&PluginFile { path, sha256, timeout }, registry).map_err(|refusal| {
            let at = Path::root().key(if refusal.of_sum { "sha256" } else { "path" });
            Problem::error(at, refusal.to_string())
        })
    }
}
