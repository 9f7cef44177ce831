//! `smiles graph`: the pipeline as a Mermaid flow chart.

use smiles_config::Environment;

use crate::args::GraphArgs;
use crate::exit::Failure;
use crate::{project, registry};

pub(super) fn run(args: &GraphArgs) -> Result<(), Failure> {
    let environment = Environment::from_process();
    for project in project::open_all(
        &project::entries_alone(&args.files, &environment)?,
        &environment,
        &registry::built_in(),
    )? {
        super::print(&project.wired.mermaid())?;
    }
    Ok(())
}
