//! The watermark cases of the delivery rules on real files: lost answers, copies, restored and replaced databases.

use std::sync::Arc;

use arrow_array::{Int64Array, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use rusqlite::Connection;
use serde_json::json;
use smiles_stage::{Action, RunId, Seq, Sink, StageError};

use crate::fixture::{Fixture, RUN, batch, batch_of};

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new("id", DataType::Int64, true)]))
}

fn fixture() -> Fixture {
    Fixture::new(json!({ "readings": { "create": true, "columns": { "id": "id" } } }), schema())
}

fn fixture_without_create() -> Fixture {
    let tables = json!({ "readings": { "columns": { "id": "id" } } });
    Fixture::new(tables, schema()).with_migration("001_readings.sql", "CREATE TABLE readings (id INTEGER)")
}

fn rows(ids: &[i64]) -> RecordBatch {
    RecordBatch::try_new(schema(), vec![Arc::new(Int64Array::from(ids.to_vec()))]).unwrap()
}

async fn send(sink: &mut dyn Sink, seq: u64, ids: &[i64]) -> Result<(), StageError> {
    sink.write(&batch(seq, &rows(ids))).await?;
    sink.flush().await.map(drop)
}

fn is_retry(error: &StageError) -> bool {
    matches!(error.action(), Action::Retry { .. })
}

async fn mark(sink: &mut dyn Sink) -> Seq {
    sink.watermark(RUN).await.unwrap().unwrap().seq
}

const ALL: &str = "SELECT id FROM readings ORDER BY rowid";

#[tokio::test]
async fn a_replay_after_a_lost_answer_stores_nothing_twice() {
    let fixture = fixture();
    let mut sink = fixture.connected().await;
    send(sink.as_mut(), 1, &[1, 2]).await.unwrap();
    // The answer of that flush was lost: the runtime asks, and even if it replays everything nothing is doubled.
    assert_eq!(mark(sink.as_mut()).await, Seq(1));
    sink.write(&batch(1, &rows(&[1, 2]))).await.unwrap();
    sink.write(&batch(2, &rows(&[3]))).await.unwrap();
    sink.flush().await.unwrap();
    assert_eq!(fixture.rows(ALL), ["1", "2", "3"]);
}

#[tokio::test]
async fn an_abandoned_flush_commits_once_or_not_at_all() {
    let fixture = fixture();
    let mut sink = fixture.connected().await;
    sink.write(&batch(1, &rows(&[1, 2]))).await.unwrap();
    {
        let flush = sink.flush();
        tokio::pin!(flush);
        // Polled once: the work has begun on its thread; then nobody waits for it any more.
        let _ = futures::poll!(flush.as_mut());
    }
    let error = send(sink.as_mut(), 1, &[1, 2]).await.unwrap_err();
    assert!(is_retry(&error), "after an abandoned call the watermark must be asked: {error}");
    let reached = mark(sink.as_mut()).await;
    if reached == Seq::ZERO {
        let again = send(sink.as_mut(), 1, &[1, 2]).await;
        assert!(again.as_ref().err().is_none_or(is_retry), "{again:?}");
    }
    assert_eq!(mark(sink.as_mut()).await, Seq(1));
    assert_eq!(fixture.rows(ALL), ["1", "2"]);
}

#[tokio::test]
async fn a_database_restored_from_an_older_copy_has_gone_back() {
    let fixture = fixture();
    let mut sink = fixture.connected().await;
    send(sink.as_mut(), 1, &[1]).await.unwrap();
    let before = sink.watermark(RUN).await.unwrap().unwrap();
    let copy = fixture.folder.path().join("backup.db");
    fixture.database().execute("VACUUM INTO ?1", [copy.to_str().unwrap()]).unwrap();
    send(sink.as_mut(), 2, &[2]).await.unwrap();
    send(sink.as_mut(), 3, &[3]).await.unwrap();
    // Restored under the running process, as an administrator would do it.
    for end in ["-wal", "-shm"] {
        let _ = std::fs::remove_file(fixture.folder.path().join(format!("store.db{end}")));
    }
    std::fs::rename(&copy, fixture.path()).unwrap();
    let error = send(sink.as_mut(), 4, &[4]).await.unwrap_err();
    assert!(is_retry(&error) && error.to_string().contains("replaced"), "{error}");
    let after = sink.watermark(RUN).await.unwrap().unwrap();
    assert_eq!((after.target, after.seq), (before.target, Seq(1)), "the same target, gone back");
    for seq in 2..=4 {
        send(sink.as_mut(), seq, &[i64::try_from(seq).unwrap()]).await.unwrap();
    }
    assert_eq!(fixture.rows(ALL), ["1", "2", "3", "4"]);
}

#[tokio::test]
async fn a_new_file_is_another_target() {
    let fixture = fixture();
    let mut sink = fixture.connected().await;
    send(sink.as_mut(), 1, &[1]).await.unwrap();
    let before = sink.watermark(RUN).await.unwrap().unwrap();
    for end in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(fixture.folder.path().join(format!("store.db{end}")));
    }
    assert!(is_retry(&send(sink.as_mut(), 2, &[2]).await.unwrap_err()), "rows went into a removed file");
    let after = sink.watermark(RUN).await.unwrap().unwrap();
    assert_ne!(after.target, before.target);
    assert_eq!(after.seq, Seq::ZERO);
    send(sink.as_mut(), 1, &[1]).await.unwrap();
    assert_eq!(fixture.rows(ALL), ["1"]);
}

#[tokio::test]
async fn pipelines_and_sinks_have_their_own_watermarks() {
    let fixture = fixture();
    let mut sink = fixture.connected().await;
    send(sink.as_mut(), 1, &[1]).await.unwrap();
    let other = "INSERT INTO smiles_watermarks SELECT 'other', sink, run, 99 FROM smiles_watermarks";
    fixture.database().execute(other, []).unwrap();
    let mut again = fixture.connected().await;
    assert_eq!(mark(again.as_mut()).await, Seq(1));
    again.upkeep().unwrap().forget(&[RUN]).await.unwrap();
    assert_eq!(fixture.rows("SELECT pipeline, seq FROM smiles_watermarks"), ["other|99"]);
}

#[tokio::test]
async fn a_file_that_is_no_database_halts_with_what_to_do() {
    let fixture = fixture();
    std::fs::write(fixture.path(), "this is a text file, and one long enough to have a header ".repeat(40))
        .unwrap();
    let error = fixture.open().await.sink.watermark(RUN).await.unwrap_err();
    assert_eq!(error.action(), &Action::Halt);
    assert!(error.to_string().contains("move it away") && error.to_string().contains("store.db"), "{error}");
    std::fs::remove_file(fixture.path()).unwrap();
    let mut sink = fixture.connected().await;
    send(sink.as_mut(), 1, &[1]).await.unwrap();
}

#[tokio::test]
async fn a_lock_held_by_another_program_is_waited_out() {
    let fixture = fixture();
    let mut sink = fixture.connected().await;
    let other = Connection::open(fixture.path()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let error = send(sink.as_mut(), 1, &[1]).await.unwrap_err();
    assert!(is_retry(&error) && error.to_string().contains("locked"), "{error}");
    other.execute_batch("ROLLBACK").unwrap();
    assert_eq!(mark(sink.as_mut()).await, Seq::ZERO);
    send(sink.as_mut(), 1, &[1]).await.unwrap();
    assert_eq!(fixture.rows(ALL), ["1"]);
}

#[tokio::test]
async fn a_table_that_is_gone_halts_until_it_is_back() {
    let fixture = fixture_without_create();
    let mut sink = fixture.connected().await;
    send(sink.as_mut(), 1, &[1]).await.unwrap();
    fixture.database().execute_batch("ALTER TABLE readings RENAME TO elsewhere").unwrap();
    for _ in 0..2 {
        let error = send(sink.as_mut(), 2, &[2]).await.err();
        let error = match error {
            Some(error) if error.action() == &Action::Halt => error,
            // Not connected any more: asking is what says it again.
            _ => sink.watermark(RUN).await.unwrap_err(),
        };
        assert_eq!(error.action(), &Action::Halt, "{error}");
        let said = error.chain();
        assert!(said.contains("do not fit the mapping") && said.contains("readings"), "{said}");
    }
    fixture.database().execute_batch("ALTER TABLE elsewhere RENAME TO readings").unwrap();
    assert_eq!(mark(sink.as_mut()).await, Seq(1));
    send(sink.as_mut(), 2, &[2]).await.unwrap();
    assert_eq!(fixture.rows(ALL), ["1", "2"]);
}

#[tokio::test]
async fn two_processes_on_copies_of_a_journal_write_every_batch_once() {
    let fixture = fixture();
    let mut sinks = [fixture.connected().await, fixture.connected().await];
    let mut refused = 0;
    // Each wants to deliver batches 1 to 40 of one run; whoever is refused asks and goes on from there.
    let mut reached = [Seq::ZERO, Seq::ZERO];
    let mut turn = 0_usize;
    while reached.iter().any(|seq| seq.0 < 40) {
        turn += 1;
        let who = usize::from(turn * turn % 7 < 3);
        let next = reached[who].next();
        if next.0 > 40 {
            reached[1 - who] = mark(sinks[1 - who].as_mut()).await;
            continue;
        }
        match send(sinks[who].as_mut(), next.0, &[i64::try_from(next.0).unwrap()]).await {
            Ok(()) => reached[who] = next,
            Err(error) => {
                assert!(is_retry(&error), "{error}");
                refused += 1;
                reached[who] = mark(sinks[who].as_mut()).await;
            }
        }
    }
    assert!(refused > 0, "the two never met");
    let expected: Vec<String> = (1..=40).map(|id| id.to_string()).collect();
    assert_eq!(fixture.rows(ALL), expected);
}

#[tokio::test]
async fn a_write_of_two_runs_is_refused() {
    let fixture = fixture();
    let mut sink = fixture.connected().await;
    sink.write(&batch(1, &rows(&[1]))).await.unwrap();
    let error = sink.write(&batch_of(RunId([9; 16]), 1, &rows(&[1]))).await.unwrap_err();
    assert_eq!(error.action(), &Action::Halt);
    assert_eq!(sink.flush().await.unwrap(), None, "what was written before is forgotten");
}
