//! `smiles schema`: the JSON Schema of pipeline files, device files or test cases, for editors; and as a page for people.

mod markdown;

use anyhow::Context;
use std::path::PathBuf;

use clap::Args;
use serde_json::Value;
use smiles_config::{PluginDecl, Plugins};
use smiles_source_modbus::Modbus;
use smiles_stage::{Registry, Stage};

use crate::command::console::print;
use crate::exit::Failure;
use crate::{plugins, registry};

pub(crate) fn run(args: &SchemaArgs) -> Result<(), Failure> {
    let mut registry = registry::built_in();
    for path in &args.plugin {
        let plugin = PluginDecl { path: path.clone(), sha256: None, timeout: None, prefix: None };
        let adopted = plugins::loader()?.adopt(&plugin, registry, &mut Vec::new());
        registry = adopted.map_err(|problem| Failure::configuration(problem.message))?;
    }
    if args.markdown {
        return print(&markdown::reference(&registry));
    }
    let schema = if args.tests {
        smiles_config::with_includes(smiles_cases::schema(), "S-Miles test cases")
    } else if args.device {
        device(&registry).context("no source reads device files")?
    } else {
        smiles_config::schema(&registry)
    };
    let text = serde_json::to_string_pretty(&schema).context("cannot print the schema")?;
    print(&format!("{text}\n"))
}

/// A device file is what the `device` option of the source holds: whatever the option takes is right in the file.
fn device(registry: &Registry) -> Option<Value> {
    let source = registry.find_source(Modbus::NAME)?.schema();
    smiles_config::included(&source, "device", "S-Miles device file")
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  smiles schema > pipeline.schema.json
  smiles schema --plugin ./libcsv.so           with the stages a plugin adds
  smiles schema --device > device.schema.json
  smiles schema --tests > tests.schema.json
  smiles schema --markdown | less              every variable and option, for people")]
pub(crate) struct SchemaArgs {
    /// The schema of device files (`device: !include FILE`)
    #[arg(long, conflicts_with_all = ["tests", "plugin"])]
    pub(crate) device: bool,
    /// The schema of files of test cases (`smiles test`)
    #[arg(long)]
    pub(crate) tests: bool,
    /// Every variable and option as a page of Markdown
    #[arg(long, conflicts_with_all = ["tests", "device"])]
    pub(crate) markdown: bool,
    /// A plugin whose stages are part of it; may be repeated
    #[arg(long, value_name = "PATH")]
    pub(crate) plugin: Vec<PathBuf>,
}
