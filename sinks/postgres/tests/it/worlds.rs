//! Random worlds: two processes on copies of one journal, lost answers, crashes, databases restored from a backup.
//! Whatever happens, no reading is stored twice and their order is kept; in the end every one is there.

use std::sync::Arc;

use arrow_array::{Int64Array, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use serde_json::json;
use smiles_stage::{Action, Seq, Sink};

use crate::fixture::{Fixture, RUN, batch};

/// Batches of the journal; batch `n` has the readings `2n` and `2n + 1`.
const BATCHES: u64 = 12;
const TABLES: [&str; 3] = ["readings", "smiles_watermarks", "smiles_target"];

#[derive(Clone, Copy, Debug)]
enum Event {
    /// Process 0 or 1 writes so many batches after the one it believes to be the last, in one transaction.
    Write(usize, u64),
    /// As above, but the answer is lost: the process does not learn that it was stored.
    LoseAnswer(usize, u64),
    /// The process writes and is killed before or after the commit, wherever it stands.
    Abandon(usize, u64),
    /// The server ends every session; nobody knows yet.
    Terminate,
    /// An administrator keeps a copy of the database.
    BackUp,
    /// An administrator puts the copy back.
    Restore,
}

struct Process {
    sink: Box<dyn Sink>,
    reached: Seq,
}

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new("id", DataType::Int64, true)]))
}

fn fixture() -> Fixture {
    let sql = "CREATE TABLE readings (n bigserial, id bigint)";
    Fixture::new(json!({ "readings": { "columns": { "id": "id" } } }), schema())
        .with_migration("001_readings.sql", sql)
}

impl Process {
    async fn start(fixture: &Fixture) -> Self {
        let mut process = Self { sink: fixture.open().await.sink, reached: Seq::ZERO };
        process.ask().await;
        process
    }

    async fn ask(&mut self) {
        // The first answer may be that the session was ended; the next connects.
        for _ in 0..3 {
            if let Ok(Some(watermark)) = self.sink.watermark(RUN).await {
                self.reached = watermark.seq;
                return;
            }
        }
        panic!("the target does not answer");
    }

    /// Hands over the next batches; how far they reach.
    async fn hand_over(&mut self, count: u64) -> Seq {
        let first = self.reached.0 + 1;
        let last = (self.reached.0 + count).min(BATCHES);
        for seq in first..=last {
            let id = i64::try_from(seq).unwrap() * 2;
            let records = RecordBatch::try_new(schema(), vec![Arc::new(Int64Array::from(vec![id, id + 1]))]);
            self.sink.write(&batch(seq, &records.unwrap())).await.unwrap();
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
}

async fn happen(fixture: &Fixture, processes: &mut [Process; 2], event: Event) {
    let database = &fixture.database;
    match event {
        Event::Write(who, count) => processes[who].deliver(count).await,
        Event::LoseAnswer(who, count) => {
            processes[who].hand_over(count).await;
            let _ = processes[who].sink.flush().await;
            processes[who].ask().await;
        }
        Event::Abandon(who, polls) => {
            processes[who].hand_over(2).await;
            {
                let mut flush = processes[who].sink.flush();
                for _ in 0..polls {
                    if futures::poll!(&mut flush).is_ready() {
                        break;
                    }
                    tokio::task::yield_now().await;
                }
            }
            processes[who] = Process::start(fixture).await;
        }
        Event::Terminate => {
            database.sql(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
                 WHERE datname = current_database() AND pid <> pg_backend_pid()",
            );
        }
        Event::BackUp => {
            let copy = TABLES.map(|name| {
                format!("DROP TABLE IF EXISTS kept_{name}; CREATE TABLE kept_{name} AS TABLE {name};")
            });
            database.sql(&copy.concat());
        }
        Event::Restore => {
            if database.rows("SELECT to_regclass('kept_readings')") != ["-"] {
                let back =
                    TABLES.map(|name| format!("TRUNCATE {name}; INSERT INTO {name} TABLE kept_{name};"));
                database.sql(&format!("BEGIN; {} COMMIT", back.concat()));
            }
        }
    }
    let ids = stored(fixture);
    let expected: Vec<i64> = (2..).take(ids.len()).collect();
    assert_eq!(ids, expected, "twice, out of order or with a hole after {event:?}");
}

fn stored(fixture: &Fixture) -> Vec<i64> {
    let rows = fixture.rows("SELECT id FROM readings ORDER BY n");
    rows.iter().map(|id| id.parse().unwrap()).collect()
}

fn any_event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => (0..2_usize, 1..4_u64).prop_map(|(who, count)| Event::Write(who, count)),
        2 => (0..2_usize, 1..4_u64).prop_map(|(who, count)| Event::LoseAnswer(who, count)),
        2 => (0..2_usize, 0..60_u64).prop_map(|(who, polls)| Event::Abandon(who, polls)),
        1 => Just(Event::Terminate),
        1 => Just(Event::BackUp),
        1 => Just(Event::Restore),
    ]
}

#[test]
fn nothing_is_stored_twice_in_any_world() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let config = ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() };
    let checked = TestRunner::new(config).run(&proptest::collection::vec(any_event(), 1..12), |events| {
        runtime.block_on(async {
            let fixture = fixture();
            let mut processes = [Process::start(&fixture).await, Process::start(&fixture).await];
            for event in events {
                happen(&fixture, &mut processes, event).await;
            }
            // In the end the world is quiet, and process 0 delivers what is left.
            for _ in 0..4 {
                processes[0].ask().await;
                processes[0].deliver(BATCHES).await;
            }
            assert_eq!(stored(&fixture), (2..26).collect::<Vec<i64>>());
        });
        Ok(())
    });
    checked.unwrap();
}
