//! The newest batches that a sink still waits for, kept in memory so that one that keeps up never reads the file.

use std::collections::BTreeMap;

use smiles_stage::Batch;

/// At most so many bytes stay in memory.
const BYTES_MAX: usize = 16 << 20;
/// At most so many batches stay in memory.
const BATCHES_MAX: usize = 1024;

/// By ordinal.
#[derive(Debug, Default)]
pub(crate) struct RecentBatches {
    batches: BTreeMap<u64, Recent>,
    bytes: usize,
    /// The highest ordinal that went because there were too many.
    evicted: u64,
}

#[derive(Debug)]
struct Recent {
    batch: Batch,
    /// As the file has it.
    encoded: usize,
    /// In memory.
    bytes: usize,
}

impl RecentBatches {
    /// Keeps the batch; older ones go where there are too many.
    pub(crate) fn push(&mut self, ordinal: u64, batch: Batch, encoded: usize) {
        let bytes = batch.records.get_array_memory_size();
        self.bytes += bytes;
        self.batches.insert(ordinal, Recent { batch, encoded, bytes });
        while self.batches.len() > 1 && (self.batches.len() > BATCHES_MAX || self.bytes > BYTES_MAX) {
            self.evicted = self.pop_first().unwrap_or(self.evicted);
        }
    }

    /// Forgets what no sink waits for: everything up to here.
    pub(crate) fn trim(&mut self, upto: u64) {
        while self.first().is_some_and(|first| first <= upto) {
            self.pop_first();
        }
    }

    fn pop_first(&mut self) -> Option<u64> {
        let (ordinal, recent) = self.batches.pop_first()?;
        self.bytes -= recent.bytes;
        Some(ordinal)
    }

    /// The lowest ordinal here.
    pub(crate) fn first(&self) -> Option<u64> {
        self.batches.first_key_value().map(|(ordinal, _)| *ordinal)
    }

    /// All that is here, oldest first.
    pub(crate) fn all(&self) -> Vec<(u64, Batch)> {
        self.batches.iter().map(|(ordinal, recent)| (*ordinal, recent.batch.clone())).collect()
    }

    /// The highest ordinal that is not here although a sink may wait for it.
    pub(crate) fn evicted(&self) -> u64 {
        self.evicted
    }

    /// The batch and its encoded bytes, if it is here.
    pub(crate) fn get(&self, ordinal: u64) -> Option<(&Batch, usize)> {
        self.batches.get(&ordinal).map(|recent| (&recent.batch, recent.encoded))
    }

    /// Forgets a deleted batch.
    pub(crate) fn remove(&mut self, ordinal: u64) {
        if let Some(recent) = self.batches.remove(&ordinal) {
            self.bytes -= recent.bytes;
        }
    }

    /// Forgets what is above: it was never committed.
    pub(crate) fn cut(&mut self, head: u64) {
        for recent in self.batches.split_off(&(head + 1)).into_values() {
            self.bytes -= recent.bytes;
        }
    }
}
