//! `smiles schema`: the JSON Schema of pipeline files, for editors.

use anyhow::Context;

use crate::exit::Failure;
use crate::registry;

pub(super) fn run() -> Result<(), Failure> {
    let schema = smiles_config::schema(&registry::built_in());
    let text = serde_json::to_string_pretty(&schema).context("cannot print the schema")?;
    super::print(&format!("{text}\n"))
}
