//! `smiles schema`: the JSON Schema of pipeline files, or of test cases, for editors.

use anyhow::Context;

use crate::args::SchemaArgs;
use crate::exit::Failure;
use crate::{cases, registry};

pub(super) fn run(args: &SchemaArgs) -> Result<(), Failure> {
    let schema = if args.tests { cases::schema() } else { smiles_config::schema(&registry::built_in()) };
    let text = serde_json::to_string_pretty(&schema).context("cannot print the schema")?;
    super::print(&format!("{text}\n"))
}
