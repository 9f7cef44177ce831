//! The stock pipeline on PostgreSQL, configured by the README's variables alone.

use std::collections::BTreeMap;
use std::path::Path;

use smiles_testkit::postgres::{Database, Server};

use crate::bridge::{Bridge, PATIENCE, finish, now, pause};
use crate::end_to_end::{Peer, RECORDS};

/// Waits until the database answers with these rows.
#[track_caller]
pub(crate) fn until(database: &Database, sql: &str, bridge: &Bridge, accept: impl Fn(&[String]) -> bool) {
    let deadline = now() + PATIENCE;
    loop {
        let rows = database.rows(sql);
        if accept(&rows) {
            return;
        }
        assert!(now() < deadline, "{sql} still gives {rows:?}\n{}", bridge.log());
        pause();
    }
}

fn variables(peer: &Peer, database: &Database) -> Vec<(String, String)> {
    let mut variables = database.variables();
    for (name, value) in [
        ("DTU_HOST", "127.0.0.1"),
        ("DTU_PORT", peer.port.as_str()),
        ("DTU_MIN_DELAY", "1ms"),
        ("HEALTH_HOST", "127.0.0.1"),
        ("HEALTH_PORT", "0"),
        ("DB_TYPE", "postgresql"),
    ] {
        variables.push((name.to_owned(), value.to_owned()));
    }
    variables
}

fn start(variables: &[(String, String)], folder: &Path) -> Bridge {
    let variables: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (&**name, &**value)).collect();
    Bridge::start(&["run"], &variables, folder)
}

#[test]
fn the_published_records_are_in_postgres_exactly() {
    let peer = Peer::start();
    let database = Server::shared().database();
    let folder = tempfile::tempdir().unwrap();
    let bridge = start(&variables(&peer, &database), folder.path());
    bridge.eventually("/api/inverters", |answer| answer.as_array().is_some_and(|list| list.len() == 5));
    // The API answers from memory; the database may still be making its tables.
    until(&database, "SELECT to_regclass('port_data') IS NOT NULL", &bridge, |rows| rows == ["t"]);
    until(&database, "SELECT count(*) > 0 FROM port_data", &bridge, |rows| rows == ["t"]);
    for record in RECORDS {
        let (serial, port) = (record.0, record.1);
        let sql = format!(
            "SELECT pv_voltage, pv_current, pv_power, today_production, total_production, raw_data->>'pv_current',
                    jsonb_typeof(raw_data)
             FROM port_data WHERE serial_number = '{serial}' AND port_number = {port} ORDER BY id LIMIT 1"
        );
        let expected = format!(
            "{}|{}|{}|{}|{}|{}|object",
            record.2,
            record.3,
            record.6,
            record.7,
            record.8,
            shown(record.3)
        );
        assert_eq!(database.rows(&sql), [expected], "{serial}/{port}");
        let cache = format!(
            "SELECT today_production, total_production FROM production_cache
             WHERE serial_number = '{serial}' AND port_number = {port}"
        );
        assert_eq!(database.rows(&cache), [format!("{}|{}", record.7, record.8)], "{serial}/{port}");
        let first = RECORDS.iter().find(|first| first.0 == serial).unwrap();
        let grid = format!(
            "SELECT grid_voltage, grid_frequency, temperature, operating_status, alarm_code, alarm_count, link_status
             FROM inverter_data WHERE serial_number = '{serial}'"
        );
        let expected = format!(
            "{}|{}|{}|{}|{}|{}|{}",
            first.4, first.5, first.9, first.10, first.11, first.12, first.13
        );
        assert_eq!(database.rows(&grid), [expected], "one row per inverter and poll: {serial}");
    }
    assert_eq!(database.rows("SELECT DISTINCT dtu_name FROM inverters"), ["DTU"]);
    let stats = bridge.json("/stats");
    assert_eq!(stats["database_type"], "POSTGRES");
    assert_eq!(stats["port_data_entries"], RECORDS.len());
    let (status, _) = bridge.interrupt();
    assert!(status.success());
}

/// A number of JSON as a device's own number prints: 1.0 in place of 1.
fn shown(value: f64) -> String {
    serde_json::Value::from(value).to_string()
}

#[test]
fn a_database_of_the_earlier_system_is_adopted_while_polls_go_on() {
    let peer = Peer::start();
    let database = Server::shared().database();
    database.sql(include_str!("../../../sinks/postgres/tests/it/earlier_system.sql"));
    database.sql(
        "INSERT INTO inverters (serial_number, first_seen) VALUES ('116182800001', '2025-01-01');
         INSERT INTO port_data (serial_number, port_number, total_production) VALUES ('116182800001', 1, 5)",
    );
    let variables = variables(&peer, &database);
    let folder = tempfile::tempdir().unwrap();
    let borrowed: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (&**name, &**value)).collect();
    let planned = finish(&["migrate", "--dry-run"], &borrowed, folder.path());
    let said = String::from_utf8_lossy(&planned.stdout).into_owned();
    assert!(planned.status.success(), "{said}{}", String::from_utf8_lossy(&planned.stderr));
    for words in ["001_adopt.sql", "rewrites port_data", "needs ", "takes between", "are read as"] {
        assert!(said.contains(words), "{words} is missing in\n{said}");
    }
    let naive = "SELECT data_type FROM information_schema.columns
                 WHERE table_name = 'port_data' AND column_name = 'timestamp'";
    assert_eq!(database.rows(naive), ["timestamp without time zone"], "a dry run changed something");
    let refused = finish(&["migrate", "--timezone", "Mars/Olympus"], &borrowed, folder.path());
    assert_eq!(refused.status.code(), Some(2));

    let bridge = start(&variables, folder.path());
    until(&database, "SELECT count(*) FROM port_data", &bridge, |rows| {
        rows == [(RECORDS.len() + 1).to_string()]
    });
    assert_eq!(database.rows(naive), ["timestamp with time zone"]);
    let first =
        "SELECT first_seen AT TIME ZONE 'UTC', dtu_name FROM inverters WHERE serial_number = '116182800001'";
    assert_eq!(database.rows(first), ["2025-01-01 00:00:00|DTU"], "what was known stays");
    assert!(bridge.line(&["the migration rewrites tables"]).contains("port_data"));
    let done = finish(&["migrate"], &borrowed, folder.path());
    assert!(String::from_utf8_lossy(&done.stdout).contains("up to date"));
}

#[test]
fn what_is_configured_chooses_the_pipeline_and_bad_values_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let cases: [(BTreeMap<&str, &str>, i32, &str); 4] = [
        ([("DB_HOST", "db")].into(), 0, "store (postgres"),
        ([("DB_HOST", " ")].into(), 0, "store (sqlite"),
        ([("DB_HOST", "db"), ("DB_TYPE", "mysql")].into(), 2, "postgresql"),
        ([("DB_HOST", "db"), ("DB_POOL_SIZE", "0")].into(), 2, "DB_POOL_SIZE"),
    ];
    for (variables, code, says) in cases {
        let mut all = vec![("DTU_HOST", "10.0.0.1")];
        all.extend(variables.iter().map(|(name, value)| (*name, *value)));
        let done = finish(&["check"], &all, folder.path());
        let said =
            format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
        assert_eq!(done.status.code(), Some(code), "{variables:?}: {said}");
        assert!(said.contains(says), "{variables:?}: `{says}` is missing in\n{said}");
    }
}
