//! A source that does what the test wrote down, and remembers when it was asked.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arrow_array::RecordBatch;
use async_trait::async_trait;
use smiles_stage::{Clock, Fault, Pass, Position, Source, StageError};

use crate::{ids, numbered};

/// What one call of `next` does.
#[derive(Clone, Debug)]
pub enum ScriptStep {
    /// A complete pass with these rows.
    Rows(RecordBatch),
    /// Rows, and one fault of this text.
    Partial(RecordBatch, String),
    /// A failed pass.
    Fail(String),
    /// A failed pass that needs a person.
    Halt(String),
    /// Falls over.
    Panic,
    /// Never returns.
    Hang,
    /// Takes this long by the clock, then does the rest.
    Slow(Duration, Box<ScriptStep>),
    /// There will never be more.
    End,
}

/// What happens when all steps are done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum WhenDone {
    Count,
    Quiet,
    End,
}

#[derive(Debug)]
struct ScriptState {
    steps: VecDeque<ScriptStep>,
    then: WhenDone,
    next_id: i64,
    asked: Vec<Duration>,
    commits: Vec<Position>,
    returned: Vec<i64>,
    durable: usize,
    opened: u64,
}

/// The steps to come and what happened so far. Clones are the same script.
#[derive(Clone, Debug)]
pub struct Script(Arc<Mutex<ScriptState>>);

impl Script {
    /// After the steps: one row per pass, `id` 1, 2, 3 ...
    pub fn counting() -> Self {
        Self::new(WhenDone::Count)
    }

    /// After the steps: the end.
    pub fn ending() -> Self {
        Self::new(WhenDone::End)
    }

    /// After the steps: complete passes without rows.
    pub fn quiet() -> Self {
        Self::new(WhenDone::Quiet)
    }

    fn new(then: WhenDone) -> Self {
        let state = ScriptState {
            steps: VecDeque::new(),
            then,
            next_id: 1,
            asked: Vec::new(),
            commits: Vec::new(),
            returned: Vec::new(),
            durable: 0,
            opened: 0,
        };
        Self(Arc::new(Mutex::new(state)))
    }

    /// One more step, after those already written.
    #[must_use]
    pub fn then(self, step: ScriptStep) -> Self {
        self.push(step);
        self
    }

    /// One more step, after those already written.
    pub fn push(&self, step: ScriptStep) {
        self.state().steps.push_back(step);
    }

    /// When each pass began, by the monotonic clock.
    pub fn asked(&self) -> Vec<Duration> {
        self.state().asked.clone()
    }

    /// The positions committed so far.
    pub fn commits(&self) -> Vec<Position> {
        self.state().commits.clone()
    }

    /// The ids of all rows returned before the last commit: durable, as far as the source was told.
    pub fn durable_ids(&self) -> Vec<i64> {
        let state = self.state();
        state.returned[..state.durable].to_vec()
    }

    /// How often a source was made of this script.
    pub fn opened(&self) -> u64 {
        self.state().opened
    }

    /// The source.
    pub fn source(&self, clock: Arc<dyn Clock>) -> Box<dyn Source> {
        self.state().opened += 1;
        Box::new(Scripted { script: self.clone(), clock })
    }

    fn take(&self, now: Duration) -> ScriptStep {
        let mut state = self.state();
        state.asked.push(now);
        if let Some(step) = state.steps.pop_front() {
            return step;
        }
        match state.then {
            WhenDone::End => ScriptStep::End,
            WhenDone::Quiet => ScriptStep::Rows(numbered([])),
            WhenDone::Count => {
                let id = state.next_id;
                state.next_id += 1;
                ScriptStep::Rows(numbered([id]))
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, ScriptState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Scripted {
    script: Script,
    clock: Arc<dyn Clock>,
}

#[async_trait]
impl Source for Scripted {
    async fn next(&mut self) -> Result<Option<Pass>, StageError> {
        let mut step = self.script.take(self.clock.monotonic());
        while let ScriptStep::Slow(length, rest) = step {
            self.clock.sleep_until(self.clock.monotonic() + length).await;
            step = *rest;
        }
        if let ScriptStep::Rows(rows) | ScriptStep::Partial(rows, _) = &step {
            self.script.state().returned.extend(ids(rows));
        }
        match step {
            ScriptStep::Rows(rows) => Ok(Some(Pass { rows, faults: Vec::new(), complete: true })),
            ScriptStep::Partial(rows, message) => {
                Ok(Some(Pass { rows, faults: vec![Fault { message }], complete: false }))
            }
            ScriptStep::Fail(message) => Err(StageError::retry(message)),
            ScriptStep::Halt(message) => Err(StageError::halt(message)),
            ScriptStep::Panic => std::panic::resume_unwind(Box::new("the source fell over".to_owned())),
            ScriptStep::Hang | ScriptStep::Slow(..) => std::future::pending().await,
            ScriptStep::End => Ok(None),
        }
    }

    async fn commit(&mut self, position: Position) -> Result<(), StageError> {
        let mut state = self.script.state();
        state.commits.push(position);
        state.durable = state.returned.len();
        Ok(())
    }
}
