//! A database in memory with rows, watermarks and a name, and a sink over it that fails as it is told.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow_array::{Int64Array, RecordBatch};
use async_trait::async_trait;
use smiles_stage::{Batch, Position, Rejection, RunId, Seq, Sink, StageError, TargetId, Upkeep, Watermark};

use crate::ids;
use crate::target_faults::{TargetFault, TargetFaults};

/// A batch as the target stored it.
#[derive(Clone, Debug)]
pub struct Stored {
    /// Its place in the journal.
    pub position: Position,
    /// The rows that were stored.
    pub records: RecordBatch,
}

/// Everything a target holds; a copy of it is a backup.
#[derive(Clone, Debug)]
pub struct Contents {
    id: TargetId,
    /// Per name of a sink and run.
    marks: HashMap<(String, RunId), Seq>,
    stored: Vec<Stored>,
    commits: u64,
}

/// The target. Clones are the same target.
#[derive(Clone, Debug)]
pub struct MemoryTarget(Arc<Mutex<Contents>>);

impl MemoryTarget {
    /// An empty target of this name.
    pub fn new(id: u8) -> Self {
        let contents =
            Contents { id: TargetId([id; 16]), marks: HashMap::new(), stored: Vec::new(), commits: 0 };
        Self(Arc::new(Mutex::new(contents)))
    }

    /// What it holds, in the order of its commits.
    pub fn stored(&self) -> Vec<Stored> {
        self.contents().stored.clone()
    }

    /// The column `id` of all rows, in the order of the commits.
    pub fn ids(&self) -> Vec<i64> {
        self.contents().stored.iter().flat_map(|batch| ids(&batch.records)).collect()
    }

    /// The highest batch of the run that is durable here, under any name.
    pub fn mark(&self, run: RunId) -> Seq {
        let contents = self.contents();
        let marks = contents.marks.iter().filter(|((_, of), _)| *of == run).map(|(_, seq)| *seq);
        marks.max().unwrap_or(Seq::ZERO)
    }

    /// The runs with a watermark, under any name.
    pub fn runs(&self) -> HashSet<RunId> {
        self.contents().marks.keys().map(|(_, run)| *run).collect()
    }

    /// How many transactions were committed.
    pub fn commits(&self) -> u64 {
        self.contents().commits
    }

    /// A copy of everything.
    pub fn backup(&self) -> Contents {
        self.contents().clone()
    }

    /// Everything as it was in the backup.
    pub fn restore(&self, backup: Contents) {
        *self.contents() = backup;
    }

    pub(crate) fn contents(&self) -> MutexGuard<'_, Contents> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How a sink is broken, for the proof that a conformance check can fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    StoresOnWrite,
    NeverLooksAtTheMark,
    ForgetsTheMark,
    StoresBesideRejects,
    SkipsEmptyBatches,
    ChangesItsName,
    SharesMarksBetweenRuns,
    FailsEmptyFlushes,
    ForgetsEveryRun,
    KeepsWhatFailed,
    CopiesOnRename,
    TakesTheOldOnRename,
}

/// A transactional sink over a [`MemoryTarget`].
#[derive(Debug)]
pub struct MemorySink {
    target: MemoryTarget,
    faults: TargetFaults,
    name: String,
    pub(crate) flaw: Option<Flaw>,
    pending: Vec<Batch>,
    expected: HashMap<(String, RunId), Seq>,
}

impl MemorySink {
    /// A connection to the target.
    pub fn new(target: &MemoryTarget, faults: &TargetFaults) -> Self {
        Self {
            target: target.clone(),
            faults: faults.clone(),
            name: "sink".to_owned(),
            flaw: None,
            pending: Vec::new(),
            expected: HashMap::new(),
        }
    }

    /// The same under another name.
    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        name.clone_into(&mut self.name);
        self
    }

    fn is(&self, flaw: Flaw) -> bool {
        self.flaw == Some(flaw)
    }

    fn key(&self, run: RunId) -> (String, RunId) {
        let shared = self.is(Flaw::SharesMarksBetweenRuns);
        (self.name.clone(), if shared { RunId([0; 16]) } else { run })
    }

    fn rejections(&self) -> Vec<Rejection> {
        let refused = self.faults.state().refused.clone();
        let of = |(batch, pending): (usize, &Batch)| {
            let bad = column(&pending.records).into_iter().enumerate();
            let bad = bad.filter(|(_, id)| id.is_some_and(|id| refused.contains(&id)));
            let named = bad.map(|(row, _)| Rejection {
                batch,
                row,
                code: "22000".into(),
                reason: "the row is refused by the test".into(),
            });
            named.collect::<Vec<_>>()
        };
        self.pending.iter().enumerate().flat_map(of).collect()
    }

    /// Rows and watermark in one step, by compare-and-set.
    fn commit(&mut self, batches: &[Batch], reached: Position) -> Result<(), StageError> {
        let (key, blind) = (self.key(reached.run), self.is(Flaw::NeverLooksAtTheMark));
        let forgets = self.is(Flaw::ForgetsTheMark);
        let expected = self.expected.get(&key).copied().unwrap_or(Seq::ZERO);
        let mut contents = self.target.contents();
        if !blind && contents.marks.get(&key).copied().unwrap_or(Seq::ZERO) != expected {
            return Err(StageError::retry("the watermark was moved by someone else"));
        }
        let filled = batches.iter().filter(|batch| batch.records.num_rows() > 0);
        let filled = filled.map(|batch| Stored { position: batch.position, records: batch.records.clone() });
        contents.stored.extend(filled);
        contents.commits += 1;
        if !forgets {
            contents.marks.insert(key.clone(), reached.seq);
        }
        drop(contents);
        self.expected.insert(key, reached.seq);
        Ok(())
    }

    async fn try_flush(&mut self, batches: &[Batch], reached: Position) -> Result<(), StageError> {
        let early = [TargetFault::FailFlush, TargetFault::Hang, TargetFault::Panic, TargetFault::Halt];
        match self.faults.take(&early) {
            Some(TargetFault::Hang) => std::future::pending().await,
            Some(TargetFault::Halt) => return Err(StageError::halt("the password is wrong")),
            Some(TargetFault::Panic) => std::panic::resume_unwind(Box::new("the sink fell over".to_owned())),
            Some(_) => return Err(StageError::retry("connection reset before the commit")),
            None => {}
        }
        self.commit(batches, reached)?;
        match self.faults.take(&[TargetFault::LoseAnswer, TargetFault::HangAfterCommit]) {
            Some(TargetFault::HangAfterCommit) => std::future::pending().await,
            Some(_) => Err(StageError::retry("connection reset after the commit")),
            None => Ok(()),
        }
    }

    fn forget_what_failed(&mut self) {
        if !self.is(Flaw::KeepsWhatFailed) {
            self.pending.clear();
        }
    }
}

#[async_trait]
impl Sink for MemorySink {
    async fn write(&mut self, batch: &Batch) -> Result<(), StageError> {
        let called = self.faults.call();
        if let Err(error) = called {
            self.forget_what_failed();
            return Err(error);
        }
        if self.faults.take(&[TargetFault::FailWrite]).is_some() {
            self.forget_what_failed();
            return Err(StageError::retry("connection reset while writing"));
        }
        if self.is(Flaw::SkipsEmptyBatches) && batch.records.num_rows() == 0 {
            return Ok(());
        }
        if self.is(Flaw::StoresOnWrite) {
            return self.commit(std::slice::from_ref(batch), batch.position);
        }
        self.pending.push(batch.clone());
        Ok(())
    }

    async fn flush(&mut self) -> Result<Option<Position>, StageError> {
        if let Err(error) = self.faults.call() {
            self.forget_what_failed();
            return Err(error);
        }
        let Some(reached) = self.pending.last().map(|batch| batch.position) else {
            let broken = self.is(Flaw::FailsEmptyFlushes);
            return if broken { Err(StageError::retry("nothing to flush")) } else { Ok(None) };
        };
        let rejected = self.rejections();
        let kept = self.is(Flaw::KeepsWhatFailed);
        let batches = if kept { self.pending.clone() } else { std::mem::take(&mut self.pending) };
        if !rejected.is_empty() {
            if self.is(Flaw::StoresBesideRejects) {
                self.commit(&batches, reached)?;
            }
            return Err(StageError::reject(rejected, "the target refused rows"));
        }
        self.try_flush(&batches, reached).await?;
        self.pending.clear();
        Ok(Some(reached))
    }

    async fn watermark(&mut self, run: RunId) -> Result<Option<Watermark>, StageError> {
        self.faults.call()?;
        if self.faults.take(&[TargetFault::NoWatermark]).is_some() {
            return Err(StageError::retry("connection refused"));
        }
        let key = self.key(run);
        let (mut target, seq) = {
            let contents = self.target.contents();
            (contents.id, contents.marks.get(&key).copied().unwrap_or(Seq::ZERO))
        };
        if self.is(Flaw::ChangesItsName) {
            target = TargetId([u8::try_from(self.faults.attempts() % 251).unwrap_or(0); 16]);
        }
        self.forget_what_failed();
        self.expected.insert(key, seq);
        Ok(Some(Watermark { target, seq }))
    }

    fn upkeep(&mut self) -> Option<&mut dyn Upkeep> {
        Some(self)
    }
}

#[async_trait]
impl Upkeep for MemorySink {
    async fn replay(&mut self, rows: &Batch) -> Result<(), StageError> {
        self.write(rows).await
    }

    async fn rename(&mut self, from: &str) -> Result<(), StageError> {
        self.faults.call()?;
        let (copies, old_wins) = (self.is(Flaw::CopiesOnRename), self.is(Flaw::TakesTheOldOnRename));
        let mut contents = self.target.contents();
        let theirs = contents.marks.iter().filter(|((name, _), _)| name == from && *name != self.name);
        let theirs: Vec<_> = theirs.map(|((_, run), seq)| (*run, *seq)).collect();
        for (run, seq) in theirs {
            let own = contents.marks.entry((self.name.clone(), run)).or_insert(Seq::ZERO);
            *own = if old_wins { seq } else { seq.max(*own) };
            if !copies {
                contents.marks.remove(&(from.to_owned(), run));
            }
        }
        Ok(())
    }

    async fn forget(&mut self, runs: &[RunId]) -> Result<(), StageError> {
        self.faults.call()?;
        if self.faults.take(&[TargetFault::NoForget]).is_some() {
            return Err(StageError::retry("connection refused"));
        }
        let everything = self.is(Flaw::ForgetsEveryRun);
        let own = |name: &str, run: &RunId| name == self.name && runs.contains(run);
        self.target.contents().marks.retain(|(name, run), _| !everything && !own(name, run));
        Ok(())
    }
}

fn column(records: &RecordBatch) -> Vec<Option<i64>> {
    let column = records.column_by_name("id");
    let column = column.and_then(|column| arrow_array::Array::as_any(column).downcast_ref::<Int64Array>());
    column.map(|column| column.iter().collect()).unwrap_or_default()
}
