//! What the process is told from outside.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use rustix::process::Signal;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::command::one_off::end_now;

/// A second request to end is followed within this, whatever still waits for what.
const AT_ONCE: Duration = Duration::from_secs(1);

/// What the process was told.
pub(super) struct Signals {
    /// SIGINT or SIGTERM: end gracefully.
    pub(super) stop: CancellationToken,
    /// The second of them: skip to what must not be lost.
    pub(super) force: CancellationToken,
    /// SIGHUP: take the files anew.
    pub(super) reload: Arc<Notify>,
}

impl Signals {
    pub(super) fn watch() -> anyhow::Result<Self> {
        let signal = |kind| signal(kind).context("cannot listen for signals");
        // A file that may not grow any more is an error of who writes to it, like a full disk.
        let mut too_large = signal(SignalKind::from_raw(Signal::XFSZ.as_raw()))?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut hang_up = signal(SignalKind::hangup())?;
        let signals =
            Self { stop: CancellationToken::new(), force: CancellationToken::new(), reload: Arc::default() };
        let (stop, force, reload) =
            (signals.stop.clone(), signals.force.clone(), Arc::clone(&signals.reload));
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    _ = interrupt.recv() => end(&stop, &force),
                    _ = terminate.recv() => end(&stop, &force),
                    _ = hang_up.recv() => reload.notify_one(),
                    _ = too_large.recv() => {}
                }
            }
        });
        Ok(signals)
    }
}

fn end(stop: &CancellationToken, force: &CancellationToken) {
    if stop.is_cancelled() {
        tracing::warn!("stopping at once; undelivered batches stay in the journal");
        force.cancel();
        tokio::spawn(async {
            tokio::time::sleep(AT_ONCE).await;
            // Something hangs.
            end_now();
        });
    } else {
        tracing::info!("stopping; repeat the signal to stop at once");
        stop.cancel();
    }
}
