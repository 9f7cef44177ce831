//! What commands that wait for something have in common.

use anyhow::Context;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use smiles_runtime::{Meters, RunOptions, SystemClock};
use smiles_stage::{Clock, prometheus};

use crate::exit::Failure;

/// How long calls that block may take after the end of a command.
const LEFT_BEHIND: Duration = Duration::from_millis(100);

/// Threads for calls that block: files, names of hosts, SQLite. What is more waits for its turn.
const BLOCKING_THREADS_MAX: usize = 64;

/// Runs a command that waits for something: a few threads are plenty for I/O. A call that still blocks at the end
/// (a name server that does not answer, a lock of another program) is left behind.
pub(crate) fn block_on<T>(future: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let mut threads = tokio::runtime::Builder::new_multi_thread();
    let threads = threads.worker_threads(2).max_blocking_threads(BLOCKING_THREADS_MAX);
    let runtime = threads.enable_all().build();
    let runtime = runtime.context("cannot start the asynchronous runtime")?;
    let outcome = runtime.block_on(future);
    runtime.shutdown_timeout(LEFT_BEHIND);
    outcome
}

/// How the targets of a pipeline are opened for an errand.
pub(crate) fn one_off_options(data_dir: &Path) -> Result<RunOptions, Failure> {
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
