//! A live sink's task: a view of what was just accepted. No cursor; seeded once; never waited for.

use std::sync::Arc;

use smiles_journal::{Journal, ReadLimit};
use smiles_stage::{Batch, Position, Sink, SinkState};
use tokio::sync::broadcast::{self, error::RecvError};

use crate::board::Board;
use crate::guard::guarded;
use crate::meter::SinkMeters;
use crate::stop::Stop;

/// Batches a live sink may be behind before it skips.
pub(crate) const BEHIND_MAX: usize = 64;
/// What it is seeded with.
const SEED: ReadLimit = ReadLimit { rows: 50_000, bytes: 32 << 20 };

/// What a live sink's task needs.
pub(crate) struct Live {
    pub(crate) index: usize,
    pub(crate) pipeline: String,
    pub(crate) name: String,
    pub(crate) sink: Box<dyn Sink>,
    pub(crate) journal: Arc<dyn Journal>,
    pub(crate) accepted: broadcast::Receiver<Batch>,
    pub(crate) stop: Stop,
    pub(crate) board: Arc<Board>,
    pub(crate) meters: SinkMeters,
    /// The newest batch taken.
    pub(crate) last: Option<Position>,
    /// Whether the last batch failed.
    pub(crate) failing: bool,
}

/// Shows accepted batches until the end.
pub(crate) async fn show(mut live: Live) {
    let over = live.stop.over.clone();
    tokio::select! {
        biased;
        () = over.cancelled() => {}
        () = live.follow() => {}
    }
}

impl Live {
    async fn follow(&mut self) {
        match self.journal.newest(SEED).await {
            Ok(batches) => {
                for batch in batches {
                    self.take(&batch).await;
                }
            }
            Err(error) => {
                let (pipeline, sink) = (self.pipeline.as_str(), self.name.as_str());
                tracing::warn!(pipeline, sink, %error, "begins without the retained batches");
            }
        }
        loop {
            match self.accepted.recv().await {
                Ok(batch) => self.take(&batch).await,
                Err(RecvError::Lagged(skipped)) => {
                    let (pipeline, sink) = (self.pipeline.as_str(), self.name.as_str());
                    tracing::debug!(pipeline, sink, skipped, "batches were skipped to keep up");
                }
                Err(RecvError::Closed) => return,
            }
        }
    }

    async fn take(&mut self, batch: &Batch) {
        // Accepted while it was seeded: taken already.
        let Position { run, seq } = batch.position;
        if self.last.is_some_and(|last| last.run == run && seq <= last.seq) {
            return;
        }
        self.last = Some(batch.position);
        let sink = &mut self.sink;
        let taken = guarded(async {
            sink.write(batch).await?;
            sink.flush().await
        });
        let failed = taken.await.err();
        let (pipeline, name) = (self.pipeline.as_str(), self.name.as_str());
        let changed = std::mem::replace(&mut self.failing, failed.is_some()) != failed.is_some();
        let Some(failure) = failed else {
            let rows = u64::try_from(batch.records.num_rows()).unwrap_or(u64::MAX);
            self.board.sink(self.index, SinkState::Delivering, None);
            self.board.live_rows(self.index, rows);
            self.meters.delivered.inc_by(rows);
            if changed {
                tracing::info!(pipeline, sink = name, "the sink shows batches again");
            }
            return;
        };
        let error = failure.error.chain();
        self.meters.failed(if failure.panicked { "panic" } else { "retry" });
        self.board.sink(self.index, SinkState::Retrying, Some(&error));
        if changed {
            tracing::error!(pipeline, sink = name, error, "a batch is not shown; the next is tried");
        } else {
            tracing::debug!(pipeline, sink = name, error, "another batch is not shown");
        }
    }
}
