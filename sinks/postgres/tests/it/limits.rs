//! What a role or a database has as its default (patience, isolation) changes nothing that is promised.

use std::sync::Arc;
use std::time::Duration;

use arrow_array::{Int64Array, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use serde_json::json;
use smiles_testkit::postgres::Server;

use crate::fixture::{Fixture, RUN, batch};

fn input() -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new("value", DataType::Int64, true)]))
}

fn fixture(default: &str, sql: &str) -> Fixture {
    let tables = json!({ "t": { "columns": { "value": "value" } } });
    let fixture = Fixture::new(tables, input()).with_migration("001_t.sql", sql);
    Server::shared().admin(&format!("ALTER DATABASE {} SET {default}", fixture.database.name));
    fixture
}

#[tokio::test]
async fn a_migration_takes_longer_than_any_statement_may_also_behind_another() {
    let sql = "-- rewrites: t\nCREATE TABLE IF NOT EXISTS t (value bigint); SELECT pg_sleep(0.4)";
    let one = fixture("statement_timeout = '150ms'", sql);
    let other = Fixture::on(one.database.clone(), one.options["tables"].clone(), input())
        .with_migration("002_t.sql", sql);
    tokio::join!(one.connected(), other.connected());
    let applied = one.rows("SELECT name FROM smiles_migrations ORDER BY name");
    assert_eq!(applied, ["001_t.sql", "002_t.sql"]);
}

#[tokio::test]
async fn of_two_that_migrate_at_once_the_second_finds_it_done_at_any_isolation() {
    let isolation = "default_transaction_isolation = 'repeatable read'";
    let fixture = fixture(isolation, "CREATE TABLE t (value bigint); SELECT pg_sleep(0.3)");
    tokio::join!(fixture.connected(), fixture.connected());
    assert_eq!(fixture.rows("SELECT count(*) FROM smiles_migrations"), ["1"]);
}

#[tokio::test]
async fn a_column_that_changes_while_its_lock_is_waited_for_is_noticed_at_any_isolation() {
    let isolation = "default_transaction_isolation = 'repeatable read'";
    let mut fixture = fixture(isolation, "CREATE TABLE t (value bigint)");
    fixture.options["lock_timeout"] = json!("20s");
    let mut sink = fixture.connected().await;
    let database = fixture.database.clone();
    let holder = std::thread::spawn(move || {
        database.sql("BEGIN; ALTER TABLE t ALTER value TYPE double precision; SELECT pg_sleep(0.7); COMMIT");
    });
    let held =
        "SELECT count(*) FROM pg_locks WHERE relation = 't'::regclass AND mode = 'AccessExclusiveLock'";
    smiles_testkit::eventually(Duration::from_secs(10), || fixture.rows(held) == ["1"]).await;
    let records = RecordBatch::try_new(input(), vec![Arc::new(Int64Array::from(vec![7]))]).unwrap();
    sink.write(&batch(1, &records)).await.unwrap();
    let error = sink.flush().await.unwrap_err();
    holder.join().unwrap();
    assert!(error.chain().contains("have changed"), "{}", error.chain());
    sink.watermark(RUN).await.unwrap();
    sink.write(&batch(1, &records)).await.unwrap();
    sink.flush().await.unwrap();
    assert_eq!(fixture.rows("SELECT value FROM t"), ["7"]);
}
