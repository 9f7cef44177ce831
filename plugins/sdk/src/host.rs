//! What the host offers.

use std::marker::PhantomData;

use smiles_plugin_abi::{
    LOG_DEBUG, LOG_ERROR, LOG_INFO, LOG_TRACE, LOG_WARN, SmilesHost, SmilesStr, read_sized,
};

use crate::error::Rejected;

/// The host, for one stage. Cheap to copy, and good for every thread at any time: also after the instance is closed it can
/// be called, which is then of little use ([`Host::cancelled`] says so).
#[derive(Clone, Copy, Debug)]
pub struct Host(SmilesHost);

// SAFETY: the host keeps the table's functions and their context for ever, and guards what they reach against other threads.
unsafe impl Send for Host {}
// SAFETY: as above.
unsafe impl Sync for Host {}

impl Host {
    /// # Safety
    /// `table` is null or the table that `open` was given.
    pub(crate) unsafe fn new(table: *const SmilesHost) -> Option<Self> {
        if table.is_null() {
            return None;
        }
        // SAFETY: not null, and it says its own size.
        unsafe { read_sized(table) }.ok().map(Self)
    }

    /// An error in the host's log, with the names of plugin, pipeline and stage.
    pub fn error(&self, message: &str) {
        self.log(LOG_ERROR, message);
    }

    /// A warning in the host's log.
    pub fn warn(&self, message: &str) {
        self.log(LOG_WARN, message);
    }

    /// A line in the host's log.
    pub fn info(&self, message: &str) {
        self.log(LOG_INFO, message);
    }

    /// A line for whoever looks closely.
    pub fn debug(&self, message: &str) {
        self.log(LOG_DEBUG, message);
    }

    /// A line for whoever looks even closer.
    pub fn trace(&self, message: &str) {
        self.log(LOG_TRACE, message);
    }

    /// Adds to the counter at this place of `METRICS`.
    pub fn count(&self, metric: usize, amount: f64) {
        if let (Some(add), Ok(metric)) = (self.0.metric_add, u32::try_from(metric)) {
            // SAFETY: the host's function with the host's context.
            unsafe { add(self.0.ctx, metric, amount) };
        }
    }

    /// Microseconds since 1970, UTC; in a transform the latest `time` of the rows.
    pub fn now_us(&self) -> i64 {
        // SAFETY: the host's function with the host's context.
        self.0.now_us.map_or(0, |now| unsafe { now(self.0.ctx) })
    }

    /// Whether nobody waits any more for the call in progress.
    pub fn cancelled(&self) -> bool {
        // SAFETY: the host's function with the host's context.
        self.0.cancelled.is_some_and(|cancelled| unsafe { cancelled(self.0.ctx) } != 0)
    }

    /// Within a source's `next`: something failed although rows come.
    pub fn fault(&self, message: &str) {
        if let Some(fault) = self.0.fault {
            // SAFETY: the host's function with the host's context.
            unsafe { fault(self.0.ctx, SmilesStr::lend(message)) };
        }
    }

    pub(crate) fn reject(&self, rows: &[Rejected]) {
        let Some(reject) = self.0.reject else { return };
        for Rejected { seq, row, code, reason } in rows {
            let row = u64::try_from(*row).unwrap_or(u64::MAX);
            // SAFETY: the host's function with the host's context.
            unsafe { reject(self.0.ctx, *seq, row, SmilesStr::lend(code), SmilesStr::lend(reason)) };
        }
    }

    fn log(&self, level: u32, message: &str) {
        if let Some(log) = self.0.log {
            // SAFETY: the host's function with the host's context.
            unsafe { log(self.0.ctx, level, SmilesStr::lend(message)) };
        }
    }
}

/// Keyed memory of a transform, durable with the batch that changes it.
#[derive(Debug)]
pub struct State<'a>(Host, PhantomData<&'a mut ()>);

impl State<'_> {
    pub(crate) fn new(host: Host) -> Self {
        Self(host, PhantomData)
    }

    /// The value last put, also by an earlier call for the same batch.
    pub fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        let get = self.0.0.state_get?;
        let mut value = vec![0; 64];
        loop {
            let mut length = value.len();
            let key = SmilesStr::lend_bytes(key);
            // SAFETY: the host's function with the host's context; `value` has `length` bytes.
            let found = unsafe { get(self.0.0.ctx, key, value.as_mut_ptr(), &raw mut length) };
            if found != 1 {
                return None;
            }
            let fits = length <= value.len();
            value.resize(length, 0);
            if fits {
                return Some(value);
            }
        }
    }

    /// Remembers a value; forgotten if `apply` fails.
    pub fn put(&mut self, key: &[u8], value: &[u8]) {
        if let Some(put) = self.0.0.state_put {
            // SAFETY: the host's function with the host's context.
            unsafe { put(self.0.0.ctx, SmilesStr::lend_bytes(key), value.as_ptr(), value.len()) };
        }
    }
}
