//! What commands that wait for something have in common.

use anyhow::Context;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
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

/// As [`block_on`], for a command that has nothing to finish: from now on SIGINT or SIGTERM ends it at once.
pub(crate) fn block_on_until_signal<T>(
    future: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    ended_by_signals()?;
    block_on(future)
}

/// From now on SIGINT or SIGTERM ends the process, also where it is the first of a container, which no signal ends by itself.
pub(crate) fn ended_by_signals() -> Result<(), Failure> {
    static WATCHED: AtomicBool = AtomicBool::new(false);
    if WATCHED.swap(true, Ordering::Relaxed) { Ok(()) } else { on_signals(|| end_now()) }
}

/// Is cancelled by SIGINT or SIGTERM. The second of them ends the process at once, whatever it waits for.
pub(crate) fn stopped_by_signals() -> Result<CancellationToken, Failure> {
    let stop = CancellationToken::new();
    let asked = stop.clone();
    on_signals(move || {
        if asked.is_cancelled() {
            end_now();
        }
        tracing::info!("stopping; repeat the signal to stop at once");
        asked.cancel();
    })?;
    Ok(stop)
}

/// Waits for what may be left in the middle: asked to stop, the process ends.
pub(crate) async fn unless_stopped<T>(stop: &CancellationToken, work: impl Future<Output = T>) -> T {
    tokio::select! {
        done = work => done,
        () = stop.cancelled() => end_now(),
    }
}

/// Does this on every SIGINT and SIGTERM, on a thread of its own: whatever the others compute or wait for.
fn on_signals(act: impl Fn() + Send + 'static) -> Result<(), Failure> {
    const CANNOT: &str = "cannot listen for signals";
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().context(CANNOT)?;
    let listen = |kind| {
        let _inside = runtime.enter();
        signal(kind).context(CANNOT)
    };
    let (mut interrupt, mut terminate) = (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?);
    let listening = async move {
        loop {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            act();
        }
    };
    let started = std::thread::Builder::new().name("signals".to_owned());
    started.spawn(move || runtime.block_on(listening)).context(CANNOT)?;
    Ok(())
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
