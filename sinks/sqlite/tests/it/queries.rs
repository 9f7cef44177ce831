//! The battery every store must pass, on tables that SQLite reads in different ways; and what is SQLite's own.

use std::sync::Arc;

use arrow_array::RecordBatch;
use async_trait::async_trait;
use futures::StreamExt;
use serde_json::json;
use smiles_stage::{Action, Query, Store};
use smiles_testkit::store_conformance::{self, Row, Subject, Table, batch, input, rows_of};

use crate::fixture::{Fixture, ask};

/// The same rows in tables that are read in different ways: by walking an index, by scanning, without row numbers.
const TABLES: [&str; 3] = ["plain", "indexed", "odd \"name\""];

fn fixture() -> Fixture {
    let columns = json!({ "id": "id", "s": "s", "p": "p", "time": "time", "v": "v" });
    let tables: serde_json::Map<_, _> =
        TABLES.iter().map(|name| ((*name).to_owned(), json!({ "columns": columns }))).collect();
    let sql = "CREATE TABLE indexed (id INTEGER, s TEXT, p INTEGER, time TEXT, v REAL);
               CREATE INDEX one ON indexed (s, time DESC);
               CREATE INDEX two ON indexed (s, p, time DESC);
               CREATE TABLE plain (id INTEGER, s TEXT, p INTEGER, time TEXT, v REAL);
               CREATE INDEX partial ON plain (s, p) WHERE v > 0;
               CREATE TABLE \"odd \"\"name\"\"\" (id INTEGER PRIMARY KEY, s TEXT, p INTEGER, time TEXT, v REAL)
                      WITHOUT ROWID;";
    Fixture::new(tables.into(), input()).with_migration("001_tables.sql", sql)
}

struct Database {
    fixture: Fixture,
    store: Arc<dyn Store>,
}

impl Database {
    async fn new(fixture: Fixture) -> Self {
        fixture.connected().await;
        let store = fixture.open().await.store.unwrap();
        Self { fixture, store }
    }
}

#[async_trait]
impl Subject for Database {
    fn tables(&self) -> Vec<Table> {
        // Without row numbers nothing says which of two equally new rows came last.
        TABLES.map(|name| Table { name, knows_the_last: !name.starts_with("odd") }).to_vec()
    }

    fn store(&self) -> Arc<dyn Store> {
        Arc::clone(&self.store)
    }

    async fn refill(&self, rows: &[Row]) {
        self.fixture
            .database()
            .execute_batch(
                "BEGIN; DELETE FROM indexed; DELETE FROM plain; DELETE FROM \"odd \"\"name\"\"\";
                 DELETE FROM smiles_watermarks; COMMIT",
            )
            .unwrap();
        self.fixture.deliver(1, &batch(rows)).await;
    }
}

#[test]
fn every_query_means_the_same_in_every_table() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let database = runtime.block_on(Database::new(fixture()));
    store_conformance::queries(&database, &runtime, 96);
}

#[tokio::test]
async fn a_query_that_does_not_fit_is_refused_with_what_is_known() {
    store_conformance::misfits(&Database::new(fixture()).await).await;
}

#[tokio::test]
async fn long_answers_come_in_pieces_and_may_be_left_early() {
    let mut fixture = fixture();
    // The only place in the pool is free again after an answer that nobody read to its end.
    fixture.options["readers"] = json!(1);
    store_conformance::long_answers(&Database::new(fixture).await).await;
}

fn many(rows: i64) -> RecordBatch {
    batch(&store_conformance::many(rows))
}

#[tokio::test]
async fn a_store_without_a_file_yet_says_so_and_is_tried_again() {
    let fixture = fixture();
    let store = fixture.open().await.store.unwrap();
    let query = Query { table: "plain".into(), ..Query::default() };
    let error = store.query(&query).await.err().expect("no file yet");
    assert!(matches!(error.action(), Action::Retry { .. }), "{error}");
    assert!(store.stats().await.is_err());
    fixture.connected().await;
    assert_eq!(ask(store.as_ref(), &query).await.iter().map(RecordBatch::num_rows).sum::<usize>(), 0);
}

#[tokio::test]
async fn readers_see_whole_writes_while_the_writer_goes_on() {
    let fixture = fixture();
    fixture.deliver(1, &many(2_000)).await;
    let store = fixture.open().await.store.unwrap();
    let query = Query { table: "plain".into(), columns: vec!["id".into()], ..Query::default() };
    let mut rows = store.query(&query).await.unwrap();
    assert!(rows.next().await.unwrap().is_ok());
    fixture.deliver(2, &many(2_010).slice(2_000, 10)).await;
    let rest: Vec<_> = rows.collect().await;
    let rest: usize = rest.into_iter().map(|piece| piece.unwrap().num_rows()).sum();
    assert_eq!(rest + 1_024, 2_000, "an answer is of one moment");
}

#[tokio::test]
async fn a_replaced_file_is_seen_by_the_next_query() {
    let fixture = fixture();
    fixture.deliver(1, &many(3)).await;
    let store = fixture.open().await.store.unwrap();
    let query = Query { table: "plain".into(), columns: vec!["id".into()], ..Query::default() };
    assert_eq!(rows_of(&ask(store.as_ref(), &query).await).len(), 3);
    for end in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(fixture.folder.path().join(format!("store.db{end}")));
    }
    fixture.deliver(1, &many(1)).await;
    assert_eq!(rows_of(&ask(store.as_ref(), &query).await).len(), 1);
    assert_eq!(store.stats().await.unwrap().rows[0], ("plain".to_owned(), 1));
}
