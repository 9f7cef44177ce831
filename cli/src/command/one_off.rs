//! What commands that wait for something have in common.

use anyhow::Context;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use smiles_runtime::{Meters, RunOptions, SystemClock};
use smiles_stage::{Clock, prometheus};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::exit::Failure;
use crate::logging;

/// How long calls that block may take after the end of a command.
const LEFT_BEHIND: Duration = Duration::from_millis(100);

/// Threads for calls that block: files, names of hosts, SQLite. What is more waits for its turn.
const BLOCKING_THREADS_MAX: usize = 64;

/// The exit code of what Ctrl-C has ended.
const INTERRUPTED: i32 = 130;

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

/// For a command that knows how to stop: is cancelled by SIGINT or SIGTERM. The second of them ends the process at once, whatever
/// it waits for. A command that has nothing to finish does not ask for this: the first signal ends it.
pub(crate) fn stopped_by_signals() -> Result<CancellationToken, Failure> {
    let signal = |kind| signal(kind).context("cannot listen for signals");
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let stop = CancellationToken::new();
    let asked = stop.clone();
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            if asked.is_cancelled() {
                end_now();
            }
            tracing::info!("stopping; repeat the signal to stop at once");
            asked.cancel();
        }
    });
    Ok(stop)
}

/// Ends the process. What was accepted is durable; all else is as after a crash.
pub(crate) fn end_now() -> ! {
    logging::flush();
    std::process::exit(INTERRUPTED)
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
