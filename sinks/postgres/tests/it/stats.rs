//! How many rows a store says it has, and what it takes to say so.

use std::time::Duration;

use serde_json::json;
use smiles_stage::Store;
use smiles_testkit::eventually;
use smiles_testkit::store_conformance::input;

use crate::fixture::Fixture;

fn fixture(sql: &str) -> Fixture {
    let columns = json!({ "id": "id", "s": "s", "p": "p", "time": "time", "v": "v" });
    let tables = json!({ "readings": { "columns": columns } });
    Fixture::new(tables, input()).with_migration("001_tables.sql", sql)
}

const COLUMNS: &str = "id bigint, s text, p integer, time timestamptz, v real";

fn fill(fixture: &Fixture, rows: u64) {
    let sql = "INSERT INTO readings (id, s, p, time, v) SELECT n, 'a', n % 7, to_timestamp(n), n";
    fixture.database.sql(&format!("{sql} FROM generate_series(1, {rows}) AS n"));
}

async fn told(store: &dyn Store) -> u64 {
    let stats = store.stats().await.unwrap_or_else(|error| panic!("{}", error.chain()));
    assert_eq!(stats.rows[0].0, "readings");
    stats.rows[0].1
}

#[track_caller]
fn near(told: u64, rows: u64) {
    assert!(told.abs_diff(rows) * 20 <= rows, "{told} is not near {rows}");
}

#[tokio::test]
async fn short_tables_are_counted_and_long_ones_estimated() {
    let fixture = fixture(&format!("CREATE TABLE readings ({COLUMNS}) WITH (autovacuum_enabled = off)"));
    fixture.connected().await;
    let store = fixture.open().await.store.unwrap();
    assert_eq!(told(store.as_ref()).await, 0);
    fill(&fixture, 10_000);
    assert_eq!(told(store.as_ref()).await, 10_000);
    fill(&fixture, 90_000);
    near(told(store.as_ref()).await, 100_000);
    // Once the server has looked through it, what comes later is noticed by the size.
    fixture.database.sql("ANALYZE readings");
    near(told(store.as_ref()).await, 100_000);
    fill(&fixture, 100_000);
    near(told(store.as_ref()).await, 200_000);
    fixture.database.sql("DELETE FROM readings WHERE id > 10");
    fixture.database.sql("VACUUM readings");
    let few = fixture.rows("SELECT count(*) FROM readings")[0].parse::<u64>().unwrap();
    assert_eq!(told(store.as_ref()).await, few);
}

#[tokio::test]
async fn a_table_in_parts_has_the_rows_of_all_of_them() {
    let sql = format!(
        "CREATE TABLE readings ({COLUMNS}) PARTITION BY RANGE (id);
         CREATE TABLE first PARTITION OF readings FOR VALUES FROM (0) TO (20001);
         CREATE TABLE rest PARTITION OF readings DEFAULT;"
    );
    let fixture = fixture(&sql);
    fixture.connected().await;
    let store = fixture.open().await.store.unwrap();
    fill(&fixture, 9_000);
    assert_eq!(told(store.as_ref()).await, 9_000);
    fill(&fixture, 60_000);
    near(told(store.as_ref()).await, 69_000);
    fixture.database.sql("ANALYZE first");
    near(told(store.as_ref()).await, 69_000);
}

#[tokio::test]
async fn no_table_is_counted_from_end_to_end() {
    let fixture = fixture(&format!("CREATE TABLE readings ({COLUMNS}) WITH (autovacuum_enabled = off)"));
    fixture.connected().await;
    let store = fixture.open().await.store.unwrap();
    fill(&fixture, 300_000);
    // What a session has read is noted when it ends, at the latest.
    let read = || {
        let noted = fixture.rows("SELECT seq_tup_read FROM pg_stat_user_tables WHERE relname = 'readings'");
        noted[0].parse::<u64>().unwrap()
    };
    let before = read();
    told(store.as_ref()).await;
    drop(store);
    eventually(Duration::from_secs(20), || read() >= before + 10_001).await;
    let read = read() - before;
    assert!(read < 100_000, "{read} rows were read of 300,000");
}
