//! The transforms in order, with their keyed state: staged with a batch, kept when the batch is durable.

use std::sync::Arc;

use arrow_array::{BooleanArray, RecordBatch};
use arrow_schema::SchemaRef;
use arrow_select::filter::filter_record_batch;
use smiles_journal::{PendingCorrection, Rejected, StateChange};
use smiles_stage::{
    Action, Clock, OpenContext, PassInfo, Query, Rejection, StageError, State, Transform, WiredTransform,
};

use crate::call::guard::{Failure, guarded_now};
use crate::ingest::corrected::corrected;
use crate::ingest::staged_state::StagedState;
use crate::observe::meter::TransformMeters;
use crate::observe::rejection_log::RejectionLog;

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
    pub(crate) wired: Box<dyn WiredTransform>,
    pub(crate) input: SchemaRef,
    pub(crate) context: OpenContext,
    /// `None` before it was opened, and after a panic until it is made anew.
    pub(crate) transform: Option<Box<dyn Transform>>,
    pub(crate) memory: StagedState,
    /// What it asks the store where the journal has no state for it.
    pub(crate) asks: Vec<Option<Query>>,
    /// What the store answered; `None`: nothing yet.
    pub(crate) known: Option<Answers>,
    pub(crate) meters: TransformMeters,
    /// Rows of the batch under way that it rejected.
    pub(crate) rejected: Vec<Rejected>,
    pub(crate) rejection_log: RejectionLog,
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

    /// Takes over what a person corrected: the order and the state that comes of it, which is to become durable with the
    /// next batch. A correction of what no transform of the file keeps waits.
    pub(crate) fn correct(
        &mut self,
        pending_corrections: Vec<PendingCorrection>,
    ) -> Vec<(PendingCorrection, StateChange)> {
        let mut done = Vec::new();
        for order in pending_corrections {
            let PendingCorrection { change: StateChange { stage, key, value: by }, .. } = &order;
            let link = self.links.iter_mut().find(|link| link.handle == *stage);
            let Some(link) = link else { continue };
            let Some(value) = link.memory.get(key).and_then(|state| corrected(&state, by)) else { continue };
            // Made anew: a transform may remember what it read.
            link.transform = None;
            link.memory.remember(key, value.clone());
            let change = StateChange { stage: stage.clone(), key: key.clone(), value };
            done.push((order, change));
        }
        done
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
        batch: RecordBatch,
        pass: &PassInfo,
        watch: &mut dyn FnMut(&str, &RecordBatch),
    ) -> Result<RecordBatch, ChainError> {
        self.apply_from(0, batch, pass, watch)
    }

    /// Where this transform stands, and the columns that enter it.
    pub(crate) fn find(&self, transform: &str) -> Option<(usize, SchemaRef)> {
        let index = self.links.iter().position(|link| link.name == transform)?;
        Some((index, Arc::clone(&self.links[index].input)))
    }

    /// As [`Chain::apply_watched`], beginning with the transform at this place.
    pub(crate) fn apply_from(
        &mut self,
        first: usize,
        mut batch: RecordBatch,
        pass: &PassInfo,
        watch: &mut dyn FnMut(&str, &RecordBatch),
    ) -> Result<RecordBatch, ChainError> {
        for index in first..self.links.len() {
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

    /// The rows of the batch under way that were rejected, for its journal record.
    pub(crate) fn rejected(&self) -> Vec<Rejected> {
        self.links.iter().flat_map(|link| link.rejected.iter().cloned()).collect()
    }

    /// The batch is durable, and with it the puts and the dead letters.
    pub(crate) fn keep(&mut self) {
        self.whole = false;
        let now = self.clock.monotonic();
        for link in &mut self.links {
            link.memory.keep();
            // What was known is in the state now.
            link.known = link.known.take().map(|_| Answers::new());
            let rejected = std::mem::take(&mut link.rejected);
            link.meters.rejected.inc_by(u64::try_from(rejected.len()).unwrap_or(u64::MAX));
            link.rejection_log.tell(&link.context.pipeline, &rejected, now);
        }
    }

    /// The journal may have lost what it kept of the state (it was repaired): the next record carries all of it.
    pub(crate) fn write_whole(&mut self) {
        self.whole = true;
    }

    /// As after a start of the process: every transform is made anew and knows what the journal kept.
    pub(crate) fn restart(&mut self, state: Vec<StateChange>) {
        self.discard();
        for link in &mut self.links {
            (link.transform, link.memory) = (None, StagedState::default());
        }
        self.remember(state);
    }

    /// The batch came to nothing, and with it the puts and the rejections.
    pub(crate) fn discard(&mut self) {
        for link in &mut self.links {
            link.memory.discard();
            link.rejected.clear();
        }
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

    /// Rows it rejects are set aside as they entered it, and the rest goes on.
    fn apply_without_rejects(
        &mut self,
        mut batch: RecordBatch,
        pass: &PassInfo,
    ) -> Result<RecordBatch, StageError> {
        let entered = batch.clone();
        // Which of the rows that entered these are; known once some were taken out.
        let mut numbers: Option<Vec<u32>> = None;
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
            let numbers = numbers.get_or_insert_with(|| (0..).take(entered.num_rows()).collect());
            self.set_aside(&entered, numbers, rows);
            batch = rest;
        }
    }

    /// `numbers`: which rows of those that entered it was given; those that stay are left in it.
    fn set_aside(&mut self, entered: &RecordBatch, numbers: &mut Vec<u32>, rejections: &[Rejection]) {
        let of_row = |row| rejections.iter().find(|rejection| rejection.row == row);
        let mut given = 0..;
        numbers.retain(|number| {
            let Some(Rejection { code, reason, .. }) = given.next().and_then(of_row) else { return true };
            let values = entered.slice(usize::try_from(*number).unwrap_or(0), 1);
            let (transform, code, reason) = (self.name.clone(), code.clone(), reason.clone());
            self.rejected.push(Rejected { transform, row: *number, code, reason, values });
            false
        });
    }

    fn call(&mut self, batch: RecordBatch, pass: &PassInfo) -> Result<RecordBatch, Failure> {
        let Self { transform, wired, context, memory, known, .. } = self;
        guarded_now(|| {
            let transform = match transform {
                Some(transform) => transform,
                None => transform.insert(wired.open(context.clone())?),
            };
            if let Some(known) = known
                && !transform.remembers(memory)
            {
                transform.recall(known, pass, memory)?;
            }
            transform.apply(batch, pass, memory)
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
