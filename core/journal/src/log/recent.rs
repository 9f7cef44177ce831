//! The newest batches, kept in memory so that a sink that keeps up never reads the file.

use std::collections::BTreeMap;

use smiles_stage::Batch;

/// At most so many encoded bytes stay in memory.
const BYTES_MAX: usize = 64 << 20;
/// At most so many batches stay in memory.
const BATCHES_MAX: usize = 1024;

/// By ordinal.
#[derive(Debug, Default)]
pub(crate) struct RecentBatches {
    batches: BTreeMap<u64, (Batch, usize)>,
    bytes: usize,
}

impl RecentBatches {
    /// Keeps the batch; older ones go where there are too many.
    pub(crate) fn push(&mut self, ordinal: u64, batch: Batch, bytes: usize) {
        self.bytes += bytes;
        self.batches.insert(ordinal, (batch, bytes));
        while self.batches.len() > 1 && (self.batches.len() > BATCHES_MAX || self.bytes > BYTES_MAX) {
            if let Some((_, (_, bytes))) = self.batches.pop_first() {
                self.bytes -= bytes;
            }
        }
    }

    /// The batch and its encoded bytes, if it is here.
    pub(crate) fn get(&self, ordinal: u64) -> Option<(&Batch, usize)> {
        self.batches.get(&ordinal).map(|(batch, bytes)| (batch, *bytes))
    }

    /// Forgets a deleted batch.
    pub(crate) fn remove(&mut self, ordinal: u64) {
        if let Some((_, bytes)) = self.batches.remove(&ordinal) {
            self.bytes -= bytes;
        }
    }

    /// Forgets what is above: it was never committed.
    pub(crate) fn cut(&mut self, head: u64) {
        for (_, (_, bytes)) in self.batches.split_off(&(head + 1)) {
            self.bytes -= bytes;
        }
    }
}
