//! Keeps house: copies what the journal holds to the board after each change and every few seconds (an operator may
//! have changed it from outside), and has it tidied every minute.

use std::sync::Arc;
use std::time::Duration;

use smiles_journal::Journal;
use smiles_stage::{Clock, RunId};
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;

use crate::observe::health_board::HealthBoard;
use crate::time::trust::clock_trust::ClockTrust;

const TIDY_EVERY: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Changes in quick succession are copied once.
const COPY_PAUSE: Duration = Duration::from_millis(50);
/// The books of a long backlog take a while to count: at most one part in so many of the time goes into that.
const COPY_SHARE: u32 = 100;
/// However long that takes, the board is not older than this.
const COPY_PAUSE_MAX: Duration = Duration::from_secs(3);

/// What housekeeping needs.
pub(crate) struct Maintenance {
    pub(crate) pipeline: String,
    pub(crate) journal: Arc<dyn Journal>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) clock_trust: Arc<ClockTrust>,
    pub(crate) health_board: Arc<HealthBoard>,
    /// Rung when dead letters were handed back to transforms.
    pub(crate) again: Arc<Notify>,
    /// One per sink with a cursor.
    pub(crate) forgotten: Vec<mpsc::Sender<Vec<RunId>>>,
}

impl Maintenance {
    /// Until told to stop.
    pub(crate) async fn keep(self, stop: CancellationToken) {
        let mut tidy = self.clock.monotonic() + TIDY_EVERY;
        let mut look = self.clock.monotonic() + LOOK_EVERY;
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = self.clock.sleep_until(tidy) => {
                    tidy = self.clock.monotonic() + TIDY_EVERY;
                    self.tidy().await;
                }
                () = self.clock.sleep_until(look) => {
                    look = self.clock.monotonic() + LOOK_EVERY;
                    self.copy().await;
                }
                () = self.health_board.dirty.notified() => {
                    let begun = self.clock.monotonic();
                    self.copy().await;
                    let took = self.clock.monotonic().saturating_sub(begun);
                    let pause = (took * COPY_SHARE).clamp(COPY_PAUSE, COPY_PAUSE_MAX);
                    tokio::select! {
                        () = tokio::time::sleep(pause) => {}
                        () = stop.cancelled() => return,
                    }
                }
            }
        }
    }

    /// What the journal holds, onto the board.
    pub(crate) async fn copy(&self) {
        match self.journal.status().await {
            Ok(status) => {
                if status.replay_requests > 0 {
                    self.again.notify_one();
                }
                self.health_board.publish(status);
            }
            Err(error) => {
                tracing::debug!(pipeline = self.pipeline, %error, "cannot read the status of the journal")
            }
        }
    }

    async fn tidy(&self) {
        match self.journal.maintain(self.clock_trust.now(self.clock.as_ref())).await {
            Ok(done) => {
                if !done.forgotten.is_empty() {
                    let runs = done.forgotten.len();
                    tracing::info!(
                        pipeline = self.pipeline,
                        runs,
                        "deleted the records of runs that ended more than 400 days ago"
                    );
                    self.tell(&done.forgotten);
                }
            }
            Err(error) => {
                tracing::warn!(pipeline = self.pipeline, %error, "journal maintenance failed")
            }
        }
        self.copy().await;
    }

    fn tell(&self, runs: &[RunId]) {
        for sink in &self.forgotten {
            // A sink too busy to listen keeps a few rows of watermarks longer than it must.
            let _ = sink.try_send(runs.to_vec());
        }
    }
}
