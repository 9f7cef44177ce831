//! The commands, one file each.

mod check;
mod confirm;
mod demo;
mod graph;
mod health;
mod import;
mod journal;
mod migrate;
mod plugin;
mod run;
mod schema;
mod simulate;
mod test;
mod total;

use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use smiles_runtime::{Meters, RunOptions, SystemClock};
use smiles_stage::{Clock, prometheus};

use crate::args::Command;
use crate::exit::Failure;

/// How long calls that block may take after the end of a command.
const LEFT_BEHIND: Duration = Duration::from_millis(100);

/// Runs one command to its end.
pub(crate) fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Run(args) => run::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Demo(args) => demo::run(&args),
        Command::Simulate(args) => simulate::run(&args),
        Command::Test(args) => test::run(&args),
        Command::Schema(args) => schema::run(&args),
        Command::Graph(args) => graph::run(&args),
        Command::Journal(command) => journal::run(&command),
        Command::Total(command) => total::run(&command),
        Command::Migrate(args) => migrate::run(&args),
        Command::Plugin(command) => plugin::run(&command),
        Command::Import(args) => import::run(&args),
        Command::Health(args) => health::run(&args),
        Command::Version => print(concat!("smiles ", env!("CARGO_PKG_VERSION"), "\n")),
    }
}

/// Prints to standard output; a reader that went away (`| head`) is no error.
fn print(text: &str) -> Result<(), Failure> {
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => Ok(other.context("cannot write to standard output")?),
    }
}

/// Runs a command that waits for something: a few threads are plenty for I/O. A call that still blocks at the end
/// (a name server that does not answer, a lock of another program) is left behind.
fn block_on<T>(future: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.context("cannot start the asynchronous runtime")?;
    let outcome = runtime.block_on(future);
    runtime.shutdown_timeout(LEFT_BEHIND);
    outcome
}

/// How the targets of a pipeline are opened for an errand.
fn errand(data_dir: &Path) -> Result<RunOptions, Failure> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let meters =
        Meters::new(prometheus::Registry::new(), Arc::clone(&clock)).context("cannot set up metrics")?;
    Ok(RunOptions {
        data_dir: data_dir.to_owned(),
        clock,
        meters,
        grace: Duration::ZERO,
        process: Arc::default(),
    })
}
