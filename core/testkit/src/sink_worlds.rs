//! Random worlds around a transactional sink: two processes on copies of one journal, lost answers, crashes, writes
//! abandoned halfway, targets restored from a backup. Whatever happens, no reading is stored twice and their order is
//! kept; in the end every one is there.

#![expect(clippy::unwrap_used, reason = "a check fails by panicking")]

use std::sync::Arc;

use arrow_array::{Int64Array, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use async_trait::async_trait;
use jiff::Timestamp;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use smiles_stage::{Action, Batch, Position, RunId, Seq, Sink};
use tokio::runtime::Runtime;

const RUN: RunId = RunId([7; 16]);
/// Batches of the journal; batch `n` has the readings `2n` and `2n + 1`.
const BATCHES: u64 = 12;
/// A target that was just disturbed, or is still held by an abandoned write, may not answer at once.
const ASKED_AT_MOST: u32 = 20;

/// A target, empty at first, and how sinks reach it.
#[async_trait]
pub trait World: Send + Sync {
    /// A sink of [`input`], as a process has it that was just started.
    async fn open(&self) -> Box<dyn Sink>;

    /// The ids stored now, in the order of their storing.
    fn stored(&self) -> Vec<i64>;

    /// Keeps a copy of the target.
    fn back_up(&self);

    /// Puts the copy back, if there is one.
    fn restore(&self);

    /// Ends every session of the target, where it has such; the processes do not know yet.
    fn disturb(&self) {}
}

/// The one column, `id`.
pub fn input() -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new("id", DataType::Int64, true)]))
}

#[derive(Clone, Copy, Debug)]
enum Event {
    /// Process 0 or 1 writes so many batches after the one it believes to be the last, in one transaction.
    Write(usize, u64),
    /// As above, but the answer is lost: the process does not learn that it was stored.
    LoseAnswer(usize, u64),
    /// The process hands batches over and is killed before it writes them, or wherever the write stands after so many
    /// polls, and started again.
    Abandon(usize, u64, u64),
    /// The process asks.
    Ask(usize),
    /// The target ends every session.
    Disturb,
    /// An administrator keeps a copy of the target.
    BackUp,
    /// An administrator puts the copy back.
    Restore,
}

struct Process {
    sink: Box<dyn Sink>,
    reached: Seq,
}

impl Process {
    async fn start(world: &dyn World) -> Self {
        let mut process = Self { sink: world.open().await, reached: Seq::ZERO };
        process.ask().await;
        process
    }

    async fn ask(&mut self) {
        for asked in 1.. {
            match self.sink.watermark(RUN).await {
                Ok(watermark) => {
                    self.reached = watermark.unwrap().seq;
                    return;
                }
                Err(error) => assert!(asked < ASKED_AT_MOST, "{}", error.chain()),
            }
        }
    }

    /// Hands over the next batches; how far they reach.
    async fn hand_over(&mut self, count: u64) -> Seq {
        let first = self.reached.0 + 1;
        let last = (self.reached.0 + count).min(BATCHES);
        for seq in first..=last {
            let id = i64::try_from(seq).unwrap() * 2;
            let ids = Arc::new(Int64Array::from(vec![id, id + 1]));
            let records = RecordBatch::try_new(input(), vec![ids]).unwrap();
            let position = Position { run: RUN, seq: Seq(seq) };
            let batch = Batch { position, complete: true, accepted_at: Timestamp::UNIX_EPOCH, records };
            self.sink.write(&batch).await.unwrap();
        }
        Seq(last)
    }

    /// What the runtime does: after any error it asks, and goes on from there.
    async fn deliver(&mut self, count: u64) {
        let reaches = self.hand_over(count).await;
        match self.sink.flush().await {
            Ok(_) => self.reached = reaches,
            Err(error) => {
                assert!(matches!(error.action(), Action::Retry { .. }), "{}", error.chain());
                self.ask().await;
            }
        }
    }

    /// Writes what was handed over and is gone after so many polls.
    async fn flush_for(&mut self, polls: u64) {
        let mut flush = self.sink.flush();
        for _ in 0..polls {
            if futures::poll!(&mut flush).is_ready() {
                return;
            }
            tokio::task::yield_now().await;
        }
    }
}

async fn happen(world: &dyn World, processes: &mut [Process; 2], event: Event) {
    match event {
        Event::Write(who, count) => processes[who].deliver(count).await,
        Event::LoseAnswer(who, count) => {
            processes[who].hand_over(count).await;
            let _ = processes[who].sink.flush().await;
            processes[who].ask().await;
        }
        Event::Abandon(who, count, polls) => {
            processes[who].hand_over(count).await;
            processes[who].flush_for(polls).await;
            processes[who] = Process::start(world).await;
        }
        Event::Ask(who) => processes[who].ask().await,
        Event::Disturb => world.disturb(),
        Event::BackUp => world.back_up(),
        Event::Restore => world.restore(),
    }
    let ids = world.stored();
    let expected: Vec<i64> = (2..).take(ids.len()).collect();
    assert_eq!(ids, expected, "twice, out of order or with a hole after {event:?}");
}

fn any_event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => (0..2_usize, 1..4_u64).prop_map(|(who, count)| Event::Write(who, count)),
        2 => (0..2_usize, 1..4_u64).prop_map(|(who, count)| Event::LoseAnswer(who, count)),
        1 => (0..2_usize, 0..3_u64).prop_map(|(who, count)| Event::Abandon(who, count, 0)),
        2 => (0..2_usize, 1..3_u64, 1..60_u64).prop_map(|(who, count, polls)| Event::Abandon(who, count, polls)),
        1 => (0..2_usize).prop_map(Event::Ask),
        1 => Just(Event::Disturb),
        1 => Just(Event::BackUp),
        1 => Just(Event::Restore),
    ]
}

/// Lets random events happen in so many fresh worlds; the events of a failure are printed.
///
/// # Panics
/// A reading is there twice, out of order or not at all.
pub fn all<W: World>(runtime: &Runtime, cases: u32, make: impl Fn() -> W) {
    let config = ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() };
    let checked = TestRunner::new(config).run(&proptest::collection::vec(any_event(), 1..16), |events| {
        runtime.block_on(async {
            let world = make();
            let mut processes = [Process::start(&world).await, Process::start(&world).await];
            for event in events {
                happen(&world, &mut processes, event).await;
            }
            // In the end the world is quiet, and process 0 delivers what is left.
            for _ in 0..4 {
                processes[0].ask().await;
                processes[0].deliver(BATCHES).await;
            }
            assert_eq!(world.stored(), (2..26).collect::<Vec<i64>>());
        });
        Ok(())
    });
    checked.unwrap();
}
