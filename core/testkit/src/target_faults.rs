//! What goes wrong at a target, once each, and rows it never takes.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use smiles_stage::StageError;

/// A fault of the target that happens once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetFault {
    /// The watermark cannot be asked.
    NoWatermark,
    /// `write` fails.
    FailWrite,
    /// `flush` fails and nothing is stored.
    FailFlush,
    /// `flush` stores everything and then fails.
    LoseAnswer,
    /// `flush` stores nothing and never returns.
    Hang,
    /// `flush` stores everything and never returns.
    HangAfterCommit,
    /// `flush` stores nothing and panics; of a [`crate::CollectingSink`], `write`.
    Panic,
    /// `flush` stores nothing and asks for a person.
    Halt,
    /// `forget` fails.
    NoForget,
    /// `flush` of a collector makes one batch durable and forgets the others.
    FlushPart,
}

/// The faults to come, in order, and rows never taken. Clones are the same list.
#[derive(Clone, Debug, Default)]
pub struct TargetFaults(Arc<Mutex<FaultState>>);

#[derive(Debug, Default)]
pub(crate) struct FaultState {
    pending_faults: VecDeque<TargetFault>,
    pub(crate) refused: HashSet<i64>,
    down: bool,
    attempts: u64,
}

impl TargetFaults {
    /// Nothing goes wrong yet.
    pub fn none() -> Self {
        Self::default()
    }

    /// One more, after those already coming.
    pub fn push(&self, fault: TargetFault) {
        self.state().pending_faults.push_back(fault);
    }

    /// Rows with this `id` are rejected for good.
    pub fn refuse(&self, id: i64) {
        self.state().refused.insert(id);
    }

    /// Rows with this `id` are taken again.
    pub fn accept(&self, id: i64) {
        self.state().refused.remove(&id);
    }

    /// While down every call fails.
    pub fn set_down(&self, down: bool) {
        self.state().down = down;
    }

    /// How many calls the sink got, of any kind.
    pub fn attempts(&self) -> u64 {
        self.state().attempts
    }

    /// Whether all faults have happened.
    pub fn are_over(&self) -> bool {
        self.state().pending_faults.is_empty()
    }

    pub(crate) fn call(&self) -> Result<(), StageError> {
        let mut state = self.state();
        state.attempts += 1;
        if state.down { Err(StageError::retry("the target is down")) } else { Ok(()) }
    }

    pub(crate) fn take(&self, these: &[TargetFault]) -> Option<TargetFault> {
        let mut state = self.state();
        if these.contains(state.pending_faults.front()?) { state.pending_faults.pop_front() } else { None }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, FaultState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
