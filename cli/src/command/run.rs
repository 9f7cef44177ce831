//! `smiles run`: pipelines until Ctrl-C.

mod bridge;
mod load;
mod signals;

use std::path::{Path, PathBuf};

use clap::Args;
use smiles_config::Environment;

use crate::command::one_off::block_on;
use crate::exit::Failure;
use crate::project::{self, DataDir, Entry};
use crate::{core_dump, descriptors, logging};
use bridge::Bridge;
use signals::Signals;

pub(crate) fn run(args: &RunArgs) -> Result<(), Failure> {
    // Before anything secret is read.
    core_dump::forbid();
    let environment = Environment::from_process();
    logging::start(&environment)?;
    let entries = project::entries(&args.files, &environment)?;
    let data_dir = project::data_dir(args.data.data_dir.as_deref(), &environment);
    block_on(serve(&entries, &environment, &data_dir))
}

/// Loads, opens and runs the pipelines until they end or a signal stops them.
pub(super) async fn serve(
    entries: &[Entry],
    environment: &Environment,
    data_dir: &Path,
) -> Result<(), Failure> {
    descriptors::raise();
    let signals = Signals::watch()?;
    for entry in entries {
        tracing::info!(file = entry.shown, reason = entry.reason, data_dir = %data_dir.display(), "pipeline chosen");
    }
    Bridge { entries, environment, data_dir, signals }.run().await
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  DTU_HOST=192.168.1.31 smiles run             the stock pipeline, configured by variables
  smiles run my-meter.yaml                     a pipeline of your own
  smiles run roof.yaml meter.yaml              two pipelines in one process
  LOG_LEVEL=debug smiles run                   log more

Stop with Ctrl-C (twice: at once). What was read is safe in the journal either way.
SIGHUP reloads the files; if they have a mistake or something new in them cannot be opened, that is printed, and the running
pipelines continue.")]
pub(crate) struct RunArgs {
    /// Pipeline files; none: the stock pipeline
    #[arg(value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) data: DataDir,
}
