//! What follows from a write: the cursor moves, or rows are set aside.

use smiles_stage::{Action, Position, StageError};

use super::{DeliveryFailure, DeliveryTask, Step};
use crate::call::guard::Failure;
use crate::deliver::reject::{DeliverableBatch, dead_letters};

impl DeliveryTask {
    /// Some or all of a write is durable.
    pub(super) async fn delivered(
        &mut self,
        batches: &[DeliverableBatch],
        reached: Option<Position>,
        last: Position,
    ) -> Result<Step, DeliveryFailure> {
        let place = |trimmed: &DeliverableBatch| trimmed.batch.position;
        let is_durable = |at: Position| reached.is_some_and(|it| it.run == at.run && it.seq >= at.seq);
        let taken: Vec<_> = batches.iter().take_while(|it| is_durable(place(it))).collect();
        let beyond = reached.is_some_and(|it| it.run == last.run && it.seq > last.seq);
        let Some(upto) = taken.last().map(|it| place(it)).filter(|_| !beyond) else {
            let text = "the sink flushed, but the position it reports is that of no batch it was given";
            return Err(StageError::retry(text).into());
        };
        self.journal.delivered(&self.name, upto).await?;
        let rows: usize = taken.iter().map(|trimmed| trimmed.batch.records.num_rows()).sum();
        self.meters.delivered.inc_by(u64::try_from(rows).unwrap_or(u64::MAX));
        if upto != last {
            // The rest is owed still, and given again.
            self.memory.prefetched = None;
        }
        self.journal_has_room.notify_one();
        self.memory.errors.delivered(&self.pipeline, &self.name);
        self.memory.widened = 1;
        self.succeeded();
        self.health_board.aside(self.index, self.memory.errors.sentences());
        self.swallowed();
        self.health_board.dirty.notify_one();
        Ok(Step::Delivered)
    }

    /// What the target has left out so far is shown.
    fn swallowed(&mut self) {
        let Some(sink) = self.sink.as_ref() else { return };
        let tables = sink.swallowed();
        let rows: u64 = tables.iter().map(|(_, rows)| rows).sum();
        if rows == self.memory.swallowed {
            return;
        }
        // A sink that was made anew counts from 0.
        self.meters.swallowed.inc_by(rows.saturating_sub(self.memory.swallowed));
        self.memory.swallowed = rows;
        self.health_board.swallowed(self.index, tables);
    }

    /// A write failed. Rows that can never be taken become dead letters first; then the rest is tried again.
    pub(super) async fn refused(
        &mut self,
        batches: &[DeliverableBatch],
        failure: Failure,
    ) -> Result<Step, DeliveryFailure> {
        let Action::Reject { rows } = failure.error.action() else { return Err(failure.into()) };
        let Some(dead_letters) = dead_letters(batches, rows, self.clock.now()) else {
            return Err(failure.into());
        };
        self.memory.judged = batches.last().map(|trimmed| trimmed.batch.position);
        self.journal.set_aside(&self.name, dead_letters.clone()).await?;
        self.memory.errors.set_aside(&self.pipeline, &self.name, &dead_letters);
        self.health_board.aside(self.index, self.memory.errors.sentences());
        self.meters.failed("reject");
        self.meters.dead_lettered.inc_by(u64::try_from(dead_letters.len()).unwrap_or(u64::MAX));
        self.memory.asked.clear();
        self.memory.prefetched = None;
        self.health_board.dirty.notify_one();
        Ok(Step::Delivered)
    }
}
