//! A database of the earlier system, with rows in it, becomes ours in place.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema};
use serde_json::json;
use smiles_stage::{Action, Files, Migrate, WiredSink};
use smiles_testkit::postgres::{Database, PASSWORD, Server, USER};

use crate::fixture::{context, plan};

/// The repository's own files.
struct Repository;

fn path(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

impl Files for Repository {
    fn read(&self, name: &str) -> io::Result<String> {
        std::fs::read_to_string(path(name))
    }

    fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        let mut names: Vec<String> = std::fs::read_dir(path(folder))?
            .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
            .collect::<io::Result<_>>()?;
        names.sort();
        Ok(names)
    }
}

const SCHEMA: &str = include_str!("earlier_system.sql");
/// What the earlier system stored: what a clock showed in the session's time zone, summer and winter.
const ROWS: &str = r#"
INSERT INTO inverters VALUES ('116182800001', 'roof', '2025-06-21 12:00:00.5', '2025-12-21 12:00:00', NULL, '{"a": 1}');
INSERT INTO inverter_data (serial_number, "timestamp", grid_voltage, grid_frequency, temperature, operating_status, alarm_code, alarm_count, link_status, raw_data)
  SELECT '116182800001', timestamp '2025-06-21 12:00:00.123456' + i * interval '1 month', 230.1, 50.01, -5.5, 3, 0, 1, 1, '{"grid_voltage": 230.1}'
  FROM generate_series(0, 11) AS i;
INSERT INTO port_data (serial_number, port_number, "timestamp", pv_voltage, pv_current, pv_power, today_production, total_production, raw_data)
  SELECT '116182800001', 1 + i % 4, timestamp '2025-06-21 12:00:00.123456' + i * interval '1 day', 35.1, 1.02, 35.8, 1234, 2147483647 - i, NULL
  FROM generate_series(0, 399) AS i;
INSERT INTO production_cache VALUES ('116182800001', 1, 1234, 567890, '2025-12-21 12:00:00');
INSERT INTO config_cache VALUES ('x', '{"y": [1]}', '2025-06-21 12:00:00');
INSERT INTO system_metrics ("timestamp", metric_name, metric_value, tags) VALUES ('2025-12-21 12:00:00', 'm', 1.5, NULL);
"#;
const OLDER_INDEXES: &str = r#"
CREATE INDEX idx_inverter_data_serial ON inverter_data (serial_number);
CREATE INDEX idx_inverter_data_timestamp ON inverter_data ("timestamp" DESC);
CREATE INDEX idx_port_data_serial ON port_data (serial_number);
CREATE INDEX idx_port_data_timestamp ON port_data ("timestamp" DESC);
CREATE INDEX idx_port_data_serial_port ON port_data (serial_number, port_number);
CREATE INDEX idx_metrics_timestamp ON system_metrics ("timestamp" DESC);
CREATE INDEX idx_metrics_name ON system_metrics (metric_name);
"#;
/// Everything that is in the six tables, instants as what a clock shows in the zone.
const CONTENT: &str = "
SELECT 'i', serial_number, dtu_name, first_seen AT TIME ZONE zone, last_seen AT TIME ZONE zone, inverter_type, metadata FROM inverters, z;
SELECT 'd', id, serial_number, timestamp AT TIME ZONE zone, grid_voltage, grid_frequency, temperature, operating_status, alarm_code, alarm_count, link_status, raw_data FROM inverter_data, z ORDER BY id;
SELECT 'p', id, serial_number, port_number, timestamp AT TIME ZONE zone, pv_voltage, pv_current, pv_power, today_production, total_production, raw_data FROM port_data, z ORDER BY id;
SELECT 'c', serial_number, port_number, today_production, total_production, last_updated AT TIME ZONE zone FROM production_cache, z;
SELECT 'k', key, value, last_updated AT TIME ZONE zone FROM config_cache, z;
SELECT 'm', id, timestamp AT TIME ZONE zone, metric_name, metric_value, tags FROM system_metrics, z;";

fn earlier(database: &Database, more: &str) {
    // The dump names its schema everywhere and creates what belongs to nobody in particular.
    database.sql(&format!("{SCHEMA}\n{ROWS}\n{more}"));
}

/// All rows, as the earlier system showed them.
fn before(database: &Database) -> Vec<String> {
    let sql = CONTENT.replace(" AT TIME ZONE zone", "").replace(", z", "");
    database.rows(&sql)
}

/// All rows, instants as a clock shows them there.
fn after(database: &Database, zone: &str) -> Vec<String> {
    database.rows(&format!("CREATE TEMPORARY TABLE z AS SELECT text '{zone}' AS zone; {CONTENT}"))
}

fn stock(database: &Database) -> Box<dyn WiredSink> {
    let options = json!({
        "host": "127.0.0.1", "port": database.port, "database": database.name, "user": USER, "password": PASSWORD,
        "migrations": "migrations/postgres", "sslmode": "disable", "lock_timeout": "300ms",
        "tables": { "config_cache": { "mode": "read", "reads": { "key": "text" } } },
    });
    plan(&options, &Repository)
        .unwrap()
        .wire(&Arc::new(Schema::new(vec![Field::new("id", DataType::Int64, true)])), None)
        .unwrap()
}

async fn migrate(database: &Database, how: Migrate) -> smiles_stage::Migrated {
    let migrated = stock(database).migrate(context(), &how).await;
    migrated.unwrap_or_else(|error| panic!("{}", error.chain())).expect("there are migrations")
}

/// Type and nullability of every column, and the indexes.
fn shape(database: &Database) -> Vec<String> {
    database.rows(
        "SELECT table_name, column_name, data_type, is_nullable FROM information_schema.columns
         WHERE table_schema = 'public' AND table_name NOT LIKE 'smiles%' ORDER BY 1, 2;
         SELECT conrelid::regclass, conname, pg_get_constraintdef(oid) FROM pg_constraint
         WHERE connamespace = 'public'::regnamespace AND conrelid::regclass::text NOT LIKE 'smiles%' ORDER BY 2;",
    )
}

#[tokio::test]
async fn an_earlier_database_is_adopted_in_place_and_loses_nothing() {
    let server = Server::shared();
    let fresh = server.database();
    migrate(&fresh, Migrate::default()).await;
    // time zone of the database, what is said in place of it, the zone that counts
    let cases = [
        (None, None, "UTC", ""),
        (Some("Europe/Berlin"), None, "Europe/Berlin", ""),
        (None, Some("Europe/Berlin"), "Europe/Berlin", OLDER_INDEXES),
        (Some("America/New_York"), Some("UTC"), "UTC", OLDER_INDEXES),
    ];
    for (of_database, said, counts, more) in cases {
        let database = server.database();
        if let Some(zone) = of_database {
            server.admin(&format!("ALTER DATABASE {} SET timezone = '{zone}'", database.name));
        } else {
            server.admin(&format!("ALTER DATABASE {} SET timezone = 'UTC'", database.name));
        }
        earlier(&database, more);
        let stood = before(&database);
        assert_eq!(stood.len(), 416);
        let how = |dry_run| Migrate { dry_run, timezone: said.map(str::to_owned) };

        let planned = migrate(&database, how(true)).await;
        assert_eq!(before(&database), stood, "a dry run changed something");
        assert_eq!(planned.timezone.as_deref(), Some(counts));
        let rewritten: Vec<&str> =
            planned.steps[0].rewrites.iter().map(|table| table.name.as_str()).collect();
        assert!(rewritten.contains(&"port_data") && planned.bytes() > 0, "{planned:?}");

        let done = migrate(&database, how(false)).await;
        assert_eq!(done.steps.len(), 3);
        assert_eq!(after(&database, counts), stood, "{of_database:?} {said:?}");
        assert_eq!(shape(&database), shape(&fresh), "{of_database:?} {said:?}");
        let again = migrate(&database, how(false)).await;
        assert!(again.steps.is_empty(), "applied twice: {again:?}");
        // New rows go on where the old ones ended.
        let next = "INSERT INTO port_data (serial_number, port_number, total_production)
                    VALUES ('116182800001', 1, 4294967295) RETURNING id";
        assert_eq!(database.rows(next), ["401"]);
    }
}

#[tokio::test]
async fn an_instant_of_summer_is_what_a_clock_in_berlin_showed() {
    let server = Server::shared();
    let database = server.database();
    earlier(&database, "");
    migrate(&database, Migrate { dry_run: false, timezone: Some("Europe/Berlin".into()) }).await;
    let rows =
        database.rows("SELECT first_seen AT TIME ZONE 'UTC', last_seen AT TIME ZONE 'UTC' FROM inverters");
    assert_eq!(rows, ["2025-06-21 10:00:00.5|2025-12-21 11:00:00"]);
}

#[tokio::test]
async fn an_adoption_that_cannot_go_on_changes_nothing_and_is_tried_again() {
    let server = Server::shared();
    let database = server.database();
    earlier(&database, "");
    let stood = before(&database);
    let wrong = Migrate { dry_run: false, timezone: Some("Mars/Olympus".into()) };
    let error = stock(&database).migrate(context(), &wrong).await.unwrap_err();
    assert_eq!(error.action(), &Action::Halt);
    assert!(error.chain().contains("001_adopt.sql"), "{}", error.chain());
    assert!(error.chain().contains("time zone \"Mars/Olympus\" not recognized"), "{}", error.chain());
    assert_eq!(before(&database), stood);
    // The earlier system still runs, and holds a lock.
    let other = database.clone();
    let holder = std::thread::spawn(move || {
        other.sql("BEGIN; UPDATE production_cache SET today_production = 1; SELECT pg_sleep(2); ROLLBACK");
    });
    let held = "SELECT count(*) FROM pg_locks WHERE relation = 'production_cache'::regclass AND mode = 'RowExclusiveLock'";
    smiles_testkit::eventually(std::time::Duration::from_secs(10), || database.rows(held) == ["1"]).await;
    let error = stock(&database).migrate(context(), &Migrate::default()).await.unwrap_err();
    assert!(matches!(error.action(), Action::Retry { .. }), "{}", error.chain());
    assert!(error.chain().contains("another session holds a lock"), "{}", error.chain());
    holder.join().unwrap();
    assert_eq!(before(&database), stood);
    migrate(&database, Migrate::default()).await;
}

#[tokio::test]
async fn a_role_that_may_run_programs_there_is_told_how_much_is_free() {
    let server = Server::shared();
    let database = server.database();
    earlier(&database, "");
    assert_eq!(migrate(&database, Migrate { dry_run: true, timezone: None }).await.free_bytes, None);
    server.admin(&format!("GRANT pg_execute_server_program TO {USER}"));
    let planned = migrate(&database, Migrate { dry_run: true, timezone: None }).await;
    server.admin(&format!("REVOKE pg_execute_server_program FROM {USER}"));
    assert!(planned.free_bytes.is_some_and(|free| free > 1 << 20), "{planned:?}");
}

#[tokio::test]
async fn migrations_are_applied_once_in_order_and_never_changed() {
    use crate::fixture::Fixture;
    let fixture = |sql: &[(&str, &str)]| {
        let input = Arc::new(Schema::new(vec![Field::new("id", DataType::Int64, true)]));
        let tables = json!({ "t": { "columns": { "id": "id" } } });
        sql.iter()
            .fold(Fixture::new(tables, input), |fixture, (name, text)| fixture.with_migration(name, text))
    };
    let first = ("001_t.sql", "CREATE TABLE t (id bigint)");
    let made = fixture(&[first, ("002_more.sql", "ALTER TABLE t ADD more text")]);
    made.connected().await;
    made.connected().await;
    assert_eq!(made.rows("SELECT name FROM smiles_migrations ORDER BY name"), ["001_t.sql", "002_more.sql"]);
    let cases = [
        (vec![("001_t.sql", "CREATE TABLE t (id integer)")], "is not what was applied"),
        (
            vec![first, ("003_bad.sql", "CREATE TABLE u (id bigint); SELECT 1 / 0")],
            "failed and was undone: division by zero",
        ),
        (vec![first, ("004_bad.sql", "CREATE TABLE v (id bigint); COMMIT")], "must not commit by itself"),
    ];
    for (files, says) in cases {
        let mut changed = fixture(&files);
        changed.database = made.database.clone();
        changed.options["database"] = json!(made.database.name);
        let error = changed.open().await.sink.watermark(crate::fixture::RUN).await.unwrap_err();
        assert_eq!(error.action(), &Action::Halt, "{}", error.chain());
        assert!(error.chain().contains(says), "{}", error.chain());
    }
    assert_eq!(made.rows("SELECT to_regclass('u')"), ["-"], "a failed migration left something");
}

#[tokio::test]
async fn two_processes_migrate_one_database_together() {
    let database = Server::shared().database();
    earlier(&database, "");
    let all = (0..4).map(|_| {
        let database = database.clone();
        tokio::spawn(async move { migrate(&database, Migrate::default()).await })
    });
    for done in futures::future::join_all(all).await {
        done.unwrap();
    }
    assert_eq!(database.rows("SELECT count(*) FROM smiles_migrations"), ["3"]);
}

#[tokio::test]
async fn what_stands_in_the_way_is_named_before_anything_is_touched() {
    let server = Server::shared();
    let cases = [
        ("CREATE VIEW hourly AS SELECT date_trunc('hour', timestamp) FROM port_data", "view hourly"),
        (
            "CREATE MATERIALIZED VIEW day AS SELECT sum(today_production) FROM production_cache",
            "materialized view day",
        ),
    ];
    for (more, says) in cases {
        let database = server.database();
        earlier(&database, more);
        let stood = before(&database);
        for dry_run in [true, false] {
            let how = Migrate { dry_run, timezone: None };
            let error = stock(&database).migrate(context(), &how).await.unwrap_err();
            assert_eq!(error.action(), &Action::Halt, "{}", error.chain());
            assert!(error.chain().contains(says), "{}", error.chain());
        }
        assert_eq!(before(&database), stood);
    }
    let database = server.database();
    earlier(&database, "CREATE VIEW serials AS SELECT serial_number FROM port_data");
    server.admin_in(&database.name, "ALTER TABLE config_cache OWNER TO postgres");
    let error =
        stock(&database).migrate(context(), &Migrate { dry_run: true, timezone: None }).await.unwrap_err();
    assert!(error.chain().contains("belong to another role: config_cache"), "{}", error.chain());
    server.admin_in(&database.name, &format!("ALTER TABLE config_cache OWNER TO {USER}"));
    migrate(&database, Migrate::default()).await;
}
