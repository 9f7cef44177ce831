//! A live sink's task: a view of what was just accepted. No cursor; seeded once; never waited for. One that cannot be opened
//! is tried again; after a panic it is made anew, and seeded again without the batch that did it.

use std::sync::Arc;
use std::time::Duration;

use smiles_journal::{Journal, ReadLimit};
use smiles_stage::{Batch, OpenContext, Position, Sink, SinkState, Store, WiredSink};
use tokio::sync::broadcast::{self, error::RecvError};

use crate::call::guard::{Failure, guarded};
use crate::call::stop::Stop;
use crate::observe::health_board::HealthBoard;
use crate::observe::meter::SinkMeters;

/// Batches a live sink may be behind before it skips.
pub(crate) const BEHIND_MAX: usize = 64;
/// What it is seeded with.
const SEED: ReadLimit = ReadLimit { rows: 20_000, bytes: 8 << 20 };
/// How soon it is made anew, at first and at most: what it held, such as a port, may take a moment to be free.
const ANEW: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(60));
/// Batches remembered that made it panic.
const FATAL_MAX: usize = 64;

/// What a live sink's task needs.
pub(crate) struct Live {
    pub(crate) index: usize,
    pub(crate) pipeline: String,
    pub(crate) name: String,
    pub(crate) wired: Arc<dyn WiredSink>,
    pub(crate) context: OpenContext,
    pub(crate) store: Option<Arc<dyn Store>>,
    /// `None` before it was opened, and after a panic until it is made anew.
    pub(crate) sink: Option<Box<dyn Sink>>,
    pub(crate) journal: Arc<dyn Journal>,
    pub(crate) accepted: broadcast::Receiver<Batch>,
    pub(crate) stop: Stop,
    pub(crate) health_board: Arc<HealthBoard>,
    pub(crate) meters: SinkMeters,
    pub(crate) memory: LiveState,
}

/// What the task knows.
#[derive(Default)]
pub(crate) struct LiveState {
    /// The newest batch taken.
    last: Option<Position>,
    /// Whether the last batch failed.
    failing: bool,
    /// Why it could not be opened, as it was told.
    closed: Option<String>,
    /// Batches it panicked on.
    fatal: Vec<Position>,
    /// How long it was waited before the sink was made anew.
    waited: Duration,
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
        match self.sink {
            Some(_) => self.seed().await,
            None => self.make_anew().await,
        }
        loop {
            if self.sink.is_none() {
                let memory = &mut self.memory;
                memory.waited = (memory.waited * 2).clamp(ANEW.0, ANEW.1);
                tokio::time::sleep(memory.waited).await;
                self.make_anew().await;
                continue;
            }
            match self.accepted.recv().await {
                Ok(batch) => {
                    if self.take(&batch).await {
                        self.memory.waited = Duration::ZERO;
                    }
                }
                Err(RecvError::Lagged(skipped)) => {
                    let (pipeline, sink) = (self.pipeline.as_str(), self.name.as_str());
                    tracing::debug!(pipeline, sink, skipped, "batches were skipped to keep up");
                }
                Err(RecvError::Closed) => return,
            }
        }
    }

    /// Shows it what is retained, and then that this is all.
    async fn seed(&mut self) {
        match self.journal.newest(SEED).await {
            Ok(batches) => {
                for batch in batches {
                    if self.sink.is_some() && !self.memory.fatal.contains(&batch.position) {
                        self.take(&batch).await;
                    }
                }
            }
            Err(error) => {
                let (pipeline, sink) = (self.pipeline.as_str(), self.name.as_str());
                tracing::warn!(pipeline, sink, %error, "cannot read retained batches; the sink starts empty");
            }
        }
        if let Some(sink) = &mut self.sink
            && let Err(failure) = guarded(sink.flush()).await
        {
            if failure.panicked {
                self.sink = None;
            }
            self.failed(&failure);
        }
    }

    async fn make_anew(&mut self) {
        match guarded(self.wired.open(self.context.clone(), self.store.clone())).await {
            Ok(opened) => {
                self.sink = Some(opened.sink);
                self.memory.last = None;
                self.health_board.sink(self.index, SinkState::Starting, None);
                if self.memory.closed.take().is_some() {
                    tracing::info!(pipeline = self.pipeline, sink = self.name, "the sink is open");
                }
                self.seed().await;
            }
            Err(failure) => self.not_open(&failure),
        }
    }

    /// One log line per cause.
    fn not_open(&mut self, failure: &Failure) {
        let (pipeline, sink, error) = (self.pipeline.as_str(), self.name.as_str(), failure.error.chain());
        self.meters.failed(if failure.panicked { "panic" } else { "retry" });
        self.health_board.sink(self.index, SinkState::Retrying, Some(&error));
        if self.memory.closed.replace(error.clone()).is_none_or(|told| told != error) {
            tracing::error!(
                pipeline,
                sink,
                error,
                "cannot open the sink; it is tried again, and all else goes on"
            );
        }
    }

    /// Whether it was taken.
    async fn take(&mut self, batch: &Batch) -> bool {
        // Accepted while it was seeded: taken already.
        let Position { run, seq } = batch.position;
        if self.memory.last.is_some_and(|last| last.run == run && seq <= last.seq) {
            return false;
        }
        let Some(sink) = &mut self.sink else { return false };
        self.memory.last = Some(batch.position);
        let taken = guarded(async {
            sink.write(batch).await?;
            sink.flush().await
        });
        if let Err(failure) = taken.await {
            if failure.panicked {
                self.sink = None;
                let fatal = &mut self.memory.fatal;
                fatal.push(batch.position);
                fatal.drain(..fatal.len().saturating_sub(FATAL_MAX));
            }
            self.failed(&failure);
            return false;
        }
        let rows = u64::try_from(batch.records.num_rows()).unwrap_or(u64::MAX);
        self.health_board.sink(self.index, SinkState::Delivering, None);
        self.health_board.live_rows(self.index, rows);
        self.meters.delivered.inc_by(rows);
        if std::mem::take(&mut self.memory.failing) {
            tracing::info!(pipeline = self.pipeline, sink = self.name, "the sink accepts batches again");
        }
        true
    }

    fn failed(&mut self, failure: &Failure) {
        let (pipeline, sink, error) = (self.pipeline.as_str(), self.name.as_str(), failure.error.chain());
        self.meters.failed(if failure.panicked { "panic" } else { "retry" });
        self.health_board.sink(self.index, SinkState::Retrying, Some(&error));
        if std::mem::replace(&mut self.memory.failing, true) {
            tracing::debug!(pipeline, sink, error, "the sink failed again; this batch is skipped");
        } else {
            tracing::error!(pipeline, sink, error, "the sink failed; this batch is skipped");
        }
    }
}
