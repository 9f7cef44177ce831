//! Migrations: in order, once, whole, unchanged.

use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema};
use serde_json::json;
use smiles_stage::{Action, StageError};

use crate::fixture::{Fixture, RUN, plan};

fn fixture() -> Fixture {
    let input = Arc::new(Schema::new(vec![Field::new("id", DataType::Int64, true)]));
    Fixture::new(json!({ "readings": { "columns": { "id": "id" } } }), input)
        .with_migration("001_readings.sql", "CREATE TABLE readings (id INTEGER);")
}

async fn connect(fixture: &Fixture) -> Result<(), StageError> {
    fixture.open().await.sink.watermark(RUN).await.map(drop)
}

#[tokio::test]
async fn each_is_applied_once_and_in_order() {
    let fixture = fixture().with_migration("002_more.sql", "ALTER TABLE readings ADD COLUMN note TEXT;");
    let fixture =
        fixture.with_migration("010_late.sql", "INSERT INTO readings (id, note) VALUES (1, 'a'), (2, 'b');");
    let fixture = fixture.with_migration("notes.txt", "not a migration");
    connect(&fixture).await.unwrap();
    connect(&fixture).await.unwrap();
    assert_eq!(fixture.rows("SELECT id, note FROM readings"), ["1|a", "2|b"]);
    let recorded = "SELECT number, name, applied FROM smiles_migrations";
    assert_eq!(
        fixture.rows(recorded),
        [
            "1|001_readings.sql|1970-01-01T00:00:00Z",
            "2|002_more.sql|1970-01-01T00:00:00Z",
            "10|010_late.sql|1970-01-01T00:00:00Z"
        ]
    );
}

#[tokio::test]
async fn what_is_wrong_halts_and_changes_nothing() {
    let cases = [
        ("001_readings.sql", "CREATE TABLE readings (id INTEGER, more TEXT);", "not what was applied"),
        ("000_before.sql", "CREATE TABLE before (id INTEGER);", "comes before number 1"),
        ("002_bad.sql", "CREATE TABLE half (id INTEGER); CREATE TABEL oops;", "failed and was undone"),
        ("002_commit.sql", "CREATE TABLE half (id INTEGER); COMMIT;", "must not commit by itself"),
        (
            "002_orphans.sql",
            "CREATE TABLE p (id INTEGER PRIMARY KEY); CREATE TABLE c (p INTEGER REFERENCES p); INSERT INTO c VALUES (5);",
            "without their parents",
        ),
    ];
    for (name, sql, says) in cases {
        let fixture = fixture();
        connect(&fixture).await.unwrap();
        let fixture = fixture.with_migration(name, sql);
        let error = connect(&fixture).await.unwrap_err();
        assert_eq!(error.action(), &Action::Halt, "{name}: {error}");
        assert!(error.to_string().contains(says) && error.to_string().contains(name), "{name}: {error}");
        assert_eq!(fixture.rows("SELECT count(*) FROM smiles_migrations"), ["1"], "{name}");
    }
}

#[tokio::test]
async fn line_endings_do_not_matter() {
    let unix = "CREATE TABLE readings (\n id INTEGER\n);\n";
    let fixture = fixture().with_migration("001_readings.sql", unix);
    connect(&fixture).await.unwrap();
    let fixture = fixture.with_migration("001_readings.sql", &unix.replace('\n', "\r\n"));
    connect(&fixture).await.unwrap();
}

#[test]
fn a_bad_folder_is_found_before_anything_runs() {
    let empty = fixture();
    let mut twice = fixture();
    twice.files.0.insert("sql/01_again.sql".into(), "SELECT 1".into());
    let mut none = fixture();
    none.files.0 = [("sql/readme.md".to_owned(), String::new())].into();
    let cases = [
        (empty, json!("nowhere"), "cannot read nowhere"),
        (twice, json!("sql"), "have the same number"),
        (none, json!("sql"), "no migration in sql"),
    ];
    for (fixture, folder, says) in cases {
        let mut options = fixture.options.clone();
        options["migrations"] = folder;
        let problems = plan(&options, &fixture.files).err().unwrap();
        assert!(problems[0].message.contains(says), "{problems:?}");
        assert_eq!(problems[0].at.to_string(), "migrations");
        assert!(problems[0].help.is_some());
    }
}
