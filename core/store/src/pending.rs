//! What a transactional sink was given since its last flush.

use smiles_stage::{Batch, Position, Seq, StageError};

/// Batches that were taken and not flushed yet: consecutive, and of one run.
#[derive(Debug, Default)]
pub struct Pending {
    batches: Vec<Batch>,
    late: bool,
    durable: Option<Position>,
}

/// What one flush is to make durable.
#[derive(Debug)]
pub struct Flush {
    /// The batches, in order.
    pub batches: Vec<Batch>,
    /// Whether they are rows whose polls are stored already, but for them.
    pub late: bool,
    /// The last of them: how far the flush reaches.
    pub position: Position,
    skipped: usize,
}

impl Pending {
    /// Takes a batch.
    ///
    /// # Errors
    /// Halt: it is of another run than those before it, which are forgotten.
    pub fn push(&mut self, batch: &Batch) -> Result<(), StageError> {
        if self.batches.first().is_some_and(|first| first.position.run != batch.position.run) {
            self.forget();
            return Err(StageError::halt("one write holds batches of two runs: please report this"));
        }
        self.batches.push(batch.clone());
        Ok(())
    }

    /// Takes rows that come after the rest of their poll.
    ///
    /// # Errors
    /// As [`Pending::push`].
    pub fn push_late(&mut self, rows: &Batch) -> Result<(), StageError> {
        self.late = true;
        self.push(rows)
    }

    /// After any doubt: what was taken will be given again.
    pub fn forget(&mut self) {
        self.batches.clear();
        self.late = false;
    }

    /// What is to be made durable now; `None`: nothing was taken.
    pub fn flush(&mut self) -> Option<Flush> {
        let (batches, late) = (std::mem::take(&mut self.batches), std::mem::take(&mut self.late));
        let position = batches.last()?.position;
        Some(Flush { batches, late, position, skipped: 0 })
    }

    /// Notes that everything up to here is durable.
    pub fn reached(&mut self, position: Position) {
        self.durable = Some(position);
    }

    /// Up to where everything is durable, as far as this sink has written.
    pub fn durable(&self) -> Option<Position> {
        self.durable
    }
}

impl Flush {
    /// Leaves out what the target has already, by its own word.
    pub fn skip(&mut self, watermark: Option<Seq>) {
        let given = self.batches.len();
        self.batches.retain(|batch| watermark.is_none_or(|known| batch.position.seq > known));
        self.skipped = given - self.batches.len();
    }

    /// How many batches were left out: rejections count those, too.
    pub fn skipped(&self) -> usize {
        self.skipped
    }
}
