//! One source's task: asks on time, hands the rows over, commits what became durable.

use std::sync::Arc;
use std::time::Duration;

use arrow_array::RecordBatch;
use jiff::Timestamp;
use smiles_stage::{Clock, OpenContext, Pass, Position, Source, SourcePlan};
use tokio::sync::{mpsc, watch};

use crate::call::guard::{Failure, guarded};
use crate::call::retry::{Backoff, Verdict};
use crate::call::stop::Stop;
use crate::ingest::schedule::Schedule;
use crate::observe::source_report::SourceReport;
use crate::time::trust::clock_trust::{ClockTrust, Dated};
use crate::wire::schema::RowStamp;

/// A source without a period is made to wait for its commits after so many passes.
const UNCOMMITTED_MAX: u64 = 64;

/// The rows of one pass on their way to the journal.
#[derive(Debug)]
pub(crate) struct PolledRows {
    /// The source's place in the file.
    pub(crate) source: usize,
    /// The rows in the row schema of the pipeline; none: only that a complete pass heard nobody.
    pub(crate) records: RecordBatch,
    /// When the pass began.
    pub(crate) began: Timestamp,
    /// What the clock was worth then; `None`: the source dates its rows itself.
    pub(crate) dated: Option<Dated>,
    /// Whether it reached every record.
    pub(crate) complete: bool,
}

/// How many of a source's passes are done with, and where the last of them stands.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Durable {
    pub(crate) passes: u64,
    pub(crate) position: Option<Position>,
}

/// What a source's task needs.
pub(crate) struct Poll {
    pub(crate) index: usize,
    pub(crate) plan: Box<dyn SourcePlan>,
    pub(crate) context: OpenContext,
    /// `None` before it was opened, and after a panic until it is made anew.
    pub(crate) source: Option<Box<dyn Source>>,
    /// `None`: asked again as soon as the last rows are taken.
    pub(crate) schedule: Option<Schedule>,
    pub(crate) stamp: RowStamp,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) clock_trust: Arc<ClockTrust>,
    pub(crate) journal: mpsc::Sender<PolledRows>,
    pub(crate) durable: watch::Receiver<Durable>,
    pub(crate) stop: Stop,
    pub(crate) report: SourceReport,
    pub(crate) backoff: Backoff,
    /// It is asked for one pass alone, however that ends.
    pub(crate) once: bool,
    /// Passes handed over, and how many of them were committed.
    pub(crate) sent: u64,
    pub(crate) committed: u64,
    /// Not asked before, whatever the schedule says.
    pub(crate) not_before: Duration,
}

/// How a visit to the source ended.
enum Visit {
    Pass(Pass, RecordBatch),
    Failed(Failure),
    Ended,
    GivenUp,
}

/// Asks until there is no more, or the end is asked for.
pub(crate) async fn poll(mut poll: Poll) {
    while let Some(slot) = poll.turn().await {
        let (began, begun) = (poll.clock.now(), poll.clock.monotonic());
        let dated = poll.clock_trust.look(began, begun);
        if let Some(schedule) = &mut poll.schedule {
            schedule.began(begun);
        }
        let visit = poll.visit(began).await;
        let took = poll.clock.monotonic().saturating_sub(begun);
        match visit {
            Visit::Pass(pass, records) => {
                poll.heard(&pass, took);
                if records.num_rows() > 0 || pass.complete {
                    poll.sent += 1;
                    poll.report.handed_over();
                    let (source, complete) = (poll.index, pass.complete);
                    let dated = poll.stamp.dates().then_some(dated);
                    slot.send(PolledRows { source, records, began, dated, complete });
                }
            }
            Visit::Failed(failure) => poll.failed(&failure, took),
            Visit::Ended | Visit::GivenUp => break,
        }
        if poll.once {
            break;
        }
    }
    poll.last_commit().await;
}

impl Poll {
    /// Waits for the next pass to be due and for room in front of the journal; commits meanwhile.
    async fn turn(&mut self) -> Option<mpsc::OwnedPermit<PolledRows>> {
        loop {
            self.commit().await;
            let now = self.clock.monotonic();
            let due = self.schedule.as_ref().map_or(Duration::ZERO, |schedule| schedule.due(now));
            let due = due.max(self.not_before);
            let must_commit = self.schedule.is_none() && self.sent - self.committed >= UNCOMMITTED_MAX;
            let journal_has_room = self.journal.clone();
            let (clock, asked) = (Arc::clone(&self.clock), self.stop.asked.clone());
            let ready = async {
                if must_commit {
                    std::future::pending::<()>().await;
                }
                clock.sleep_until(due).await;
                journal_has_room.reserve_owned().await.ok()
            };
            tokio::select! {
                biased;
                () = asked.cancelled() => return None,
                changed = self.durable.changed() => changed.ok()?,
                slot = ready => return slot,
            }
        }
    }

    async fn visit(&mut self, began: Timestamp) -> Visit {
        let given_up = self.stop.reads_over.clone();
        tokio::select! {
            biased;
            answer = self.next() => match answer {
                Ok(Some(pass)) => match self.stamp.apply(&pass.rows, began) {
                    Ok(records) => Visit::Pass(pass, records),
                    Err(error) => Visit::Failed(error.into()),
                },
                Ok(None) => Visit::Ended,
                Err(failure) => Visit::Failed(failure),
            },
            () = given_up.cancelled() => Visit::GivenUp,
        }
    }

    async fn next(&mut self) -> Result<Option<Pass>, Failure> {
        let Self { source, plan, context, .. } = self;
        let source = match source {
            Some(source) => source,
            None => source.insert(guarded(plan.open(context.clone())).await?),
        };
        guarded(source.next()).await
    }

    fn heard(&mut self, pass: &Pass, took: Duration) {
        // A device that answered in full and had nothing to say was heard.
        let success = pass.rows.num_rows() > 0 || pass.faults.is_empty();
        self.ended(success);
        if success {
            self.backoff.reset();
            self.not_before = Duration::ZERO;
        } else {
            self.wait_unscheduled();
        }
        self.report.heard(pass, took, self.stretched());
    }

    fn failed(&mut self, failure: &Failure, took: Duration) {
        if failure.panicked {
            self.source = None;
        }
        self.ended(false);
        let verdict = self.backoff.decide(&failure.error);
        let now = self.clock.monotonic();
        match verdict {
            Verdict::Halted(wait) => self.not_before = now + wait,
            // The schedule knows when a polled source is asked again, unless the source knows better.
            Verdict::Again(wait) if self.schedule.is_none() || asked_for(failure).is_some() => {
                self.not_before = now + asked_for(failure).map_or(wait, |asked| asked.max(wait));
            }
            Verdict::Again(_) | Verdict::SetAside => {}
        }
        self.report.failed(failure, &verdict, took, self.stretched());
    }

    fn wait_unscheduled(&mut self) {
        if self.schedule.is_none() {
            self.not_before = self.clock.monotonic() + self.backoff.next();
        }
    }

    fn ended(&mut self, success: bool) {
        if let Some(schedule) = &mut self.schedule {
            schedule.ended(success);
        }
    }

    fn stretched(&self) -> bool {
        self.schedule.as_ref().is_some_and(Schedule::stretched)
    }

    /// Tells the source when everything it returned is durable.
    async fn commit(&mut self) {
        let durable = *self.durable.borrow_and_update();
        if durable.passes != self.sent || self.committed == self.sent {
            return;
        }
        self.committed = self.sent;
        let Some(position) = durable.position else { return };
        let Some(source) = &mut self.source else { return };
        let over = self.stop.over.clone();
        let failed = tokio::select! {
            done = guarded(source.commit(position)) => done.err(),
            () = over.cancelled() => None,
        };
        if let Some(failure) = failed {
            if failure.panicked {
                self.source = None;
            }
            self.report.commit_failed(&failure);
        }
    }

    /// Waits until what was handed over is durable, and commits it.
    async fn last_commit(&mut self) {
        let over = self.stop.over.clone();
        loop {
            self.commit().await;
            if self.committed == self.sent {
                return;
            }
            tokio::select! {
                changed = self.durable.changed() => if changed.is_err() { return },
                () = over.cancelled() => return,
            }
        }
    }
}

fn asked_for(failure: &Failure) -> Option<Duration> {
    match failure.error.action() {
        smiles_stage::Action::Retry { after } => *after,
        smiles_stage::Action::Reject { .. } | smiles_stage::Action::Halt => None,
    }
}
