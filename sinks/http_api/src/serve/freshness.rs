//! What is known of the store's state: when it was asked, and what it may hold since.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use smiles_stage::Position;

use crate::current::job::Job;
use crate::query::cache::CachedAnswer;
use crate::text::problem::Failure;

/// What is known of the store's state.
#[derive(Debug, Default)]
pub(crate) struct Freshness {
    pub(crate) state: Mutex<State>,
    pub(crate) look: Arc<Job>,
    pub(crate) read: Arc<Job>,
    pub(crate) count: Arc<Job>,
}

impl Freshness {
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The same, as it changes.
#[derive(Debug, Default)]
pub(crate) struct State {
    /// Grows whenever the store may hold something else.
    pub(crate) generation: u64,
    /// Rows its sink had delivered when last looked.
    pub(crate) delivered: u64,
    /// What its sink was done with then.
    pub(crate) done: Vec<Position>,
    /// What the store said of itself last.
    pub(crate) version: Option<String>,
    pub(crate) looked: Option<Duration>,
    /// What memory was read at.
    pub(crate) read: Asked,
    /// What the size and the row counts are of.
    pub(crate) counted: Asked,
    /// The answer of `/stats`; the last failure as long as there is none.
    pub(crate) stats: Option<Result<Arc<CachedAnswer>, Failure>>,
}

/// A reading of the store.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Asked {
    /// The generation it was good for.
    pub(crate) generation: Option<u64>,
    /// Not asked before, after a failure.
    pub(crate) not_before: Duration,
}

impl Asked {
    pub(crate) fn is_due(self, generation: u64, now: Duration) -> bool {
        self.generation != Some(generation) && now >= self.not_before
    }

    /// It ended. `took`: how long it was under way.
    pub(crate) fn ended(&mut self, answered: Option<u64>, now: Duration, took: Duration) {
        self.not_before = match answered {
            Some(_) => Duration::ZERO,
            None if self.generation.is_none() && took < NOT_YET => now + NOT_YET,
            None => now + LEAVE_ALONE,
        };
        self.generation = answered.or(self.generation);
    }
}

/// How long a store that failed is left alone.
const LEAVE_ALONE: Duration = Duration::from_secs(5);

/// The same for one that said at once that it is not there yet, as at the start.
const NOT_YET: Duration = Duration::from_millis(200);
