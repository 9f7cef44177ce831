//! The end: finite runs finish, a stop keeps what was heard, nothing outlives the deadline.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use arrow_array::RecordBatch;
use async_trait::async_trait;
use smiles_journal::{
    Accepted, Cursor, DeadLetter, Entry, Journal, JournalError, Maintained, OnFull, Options, ReadLimit,
    Reconciled, SqliteJournal, StateChange, Status,
};
use smiles_runtime::{Exit, run_all};
use smiles_stage::prometheus::TextEncoder;
use smiles_stage::{Batch, Clock, Delivery, Position, RunId, Seq, SinkState, SourceState, TargetId};
use smiles_testkit::{
    CollectingSink, ManualClock, MemoryTarget, Script, ScriptStep, TargetFault, TargetFaults, numbered,
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::bench::{Bench, SECOND, passing, standing, up_to};

const ONE: &str = "
pipeline: test
sources: { DTU: { type: dtu, every: 60s } }
sinks: { store: { type: target } }
";

fn rows(id: i64) -> RecordBatch {
    numbered([id])
}

#[tokio::test]
async fn a_finite_run_ends_when_everything_is_delivered_however_long_that_takes() {
    let script = Script::ending().then(ScriptStep::Rows(rows(1))).then(ScriptStep::Rows(rows(2)));
    let (target, mishaps) = (MemoryTarget::new(1), TargetFaults::none());
    mishaps.set_down(true);
    let started = Bench::new().polled("dtu", &script).target("target", &target, &mishaps).start(ONE).await;
    passing(&started.clock, || script.asked().len() == 3 && mishaps.attempts() > 5).await;
    assert!(!started.task.is_finished(), "rows are still owed");
    mishaps.set_down(false);
    assert_eq!(started.ended().await, Exit::Finished);
    assert_eq!(target.ids(), [1, 2]);
}

#[tokio::test]
async fn of_one_pass_everything_is_delivered_and_no_live_sink_is_opened() {
    let down = || ScriptStep::Fail("no route to it".to_owned());
    let (good, bad) = (Script::counting(), Script::counting().then(down()));
    let stream = Script::counting();
    let (target, mishaps) = (MemoryTarget::new(1), TargetFaults::none());
    let view = CollectingSink::new(&TargetFaults::none());
    let bench = Bench::new().polled("good", &good).polled("bad", &bad).streamed("stream", &stream);
    let bench = bench.target("target", &target, &mishaps).collecting("view", &view, Delivery::Live);
    let yaml = "
pipeline: test
sources:
  a: { type: good, every: 60s }
  b: { type: bad, every: 60s }
  c: { type: stream }
sinks: { store: { type: target }, live: { type: view } }
";
    mishaps.set_down(true);
    let started = bench.start_once(yaml).await;
    let health = Arc::clone(&started.health);
    passing(&started.clock, || mishaps.attempts() > 3).await;
    assert!(!started.task.is_finished(), "rows are still owed");
    mishaps.set_down(false);
    assert_eq!(started.ended().await, Exit::Finished);
    assert_eq!((good.asked().len(), bad.asked().len(), stream.asked().len()), (1, 1, 1));
    assert_eq!(target.ids().len(), 2);
    let health = health.health();
    let states: Vec<_> = health.sources.iter().map(|source| source.state).collect();
    assert_eq!(states, [SourceState::Online, SourceState::Error, SourceState::Online]);
    assert_eq!((health.sinks[0].waiting, health.sinks[1].state), (0, SinkState::Starting));
}

#[tokio::test]
async fn the_read_in_flight_comes_home_within_the_grace() {
    let late = ScriptStep::Slow(SECOND / 2, Box::new(ScriptStep::Rows(rows(7))));
    let script = Script::counting().then(late);
    let target = MemoryTarget::new(1);
    let started =
        Bench::new().polled("dtu", &script).target("target", &target, &TargetFaults::none()).start(ONE).await;
    started.clock.wait_for_sleeper_until(SECOND / 2).await;
    started.stop.cancel();
    started.clock.wait_for_sleeper_until(SECOND).await;
    started.clock.advance(SECOND / 2);
    let exit = started.task.await.unwrap();
    assert_eq!((exit, target.ids()), (Exit::Stopped, vec![7]));
}

#[tokio::test]
async fn nothing_outlives_the_deadline() {
    let script = Script::counting().then(ScriptStep::Rows(rows(1))).then(ScriptStep::Hang);
    let (target, mishaps) = (MemoryTarget::new(1), TargetFaults::none());
    mishaps.push(TargetFault::Hang);
    let bench = Bench::new().polled("dtu", &script).target("target", &target, &mishaps);
    let started = bench.start(ONE).await;
    standing(|| started.health().sources[0].success_count == 1 && mishaps.are_over()).await;
    started.clock.wait_for_sleeper_until(SECOND * 60).await;
    started.clock.advance(SECOND * 60);
    standing(|| script.asked().len() == 2).await;
    started.stop.cancel();
    started.clock.wait_for_sleeper_until(SECOND * 61).await;
    assert!(!started.task.is_finished());
    started.clock.advance(SECOND);
    started.clock.wait_for_sleeper_until(SECOND * 61 + SECOND / 4).await;
    started.clock.advance(SECOND / 4);
    assert_eq!(started.task.await.unwrap(), Exit::Stopped);
    assert!(target.ids().is_empty());

    let started = bench.start(ONE).await;
    standing(|| target.ids().starts_with(&[1])).await;
    started.end().await;
}

#[tokio::test]
async fn a_second_request_does_not_wait() {
    let script = Script::counting().then(ScriptStep::Hang);
    let (target, mishaps) = (MemoryTarget::new(1), TargetFaults::none());
    let started = Bench::new().polled("dtu", &script).target("target", &target, &mishaps).start(ONE).await;
    standing(|| script.asked().len() == 1).await;
    started.stop.cancel();
    started.clock.wait_for_sleeper_until(SECOND).await;
    started.force.cancel();
    assert_eq!(started.task.await.unwrap(), Exit::Stopped, "no time has passed");
}

#[tokio::test]
async fn pipelines_run_side_by_side_and_end_together() {
    let (one, two) = (Script::counting(), Script::ending().then(ScriptStep::Rows(rows(5))));
    let (target, other) = (MemoryTarget::new(1), MemoryTarget::new(2));
    let bench = Bench::new().polled("dtu", &one).polled("dtu2", &two);
    let bench =
        bench.target("target", &target, &TargetFaults::none()).target("other", &other, &TargetFaults::none());
    let options = bench.options();
    let second =
        ONE.replace("pipeline: test", "pipeline: second").replace("dtu", "dtu2").replace("target", "other");
    let mut opened = Vec::new();
    for yaml in [ONE, second.as_str()] {
        opened.push(bench.wire(yaml).unwrap().open(options.clone()).await.unwrap());
    }
    let (stop, force) = (CancellationToken::new(), CancellationToken::new());
    let task = tokio::spawn(run_all(opened, stop.clone(), force));
    standing(|| target.ids() == [1] && other.ids() == [5]).await;
    // The books of a pipeline that has ended are no longer shown.
    let shown = || TextEncoder::new().encode_to_string(&options.meters.registry().gather()).unwrap();
    passing(&bench.clock, || !shown().contains("smiles_journal_bytes{pipeline=\"second\"}")).await;
    stop.cancel();
    passing(&bench.clock, || task.is_finished()).await;
    let exits = task.await.unwrap();
    assert_eq!(exits, [("test".to_owned(), Exit::Stopped), ("second".to_owned(), Exit::Finished)]);
}

/// A journal whose disk fails a number of times.
struct Flaky {
    inner: SqliteJournal,
    failures: AtomicU32,
}

#[async_trait]
impl Journal for Flaky {
    fn run(&self) -> RunId {
        self.inner.run()
    }
    async fn begin_run(&self, now: jiff::Timestamp) -> Result<RunId, JournalError> {
        self.inner.begin_run(now).await
    }
    async fn append(&self, entry: Entry) -> Result<Accepted, JournalError> {
        let left = self.failures.load(Ordering::Relaxed);
        if left > 0 {
            self.failures.store(left - 1, Ordering::Relaxed);
            let source = std::io::Error::other("no space left on device").into();
            return Err(JournalError::Storage { doing: "append to", source });
        }
        self.inner.append(entry).await
    }
    async fn keep_state(&self, state: Vec<StateChange>) -> Result<(), JournalError> {
        self.inner.keep_state(state).await
    }

    async fn load_state(&self) -> Result<Vec<StateChange>, JournalError> {
        self.inner.load_state().await
    }
    async fn enlist(&self, sinks: &[Cursor]) -> Result<(), JournalError> {
        self.inner.enlist(sinks).await
    }
    async fn known_runs(&self, sink: &str) -> Result<Vec<RunId>, JournalError> {
        self.inner.known_runs(sink).await
    }
    async fn reconcile(
        &self,
        sink: &str,
        target: TargetId,
        marks: &[(RunId, Seq)],
    ) -> Result<Reconciled, JournalError> {
        self.inner.reconcile(sink, target, marks).await
    }
    async fn read(
        &self,
        sink: &str,
        behind: Option<Position>,
        limit: ReadLimit,
    ) -> Result<Vec<Batch>, JournalError> {
        self.inner.read(sink, behind, limit).await
    }
    async fn newest(&self, limit: ReadLimit) -> Result<Vec<Batch>, JournalError> {
        self.inner.newest(limit).await
    }
    async fn delivered(&self, sink: &str, upto: Position) -> Result<(), JournalError> {
        self.inner.delivered(sink, upto).await
    }
    async fn set_aside(&self, sink: &str, dead_letters: Vec<DeadLetter>) -> Result<(), JournalError> {
        self.inner.set_aside(sink, dead_letters).await
    }
    async fn rows_set_aside(
        &self,
        sink: &str,
        run: RunId,
        range: (Seq, Seq),
    ) -> Result<Vec<(Seq, u32)>, JournalError> {
        self.inner.rows_set_aside(sink, run, range).await
    }
    async fn maintain(&self, now: jiff::Timestamp) -> Result<Maintained, JournalError> {
        self.inner.maintain(now).await
    }
    async fn status(&self) -> Result<Status, JournalError> {
        self.inner.status().await
    }
    async fn acknowledge(&self) -> Result<u64, JournalError> {
        self.inner.acknowledge().await
    }
    fn appended(&self) -> watch::Receiver<u64> {
        self.inner.appended()
    }
    async fn close(&self) -> Result<(), JournalError> {
        self.inner.close().await
    }
}

async fn flaky(clock: &ManualClock, failures: u32) -> Arc<Flaky> {
    let options = Options {
        path: None,
        pipeline: "test".into(),
        max_size: 1 << 30,
        retain: SECOND,
        on_full: OnFull::Block,
    };
    let inner = SqliteJournal::open(options, clock.now()).await.unwrap();
    Arc::new(Flaky { inner, failures: AtomicU32::new(failures) })
}

#[tokio::test]
async fn a_disk_that_fails_delays_readings_and_loses_none() {
    let script = Script::counting();
    let target = MemoryTarget::new(1);
    let bench = Bench::new().polled("dtu", &script).target("target", &target, &TargetFaults::none());
    let journal = flaky(&bench.clock, 5).await;
    let started = bench.start_with(ONE, journal).await;
    standing(|| !started.health().journal.writable).await;
    let warnings = started.health().warnings;
    assert!(warnings.iter().any(|warning| warning.contains("no space left on device")), "{warnings:?}");
    passing(&started.clock, || target.ids().len() >= 2).await;
    assert!(started.health().journal.writable && target.ids().starts_with(&[1, 2]));
    started.end().await;
}

#[tokio::test]
async fn a_journal_that_stops_under_us_fails_the_pipeline() {
    let script = Script::counting();
    let target = MemoryTarget::new(1);
    let bench = Bench::new().polled("dtu", &script).target("target", &target, &TargetFaults::none());
    let journal = flaky(&bench.clock, 0).await;
    let started = bench.start_with(ONE, Arc::<Flaky>::clone(&journal) as Arc<dyn Journal>).await;
    standing(|| target.ids() == up_to(1)).await;
    journal.close().await.unwrap();
    started.clock.wait_for_sleeper_until(SECOND * 60).await;
    started.clock.advance(SECOND * 60);
    let exit = started.ended().await;
    assert!(matches!(&exit, Exit::Failed(reason) if reason.contains("closed")), "{exit:?}");
}
