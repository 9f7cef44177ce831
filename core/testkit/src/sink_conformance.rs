//! What every transactional sink must do, as functions a sink's tests call.
//!
//! The test brings a [`Subject`]: a target, how to connect to it, rows of its own shape. Each check needs a
//! fresh, empty target. [`all`] runs every check.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a check fails by panicking")]

use arrow_array::RecordBatch;
use async_trait::async_trait;
use jiff::Timestamp;
use smiles_stage::{Action, Batch, Position, RunId, Seq, Sink, StageError, Upkeep};

/// A sink under test with its own target.
#[async_trait]
pub trait Subject: Send + Sync {
    /// A new connection to the target.
    async fn open(&self) -> Box<dyn Sink>;

    /// As [`Subject::open`], the sink having this name in its pipeline; `None` if that cannot be chosen.
    async fn open_named(&self, _sink: &str) -> Option<Box<dyn Sink>> {
        None
    }

    /// Rows in the sink's input schema, one per id, in this order; every id is stored by one row.
    fn rows(&self, ids: &[i64]) -> RecordBatch;

    /// The ids stored in the target now, in the order of their storing.
    async fn stored(&self) -> Vec<i64>;

    /// As [`Subject::rows`], with the row of the last id such that the target refuses it for good;
    /// `None` if there is no such row.
    fn poisoned(&self, ids: &[i64]) -> Option<RecordBatch>;
}

/// A check of the battery.
pub type Check = for<'a> fn(&'a dyn Subject) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// Every check with its name.
pub fn checks() -> Vec<(&'static str, Check)> {
    vec![
        ("what is written is durable only after the flush", |s| Box::pin(durable_after_flush(s))),
        ("an empty flush is a barrier", |s| Box::pin(empty_flush_is_a_barrier(s))),
        ("batches keep their order", |s| Box::pin(batches_keep_their_order(s))),
        ("two writers cannot both write", |s| Box::pin(two_writers_cannot_both_write(s))),
        ("a replay above the watermark stores nothing twice", |s| Box::pin(replay_stores_nothing_twice(s))),
        ("what was not flushed is forgotten by a question", |s| Box::pin(a_question_forgets(s))),
        ("a rejected row leaves the rest", |s| Box::pin(rejects_leave_the_rest(s))),
        ("an empty batch moves the watermark", |s| Box::pin(empty_batch_moves_the_watermark(s))),
        ("runs have watermarks of their own", |s| Box::pin(runs_are_apart(s))),
        ("the target keeps its name", |s| Box::pin(target_keeps_its_name(s))),
        ("only the runs named are forgotten", |s| Box::pin(forget_names_its_runs(s))),
        ("a new name takes the watermarks over", |s| Box::pin(a_new_name_takes_over(s))),
        ("rows that come late are stored once", |s| Box::pin(late_rows_are_stored_once(s))),
    ]
}

/// Runs every check, each on the fresh subject that `make` gives.
///
/// # Panics
/// A check failed.
pub async fn all<S: Subject>(mut make: impl AsyncFnMut() -> S) {
    for (_, check) in checks() {
        let subject = make().await;
        check(&subject).await;
    }
}

fn batch(subject: &dyn Subject, run: u8, seq: u64, ids: &[i64]) -> Batch {
    around(run, seq, subject.rows(ids))
}

fn around(run: u8, seq: u64, records: RecordBatch) -> Batch {
    let position = Position { run: RunId([run; 16]), seq: Seq(seq) };
    Batch { position, complete: true, accepted_at: Timestamp::UNIX_EPOCH, records }
}

async fn mark(sink: &mut dyn Sink, run: u8) -> Seq {
    let answer = sink.watermark(RunId([run; 16])).await.expect("the watermark can be asked");
    answer.expect("a transactional sink keeps watermarks").seq
}

async fn deliver(sink: &mut dyn Sink, batches: &[Batch]) -> Result<Option<Position>, StageError> {
    for batch in batches {
        sink.write(batch).await?;
    }
    sink.flush().await
}

async fn durable_after_flush(subject: &dyn Subject) {
    let mut sink = subject.open().await;
    assert_eq!(mark(sink.as_mut(), 1).await, Seq::ZERO, "an empty target has no watermark");
    sink.write(&batch(subject, 1, 1, &[1, 2])).await.unwrap();
    assert!(subject.stored().await.is_empty(), "rows were visible before the flush");
    drop(sink);
    assert!(subject.stored().await.is_empty(), "dropping a sink stored what was not flushed");
    let mut sink = subject.open().await;
    assert_eq!(mark(sink.as_mut(), 1).await, Seq::ZERO, "the watermark moved without a flush");
    let first = batch(subject, 1, 1, &[1, 2]);
    let reached = deliver(sink.as_mut(), std::slice::from_ref(&first)).await.unwrap();
    assert_eq!(reached, Some(first.position), "the flush says up to where");
    assert_eq!(subject.stored().await, [1, 2]);
    let mut other = subject.open().await;
    assert_eq!(mark(other.as_mut(), 1).await, Seq(1), "rows and watermark are one transaction");
}

async fn empty_flush_is_a_barrier(subject: &dyn Subject) {
    let mut sink = subject.open().await;
    mark(sink.as_mut(), 1).await;
    assert_eq!(sink.flush().await.expect("a flush of nothing succeeds"), None, "nothing was ever written");
    deliver(sink.as_mut(), &[batch(subject, 1, 1, &[1])]).await.unwrap();
    sink.flush().await.expect("a flush of nothing succeeds");
    assert_eq!((subject.stored().await, mark(sink.as_mut(), 1).await), (vec![1], Seq(1)));
}

async fn batches_keep_their_order(subject: &dyn Subject) {
    let mut sink = subject.open().await;
    mark(sink.as_mut(), 1).await;
    let batches = [1, 2, 3].map(|seq| {
        let id = i64::try_from(seq).unwrap_or(0) * 10;
        batch(subject, 1, seq, &[id, id + 1])
    });
    deliver(sink.as_mut(), &batches).await.unwrap();
    deliver(sink.as_mut(), &[batch(subject, 1, 4, &[40])]).await.unwrap();
    assert_eq!(subject.stored().await, [10, 11, 20, 21, 30, 31, 40]);
    assert_eq!(mark(sink.as_mut(), 1).await, Seq(4), "the watermark is the last batch's");
}

async fn two_writers_cannot_both_write(subject: &dyn Subject) {
    let (mut one, mut two) = (subject.open().await, subject.open().await);
    mark(one.as_mut(), 1).await;
    mark(two.as_mut(), 1).await;
    deliver(one.as_mut(), &[batch(subject, 1, 1, &[1])]).await.unwrap();
    let late = deliver(two.as_mut(), &[batch(subject, 1, 1, &[1])]).await;
    let error = late.expect_err("a second writer moved a watermark it did not see move");
    assert!(matches!(error.action(), Action::Retry { .. }), "asking again is the cure: {error:?}");
    assert_eq!(subject.stored().await, [1]);
    assert_eq!(mark(two.as_mut(), 1).await, Seq(1), "asked again, it sees the other's batch");
    deliver(two.as_mut(), &[batch(subject, 1, 2, &[2])]).await.unwrap();
    assert_eq!(subject.stored().await, [1, 2]);
}

async fn replay_stores_nothing_twice(subject: &dyn Subject) {
    let batches = [1, 2, 3].map(|seq| batch(subject, 1, seq, &[i64::try_from(seq).unwrap_or(0)]));
    let mut sink = subject.open().await;
    mark(sink.as_mut(), 1).await;
    deliver(sink.as_mut(), &batches[..2]).await.unwrap();
    drop(sink);
    let mut again = subject.open().await;
    let reached = mark(again.as_mut(), 1).await;
    let owed: Vec<Batch> = batches.into_iter().filter(|batch| batch.position.seq > reached).collect();
    deliver(again.as_mut(), &owed).await.unwrap();
    assert_eq!(subject.stored().await, [1, 2, 3]);
}

async fn a_question_forgets(subject: &dyn Subject) {
    let mut sink = subject.open().await;
    mark(sink.as_mut(), 1).await;
    if let Some(poisoned) = subject.poisoned(&[7, 8]) {
        let failed = deliver(sink.as_mut(), &[around(1, 1, poisoned)]).await;
        assert!(failed.is_err(), "the poisoned row was taken");
    } else {
        sink.write(&batch(subject, 1, 1, &[7, 8])).await.unwrap();
    }
    assert_eq!(mark(sink.as_mut(), 1).await, Seq::ZERO);
    deliver(sink.as_mut(), &[batch(subject, 1, 1, &[1])]).await.unwrap();
    assert_eq!(subject.stored().await, [1], "what was written before the doubt came back");
}

async fn rejects_leave_the_rest(subject: &dyn Subject) {
    let Some(poisoned) = subject.poisoned(&[3, 4, 5]) else { return };
    let mut sink = subject.open().await;
    mark(sink.as_mut(), 1).await;
    let batches = [batch(subject, 1, 1, &[1, 2]), around(1, 2, poisoned.clone())];
    let error = deliver(sink.as_mut(), &batches).await.expect_err("the poisoned row was taken");
    let Action::Reject { rows } = error.action() else {
        panic!("a row that cannot be cured is named: {error:?}")
    };
    let named: Vec<(usize, usize)> = rows.iter().map(|row| (row.batch, row.row)).collect();
    assert_eq!(named, [(1, 2)], "exactly the poisoned row is named");
    assert!(rows.iter().all(|row| !row.code.is_empty() && !row.reason.is_empty()), "with code and reason");
    assert!(subject.stored().await.is_empty(), "a write with a rejected row stores nothing");
    assert_eq!(mark(sink.as_mut(), 1).await, Seq::ZERO);
    let rest = [batch(subject, 1, 1, &[1, 2]), around(1, 2, poisoned.slice(0, 2))];
    deliver(sink.as_mut(), &rest).await.expect("the rest is taken");
    assert_eq!((subject.stored().await, mark(sink.as_mut(), 1).await), (vec![1, 2, 3, 4], Seq(2)));
}

async fn empty_batch_moves_the_watermark(subject: &dyn Subject) {
    let mut sink = subject.open().await;
    mark(sink.as_mut(), 1).await;
    deliver(sink.as_mut(), &[batch(subject, 1, 1, &[])]).await.unwrap();
    assert_eq!(mark(sink.as_mut(), 1).await, Seq(1), "a batch whose rows were all set aside is delivered");
    deliver(sink.as_mut(), &[batch(subject, 1, 2, &[2])]).await.unwrap();
    assert_eq!(subject.stored().await, [2]);
}

async fn runs_are_apart(subject: &dyn Subject) {
    let mut sink = subject.open().await;
    mark(sink.as_mut(), 1).await;
    let three = [1, 2, 3].map(|seq| batch(subject, 1, seq, &[i64::try_from(seq).unwrap_or(0)]));
    deliver(sink.as_mut(), &three).await.unwrap();
    assert_eq!(mark(sink.as_mut(), 2).await, Seq::ZERO, "another run begins at zero");
    deliver(sink.as_mut(), &[batch(subject, 2, 1, &[21])]).await.unwrap();
    assert_eq!(subject.stored().await, [1, 2, 3, 21]);
    assert_eq!((mark(sink.as_mut(), 1).await, mark(sink.as_mut(), 2).await), (Seq(3), Seq(1)));
}

async fn target_keeps_its_name(subject: &dyn Subject) {
    let mut names = Vec::new();
    for run in [1, 2, 1] {
        let mut sink = subject.open().await;
        names.push(sink.watermark(RunId([run; 16])).await.unwrap().expect("a watermark").target);
        mark(sink.as_mut(), run).await;
    }
    assert!(names.windows(2).all(|pair| pair[0] == pair[1]), "one target, several names: {names:?}");
}

/// What a sink that keeps watermarks can do beside taking batches.
fn upkeep(sink: &mut dyn Sink) -> &mut dyn Upkeep {
    sink.upkeep().expect("a transactional sink keeps watermarks that can be renamed and forgotten")
}

async fn forget_names_its_runs(subject: &dyn Subject) {
    let mut sink = subject.open().await;
    for run in [1, 2] {
        mark(sink.as_mut(), run).await;
        deliver(sink.as_mut(), &[batch(subject, run, 1, &[i64::from(run)])]).await.unwrap();
    }
    upkeep(sink.as_mut()).forget(&[RunId([1; 16])]).await.unwrap();
    let mut other = subject.open().await;
    assert_eq!(mark(other.as_mut(), 2).await, Seq(1), "a run that was not named was forgotten");
    assert_eq!(subject.stored().await, [1, 2], "forgetting a run deletes no rows");
}

async fn a_new_name_takes_over(subject: &dyn Subject) {
    let Some(mut old) = subject.open_named("old").await else { return };
    let mut new = subject.open_named("new").await.expect("a second name");
    for (run, seq) in [(1, 1), (1, 2), (2, 1), (3, 1)] {
        mark(old.as_mut(), run).await;
        deliver(old.as_mut(), &[batch(subject, run, seq, &[])]).await.unwrap();
    }
    // Run 2 went further under the new name, run 3 did not.
    for (run, seq) in [(2, 1), (2, 2), (4, 1)] {
        mark(new.as_mut(), run).await;
        deliver(new.as_mut(), &[batch(subject, run, seq, &[])]).await.unwrap();
    }
    for _ in 0..2 {
        upkeep(new.as_mut()).rename("old").await.expect("a second time there is nothing to do");
        let mut marks = Vec::new();
        for run in 1..=4 {
            marks.push(mark(new.as_mut(), run).await.0);
        }
        assert_eq!(marks, [2, 2, 1, 1], "the higher of two watermarks stays");
    }
    let mut again = subject.open_named("old").await.expect("the first name");
    assert_eq!(mark(again.as_mut(), 1).await, Seq::ZERO, "the old name kept its watermarks");
    upkeep(new.as_mut()).rename("new").await.expect("a sink may be told its own name");
    assert_eq!(mark(new.as_mut(), 1).await, Seq(2), "its own name is no other");
}

async fn late_rows_are_stored_once(subject: &dyn Subject) {
    let mut sink = subject.open().await;
    mark(sink.as_mut(), 1).await;
    deliver(sink.as_mut(), &[batch(subject, 1, 1, &[1, 3])]).await.unwrap();
    let late = [batch(subject, 2, 1, &[2]), batch(subject, 2, 2, &[4, 5])];
    for _ in 0..2 {
        if mark(sink.as_mut(), 2).await == Seq::ZERO {
            for rows in &late {
                upkeep(sink.as_mut()).replay(rows).await.unwrap();
            }
            assert_eq!(sink.flush().await.unwrap(), Some(late[1].position), "the flush says up to where");
        }
    }
    assert_eq!(subject.stored().await, [1, 3, 2, 4, 5]);
    assert_eq!((mark(sink.as_mut(), 1).await, mark(sink.as_mut(), 2).await), (Seq(1), Seq(2)));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::Flaw;
    use crate::{MemorySink, MemoryTarget, TargetFaults, numbered};

    const POISON: i64 = 1_000_000;

    struct Memory {
        target: MemoryTarget,
        mishaps: TargetFaults,
        flaw: Option<Flaw>,
    }

    fn memory(flaw: Option<Flaw>) -> Memory {
        let mishaps = TargetFaults::none();
        mishaps.refuse(POISON);
        Memory { target: MemoryTarget::new(9), mishaps, flaw }
    }

    #[async_trait]
    impl Subject for Memory {
        async fn open(&self) -> Box<dyn Sink> {
            let mut sink = MemorySink::new(&self.target, &self.mishaps);
            sink.flaw = self.flaw;
            Box::new(sink)
        }

        async fn open_named(&self, name: &str) -> Option<Box<dyn Sink>> {
            let mut sink = MemorySink::new(&self.target, &self.mishaps).named(name);
            sink.flaw = self.flaw;
            Some(Box::new(sink))
        }

        fn rows(&self, ids: &[i64]) -> RecordBatch {
            numbered(ids.iter().copied())
        }

        async fn stored(&self) -> Vec<i64> {
            self.target.ids()
        }

        fn poisoned(&self, ids: &[i64]) -> Option<RecordBatch> {
            let healthy = ids.len().saturating_sub(1);
            Some(numbered(ids.iter().take(healthy).copied().chain([POISON])))
        }
    }

    #[tokio::test]
    async fn a_sound_sink_passes() {
        all(async || memory(None)).await;
    }

    /// Every check fails on a sink that is broken in the way the check is about.
    macro_rules! fails {
        ($($name:ident: $check:ident with $flaw:ident says $text:literal;)*) => {$(
            #[tokio::test]
            #[should_panic(expected = $text)]
            async fn $name() {
                $check(&memory(Some(Flaw::$flaw))).await;
            }
        )*};
    }

    fails! {
        stores_too_early: durable_after_flush with StoresOnWrite says "before the flush";
        rows_without_watermark: durable_after_flush with ForgetsTheMark says "one transaction";
        fails_on_nothing: empty_flush_is_a_barrier with FailsEmptyFlushes says "a flush of nothing succeeds";
        loses_its_place: batches_keep_their_order with ForgetsTheMark says "moved by someone else";
        both_write: two_writers_cannot_both_write with NeverLooksAtTheMark says "did not see move";
        stores_twice: replay_stores_nothing_twice with ForgetsTheMark says "[1, 2, 1, 2, 3]";
        does_not_forget: a_question_forgets with KeepsWhatFailed says "the target refused rows";
        stores_beside: rejects_leave_the_rest with StoresBesideRejects says "stores nothing";
        skips_empty: empty_batch_moves_the_watermark with SkipsEmptyBatches says "all set aside";
        shares_marks: runs_are_apart with SharesMarksBetweenRuns says "begins at zero";
        changes_name: target_keeps_its_name with ChangesItsName says "several names";
        forgets_all: forget_names_its_runs with ForgetsEveryRun says "was forgotten";
        keeps_old_name: a_new_name_takes_over with CopiesOnRename says "kept its watermarks";
        takes_the_lower: a_new_name_takes_over with TakesTheOldOnRename says "the higher of two";
        late_twice: late_rows_are_stored_once with ForgetsTheMark says "[1, 3, 2, 4, 5, 2, 4, 5]";
    }
}
