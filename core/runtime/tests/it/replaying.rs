//! Dead letters brought to their target once more: whatever fails between two steps, each row is there exactly once.

use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use smiles_journal::{
    Cursor, DeadLetter, DeadLetterId, Entry, From, Journal, OnFull, OperatorAccess, Options, RejectedRows,
    Selection, SqliteJournal, dead_letters, verify,
};
use smiles_runtime::{ReplayError, Replayed, Target, replay};
use smiles_stage::{Clock, Position, RunId, Seq, Sink};
use smiles_testkit::{ManualClock, MemorySink, MemoryTarget, TargetFault, TargetFaults, numbered};
use tokio::time::timeout;

/// A process that does not end by then hangs, and is killed.
const HANGS: Duration = Duration::from_millis(150);

/// A journal whose sink has got everything but its dead letters.
struct World {
    _folder: tempfile::TempDir,
    /// A bridge that works with the journal meanwhile.
    _owner: SqliteJournal,
    path: PathBuf,
    target: MemoryTarget,
    mishaps: TargetFaults,
    clock: ManualClock,
    run: RunId,
}

/// Batches of three rows; the first and the last row of each are dead letters.
const BATCHES: i64 = 3;
const LETTERS: usize = 6;

impl World {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("test.journal");
        let options = Options {
            path: Some(path.clone()),
            pipeline: "test".into(),
            max_size: 1 << 30,
            retain: Duration::from_secs(3600),
            on_full: OnFull::Block,
        };
        let (target, mishaps) = (MemoryTarget::new(7), TargetFaults::none());
        let journal = SqliteJournal::open(options, Timestamp::UNIX_EPOCH).await.unwrap();
        journal.enlist(&[Cursor { sink: "store".into(), from: From::Now }]).await.unwrap();
        let mut sink = MemorySink::new(&target, &mishaps).named("store");
        let run = journal.run();
        let watermark = sink.watermark(run).await.unwrap().unwrap();
        journal.reconcile("store", watermark.target, &[(run, Seq::ZERO)]).await.unwrap();
        for batch in 0..BATCHES {
            let records = numbered(batch * 3..batch * 3 + 3);
            let (aside, now) = (RejectedRows::default(), Timestamp::UNIX_EPOCH);
            let entry = Entry { records, state: Vec::new(), complete: true, aside, now };
            let mut batch = journal.append(entry).await.unwrap().batch;
            let dead_letters = [0, 2].map(|row| letter(batch.position, row));
            journal.set_aside("store", dead_letters.to_vec()).await.unwrap();
            batch.records = batch.records.slice(1, 1);
            sink.write(&batch).await.unwrap();
            sink.flush().await.unwrap();
            journal.delivered("store", batch.position).await.unwrap();
        }
        Self { _folder: folder, _owner: journal, path, target, mishaps, clock: ManualClock::new(), run }
    }

    fn dead_letters(&self) -> Vec<DeadLetterId> {
        let all = dead_letters(&self.path, &Selection::default()).unwrap();
        all.iter().map(|letter| letter.letter.id()).collect()
    }

    /// One process that replays everything; `None`: it hung and was killed.
    async fn process(&self) -> Option<Result<Replayed, ReplayError>> {
        let guest = OperatorAccess::enter(&self.path, "test", Timestamp::UNIX_EPOCH).unwrap();
        let sink = MemorySink::new(&self.target, &self.mishaps).named("store");
        let mut target = Target { name: "store".into(), sink: Box::new(sink) };
        let dead_letters = self.dead_letters();
        let passing = async {
            loop {
                self.clock.wait_for_sleepers(1).await;
                self.clock.advance_to_next();
            }
        };
        let process = async {
            tokio::select! {
                told = replay(&guest, &mut target, &dead_letters, &self.clock) => told,
                () = passing => unreachable!("time passes for ever"),
            }
        };
        timeout(HANGS, process).await.ok()
    }

    fn rows(&self) -> Vec<i64> {
        let mut ids = self.target.ids();
        ids.sort_unstable();
        ids
    }

    /// Every row is there once, nothing of the replays is left, and the books say so.
    fn settled(&self, what: &str) {
        assert_eq!(self.rows(), (0..BATCHES * 3).collect::<Vec<_>>(), "{what}");
        assert_eq!(self.dead_letters(), [], "{what}");
        assert_eq!(self.target.runs().into_iter().collect::<Vec<_>>(), [self.run], "{what}");
        assert_eq!(verify(&self.path).unwrap(), [""; 0], "{what}");
    }
}

fn letter(position: Position, row: u32) -> DeadLetter {
    DeadLetter { position, row, code: "22".into(), reason: "no".into(), at: Timestamp::UNIX_EPOCH }
}

/// Every mishap, and then one of those that leave the most in doubt; a process that hangs is killed and the next one begins.
#[tokio::test]
async fn an_interrupted_replay_stores_every_row_once() {
    let mishaps = [
        TargetFault::NoWatermark,
        TargetFault::FailWrite,
        TargetFault::FailFlush,
        TargetFault::LoseAnswer,
        TargetFault::Hang,
        TargetFault::HangAfterCommit,
        TargetFault::Panic,
        TargetFault::Halt,
        TargetFault::NoForget,
    ];
    for first in mishaps {
        for second in [TargetFault::LoseAnswer, TargetFault::HangAfterCommit, TargetFault::NoForget] {
            let world = World::new().await;
            world.mishaps.push(first);
            world.mishaps.push(second);
            let what = format!("{first:?}, then {second:?}");
            let mut processes = 0;
            while !(world.dead_letters().is_empty() && world.target.runs().len() == 1) {
                processes += 1;
                assert!(processes < 5, "{what}: it does not come to an end");
                world.process().await;
            }
            world.settled(&what);
        }
    }
}

#[tokio::test]
async fn what_is_refused_again_stays_with_its_new_reason() {
    let world = World::new().await;
    world.mishaps.refuse(2);
    world.mishaps.refuse(6);
    let told = world.process().await.unwrap().unwrap();
    assert_eq!(told, Replayed { delivered: 4, refused: 2, ..Replayed::default() });
    let kept = dead_letters(&world.path, &Selection::default()).unwrap();
    let reasons: Vec<&str> = kept.iter().map(|letter| letter.letter.reason.as_str()).collect();
    assert_eq!(reasons, ["the row is refused by the test"; 2]);
    assert!(kept.iter().all(|letter| letter.letter.at == world.clock.now() && !letter.in_replay));
    assert_eq!(verify(&world.path).unwrap(), [""; 0]);
    world.mishaps.accept(2);
    world.mishaps.accept(6);
    assert_eq!(world.process().await.unwrap().unwrap().delivered, 2);
    world.settled("after the repair");
}

#[tokio::test]
async fn a_target_that_went_back_gets_its_batches_first() {
    let world = World::new().await;
    world.target.restore(MemoryTarget::new(7).backup());
    let told = world.process().await.unwrap().unwrap();
    assert_eq!(told, Replayed::default(), "the batches would bring the rows a second time");
    assert_eq!((world.target.ids().len(), world.dead_letters().len()), (0, LETTERS));
}

#[tokio::test]
async fn another_target_is_not_written_to() {
    let mut world = World::new().await;
    world.target = MemoryTarget::new(8);
    let error = world.process().await.unwrap().unwrap_err();
    assert!(matches!(error, ReplayError::OtherTarget { .. }), "{error}");
    assert_eq!((world.target.ids().len(), world.dead_letters().len()), (0, LETTERS));
}
