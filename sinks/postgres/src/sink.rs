//! The sink: gathers batches, writes them through its one connection, knows nothing after any doubt.

use std::sync::Arc;

use async_trait::async_trait;
use smiles_stage::{Action, Batch, Position, RunId, Sink, StageError, Upkeep, Watermark};
use smiles_store::{Pending, Swallowed};

use crate::write;
use crate::writer::{Settings, Writer};

/// Writes to one database.
pub(crate) struct PostgresSink {
    settings: Arc<Settings>,
    /// Absent before the first question and after any doubt; also when a call was abandoned halfway: then its
    /// transaction may still commit, and the next connection asks.
    writer: Option<Writer>,
    pending: Pending,
    swallowed: Swallowed,
}

impl PostgresSink {
    pub(crate) fn new(settings: Arc<Settings>) -> Self {
        Self { settings, writer: None, pending: Pending::default(), swallowed: Swallowed::default() }
    }

    async fn connected(&mut self) -> Result<Writer, StageError> {
        match self.writer.take().filter(Writer::is_open) {
            Some(writer) => Ok(writer),
            None => Writer::connect(Arc::clone(&self.settings)).await,
        }
    }

    /// Keeps the connection unless it is in doubt.
    fn keep<T>(&mut self, writer: Writer, done: Result<T, StageError>) -> Result<T, StageError> {
        if done.as_ref().err().is_none_or(|error| matches!(error.action(), Action::Reject { .. })) {
            self.writer = Some(writer);
        }
        done
    }
}

#[async_trait]
impl Sink for PostgresSink {
    async fn write(&mut self, batch: &Batch) -> Result<(), StageError> {
        self.pending.push(batch)
    }

    async fn flush(&mut self) -> Result<Option<Position>, StageError> {
        let Some(mut flush) = self.pending.flush() else { return Ok(self.pending.durable()) };
        let Some(mut writer) = self.writer.take() else {
            return Err(StageError::retry("not connected: the watermark must be asked for first"));
        };
        flush.skip(writer.known.get(&flush.position.run).copied());
        let (position, skipped) = (flush.position, flush.skipped());
        let stored = write::store(&mut writer, &flush.batches, flush.late).await;
        let swallowed = self.keep(writer, stored).map_err(|error| error.behind(skipped))?;
        let owner = &self.settings.owner;
        self.swallowed.take(swallowed, &owner.pipeline, &owner.sink);
        self.pending.reached(position);
        Ok(Some(position))
    }

    async fn watermark(&mut self, run: RunId) -> Result<Option<Watermark>, StageError> {
        self.pending.forget();
        let mut writer = self.connected().await?;
        let asked = writer.ask(run).await;
        self.keep(writer, asked).map(Some)
    }

    fn swallowed(&self) -> Vec<(String, u64)> {
        self.swallowed.tables()
    }

    fn upkeep(&mut self) -> Option<&mut dyn Upkeep> {
        Some(self)
    }
}

#[async_trait]
impl Upkeep for PostgresSink {
    async fn replay(&mut self, rows: &Batch) -> Result<(), StageError> {
        self.pending.push_late(rows)
    }

    async fn rename(&mut self, from: &str) -> Result<(), StageError> {
        let mut writer = self.connected().await?;
        let renamed = writer.rename(from).await;
        self.keep(writer, renamed)
    }

    async fn forget(&mut self, runs: &[RunId]) -> Result<(), StageError> {
        let mut writer = self.connected().await?;
        let forgotten = writer.forget(runs).await;
        self.keep(writer, forgotten)
    }
}
