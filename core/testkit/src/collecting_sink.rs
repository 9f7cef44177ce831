//! A sink that keeps no watermark and remembers everything.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use smiles_stage::{Batch, Position, RunId, Sink, StageError, Watermark};

use crate::ids;
use crate::target_faults::{TargetFault, TargetFaults};

/// Takes everything and remembers it; keeps no watermark. Clones are the same sink.
#[derive(Clone, Debug, Default)]
pub struct CollectingSink {
    taken: Arc<Mutex<Vec<Batch>>>,
    /// How many of them were flushed.
    durable: Arc<Mutex<usize>>,
    faults: TargetFaults,
}

impl CollectingSink {
    /// An empty one with mishaps to come.
    pub fn new(faults: &TargetFaults) -> Self {
        Self { taken: Arc::default(), durable: Arc::default(), faults: faults.clone() }
    }

    /// Everything written so far.
    pub fn taken(&self) -> Vec<Batch> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The column `id` of everything written so far.
    pub fn ids(&self) -> Vec<i64> {
        self.taken().iter().flat_map(|batch| ids(&batch.records)).collect()
    }
}

#[async_trait]
impl Sink for CollectingSink {
    async fn write(&mut self, batch: &Batch) -> Result<(), StageError> {
        self.faults.call()?;
        if self.faults.take(&[TargetFault::FailWrite]).is_some() {
            return Err(StageError::retry("the collector fell over"));
        }
        if self.faults.take(&[TargetFault::Panic]).is_some() {
            panic!("the collector panics");
        }
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).push(batch.clone());
        Ok(())
    }

    async fn flush(&mut self) -> Result<Option<Position>, StageError> {
        self.faults.call()?;
        let part = self.faults.take(&[TargetFault::FlushPart]).is_some();
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let mut durable = self.durable.lock().unwrap_or_else(PoisonError::into_inner);
        if part {
            taken.truncate(*durable + 1);
        }
        *durable = taken.len();
        Ok(taken.last().map(|batch| batch.position))
    }

    async fn watermark(&mut self, _run: RunId) -> Result<Option<Watermark>, StageError> {
        self.faults.call()?;
        Ok(None)
    }
}
