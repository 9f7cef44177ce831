//! `smiles schema`: the JSON Schema of pipeline files, or of test cases, for editors; and as a page for people.

mod markdown;

use anyhow::Context;
use smiles_config::{PluginDecl, Plugins};

use crate::args::SchemaArgs;
use crate::exit::Failure;
use crate::{cases, plugins, registry};

pub(super) fn run(args: &SchemaArgs) -> Result<(), Failure> {
    let mut registry = registry::built_in();
    for path in &args.plugin {
        let plugin = PluginDecl { path: path.clone(), sha256: None, timeout: None, prefix: None };
        let adopted = plugins::loader()?.adopt(&plugin, registry, &mut Vec::new());
        registry = adopted.map_err(|problem| Failure::configuration(problem.message))?;
    }
    if args.markdown {
        return super::print(&markdown::reference(&registry));
    }
    let schema = if args.tests { cases::schema() } else { smiles_config::schema(&registry) };
    let text = serde_json::to_string_pretty(&schema).context("cannot print the schema")?;
    super::print(&format!("{text}\n"))
}
