//! The loop that moves batches: heard, stamped, transformed, durable, announced. One per pipeline.
//!
//! Strictly one batch after the other: the state of the transforms and the order of the journal depend on it.

use std::sync::Arc;
use std::time::Duration;

use arrow_array::RecordBatch;
use jiff::Timestamp;
use smiles_journal::{Accepted, Entry, Journal, JournalError, RejectedRows, StateChange};
use smiles_stage::prometheus::Histogram;
use smiles_stage::{Batch, Clock, HealthView, PassInfo, RunId, SourcePasses, SourceState, mark_misdated};
use tokio::sync::{Notify, broadcast, mpsc, watch};

use crate::call::causes::with_causes;
use crate::call::retry::{Backoff, Verdict};
use crate::ingest::chain::{Chain, ChainError};
use crate::ingest::corrected::published;
use crate::ingest::poll::{Durable, PolledRows};
use crate::ingest::stored::{StoreQuestions, recalled};
use crate::observe::health_board::HealthBoard;
use crate::time::system::ClockWatch;
use crate::time::trust::clock_trust::{ClockTrust, Dated};
use crate::time::trust::kept::Trusted;

/// What the loop needs.
pub(crate) struct IngestTask {
    pub(crate) pipeline: String,
    pub(crate) inbox: mpsc::Receiver<PolledRows>,
    pub(crate) chain: Chain,
    /// What the store knows, on its way to transforms without state.
    pub(crate) recall: Option<StoreQuestions>,
    pub(crate) journal: Arc<dyn Journal>,
    /// The run the state was last known to be in.
    pub(crate) run: RunId,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) clock_watch: ClockWatch,
    pub(crate) clock_trust: Arc<ClockTrust>,
    /// Whether the wall clock was in doubt at the last pass.
    pub(crate) doubting: bool,
    pub(crate) trusted: Trusted,
    /// State corrected by hand that becomes durable with the batch under way.
    pub(crate) ordered: Vec<StateChange>,
    pub(crate) durable: Vec<watch::Sender<Durable>>,
    pub(crate) live: broadcast::Sender<Batch>,
    pub(crate) health_board: Arc<HealthBoard>,
    pub(crate) append_seconds: Histogram,
    /// Rung when a sink delivered: a full journal may have room again.
    pub(crate) journal_has_room: Arc<Notify>,
    /// Rung when dead letters were handed back to transforms.
    pub(crate) again: Arc<Notify>,
    pub(crate) backoff: Backoff,
    /// Per source, whether it has made a complete pass.
    pub(crate) complete: Vec<bool>,
    /// Whether the last append dropped rows (`on_full: drop_oldest`).
    pub(crate) dropping: bool,
}

/// Moves batches until every source has ended.
///
/// # Errors
/// The journal has stopped under us.
pub(crate) async fn ingest(mut task: IngestTask) -> Result<(), JournalError> {
    // What was handed back while nothing ran.
    task.go_through_again().await?;
    loop {
        let heard = tokio::select! {
            biased;
            heard = task.inbox.recv() => heard,
            () = task.again.notified() => {
                task.go_through_again().await?;
                continue;
            }
        };
        let Some(PolledRows { source, records, began, dated, complete }) = heard else { return Ok(()) };
        if let Some(answers) = recalled(&mut task.recall).await {
            task.chain.answered(answers);
        }
        let trusted = dated.is_none_or(|dated| dated.trusted);
        if let Some(dated) = dated {
            task.tell_doubt(dated);
        }
        let pass = PassInfo { dated: trusted, ..task.pass(source, began, complete) };
        task.take_orders().await;
        let records = task.transformed(records, &pass).await;
        let records = match dated.filter(|_| !trusted && records.num_rows() > 0) {
            Some(dated) => mark_misdated(records, dated.estimate.is_some()),
            None => records,
        };
        let accepted = task.durable(records, complete).await?;
        task.health_board.queue(-1);
        task.ordered.clear();
        task.kept();
        task.done_with(source, accepted);
    }
}

impl IngestTask {
    /// One line when a doubt begins, and one when it ends.
    fn tell_doubt(&mut self, dated: Dated) {
        if std::mem::replace(&mut self.doubting, !dated.trusted) != dated.trusted {
            return;
        }
        let pipeline = self.pipeline.as_str();
        if dated.trusted {
            tracing::info!(pipeline, "the system clock is trusted again");
        } else {
            let at_least = dated.estimate.map(tracing::field::display);
            tracing::warn!(
                pipeline,
                at_least,
                "the system clock seems wrong; readings are marked as having a doubtful time"
            );
        }
    }

    /// The batch is durable.
    pub(crate) fn kept(&mut self) {
        self.chain.keep();
        if self.run != self.journal.run() {
            self.run = self.journal.run();
            self.chain.write_whole();
        }
    }

    /// What is known of a pass and of the sources, this pass counted.
    pub(crate) fn pass(&mut self, source: usize, began: Timestamp, complete: bool) -> PassInfo {
        if let Some(once) = self.complete.get_mut(source) {
            *once |= complete;
        }
        let health = self.health_board.health().sources;
        let name = health.get(source).map_or("", |source| source.name.as_str());
        let sources = health.iter().zip(&self.complete).map(|(source, complete)| SourcePasses {
            name: source.name.clone(),
            reachable: source.state != SourceState::Error,
            complete: *complete,
        });
        PassInfo { sources: sources.collect(), ..PassInfo::new(name, began, complete) }
    }

    /// Takes over what a person corrected meanwhile.
    async fn take_orders(&mut self) {
        let pending_corrections = match self.journal.pending_corrections().await {
            Ok(pending_corrections) if pending_corrections.is_empty() => return,
            Ok(pending_corrections) => pending_corrections,
            // The append will say what is wrong with the journal, and the orders stay in it.
            Err(error) => {
                return tracing::debug!(pipeline = self.pipeline, %error, "cannot read the pending corrections");
            }
        };
        for (order, state) in self.chain.correct(pending_corrections) {
            let (pipeline, stage) = (self.pipeline.as_str(), state.stage.as_str());
            let key = String::from_utf8_lossy(&state.key).replace('\0', "/");
            match published(&state.value) {
                Some(published) => {
                    tracing::warn!(pipeline, stage, key, published, "a total was corrected by an operator");
                }
                None => tracing::debug!(pipeline, stage, key, "a sum over a corrected total was adjusted"),
            }
            self.ordered.extend([order.done(), state]);
        }
    }

    /// The rows after all transforms, however often these must be tried.
    async fn transformed(&mut self, heard: RecordBatch, pass: &PassInfo) -> RecordBatch {
        let mut trouble = false;
        loop {
            match self.chain.apply(heard.clone(), pass) {
                Ok(records) => {
                    self.backoff.reset();
                    return records;
                }
                Err(ChainError { transform, error }) => {
                    let verdict = self.backoff.decide(&error);
                    let (pipeline, advice, error) = (self.pipeline.as_str(), verdict.advice(), error.chain());
                    if !std::mem::replace(&mut trouble, true) {
                        tracing::error!(pipeline, transform, error, advice, "a transform fails; polls pause");
                    }
                    match verdict {
                        Verdict::Again(wait) | Verdict::Halted(wait) => self.pause(wait).await,
                        // The chain leaves rejected rows out itself; that it could not is worth a wait.
                        Verdict::SetAside => self.pause(Duration::from_secs(1)).await,
                    }
                }
            }
        }
    }

    /// The batch in the journal, however long that takes; `None` if there was nothing to write.
    async fn durable(
        &mut self,
        records: RecordBatch,
        complete: bool,
    ) -> Result<Option<Accepted>, JournalError> {
        let rejected = self.chain.rejected();
        // What the batch itself changed comes last: it was made of what was ordered.
        let mut state = [self.ordered.clone(), self.chain.staged()].concat();
        if records.num_rows() == 0 && state.is_empty() && rejected.is_empty() {
            return Ok(None);
        }
        state.extend(self.trusted.staged(self.clock_trust.known()));
        // Of what was rejected nothing is known either.
        let complete = complete && rejected.is_empty();
        let aside = RejectedRows { rejected, returned: Vec::new() };
        self.begin_run_if_clocks_parted().await?;
        let mut trouble = false;
        loop {
            let (records, state, aside) = (records.clone(), state.clone(), aside.clone());
            let entry =
                Entry { records, state, complete, aside, now: self.clock_trust.now(self.clock.as_ref()) };
            let begun = self.clock.monotonic();
            let appended = self.journal.append(entry).await;
            match appended {
                Ok(accepted) => {
                    let took = self.clock.monotonic().saturating_sub(begun);
                    self.append_seconds.observe(took.as_secs_f64());
                    self.recovered(trouble);
                    return Ok(Some(accepted));
                }
                Err(error) => self.endure(error, &mut trouble).await?,
            }
        }
    }

    /// Wall and monotonic time parted: a resumed snapshot may live on elsewhere too, so positions start anew.
    async fn begin_run_if_clocks_parted(&mut self) -> Result<(), JournalError> {
        let Some(ahead) = self.clock_watch.look(self.clock.as_ref()) else { return Ok(()) };
        let pipeline = self.pipeline.as_str();
        let seconds = ahead.as_secs();
        tracing::warn!(
            pipeline,
            seconds,
            "the system clock jumped or the machine was suspended; a new run begins"
        );
        let mut trouble = false;
        while let Err(error) = self.journal.begin_run(self.clock_trust.now(self.clock.as_ref())).await {
            self.endure(error, &mut trouble).await?;
        }
        self.recovered(trouble);
        Ok(())
    }

    /// Waits before the same call again; loud once.
    async fn endure(&mut self, error: JournalError, trouble: &mut bool) -> Result<(), JournalError> {
        let full = matches!(error, JournalError::Full { .. });
        if matches!(error, JournalError::Closed) {
            return Err(error);
        }
        let text = with_causes(&error);
        self.health_board.appended(Some((text.clone(), full)));
        if !std::mem::replace(trouble, true) {
            let pipeline = self.pipeline.as_str();
            tracing::error!(
                pipeline,
                error = text,
                "cannot write to the journal; polling is paused, nothing is dropped"
            );
        }
        let wait = self.backoff.next();
        self.pause(wait).await;
        Ok(())
    }

    fn recovered(&mut self, trouble: bool) {
        self.backoff.reset();
        if trouble {
            tracing::info!(pipeline = self.pipeline, "the journal can be written again; polling resumes");
        }
        self.health_board.appended(None);
    }

    /// Waits, but not longer than until a sink has delivered something.
    fn pause(&self, wait: Duration) -> impl Future<Output = ()> + Send + use<> {
        // Owned by the future: the transforms in `self` are not to be shared with it.
        let (clock, journal_has_room) = (Arc::clone(&self.clock), Arc::clone(&self.journal_has_room));
        let until = clock.monotonic() + wait;
        async move {
            tokio::select! {
                () = clock.sleep_until(until) => {}
                () = journal_has_room.notified() => {}
            }
        }
    }

    /// Tells the source, the live sinks and /health; `None`: there was nothing to write.
    fn done_with(&mut self, source: usize, accepted: Option<Accepted>) {
        let position = accepted.as_ref().map(|accepted| accepted.batch.position);
        self.durable[source].send_modify(|durable| {
            durable.passes += 1;
            durable.position = position.or(durable.position);
        });
        let Some(Accepted { batch, dropped_rows }) = accepted else { return };
        if std::mem::replace(&mut self.dropping, dropped_rows > 0) != (dropped_rows > 0) {
            let pipeline = self.pipeline.as_str();
            match dropped_rows {
                0 => tracing::info!(pipeline, "the journal has room again; no more rows are dropped"),
                rows => tracing::error!(pipeline, rows, "the journal is full; the oldest rows are dropped"),
            }
        }
        // No live sink listening is no failure.
        let _ = self.live.send(batch);
        self.health_board.dirty.notify_one();
    }
}
