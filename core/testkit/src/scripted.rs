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
pub enum Step {
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
    Slow(Duration, Box<Step>),
    /// There will never be more.
    End,
}

/// What happens when all steps are done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    Count,
    Quiet,
    End,
}

#[derive(Debug)]
struct Tape {
    steps: VecDeque<Step>,
    then: Then,
    next_id: i64,
    asked: Vec<Duration>,
    commits: Vec<Position>,
    returned: Vec<i64>,
    durable: usize,
    opened: u64,
}

/// The steps to come and what happened so far. Clones are the same script.
#[derive(Clone, Debug)]
pub struct Script(Arc<Mutex<Tape>>);

impl Script {
    /// After the steps: one row per pass, `id` 1, 2, 3 ...
    pub fn counting() -> Self {
        Self::new(Then::Count)
    }

    /// After the steps: the end.
    pub fn ending() -> Self {
        Self::new(Then::End)
    }

    /// After the steps: complete passes without rows.
    pub fn quiet() -> Self {
        Self::new(Then::Quiet)
    }

    fn new(then: Then) -> Self {
        let tape = Tape {
            steps: VecDeque::new(),
            then,
            next_id: 1,
            asked: Vec::new(),
            commits: Vec::new(),
            returned: Vec::new(),
            durable: 0,
            opened: 0,
        };
        Self(Arc::new(Mutex::new(tape)))
    }

    /// One more step, after those already written.
    #[must_use]
    pub fn then(self, step: Step) -> Self {
        self.push(step);
        self
    }

    /// One more step, after those already written.
    pub fn push(&self, step: Step) {
        self.tape().steps.push_back(step);
    }

    /// When each pass began, by the monotonic clock.
    pub fn asked(&self) -> Vec<Duration> {
        self.tape().asked.clone()
    }

    /// The positions committed so far.
    pub fn commits(&self) -> Vec<Position> {
        self.tape().commits.clone()
    }

    /// The ids of all rows returned before the last commit: durable, as far as the source was told.
    pub fn durable_ids(&self) -> Vec<i64> {
        let tape = self.tape();
        tape.returned[..tape.durable].to_vec()
    }

    /// How often a source was made of this script.
    pub fn opened(&self) -> u64 {
        self.tape().opened
    }

    /// The source.
    pub fn source(&self, clock: Arc<dyn Clock>) -> Box<dyn Source> {
        self.tape().opened += 1;
        Box::new(Scripted { script: self.clone(), clock })
    }

    fn take(&self, now: Duration) -> Step {
        let mut tape = self.tape();
        tape.asked.push(now);
        if let Some(step) = tape.steps.pop_front() {
            return step;
        }
        match tape.then {
            Then::End => Step::End,
            Then::Quiet => Step::Rows(numbered([])),
            Then::Count => {
                let id = tape.next_id;
                tape.next_id += 1;
                Step::Rows(numbered([id]))
            }
        }
    }

    fn tape(&self) -> MutexGuard<'_, Tape> {
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
        while let Step::Slow(length, rest) = step {
            self.clock.sleep_until(self.clock.monotonic() + length).await;
            step = *rest;
        }
        if let Step::Rows(rows) | Step::Partial(rows, _) = &step {
            self.script.tape().returned.extend(ids(rows));
        }
        match step {
            Step::Rows(rows) => Ok(Some(Pass { rows, faults: Vec::new(), complete: true })),
            Step::Partial(rows, message) => {
                Ok(Some(Pass { rows, faults: vec![Fault { message }], complete: false }))
            }
            Step::Fail(message) => Err(StageError::retry(message)),
            Step::Halt(message) => Err(StageError::halt(message)),
            Step::Panic => std::panic::resume_unwind(Box::new("the source fell over".to_owned())),
            Step::Hang | Step::Slow(..) => std::future::pending().await,
            Step::End => Ok(None),
        }
    }

    async fn commit(&mut self, position: Position) -> Result<(), StageError> {
        let mut tape = self.script.tape();
        tape.commits.push(position);
        tape.durable = tape.returned.len();
        Ok(())
    }
}
