//! The sink: gathers batches, hands them to the writer on a blocking thread, knows nothing after any doubt.

use std::sync::Arc;

use async_trait::async_trait;
use smiles_stage::{Action, Batch, Position, RunId, Sink, StageError, Upkeep, Watermark};
use smiles_store::{Pending, Swallowed};
use tokio::task::spawn_blocking;

use crate::write;
use crate::writer::{Settings, Writer};

/// Writes to one database file.
pub(crate) struct SqliteSink {
    settings: Arc<Settings>,
    /// Absent before the first question and after any doubt; also when a call was abandoned halfway: then its
    /// transaction may still commit, and the next connection asks.
    writer: Option<Writer>,
    pending: Pending,
    swallowed: Swallowed,
}

impl SqliteSink {
    pub(crate) fn new(settings: Arc<Settings>) -> Self {
        Self { settings, writer: None, pending: Pending::default(), swallowed: Swallowed::default() }
    }

    /// Runs the work with the connection, on a blocking thread, and keeps the connection unless it is in doubt.
    async fn with_writer<T: Send + 'static>(
        &mut self,
        mut writer: Writer,
        work: impl FnOnce(&mut Writer) -> Result<T, StageError> + Send + 'static,
    ) -> Result<T, StageError> {
        let done = spawn_blocking(move || {
            let result = work(&mut writer);
            (result, writer)
        });
        let (result, writer) = done.await.map_err(|error| stopped(&self.settings, error))?;
        if result.as_ref().err().is_none_or(|error| matches!(error.action(), Action::Reject { .. })) {
            self.writer = Some(writer);
        } else {
            close(writer);
        }
        result
    }

    async fn connected(&mut self) -> Result<Writer, StageError> {
        if let Some(writer) = self.writer.take()
            && writer.still_there().is_ok()
        {
            return Ok(writer);
        }
        let settings = Arc::clone(&self.settings);
        let connecting = spawn_blocking(move || Writer::connect(settings));
        connecting.await.map_err(|error| stopped(&self.settings, error))?
    }
}

/// Closing writes the log back into the file, which takes its time.
fn close(writer: Writer) {
    drop(spawn_blocking(move || drop(writer)));
}

fn stopped(settings: &Settings, error: tokio::task::JoinError) -> StageError {
    StageError::retry(format!("writing {} stopped halfway", settings.location.path.display())).because(error)
}

#[async_trait]
impl Sink for SqliteSink {
    async fn write(&mut self, batch: &Batch) -> Result<(), StageError> {
        self.pending.push(batch)
    }

    async fn flush(&mut self) -> Result<Option<Position>, StageError> {
        let Some(mut flush) = self.pending.flush() else { return Ok(self.pending.durable()) };
        let Some(writer) = self.writer.take() else {
            return Err(StageError::retry("not connected: the watermark must be asked for first"));
        };
        flush.skip(writer.known.get(&flush.position.run).copied());
        let (position, skipped) = (flush.position, flush.skipped());
        let (batches, late) = (flush.batches, flush.late);
        let stored = self.with_writer(writer, move |writer| write::store(writer, &batches, late)).await;
        let swallowed = stored.map_err(|error| error.behind(skipped))?;
        let owner = &self.settings.owner;
        self.swallowed.take(swallowed, &owner.pipeline, &owner.sink);
        self.pending.reached(position);
        Ok(Some(position))
    }

    async fn watermark(&mut self, run: RunId) -> Result<Option<Watermark>, StageError> {
        self.pending.forget();
        let writer = self.connected().await?;
        self.with_writer(writer, move |writer| writer.ask(run)).await.map(Some)
    }

    fn swallowed(&self) -> Vec<(String, u64)> {
        self.swallowed.tables()
    }

    fn upkeep(&mut self) -> Option<&mut dyn Upkeep> {
        Some(self)
    }
}

#[async_trait]
impl Upkeep for SqliteSink {
    async fn replay(&mut self, rows: &Batch) -> Result<(), StageError> {
        self.pending.push_late(rows)
    }

    async fn rename(&mut self, from: &str) -> Result<(), StageError> {
        let writer = self.connected().await?;
        let from = from.to_owned();
        self.with_writer(writer, move |writer| writer.rename(&from)).await
    }

    async fn forget(&mut self, runs: &[RunId]) -> Result<(), StageError> {
        let writer = self.connected().await?;
        let runs = runs.to_vec();
        self.with_writer(writer, move |writer| writer.forget(&runs)).await
    }
}
