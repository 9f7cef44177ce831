//! The transforms in order, with their keyed state: staged with a batch, kept when the batch is durable.

use std::sync::Arc;

use arrow_array::{BooleanArray, RecordBatch};
use arrow_schema::SchemaRef;
use arrow_select::filter::filter_record_batch;
use smiles_journal::StateChange;
use smiles_stage::{
    Action, Clock, OpenContext, PassInfo, Query, Rejection, StageError, StagedState, Transform, TransformPlan,
};

use crate::guard::{Failure, guarded_now};
use crate::meter::TransformMeters;

/// All transforms of a pipeline.
pub(crate) struct Chain {
    links: Vec<Link>,
    clock: Arc<dyn Clock>,
    /// What the stages' handles belong to, as the journal keeps it.
    index: Vec<StateChange>,
    /// The next record carries the whole state, changed or not.
    whole: bool,
}

/// One answer per question of a transform.
pub(crate) type Answers = Vec<Option<RecordBatch>>;

/// One transform.
pub(crate) struct Link {
    pub(crate) name: String,
    /// Under what the journal keeps its state.
    pub(crate) handle: String,
    pub(crate) plan: Box<dyn TransformPlan>,
    pub(crate) input: SchemaRef,
    pub(crate) context: OpenContext,
    /// `None` after a panic, until it is made anew.
    pub(crate) transform: Option<Box<dyn Transform>>,
    pub(crate) memory: StagedState,
    /// What it asks the store where the journal has no state for it.
    pub(crate) asks: Vec<Option<Query>>,
    /// What the store answered; `None`: nothing yet.
    pub(crate) known: Option<Answers>,
    pub(crate) meters: TransformMeters,
}

/// A transform that failed on a batch.
pub(crate) struct ChainError {
    pub(crate) transform: String,
    pub(crate) error: StageError,
}

impl Chain {
    /// Transforms with the state the journal kept for them.
    pub(crate) fn new(
        links: Vec<Link>,
        index: Vec<StateChange>,
        state: Vec<StateChange>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let mut chain = Self { links, clock, index, whole: false };
        chain.remember(state);
        chain
    }

    fn remember(&mut self, state: Vec<StateChange>) {
        for StateChange { stage, key, value } in state {
            // State that no transform of the file is about stays in the journal, unused.
            if let Some(link) = self.links.iter_mut().find(|link| link.handle == stage) {
                link.memory.remember(&key, value);
            }
        }
    }

    /// The questions of each transform that has no state; nothing of one that has, or asks nothing.
    pub(crate) fn unanswered(&mut self) -> Vec<Vec<Option<Query>>> {
        let of = |link: &mut Link| {
            let remembers =
                link.transform.as_ref().is_some_and(|transform| transform.remembers(&link.memory));
            if remembers || link.asks.iter().all(Option::is_none) {
                link.known.get_or_insert_default();
            }
            if link.known.is_none() { link.asks.clone() } else { Vec::new() }
        };
        self.links.iter_mut().map(of).collect()
    }

    /// What the store answered to these questions.
    pub(crate) fn answered(&mut self, answers: Vec<Answers>) {
        for (link, answers) in self.links.iter_mut().zip(answers) {
            link.known.get_or_insert(answers);
        }
    }

    /// There is no store that could be asked.
    pub(crate) fn answered_nothing(&mut self) {
        for link in &mut self.links {
            link.known.get_or_insert_default();
        }
    }

    /// The batch through every transform. Puts stay staged until [`Chain::keep`]; an error discards them.
    pub(crate) fn apply(&mut self, batch: RecordBatch, pass: &PassInfo) -> Result<RecordBatch, ChainError> {
        self.apply_watched(batch, pass, &mut |_, _| {})
    }

    /// The same; `watch` is shown what leaves each transform.
    pub(crate) fn apply_watched(
        &mut self,
        mut batch: RecordBatch,
        pass: &PassInfo,
        watch: &mut dyn FnMut(&str, &RecordBatch),
    ) -> Result<RecordBatch, ChainError> {
        for index in 0..self.links.len() {
            let link = &mut self.links[index];
            match link.apply(batch, pass, self.clock.as_ref()) {
                Ok(output) => {
                    watch(&link.name, &output);
                    batch = output;
                }
                Err(error) => {
                    link.meters.failed.inc();
                    let transform = link.name.clone();
                    self.discard();
                    return Err(ChainError { transform, error });
                }
            }
        }
        Ok(batch)
    }

    /// What the batch under way changed, for its journal record.
    pub(crate) fn staged(&self) -> Vec<StateChange> {
        let of = |link: &Link| {
            let change = |(key, value): (&[u8], &[u8])| StateChange {
                stage: link.handle.clone(),
                key: key.to_vec(),
                value: value.to_vec(),
            };
            let changes: Vec<StateChange> = match self.whole {
                true => link.memory.whole().map(change).collect(),
                false => link.memory.changes().map(change).collect(),
            };
            changes
        };
        let index = self.index.iter().filter(|_| self.whole).cloned();
        index.chain(self.links.iter().flat_map(of)).collect()
    }

    /// The batch is durable, and with it the puts.
    pub(crate) fn keep(&mut self) {
        self.whole = false;
        for link in &mut self.links {
            link.memory.keep();
            // What was known is in the state now.
            link.known = link.known.take().map(|_| Answers::new());
        }
    }

    /// The journal may have lost what it kept of the state (it was repaired): the next record carries all of it.
    pub(crate) fn write_whole(&mut self) {
        self.whole = true;
    }

    /// As after a start of the process: every transform is made anew and knows what the journal kept.
    pub(crate) fn restart(&mut self, state: Vec<StateChange>) {
        for link in &mut self.links {
            (link.transform, link.memory) = (None, StagedState::default());
        }
        self.remember(state);
    }

    /// The batch came to nothing, and with it the puts.
    pub(crate) fn discard(&mut self) {
        self.links.iter_mut().for_each(|link| link.memory.discard());
    }
}

impl Link {
    fn apply(
        &mut self,
        batch: RecordBatch,
        pass: &PassInfo,
        clock: &dyn Clock,
    ) -> Result<RecordBatch, StageError> {
        let (rows, begun) = (count(&batch), clock.monotonic());
        let output = self.apply_without_rejects(batch, pass);
        self.meters.seconds.inc_by(clock.monotonic().saturating_sub(begun).as_secs_f64());
        self.meters.rows_in.inc_by(rows);
        let output = output?;
        self.meters.rows_out.inc_by(count(&output));
        Ok(output)
    }

    /// A transform has no dead letters (its rows have no position yet): rows it rejects are counted, named and left out.
    fn apply_without_rejects(
        &mut self,
        mut batch: RecordBatch,
        pass: &PassInfo,
    ) -> Result<RecordBatch, StageError> {
        loop {
            let error = match self.call(batch.clone(), pass) {
                Ok(output) => return Ok(output),
                Err(failure) => {
                    if failure.panicked {
                        self.transform = None;
                    }
                    failure.error
                }
            };
            self.memory.discard();
            let Action::Reject { rows } = error.action() else { return Err(error) };
            let Some(rest) = without(&batch, rows) else { return Err(error) };
            let transform = self.name.as_str();
            for Rejection { row, code, reason, .. } in rows {
                tracing::error!(transform, row, code, reason, "a row is rejected and left out");
            }
            self.meters.rejected.inc_by(count(&batch) - count(&rest));
            batch = rest;
        }
    }

    fn call(&mut self, batch: RecordBatch, pass: &PassInfo) -> Result<RecordBatch, Failure> {
        let Self { transform, plan, input, context, memory, known, .. } = self;
        guarded_now(|| {
            let transform = match transform {
                Some(transform) => transform,
                None => transform.insert(plan.open(input, context.clone())?),
            };
            transform.pass(pass);
            if let Some(known) = known
                && !transform.remembers(memory)
            {
                transform.recall(known, memory)?;
            }
            transform.apply(batch, memory)
        })
    }
}

fn count(batch: &RecordBatch) -> u64 {
    u64::try_from(batch.num_rows()).unwrap_or(u64::MAX)
}

/// The batch without these rows; `None` if none of them is in it.
fn without(batch: &RecordBatch, rejected: &[Rejection]) -> Option<RecordBatch> {
    let keep: BooleanArray = (0..batch.num_rows())
        .map(|row| Some(!rejected.iter().any(|rejection| rejection.row == row)))
        .collect();
    if keep.true_count() == batch.num_rows() {
        return None;
    }
    filter_record_batch(batch, &keep).ok()
}

#[cfg(test)]
mod tests;
