//! Whose fault a refused row is: what the pipeline writes is set aside, what is wrong with the table holds the sink
//! and is delivered once that is mended.

use std::sync::Arc;

use arrow_array::{Int64Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use serde_json::json;
use smiles_stage::{Action, Seq, Sink, StageError};

use crate::fixture::{Fixture, RUN, batch};

fn input() -> SchemaRef {
    let name = Field::new("name", DataType::Utf8, true);
    Arc::new(Schema::new(vec![name, Field::new("value", DataType::Int64, true)]))
}

fn rows(rows: &[(&str, i64)]) -> RecordBatch {
    let names: StringArray = rows.iter().map(|row| Some(row.0)).collect();
    let values: Int64Array = rows.iter().map(|row| Some(row.1)).collect();
    RecordBatch::try_new(input(), vec![Arc::new(names), Arc::new(values)]).unwrap()
}

/// Of the table `t`, whose columns `name` and `value` are written.
fn fixture(upsert: bool, sql: &str) -> Fixture {
    let columns = json!({ "name": "name", "value": "value" });
    let table = match upsert {
        true => json!({ "mode": "upsert", "key": ["name"], "columns": columns }),
        false => json!({ "columns": columns }),
    };
    Fixture::new(json!({ "t": table }), input()).with_migration("001_t.sql", sql)
}

async fn send(sink: &mut dyn Sink, records: &RecordBatch) -> Result<(), StageError> {
    assert_eq!(sink.watermark(RUN).await?.unwrap().seq, Seq::ZERO);
    sink.write(&batch(1, records)).await?;
    sink.flush().await.map(drop)
}

const GOOD: [(&str, i64); 4] = [("a", 1), ("b", 2), ("c", 3), ("d", 4)];

#[tokio::test]
async fn what_is_wrong_with_the_table_holds_every_row_until_it_is_mended() {
    let refuse = "CREATE TRIGGER refuse BEFORE INSERT ON t BEGIN SELECT raise(";
    let cases = [
        (
            "CREATE TABLE t (name TEXT, value INTEGER, more INTEGER NOT NULL)".to_owned(),
            "ALTER TABLE t DROP COLUMN more",
            "concerns only `more`, which the pipeline does not write",
        ),
        (
            "CREATE TABLE t (name TEXT, value INTEGER, more INTEGER DEFAULT 1, CONSTRAINT \"Few\" CHECK (more < 1));
             CREATE TABLE rest (name TEXT, value INTEGER)"
                .to_owned(),
            "DROP TABLE t; ALTER TABLE rest RENAME TO t",
            "the check `Few` of table `t` concerns only `more`",
        ),
        (
            "CREATE TABLE t (name TEXT, value INTEGER, more INTEGER DEFAULT 1);
             CREATE UNIQUE INDEX one ON t (more)"
                .to_owned(),
            "DROP INDEX one",
            "a constraint of table `t` concerns only `more`",
        ),
        (
            "CREATE TABLE t (name TEXT, value INTEGER, more INTEGER DEFAULT 1);
             CREATE UNIQUE INDEX one ON t (more + 1)"
                .to_owned(),
            "DROP INDEX one",
            "a unique index of table `t` concerns only `more`",
        ),
        (
            "CREATE TABLE site (id INTEGER PRIMARY KEY);
             CREATE TABLE t (name TEXT, value INTEGER, site INTEGER DEFAULT 1 REFERENCES site)"
                .to_owned(),
            "INSERT INTO site VALUES (1)",
            "a foreign key of table `t` concerns only `site`",
        ),
        (
            "CREATE TABLE site (id INTEGER PRIMARY KEY);
             CREATE TABLE t (name TEXT, value INTEGER,
                             site INTEGER DEFAULT 1 REFERENCES site DEFERRABLE INITIALLY DEFERRED)"
                .to_owned(),
            "INSERT INTO site VALUES (1)",
            "a foreign key of table `t` concerns only `site`",
        ),
        (
            "CREATE TABLE site (id INTEGER PRIMARY KEY); CREATE TABLE known (value INTEGER PRIMARY KEY);
             INSERT INTO known VALUES (1), (2), (3), (4);
             CREATE TABLE t (name TEXT, value INTEGER REFERENCES known DEFERRABLE INITIALLY DEFERRED,
                             site INTEGER DEFAULT 1 REFERENCES site DEFERRABLE INITIALLY DEFERRED)"
                .to_owned(),
            "INSERT INTO site VALUES (1)",
            "no row passes",
        ),
        (
            format!("CREATE TABLE t (name TEXT, value INTEGER); {refuse}ABORT, 'not now'); END"),
            "DROP TRIGGER refuse",
            "no row passes",
        ),
        (
            format!("CREATE TABLE t (name TEXT, value INTEGER); {refuse}ROLLBACK, 'not now'); END"),
            "DROP TRIGGER refuse",
            "no row passes",
        ),
        (
            "CREATE TABLE t (name TEXT, value INTEGER, CHECK (json_extract(name, '$.x') IS NULL));
             CREATE TABLE rest (name TEXT, value INTEGER)"
                .to_owned(),
            "DROP TABLE t; ALTER TABLE rest RENAME TO t",
            "no row passes",
        ),
    ];
    for (sql, mend, says) in cases {
        let fixture = fixture(false, &sql);
        let mut sink = fixture.open().await.sink;
        for _ in 0..2 {
            let error = send(sink.as_mut(), &rows(&GOOD)).await.unwrap_err();
            assert!(matches!(error.action(), Action::Retry { .. }), "{sql}: {}", error.chain());
            assert!(error.chain().contains(says), "{sql}: {}", error.chain());
            assert_eq!(error.is_undecided(), says == "no row passes");
        }
        fixture.database().execute_batch(mend).unwrap();
        send(sink.as_mut(), &rows(&GOOD)).await.unwrap_or_else(|error| panic!("{mend}: {}", error.chain()));
        assert_eq!(fixture.rows("SELECT name, value FROM t ORDER BY value"), ["a|1", "b|2", "c|3", "d|4"]);
    }
}

#[tokio::test]
async fn a_row_is_set_aside_if_a_column_that_is_written_is_to_blame() {
    // Of four rows the third is refused.
    let raise = |what: &str| {
        format!(
            "CREATE TABLE t (name TEXT, value INTEGER); CREATE TRIGGER refuse BEFORE INSERT ON t WHEN new.value = 3
             BEGIN SELECT raise({what}, 'not three'); END"
        )
    };
    let cases = [
        (
            "CREATE TABLE t (name TEXT, value INTEGER, more INTEGER DEFAULT 3, CHECK (value <> more))".to_owned(),
            "SQLITE_CONSTRAINT_CHECK",
        ),
        (
            "CREATE TABLE t (name TEXT, value INTEGER, more INTEGER DEFAULT 1, UNIQUE (value, more));
             INSERT INTO t VALUES ('old', 3, 1)"
                .to_owned(),
            "SQLITE_CONSTRAINT_UNIQUE",
        ),
        (
            "CREATE TABLE t (name TEXT, value INTEGER);
             CREATE UNIQUE INDEX one ON t (upper(name)) WHERE value > 2; INSERT INTO t VALUES ('C', 9)"
                .to_owned(),
            "SQLITE_CONSTRAINT_UNIQUE",
        ),
        (
            "CREATE TABLE t (name TEXT, value INTEGER, twice INTEGER AS (value * 2) UNIQUE);
             INSERT INTO t VALUES ('old', 3)"
                .to_owned(),
            "SQLITE_CONSTRAINT_UNIQUE",
        ),
        (
            "CREATE TABLE known (value INTEGER PRIMARY KEY); INSERT INTO known VALUES (1), (2), (4);
             CREATE TABLE t (name TEXT, value INTEGER REFERENCES known)"
                .to_owned(),
            "SQLITE_CONSTRAINT_FOREIGNKEY",
        ),
        (
            "CREATE TABLE known (value INTEGER PRIMARY KEY); INSERT INTO known VALUES (1), (2), (4);
             CREATE TABLE t (name TEXT, value INTEGER REFERENCES known DEFERRABLE INITIALLY DEFERRED)"
                .to_owned(),
            "SQLITE_CONSTRAINT_FOREIGNKEY",
        ),
        (
            "CREATE TABLE t (name TEXT, value INTEGER, most INTEGER AS (abs(CASE value WHEN 3 THEN
             -9223372036854775807 - 1 ELSE value END)) STORED)"
                .to_owned(),
            "SQLITE_ERROR",
        ),
        (
            "CREATE TABLE t (name TEXT, value INTEGER); CREATE TABLE audit (value INTEGER CHECK (value <> 3));
             CREATE TRIGGER copy AFTER INSERT ON t BEGIN INSERT INTO audit VALUES (new.value); END"
                .to_owned(),
            "SQLITE_CONSTRAINT_CHECK",
        ),
        (raise("ABORT"), "SQLITE_CONSTRAINT_TRIGGER"),
        (raise("FAIL"), "SQLITE_CONSTRAINT_TRIGGER"),
        (raise("ROLLBACK"), "SQLITE_CONSTRAINT_TRIGGER"),
    ];
    for (sql, code) in cases {
        let fixture = fixture(false, &sql);
        let mut sink = fixture.open().await.sink;
        let error = send(sink.as_mut(), &rows(&GOOD)).await.unwrap_err();
        let Action::Reject { rows: refused } = error.action() else { panic!("{sql}: {}", error.chain()) };
        let refused: Vec<_> = refused.iter().map(|row| (row.row, row.code.as_str())).collect();
        assert_eq!(refused, [(2, code)], "{sql}");
        let rest = [GOOD[0], GOOD[1], GOOD[3]];
        send(sink.as_mut(), &rows(&rest)).await.unwrap_or_else(|error| panic!("{sql}: {}", error.chain()));
        let stored = fixture.rows("SELECT name FROM t WHERE name NOT IN ('old', 'C') ORDER BY name");
        assert_eq!(stored, ["a", "b", "d"], "{sql}");
    }
}

#[tokio::test]
async fn a_trigger_that_rolls_back_over_the_first_row_is_judged_by_the_next() {
    let sql = "CREATE TABLE t (name TEXT, value INTEGER); CREATE TRIGGER refuse BEFORE INSERT ON t
               WHEN new.value < 3 BEGIN SELECT raise(ROLLBACK, 'too small'); END";
    let fixture = fixture(false, sql);
    let mut sink = fixture.open().await.sink;
    let error = send(sink.as_mut(), &rows(&GOOD)).await.unwrap_err();
    let Action::Reject { rows: refused } = error.action() else { panic!("{}", error.chain()) };
    assert_eq!(refused.iter().map(|row| row.row).collect::<Vec<_>>(), [0, 1]);
}

#[tokio::test]
async fn a_row_that_leaves_children_of_others_alone_is_found_at_the_commit() {
    let sql = "CREATE TABLE t (name TEXT PRIMARY KEY, value INTEGER UNIQUE); INSERT INTO t VALUES ('c', 30);
               CREATE TABLE child (value INTEGER REFERENCES t (value) DEFERRABLE INITIALLY DEFERRED);
               INSERT INTO child VALUES (30)";
    let fixture = fixture(true, sql);
    let mut sink = fixture.open().await.sink;
    let error = send(sink.as_mut(), &rows(&GOOD)).await.unwrap_err();
    let Action::Reject { rows: refused } = error.action() else { panic!("{}", error.chain()) };
    assert_eq!(refused.iter().map(|row| row.row).collect::<Vec<_>>(), [2]);
}
