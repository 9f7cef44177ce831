//! Ending in order: stop asking, let the read in flight come home, journal it, let the sinks flush, drop.

use std::sync::Arc;
use std::time::Duration;

use smiles_stage::Clock;
use tokio_util::sync::CancellationToken;

/// The stages of the end, as every task sees them. Cloning shares them.
#[derive(Clone, Debug)]
pub(crate) struct Stop {
    /// Someone asked for the end.
    pub(crate) asked: CancellationToken,
    /// Reads in flight are given up.
    pub(crate) reads_over: CancellationToken,
    /// Everything that comes was journalled; sinks end when they have delivered it.
    pub(crate) drained: CancellationToken,
    /// What was not delivered by now is delivered after the next start.
    pub(crate) over: CancellationToken,
}

impl Stop {
    pub(crate) fn new() -> Self {
        let fresh = CancellationToken::new;
        Self { asked: fresh(), reads_over: fresh(), drained: fresh(), over: fresh() }
    }

    /// Turns the request into deadlines: `grace` for reads, a quarter of it more for everything.
    /// `force` skips both.
    pub(crate) async fn keep_time(
        self,
        clock: Arc<dyn Clock>,
        grace: Duration,
        stop: CancellationToken,
        force: CancellationToken,
    ) {
        let Self { asked, reads_over, over, .. } = self;
        let deadlines = async {
            stop.cancelled().await;
            asked.cancel();
            let begun = clock.monotonic();
            clock.sleep_until(begun + grace).await;
            reads_over.cancel();
            clock.sleep_until(begun + grace + grace / 4).await;
        };
        tokio::select! {
            () = deadlines => {}
            () = force.cancelled() => {}
        }
        asked.cancel();
        reads_over.cancel();
        over.cancel();
    }
}
