//! Rows that can never be stored are named, all at once; everything else waits for them to be set aside.

use std::sync::Arc;

use arrow_array::{RecordBatch, StringArray, TimestampMicrosecondArray, UInt64Array};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use serde_json::json;
use smiles_stage::{Action, Batch, Seq, Sink, StageError, time_field};
use smiles_testkit::left_out;

use crate::fixture::{Fixture, RUN, batch};

fn input() -> SchemaRef {
    let name = Field::new("name", DataType::Utf8, true);
    Arc::new(Schema::new(vec![time_field(), name, Field::new("value", DataType::UInt64, true)]))
}

/// A parent table and its children, with every kind of constraint.
fn fixture() -> Fixture {
    let tables = json!({
        "names": { "mode": "upsert", "key": ["name"], "columns": { "name": "name", "value": "value" } },
        "readings": { "columns": { "name": "name", "at": "time", "value": "value" } },
    });
    let sql = "CREATE TABLE names (name TEXT PRIMARY KEY NOT NULL CHECK (name <> 'bad'), value INTEGER);
               CREATE TABLE readings (id INTEGER PRIMARY KEY, name TEXT NOT NULL REFERENCES names (name), at TEXT,
                                      value INTEGER NOT NULL CHECK (value <> 13), UNIQUE (name, value));
               CREATE TRIGGER refuse BEFORE INSERT ON readings WHEN new.value = 66
               BEGIN SELECT raise(ABORT, 'not 66'); END;";
    Fixture::new(tables, input()).with_migration("001_tables.sql", sql)
}

fn rows(rows: &[(Option<&str>, Option<u64>)]) -> RecordBatch {
    timed(&rows.iter().map(|(name, value)| (0, *name, *value)).collect::<Vec<_>>())
}

fn timed(rows: &[(i64, Option<&str>, Option<u64>)]) -> RecordBatch {
    let times =
        TimestampMicrosecondArray::from_iter_values(rows.iter().map(|row| row.0)).with_timezone("UTC");
    let names: StringArray = rows.iter().map(|row| row.1).collect();
    let values: UInt64Array = rows.iter().map(|row| row.2).collect();
    RecordBatch::try_new(input(), vec![Arc::new(times), Arc::new(names), Arc::new(values)]).unwrap()
}

async fn send(sink: &mut dyn Sink, batches: &[RecordBatch]) -> Result<(), StageError> {
    for (index, records) in batches.iter().enumerate() {
        sink.write(&batch(u64::try_from(index).unwrap() + 1, records)).await?;
    }
    sink.flush().await.map(drop)
}

/// Batch, row and code of each rejection.
fn rejected(error: &StageError) -> Vec<(usize, usize, &str)> {
    let Action::Reject { rows } = error.action() else { panic!("no rows are named: {}", error.chain()) };
    rows.iter().map(|row| (row.batch, row.row, row.code.as_str())).collect()
}

#[tokio::test]
async fn all_rows_a_constraint_refuses_are_named_at_once() {
    let fixture = fixture();
    let mut sink = fixture.connected().await;
    let first = rows(&[(Some("a"), Some(1)), (Some("a"), Some(13)), (Some("bad"), Some(2))]);
    let second =
        rows(&[(Some("b"), None), (Some("a"), Some(1)), (Some("b"), Some(66)), (Some("c"), Some(5))]);
    let error = send(sink.as_mut(), &[first, second]).await.unwrap_err();
    assert_eq!(
        rejected(&error),
        [
            (0, 1, "SQLITE_CONSTRAINT_CHECK"),
            (0, 2, "SQLITE_CONSTRAINT_CHECK"),
            (1, 0, "SQLITE_CONSTRAINT_NOTNULL"),
            (1, 1, "SQLITE_CONSTRAINT_UNIQUE"),
            (1, 2, "SQLITE_CONSTRAINT_TRIGGER"),
        ]
    );
    assert!(error.to_string().contains("5 rows"), "{error}");
    assert_eq!(fixture.rows("SELECT (SELECT count(*) FROM names), (SELECT count(*) FROM readings)"), ["0|0"]);
    assert_eq!(sink.watermark(RUN).await.unwrap().unwrap().seq, Seq::ZERO);
    let rest = [rows(&[(Some("a"), Some(1))]), rows(&[(Some("c"), Some(5))])];
    send(sink.as_mut(), &rest).await.unwrap();
    assert_eq!(fixture.rows("SELECT name, value FROM readings ORDER BY id"), ["a|1", "c|5"]);
}

#[tokio::test]
async fn rows_no_table_can_hold_are_named_before_the_database_is_asked() {
    let fixture = fixture();
    let mut sink = fixture.connected().await;
    let error =
        send(sink.as_mut(), &[rows(&[(Some("a"), Some(u64::MAX)), (None, Some(1)), (Some("b"), Some(2))])])
            .await
            .unwrap_err();
    assert_eq!(rejected(&error), [(0, 0, "out_of_range"), (0, 1, "null_key")]);
    let said = "column `value` of table `names` holds 18446744073709551615, and int64 goes from \
                -9223372036854775808 to 9223372036854775807";
    let Action::Reject { rows } = error.action() else { panic!("{}", error.chain()) };
    assert_eq!(rows[0].reason, said);
}

#[tokio::test]
async fn an_instant_outside_of_four_digit_years_is_named() {
    let fixture = fixture();
    let mut sink = fixture.connected().await;
    let year_0 = -62_167_219_200_000_000;
    let rows = timed(&[
        (year_0, Some("a"), Some(1)),
        (year_0 - 1, Some("b"), Some(2)),
        (i64::MAX, Some("c"), Some(3)),
    ]);
    let error = send(sink.as_mut(), std::slice::from_ref(&rows)).await.unwrap_err();
    assert_eq!(rejected(&error), [(0, 1, "out_of_range"), (0, 2, "out_of_range")]);
    send(sink.as_mut(), &[rows.slice(0, 1)]).await.unwrap();
    assert_eq!(fixture.rows("SELECT at FROM readings"), ["0000-01-01T00:00:00.000000+00:00"]);
}

#[tokio::test]
async fn rows_of_a_batch_that_is_older_than_the_mapping_are_named_when_they_do_not_fit() {
    let fixture = fixture();
    let mut sink = fixture.connected().await;
    let other = Arc::new(Schema::new(vec![
        Field::new("name", DataType::Utf8, true),
        Field::new("value", DataType::Utf8, true),
    ]));
    let columns: Vec<arrow_array::ArrayRef> =
        vec![Arc::new(StringArray::from(vec!["a", "b"])), Arc::new(StringArray::from(vec!["1", "2"]))];
    let old = RecordBatch::try_new(other, columns).unwrap();
    let error = send(sink.as_mut(), &[old]).await.unwrap_err();
    assert_eq!(rejected(&error), [(0, 0, "wrong_schema"), (0, 1, "wrong_schema")]);
}

#[tokio::test]
async fn a_trigger_that_rolls_back_is_named_and_stores_nothing() {
    let fixture = fixture();
    let mut sink = fixture.connected().await;
    let trigger = "CREATE TRIGGER undo BEFORE INSERT ON readings WHEN new.value = 7
                   BEGIN SELECT raise(ROLLBACK, 'all of it'); END";
    fixture.database().execute_batch(trigger).unwrap();
    let records = rows(&[(Some("a"), Some(1)), (Some("a"), Some(7)), (Some("b"), Some(8))]);
    let error = send(sink.as_mut(), &[records]).await.unwrap_err();
    assert_eq!(rejected(&error), [(0, 1, "SQLITE_CONSTRAINT_TRIGGER")]);
    assert_eq!(sink.watermark(RUN).await.unwrap().unwrap().seq, Seq::ZERO);
    assert_eq!(fixture.rows("SELECT count(*) FROM names"), ["0"]);
}

#[tokio::test]
async fn a_folded_row_that_is_refused_is_blamed_on_the_row_it_came_from() {
    let tables = json!({ "names": { "mode": "upsert", "key": ["name"], "columns": { "name": "name", "value": "value" } } });
    let fixture = Fixture::new(tables, input()).with_migration(
        "001_names.sql",
        "CREATE TABLE names (name TEXT PRIMARY KEY, value INTEGER CHECK (value < 10))",
    );
    let mut sink = fixture.connected().await;
    let records = rows(&[(Some("a"), Some(1)), (Some("a"), Some(10)), (Some("b"), Some(3))]);
    let error = send(sink.as_mut(), &[records]).await.unwrap_err();
    assert_eq!(rejected(&error), [(0, 1, "SQLITE_CONSTRAINT_CHECK")]);
    send(sink.as_mut(), &[rows(&[(Some("a"), Some(1)), (Some("b"), Some(3))])]).await.unwrap();
    assert_eq!(fixture.rows("SELECT name, value FROM names ORDER BY name"), ["a|1", "b|3"]);
}

/// What triggers leave out without an error.
const SWALLOWING: &str = "
    CREATE TABLE names (name TEXT PRIMARY KEY NOT NULL, value INTEGER);
    CREATE TABLE readings (name TEXT, value INTEGER CHECK (value <> 66));
    CREATE TRIGGER a BEFORE INSERT ON names WHEN new.value = 13 BEGIN SELECT raise(IGNORE); END;
    CREATE TRIGGER b BEFORE UPDATE ON names WHEN new.value = 13 BEGIN SELECT raise(IGNORE); END;
    CREATE TRIGGER c BEFORE INSERT ON readings WHEN new.value = 13 BEGIN SELECT raise(IGNORE); END;";

fn swallowing(names: &serde_json::Value) -> Fixture {
    let tables = json!({
        "names": names, "readings": { "columns": { "name": "name", "value": "value" } },
    });
    Fixture::new(tables, input()).with_migration("001_tables.sql", SWALLOWING)
}

fn named(seq: u64, given: &[(&str, Option<u32>)]) -> Batch {
    batch(
        seq,
        &rows(&given.iter().map(|(name, value)| (Some(*name), value.map(u64::from))).collect::<Vec<_>>()),
    )
}

#[tokio::test]
async fn rows_that_a_trigger_leaves_out_are_counted_by_table() {
    let columns = json!({ "name": "name", "value": "value" });
    let upserts = [
        json!({ "mode": "upsert", "key": ["name"], "columns": columns }),
        json!({ "mode": "upsert", "key": ["name"], "newest": "value", "columns": columns }),
    ];
    for names in upserts {
        let fixture = swallowing(&names);
        let mut sink = fixture.connected().await;
        left_out::are_counted(sink.as_mut(), &named, "SQLITE_CONSTRAINT_CHECK", &names.to_string()).await;
        assert_eq!(fixture.rows("SELECT name, value FROM names ORDER BY name"), ["a|20", "b|1"]);
    }
}

#[tokio::test]
async fn rows_that_rightly_change_nothing_are_not_counted() {
    let columns = json!({ "name": "name", "value": "value" });
    let upserts = [
        json!({ "mode": "upsert", "key": ["name"], "newest": "value", "columns": columns }),
        json!({ "mode": "upsert", "key": ["name"], "columns": { "name": "name" } }),
    ];
    for names in upserts {
        let fixture = swallowing(&names);
        let mut sink = fixture.connected().await;
        left_out::are_not_those_that_change_nothing(sink.as_mut(), &named, &names.to_string()).await;
    }
}

#[tokio::test]
async fn late_rows_of_a_poll_that_is_stored_are_not_counted() {
    let columns = json!({ "name": "name", "at": "time", "value": "value" });
    let tables = json!({ "readings": { "columns": columns, "distinct": ["name"] } });
    let sql = SWALLOWING.replace("readings (name TEXT,", "readings (name TEXT, at TEXT,");
    let fixture = Fixture::new(tables, input()).with_migration("001_tables.sql", &sql);
    let mut sink = fixture.connected().await;
    sink.write(&batch(1, &rows(&[(Some("a"), Some(1))]))).await.unwrap();
    sink.flush().await.unwrap();
    let late =
        rows(&[(Some("a"), Some(2)), (Some("b"), Some(3)), (Some("b"), Some(4)), (Some("c"), Some(13))]);
    sink.upkeep().unwrap().replay(&batch(2, &late)).await.unwrap();
    sink.flush().await.unwrap();
    assert_eq!(fixture.rows("SELECT name FROM readings ORDER BY name"), ["a", "b"]);
    assert_eq!(sink.swallowed(), [("readings".to_owned(), 1)]);
}

#[tokio::test]
async fn rows_that_go_through_a_view_are_not_taken_for_left_out() {
    let tables = json!({ "seen": { "columns": { "name": "name", "value": "value" } } });
    let sql =
        "CREATE TABLE held (name TEXT, value INTEGER); CREATE VIEW seen AS SELECT name, value FROM held;
        CREATE TRIGGER t INSTEAD OF INSERT ON seen BEGIN INSERT INTO held VALUES (new.name, new.value); END;";
    let fixture = Fixture::new(tables, input()).with_migration("001_tables.sql", sql);
    let mut sink = fixture.connected().await;
    sink.write(&batch(1, &rows(&[(Some("a"), Some(1))]))).await.unwrap();
    sink.flush().await.unwrap();
    assert_eq!(fixture.rows("SELECT value FROM held"), ["1"]);
    assert_eq!(sink.swallowed(), []);
}
