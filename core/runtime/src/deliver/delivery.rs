//! One sink's task: its own cursor, pace and retries. Restart, retry and crash are one path through it:
//! ask the target, take its word, deliver what it owes.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use smiles_journal::{Journal, JournalError, ReadLimit, Reconciled};
use smiles_stage::{
    Batch, Clock, OpenContext, Position, RunId, Seq, Sink, SinkState, StageError, Store, TargetId, WiredSink,
};
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinHandle;

use crate::call::guard::{Failure, guarded};
use crate::call::retry::{Backoff, Verdict};
use crate::call::stop::Stop;
use crate::deliver::due::Prune;
use crate::deliver::error_log::ErrorLog;
use crate::deliver::late_store::{LateStore, opened};
use crate::deliver::reject::DeliverableBatch;
use crate::observe::health_board::HealthBoard;
use crate::observe::meter::SinkMeters;

mod outcome;

/// Bytes of encoded batches that one write may merge.
const WRITE_BYTES: usize = 16 << 20;

/// What a sink's task needs.
pub(crate) struct DeliveryTask {
    pub(crate) index: usize,
    pub(crate) pipeline: String,
    pub(crate) name: String,
    pub(crate) max_rows: usize,
    pub(crate) wired: Arc<dyn WiredSink>,
    pub(crate) context: OpenContext,
    pub(crate) store: Option<Arc<dyn Store>>,
    /// What it offers others, once it is open.
    pub(crate) offered: Option<Arc<LateStore>>,
    /// `None` before it was opened, and after a panic until it is made anew.
    pub(crate) sink: Option<Box<dyn Sink>>,
    pub(crate) journal: Arc<dyn Journal>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) stop: Stop,
    pub(crate) health_board: Arc<HealthBoard>,
    pub(crate) meters: SinkMeters,
    /// Wakes the ingest task, which waits where the journal is full.
    pub(crate) journal_has_room: Arc<Notify>,
    /// Runs the journal has forgotten.
    pub(crate) forgotten: mpsc::Receiver<Vec<RunId>>,
    pub(crate) backoff: Backoff,
    pub(crate) memory: DeliveryState,
}

/// What the task knows of its target and of what it read.
#[derive(Default)]
pub(crate) struct DeliveryState {
    /// Runs whose watermark was asked since the last doubt; empty: everything is in doubt.
    asked: HashSet<RunId>,
    /// The run the journal was in when they were asked.
    settled: Option<RunId>,
    /// The highest batch read per run; what is read again may have rows set aside already.
    read: HashMap<RunId, Seq>,
    /// Runs older than this process: any batch of theirs may have rows set aside already.
    older: Option<HashSet<RunId>>,
    /// After rows were set aside: the last batch of that write. Nothing newer is written with it, or a target that
    /// refuses a row of every few batches would always find another one and never store any.
    judged: Option<Position>,
    /// What comes behind the write under way, read while the target works on that; forgotten with any doubt.
    prefetched: Option<JoinHandle<Result<Vec<Batch>, JournalError>>>,
    /// What was last spoken to.
    target: Option<TargetId>,
    /// Rows that this sink's target has left out.
    swallowed: u64,
    /// What was logged as wrong.
    errors: ErrorLog,
    /// How many times `max_rows` a write may merge: more than one, while only more rows can tell whose fault it is
    /// that none is taken.
    widened: usize,
    /// When watermarks of forgotten runs are to be pruned.
    pub(crate) prune: Prune,
}

/// What one step came to.
enum Step {
    Delivered,
    Idle,
}

/// Why a step came to nothing.
enum DeliveryFailure {
    Stage(Failure),
    Journal(JournalError),
}

impl From<Failure> for DeliveryFailure {
    fn from(failure: Failure) -> Self {
        Self::Stage(failure)
    }
}

impl From<StageError> for DeliveryFailure {
    fn from(error: StageError) -> Self {
        Self::Stage(error.into())
    }
}

impl From<JournalError> for DeliveryFailure {
    fn from(error: JournalError) -> Self {
        Self::Journal(error)
    }
}

/// Delivers until the end: what was drained is delivered, or the deadline has passed.
pub(crate) async fn deliver(mut delivery: DeliveryTask) {
    let over = delivery.stop.over.clone();
    tokio::select! {
        biased;
        () = over.cancelled() => {}
        () = delivery.follow() => {}
    }
}

impl DeliveryTask {
    async fn follow(&mut self) {
        let mut appended = self.journal.appended();
        loop {
            // Looked at before reading: what is appended later is seen as a change.
            appended.borrow_and_update();
            let drained = self.stop.drained.is_cancelled();
            match self.step().await {
                Ok(Step::Delivered) => {}
                Ok(Step::Idle) if drained => return,
                Ok(Step::Idle) => self.wait_for_more(&mut appended).await,
                Err(setback) => {
                    if !self.recover(setback).await {
                        return;
                    }
                }
            }
        }
    }

    /// Settles any doubt, then makes the next batches durable.
    async fn step(&mut self) -> Result<Step, DeliveryFailure> {
        // A new run of the journal is a doubt too: it may have been repaired, and its cursors with it.
        if self.memory.asked.is_empty() || self.memory.settled != Some(self.journal.run()) {
            self.settle().await?;
        }
        let mut batches = self.next_batches().await?;
        if let Some(judged) = self.memory.judged.take() {
            let newer = |batch: &Batch| batch.position.run == judged.run && batch.position.seq > judged.seq;
            if batches.first().is_some_and(|batch| !newer(batch)) {
                batches.retain(|batch| !newer(batch));
            }
        }
        let Some(last) = batches.last().map(|batch| batch.position) else {
            self.succeeded();
            return Ok(Step::Idle);
        };
        if let Some(first) = batches.first() {
            self.health_board.behind(self.index, first.accepted_at);
        }
        if !self.memory.asked.contains(&last.run) {
            self.settle().await?;
            return Ok(Step::Delivered);
        }
        let trimmed = self.trim(batches).await?;
        self.read_ahead(&trimmed, last);
        let begun = self.clock.monotonic();
        match self.write(&trimmed).await {
            Ok(reached) => {
                self.meters.flush.observe(self.clock.monotonic().saturating_sub(begun).as_secs_f64());
                self.delivered(&trimmed, reached, last).await
            }
            Err(failure) => self.refused(&trimmed, failure).await,
        }
    }

    fn limit(&self) -> ReadLimit {
        ReadLimit { rows: self.max_rows.saturating_mul(self.memory.widened.max(1)), bytes: WRITE_BYTES }
    }

    /// What was read ahead, else what the journal says now.
    async fn next_batches(&mut self) -> Result<Vec<Batch>, DeliveryFailure> {
        if let Some(prefetched) = self.memory.prefetched.take()
            && let Ok(Ok(batches)) = prefetched.await
            && !batches.is_empty()
        {
            return Ok(batches);
        }
        Ok(self.journal.read(&self.name, None, self.limit()).await?)
    }

    /// Has the next batches read if there is a backlog, as a write that is more than half full says.
    fn read_ahead(&mut self, batches: &[DeliverableBatch], last: Position) {
        let rows: usize = batches.iter().map(|trimmed| trimmed.batch.records.num_rows()).sum();
        if rows * 2 > self.max_rows {
            let (journal, sink, limit) = (Arc::clone(&self.journal), self.name.clone(), self.limit());
            let read = async move { journal.read(&sink, Some(last), limit).await };
            self.memory.prefetched = Some(tokio::spawn(read));
        }
    }

    /// Asks the target about every run that matters and gives the journal its word.
    async fn settle(&mut self) -> Result<(), DeliveryFailure> {
        self.memory.asked.clear();
        self.memory.prefetched = None;
        let current = self.journal.run();
        self.memory.settled = Some(current);
        let mut runs = self.journal.known_runs(&self.name).await?;
        if !runs.contains(&current) {
            runs.push(current);
        }
        let older = || runs.iter().copied().filter(|run| *run != current).collect();
        self.memory.older.get_or_insert_with(older);
        let (mut target, mut marks) = (None, Vec::new());
        for run in &runs {
            let Some(watermark) = guarded(self.sink().await?.watermark(*run)).await? else { continue };
            if *target.get_or_insert(watermark.target) != watermark.target {
                return Err(StageError::retry("the target changed while its watermarks were read").into());
            }
            marks.push((*run, watermark.seq));
        }
        if let Some(target) = target {
            self.reconcile(target, &marks).await?;
        }
        self.memory.asked.extend(runs);
        Ok(())
    }

    async fn reconcile(&mut self, target: TargetId, marks: &[(RunId, Seq)]) -> Result<(), DeliveryFailure> {
        let Reconciled { different_target, back, lost, refused } =
            self.journal.reconcile(&self.name, target, marks).await?;
        let (pipeline, sink) = (self.pipeline.as_str(), self.name.as_str());
        if let Some(reason) = refused {
            return Err(StageError::halt(reason).into());
        }
        if different_target {
            tracing::info!(pipeline, sink, "a new target gets all retained batches");
        }
        if self.memory.target.replace(target).is_some_and(|known| known != target) {
            self.health_board.exchanged(self.index);
        }
        if back > 0 && !different_target {
            tracing::warn!(
                pipeline,
                sink,
                batches = back,
                "the target lost batches that it had stored (an older backup?); they are delivered again"
            );
        }
        for loss in &lost {
            let (first, last) = (loss.range.0.0, loss.range.1.0);
            let (rows, reason) = (loss.rows, loss.reason.as_str());
            tracing::error!(pipeline, sink, run = %loss.run, first, last, rows, reason, "rows are lost");
        }
        self.health_board.dirty.notify_one();
        Ok(())
    }

    /// Takes out the rows that were set aside before.
    async fn trim(&mut self, batches: Vec<Batch>) -> Result<Vec<DeliverableBatch>, DeliveryFailure> {
        // What is read at once is of one run, and in order.
        let (Some(first), Some(last)) = (batches.first(), batches.last()) else { return Ok(Vec::new()) };
        let (run, range) = (first.position.run, (first.position.seq, last.position.seq));
        let old = self.memory.older.as_ref().is_some_and(|older| older.contains(&run));
        let known = self.memory.read.entry(run).or_insert(Seq::ZERO);
        let again = old || range.0 <= *known;
        *known = range.1.max(*known);
        let aside =
            if again { self.journal.rows_set_aside(&self.name, run, range).await? } else { Vec::new() };
        let trim = |batch: Batch| {
            let seq = batch.position.seq;
            let of_batch = aside.iter().filter(|(of, _)| *of == seq).map(|(_, row)| *row);
            let of_batch = of_batch.collect();
            DeliverableBatch::new(batch, of_batch)
        };
        Ok(batches.into_iter().map(trim).collect::<Result<_, _>>()?)
    }

    /// One write of the target: everything or nothing.
    async fn write(&mut self, batches: &[DeliverableBatch]) -> Result<Option<Position>, Failure> {
        let sink = self.sink().await?;
        for trimmed in batches {
            guarded(sink.write(&trimmed.batch)).await?;
        }
        guarded(sink.flush()).await
    }

    /// The sink, opened if it is not: at first, and after a panic.
    pub(crate) async fn sink(&mut self) -> Result<&mut Box<dyn Sink>, Failure> {
        let Self { sink, wired, context, store, offered, .. } = self;
        match sink {
            Some(sink) => Ok(sink),
            None => {
                let open = guarded(wired.open(context.clone(), store.clone())).await?;
                Ok(sink.insert(opened(open, offered.as_ref())))
            }
        }
    }

    fn succeeded(&mut self) {
        self.backoff.reset();
        if self.memory.errors.is_over() {
            tracing::info!(pipeline = self.pipeline, sink = self.name, "the sink delivers again");
        }
        self.health_board.sink(self.index, SinkState::Delivering, None);
    }

    /// Decides by the table and waits; `false`: the end is near, the rest is delivered after the next start.
    async fn recover(&mut self, setback: DeliveryFailure) -> bool {
        self.memory.asked.clear();
        self.memory.prefetched = None;
        let (failure, of_journal) = match setback {
            DeliveryFailure::Stage(failure) => (failure, false),
            DeliveryFailure::Journal(JournalError::Closed) => return false,
            // A person has to look at them first.
            DeliveryFailure::Journal(error @ JournalError::DeadLettersFull { .. }) => {
                (StageError::halt("no more rows can be set aside").because(error).into(), false)
            }
            DeliveryFailure::Journal(error) => {
                (StageError::retry("cannot read the journal").because(error).into(), true)
            }
        };
        if failure.panicked {
            self.sink = None;
        }
        let verdict = match self.backoff.decide(&failure.error) {
            // Named no row of this write: nothing that could be set aside.
            Verdict::SetAside => Verdict::Again(self.backoff.next()),
            verdict => verdict,
        };
        if !of_journal {
            self.meters.failed(if failure.panicked { "panic" } else { verdict.kind() });
        }
        if failure.error.is_undecided() {
            self.memory.widened = self.memory.widened.max(1).saturating_mul(2);
        }
        self.complain(&verdict, &failure.error);
        let wait = match verdict {
            Verdict::Again(wait) | Verdict::Halted(wait) => wait,
            Verdict::SetAside => Duration::ZERO,
        };
        let (until, asked) = (self.clock.monotonic() + wait, self.stop.asked.clone());
        tokio::select! {
            biased;
            () = asked.cancelled() => false,
            () = self.clock.sleep_until(until) => true,
        }
    }

    /// One log line per state and cause.
    fn complain(&mut self, verdict: &Verdict, error: &StageError) {
        let halted = matches!(verdict, Verdict::Halted(_));
        let is_new = self.memory.errors.is_new(halted, &error.to_string());
        let (pipeline, sink, advice) = (self.pipeline.as_str(), self.name.as_str(), verdict.advice());
        let error = error.chain();
        if is_new {
            tracing::error!(pipeline, sink, error, advice, "the sink cannot deliver");
        } else {
            tracing::debug!(pipeline, sink, error, "the sink still cannot deliver");
        }
        let state = if halted { SinkState::Halted } else { SinkState::Retrying };
        self.health_board.sink(self.index, state, Some(&error));
    }

    /// Waits for an append, the end, or runs to forget.
    async fn wait_for_more(&mut self, appended: &mut watch::Receiver<u64>) {
        let (drained, clock) = (self.stop.drained.clone(), Arc::clone(&self.clock));
        let due = self.memory.prune.due();
        let pause = async {
            match due {
                Some(due) => clock.sleep_until(due).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            changed = appended.changed() => if changed.is_err() { drained.cancelled().await },
            () = drained.cancelled() => {}
            Some(_) = self.forgotten.recv() => self.prune().await,
            () = pause => self.prune().await,
        }
    }
}
