//! Rows the database refuses are named, all at once; a table that is wrong halts the sink; nothing else is lost.

use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use serde_json::json;
use smiles_stage::{Action, Batch, Seq, Sink, StageError, time_field};
use smiles_testkit::left_out;

use crate::fixture::{Fixture, RUN, batch};

fn input() -> SchemaRef {
    let name = Field::new("name", DataType::Utf8, true);
    Arc::new(Schema::new(vec![name, Field::new("value", DataType::Int64, true)]))
}

/// A parent table and its children, with every kind of constraint.
fn fixture() -> Fixture {
    let tables = json!({
        "names": { "mode": "upsert", "key": ["name"], "columns": { "name": "name", "value": "value" } },
        "readings": { "columns": { "name": "name", "value": "value" } },
    });
    let sql = "CREATE TABLE names (name text PRIMARY KEY CHECK (name <> 'bad'), value bigint);
               CREATE TABLE readings (id bigserial, name text NOT NULL REFERENCES names (name),
                                      value integer NOT NULL CHECK (value <> 13), UNIQUE (name, value));
               CREATE TABLE elsewhere (value integer PRIMARY KEY);
               INSERT INTO elsewhere SELECT generate_series(0, 999) EXCEPT SELECT 77;
               ALTER TABLE readings ADD FOREIGN KEY (value) REFERENCES elsewhere DEFERRABLE INITIALLY DEFERRED;";
    Fixture::new(tables, input()).with_migration("001_tables.sql", sql)
}

fn rows(rows: &[(Option<&str>, Option<i64>)]) -> RecordBatch {
    let names: StringArray = rows.iter().map(|row| row.0).collect();
    let values: Int64Array = rows.iter().map(|row| row.1).collect();
    RecordBatch::try_new(input(), vec![Arc::new(names), Arc::new(values)]).unwrap()
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
        rows(&[(Some("b"), None), (Some("a"), Some(1)), (Some("b"), Some(77)), (Some("c"), Some(5))]);
    let error = send(sink.as_mut(), &[first, second]).await.unwrap_err();
    let expected = [(0, 1, "23514"), (0, 2, "23514"), (1, 0, "23502"), (1, 1, "23505"), (1, 2, "23503")];
    assert_eq!(rejected(&error), expected);
    assert!(error.to_string().contains("5 rows"), "{error}");
    assert_eq!(fixture.rows("SELECT (SELECT count(*) FROM names), (SELECT count(*) FROM readings)"), ["0|0"]);
    assert_eq!(sink.watermark(RUN).await.unwrap().unwrap().seq, Seq::ZERO);
    let rest = [rows(&[(Some("a"), Some(1))]), rows(&[(Some("c"), Some(5))])];
    send(sink.as_mut(), &rest).await.unwrap();
    assert_eq!(fixture.rows("SELECT name, value FROM readings ORDER BY id"), ["a|1", "c|5"]);
}

#[tokio::test]
async fn of_many_rows_only_the_bad_ones_are_named_and_the_others_keep_their_order() {
    let fixture = fixture();
    let mut sink = fixture.connected().await;
    let names: Vec<String> = (0..500).map(|row| format!("n{row}")).collect();
    let bad = [0, 250, 251, 499];
    let value = |row: usize| if bad.contains(&row) { 13 } else { i64::try_from(row).unwrap() + 500 };
    let all: Vec<_> =
        names.iter().enumerate().map(|(row, name)| (Some(name.as_str()), Some(value(row)))).collect();
    fixture.database.sql("INSERT INTO elsewhere SELECT generate_series(1000, 1999)");
    let error = send(sink.as_mut(), &[rows(&all)]).await.unwrap_err();
    let named: Vec<usize> = rejected(&error).iter().map(|row| row.1).collect();
    assert_eq!(named, bad);
    let rest: Vec<_> =
        all.into_iter().enumerate().filter(|(row, _)| !bad.contains(row)).map(|(_, it)| it).collect();
    send(sink.as_mut(), &[rows(&rest)]).await.unwrap();
    let stored = fixture.rows("SELECT value - 500 FROM readings ORDER BY id");
    let expected: Vec<String> =
        (0..500).filter(|row| !bad.contains(row)).map(|row| row.to_string()).collect();
    assert_eq!(stored, expected);
}

#[tokio::test]
async fn a_folded_row_that_is_refused_is_blamed_on_the_row_it_came_from() {
    let tables = json!({ "names": { "mode": "upsert", "key": ["name"], "columns": { "name": "name", "value": "value" } } });
    let sql = "CREATE TABLE names (name text PRIMARY KEY, value bigint CHECK (value < 10))";
    let fixture = Fixture::new(tables, input()).with_migration("001_names.sql", sql);
    let mut sink = fixture.connected().await;
    let error =
        send(sink.as_mut(), &[rows(&[(Some("a"), Some(1)), (Some("a"), Some(10)), (Some("b"), Some(3))])])
            .await
            .unwrap_err();
    assert_eq!(rejected(&error), [(0, 1, "23514")]);
    send(sink.as_mut(), &[rows(&[(Some("a"), Some(1)), (Some("b"), Some(3))])]).await.unwrap();
    assert_eq!(fixture.rows("SELECT name, value FROM names ORDER BY name"), ["a|1", "b|3"]);
}

#[tokio::test]
async fn a_table_that_is_wrong_halts_the_sink_and_says_what_is_wrong() {
    let cases = [
        ("ALTER TABLE readings DROP COLUMN value", "there is no column `value`"),
        (
            "ALTER TABLE names ALTER value TYPE date USING now()",
            "`value` is date there and cannot hold int64",
        ),
        ("DROP TABLE readings", "table `readings` does not fit the mapping: there is no such table"),
        (
            "ALTER TABLE readings ADD more integer NOT NULL",
            "`more` must not be null, has no default, and is not mapped",
        ),
        ("ALTER TABLE names DROP CONSTRAINT names_pkey CASCADE", "do not fit the mapping"),
        ("REVOKE INSERT ON readings FROM smiles", "may not do this"),
    ];
    for (wrong, says) in cases {
        let fixture = fixture();
        let mut sink = fixture.connected().await;
        fixture.database.sql(wrong);
        let readings = [rows(&[(Some("a"), Some(1))])];
        let mut error = send(sink.as_mut(), &readings).await.unwrap_err();
        // At the first write the database itself complains; asked again, everything is looked at.
        if !error.chain().contains(says)
            && let Err(asked) = sink.watermark(RUN).await
        {
            error = asked;
        }
        assert_eq!(error.action(), &Action::Halt, "{wrong}: {}", error.chain());
        assert!(error.chain().contains(says), "{wrong}: {}", error.chain());
    }
}

#[tokio::test]
async fn after_the_repair_of_a_table_what_waited_is_stored() {
    let fixture = fixture();
    let mut sink = fixture.connected().await;
    fixture.database.sql("ALTER TABLE readings RENAME value TO other");
    let readings = [rows(&[(Some("a"), Some(1))])];
    assert!(send(sink.as_mut(), &readings).await.is_err());
    assert!(sink.watermark(RUN).await.is_err());
    fixture.database.sql("ALTER TABLE readings RENAME other TO value");
    assert_eq!(sink.watermark(RUN).await.unwrap().unwrap().seq, Seq::ZERO);
    send(sink.as_mut(), &readings).await.unwrap();
    assert_eq!(fixture.rows("SELECT name, value FROM readings"), ["a|1"]);
}

#[tokio::test]
async fn a_column_whose_type_changes_while_it_is_written_is_noticed_before_the_next_row() {
    let tables = json!({ "t": { "columns": { "name": "name", "value": "value" } } });
    let sql = "CREATE TABLE t (id bigserial, name text, value bigint)";
    let fixture = Fixture::new(tables, input()).with_migration("001_t.sql", sql);
    let mut sink = fixture.connected().await;
    let one = [rows(&[(Some("a"), Some(1))])];
    send(sink.as_mut(), &one).await.unwrap();
    // As wide as before: without a look at the table its bits would be taken for another number.
    for (seq, of) in [(2, "double precision"), (3, "numeric"), (4, "integer"), (5, "bigint")] {
        fixture.database.sql(&format!("ALTER TABLE t ALTER value TYPE {of}"));
        let records = rows(&[(Some("a"), Some(i64::try_from(seq).unwrap()))]);
        sink.write(&batch(seq, &records)).await.unwrap();
        let error = sink.flush().await.unwrap_err();
        assert!(matches!(error.action(), Action::Retry { .. }), "{of}: {}", error.chain());
        assert!(error.chain().contains("have changed"), "{of}: {}", error.chain());
        assert_eq!(sink.watermark(RUN).await.unwrap().unwrap().seq, Seq(seq - 1));
        sink.write(&batch(seq, &records)).await.unwrap();
        sink.flush().await.unwrap();
    }
    assert_eq!(fixture.rows("SELECT value FROM t ORDER BY id"), ["1", "2", "3", "4", "5"]);
}

#[tokio::test]
async fn an_upsert_cuts_no_text() {
    let tables = json!({ "names": { "mode": "upsert", "key": ["name"], "columns": { "name": "name", "value": "value" } } });
    let sql = "CREATE TABLE names (name varchar(3) PRIMARY KEY, value bigint)";
    let fixture = Fixture::new(tables, input()).with_migration("001_names.sql", sql);
    let mut sink = fixture.connected().await;
    let error =
        send(sink.as_mut(), &[rows(&[(Some("abc"), Some(1)), (Some("abcd"), Some(2))])]).await.unwrap_err();
    assert_eq!(rejected(&error), [(0, 1, "22001")]);
}

/// What triggers and rules leave out without an error.
const SWALLOWING: &str = "
    CREATE FUNCTION leave_out() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN IF new.value = 13 THEN RETURN NULL; END IF; RETURN new; END $$;
    CREATE TRIGGER leave_out BEFORE INSERT OR UPDATE ON names FOR EACH ROW EXECUTE FUNCTION leave_out();
    CREATE TRIGGER leave_out BEFORE INSERT ON readings FOR EACH ROW EXECUTE FUNCTION leave_out();";

fn swallowing(names: serde_json::Value, sql: &str) -> Fixture {
    let tables = json!({
        "names": names, "readings": { "columns": { "name": "name", "value": "value" } },
    });
    let sql = format!("CREATE TABLE names (name text PRIMARY KEY, value bigint); {sql} {SWALLOWING}");
    Fixture::new(tables, input()).with_migration("001_tables.sql", &sql)
}

const READINGS: &str = "CREATE TABLE readings (name text, value bigint CHECK (value <> 66));";

fn named(seq: u64, given: &[(&str, Option<u32>)]) -> Batch {
    batch(
        seq,
        &rows(&given.iter().map(|(name, value)| (Some(*name), value.map(i64::from))).collect::<Vec<_>>()),
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
        let fixture = swallowing(names.clone(), READINGS);
        let mut sink = fixture.connected().await;
        left_out::are_counted(sink.as_mut(), &named, "23514", &names.to_string()).await;
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
        let fixture = swallowing(names.clone(), READINGS);
        let mut sink = fixture.connected().await;
        left_out::are_not_those_that_change_nothing(sink.as_mut(), &named, &names.to_string()).await;
    }
}

#[tokio::test]
async fn rows_that_a_trigger_moves_to_the_children_of_a_table_are_there() {
    let names = json!({ "mode": "upsert", "key": ["name"], "columns": { "name": "name", "value": "value" } });
    let moving = "CREATE TABLE readings (name text, value bigint); CREATE TABLE part () INHERITS (readings);
        CREATE FUNCTION move_row() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN INSERT INTO part VALUES (new.*); RETURN NULL; END $$;
        CREATE TRIGGER move_row BEFORE INSERT ON readings FOR EACH ROW EXECUTE FUNCTION move_row();";
    let fixture = swallowing(names, moving);
    fixture.deliver(1, &rows(&[(Some("a"), Some(1))])).await;
    let mut sink = fixture.connected().await;
    sink.write(&batch(2, &rows(&[(Some("a"), Some(2))]))).await.unwrap();
    sink.flush().await.unwrap();
    assert_eq!(sink.swallowed(), []);
    assert_eq!(fixture.rows("SELECT value FROM readings ORDER BY value"), ["1", "2"]);
}

#[tokio::test]
async fn late_rows_of_a_poll_that_is_stored_are_not_counted() {
    let columns = json!({ "name": "name", "at": "time", "value": "value" });
    let tables = json!({ "readings": { "columns": columns, "distinct": ["name"] } });
    let sql = format!(
        "CREATE TABLE readings (name text, at timestamptz, value bigint); CREATE TABLE names (value bigint); {SWALLOWING}"
    );
    let [name, value] = [0, 1].map(|column| input().field(column).clone());
    let schema = Arc::new(Schema::new(vec![time_field(), name, value]));
    let rows = |given: &[(Option<&str>, Option<i64>)]| {
        let times = TimestampMicrosecondArray::from(vec![0; given.len()]).with_timezone("UTC");
        let columns = std::iter::once(Arc::new(times) as ArrayRef).chain(rows(given).columns().to_vec());
        RecordBatch::try_new(Arc::clone(&schema), columns.collect()).unwrap()
    };
    let fixture = Fixture::new(tables, Arc::clone(&schema)).with_migration("001_tables.sql", &sql);
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
