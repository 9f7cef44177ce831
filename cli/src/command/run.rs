//! `smiles run`: pipelines until Ctrl-C.

mod bridge;
mod load;
mod once;
mod signals;

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use smiles_config::Environment;
use smiles_stage::option::Period;

use crate::command::one_off::block_on;
use crate::exit::Failure;
use crate::project::{self, DataDir, Entry};
use crate::{core_dump, descriptors, logging};
use bridge::Bridge;
use once::Once;
use signals::Signals;

/// How long `--once` may take.
const PATIENCE: Period = Period(Duration::from_secs(60));

pub(crate) fn run(args: &RunArgs) -> Result<(), Failure> {
    // Before anything secret is read.
    core_dump::forbid();
    let environment = Environment::from_process();
    logging::start(&environment)?;
    let entries = project::entries(&args.files, &environment)?;
    let data_dir = project::data_dir(args.data.data_dir.as_deref(), &environment);
    if args.once {
        return block_on(once(&entries, &environment, &data_dir, args.timeout));
    }
    block_on(serve(&entries, &environment, &data_dir))
}

async fn once(
    entries: &[Entry],
    environment: &Environment,
    data_dir: &Path,
    timeout: Period,
) -> Result<(), Failure> {
    let signals = prepare(entries, data_dir)?;
    Once { entries, environment, data_dir, signals, timeout }.run().await
}

/// Loads, opens and runs the pipelines until they end or a signal stops them.
pub(super) async fn serve(
    entries: &[Entry],
    environment: &Environment,
    data_dir: &Path,
) -> Result<(), Failure> {
    let signals = prepare(entries, data_dir)?;
    Bridge { entries, environment, data_dir, signals }.run().await
}

fn prepare(entries: &[Entry], data_dir: &Path) -> Result<Signals, Failure> {
    descriptors::raise();
    let signals = Signals::watch()?;
    for entry in entries {
        tracing::info!(file = entry.shown, reason = entry.reason, data_dir = %data_dir.display(), "pipeline chosen");
    }
    Ok(signals)
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  DTU_HOST=192.168.1.31 smiles run             the stock pipeline, configured by variables
  smiles run my-meter.yaml                     a pipeline of your own
  smiles run roof.yaml meter.yaml              two pipelines in one process
  LOG_LEVEL=debug smiles run                   log more
  smiles run --once my-meter.yaml              read every source once, deliver, and end (for cron)
  smiles run --once --timeout 5m my-meter.yaml wait longer for a database that is away

Stop with Ctrl-C (twice: at once). What was read is safe in the journal either way.
SIGHUP reloads the files; if they have a mistake or something new in them cannot be opened, that is printed, and the running
pipelines continue.

With --once the exit code is 0 if every source was read and every row delivered; else 1, and the last lines
say which source or sink it was and why. What is not delivered stays in the journal, and the next run delivers
it. HTTP APIs are not started.")]
pub(crate) struct RunArgs {
    /// Pipeline files; none: the stock pipeline
    #[arg(value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// Read every source once, deliver what that brought, and end
    #[arg(long)]
    pub(crate) once: bool,
    /// With --once: how long all of it may take; what is not delivered by then stays in the journal
    #[arg(long, value_name = "DURATION", default_value_t = PATIENCE, requires = "once")]
    pub(crate) timeout: Period,
    #[command(flatten)]
    pub(crate) data: DataDir,
}
