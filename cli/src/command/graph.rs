//! `smiles graph`: the pipeline as a Mermaid flow chart.

use std::path::PathBuf;

use clap::Args;
use smiles_config::Environment;

use crate::command::console::print;
use crate::exit::Failure;
use crate::{project, registry};

pub(crate) fn run(args: &GraphArgs) -> Result<(), Failure> {
    let environment = Environment::from_process();
    for project in project::open_all(
        &project::entries_alone(&args.files, &environment)?,
        &environment,
        &registry::built_in(),
    )? {
        print(&project.wired.mermaid())?;
    }
    Ok(())
}

#[derive(Debug, Args)]
#[command(after_help = "Example:
  smiles graph my-meter.yaml                   paste the output into any Mermaid viewer")]
pub(crate) struct GraphArgs {
    /// Pipeline files; none: the stock pipeline
    #[arg(value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
}
