//! Files as sources: the database of version 1, CSV; and what is no source.

use std::path::Path;

use super::{holds, import, refused, said};
use crate::bridge::Bridge;

/// The schema of version 1.
fn version_1(path: &Path) {
    let file = rusqlite::Connection::open(path).unwrap();
    file.execute_batch(
        "CREATE TABLE production_cache (serial_number TEXT NOT NULL, port_number INTEGER NOT NULL,
             today_production INTEGER NOT NULL, total_production INTEGER NOT NULL, last_updated TIMESTAMP NOT NULL,
             PRIMARY KEY (serial_number, port_number));
         CREATE TABLE config_cache (key TEXT PRIMARY KEY, value TEXT NOT NULL, last_updated TIMESTAMP NOT NULL);
         CREATE TABLE metrics (timestamp TIMESTAMP NOT NULL, metric_name TEXT NOT NULL, metric_value REAL NOT NULL, tags TEXT);
         INSERT INTO production_cache VALUES
             ('116182800001', 1, 1234, 567890, '2025-06-21 12:00:00.123456'),
             ('116182800001', 2, 0, 0, '2025-06-21 12:00:00.123456');
         INSERT INTO config_cache VALUES ('setting', '{\"a\": [1]}', '2025-06-21 12:00:00.000000');
         INSERT INTO metrics VALUES ('2025-06-21 12:00:00.5', 'uptime', 1.5, NULL);",
    )
    .unwrap();
}

#[test]
fn a_file_of_version_1_is_taken_over_and_its_inverters_are_served() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("hoymiles-mqtt.db");
    version_1(&file);
    let data = folder.path().join("data");
    std::fs::create_dir(&data).unwrap();
    let variables = [("DATA_DIR".to_owned(), data.display().to_string())];
    let arguments = [file.to_str().unwrap(), "--timezone", "Europe/Berlin"];
    let planned = said(&import(&[arguments[0], "--dry-run"], &variables, folder.path()));
    holds(&planned, &["would import from SQLite", "production_cache: 2 rows", "were read as UTC"]);
    let report = said(&import(&arguments, &variables, folder.path()));
    holds(
        &report,
        &["production_cache: 2 rows", "1 without a reading", "metrics: 1 rows", "were read as Europe/Berlin"],
    );
    let again = said(&import(&arguments, &variables, folder.path()));
    holds(&again, &["metrics: 0 rows, 1 were here already"]);

    let lent = [
        ("DATA_DIR", data.to_str().unwrap()),
        ("DTU_HOST", "127.0.0.1"),
        ("DTU_PORT", "1"),
        ("HEALTH_HOST", "127.0.0.1"),
        ("HEALTH_PORT", "0"),
    ];
    let bridge = Bridge::start(&["run"], &lent, folder.path());
    let current = bridge
        .eventually("/api/production/current", |list| list.as_array().is_some_and(|list| list.len() == 2));
    assert_eq!(current[0]["total_production"], 567_890);
    assert_eq!(current[0]["timestamp"], "2025-06-21T10:00:00.123456+00:00");
    assert!(current[1]["total_production"].is_null(), "{current}");
    assert_eq!(bridge.json("/api/inverters")[0]["serial_number"], "116182800001");
}

#[test]
fn a_csv_file_is_read_by_its_first_line_and_every_mistake_has_a_place() {
    let folder = tempfile::tempdir().unwrap();
    let data = [("DATA_DIR".to_owned(), folder.path().display().to_string())];
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let inverters =
        write("inverters.csv", "serial_number,first_seen,last_seen\nA1,2025-06-21,2025-06-22T00:00:00Z\n");
    let bad = write(
        "bad.csv",
        "serial_number,port_number,timestamp,pv_power\nA1,1,2025-06-21T12:00:00Z,35.5\nA1,two,noon,\nA1,1,2025-06-21T12:01:00Z,much\n",
    );
    let output = import(&[&bad, "--table", "port_data"], &data, folder.path());
    refused(
        &output,
        2,
        &[
            "port_data, row 3, column port_number: `two` is no whole number",
            "row 3, column timestamp: `noon` is no instant",
            "row 4, column pv_power: `much` is no number",
        ],
    );
    said(&import(&[&inverters, "--table", "inverters"], &data, folder.path()));
    let good = write(
        "good.csv",
        "serial_number,port_number,timestamp,pv_power,total_production\nA1,1,2025-06-21T12:00:00Z,35.5,\n",
    );
    holds(&said(&import(&[&good, "--table", "port_data"], &data, folder.path())), &["port_data: 1 rows"]);
    // Another file of inverters begins with the same one.
    let more = write(
        "more.csv",
        "serial_number,first_seen,last_seen\nA1,2025-06-21 00:00:00,2025-06-22T00:00:00Z\nA2,2025-06-21 00:00:00,2025-06-22T00:00:00Z\n",
    );
    said(&import(&[&more, "--table", "inverters"], &data, folder.path()));
    let other = write("other.csv", "serial_number,port_number,timestamp\nA2,1,2025-06-21T12:00:00Z\n");
    holds(&said(&import(&[&other, "--table", "port_data"], &data, folder.path())), &["port_data: 1 rows"]);
    // What the target refuses is told by its line, and taken once it is mended.
    let lost = write(
        "lost.csv",
        "serial_number,port_number,timestamp\nA2,1,2025-06-21T13:00:00Z\nA3,1,2025-06-21T13:00:00Z\n",
    );
    let lost = [&*lost, "--table", "port_data"];
    refused(&import(&lost, &data, folder.path()), 1, &["line 3: ", "FOREIGN KEY", "goes on there"]);
    let third = write(
        "third.csv",
        "serial_number,first_seen,last_seen\nA3,2025-06-21 00:00:00,2025-06-22T00:00:00Z\n",
    );
    said(&import(&[&third, "--table", "inverters"], &data, folder.path()));
    holds(&said(&import(&lost, &data, folder.path())), &["port_data: 2 rows"]);
    let skipped = write(
        "skipped.csv",
        "serial_number,port_number,timestamp\nA4,1,2025-06-21T12:00:00Z\nA3,1,2025-06-21T12:01:00Z\n",
    );
    let output = import(&[&skipped, "--table", "port_data", "--skip-refused"], &data, folder.path());
    refused(&output, 1, &["error: 1 rows were left out"]);
    let report = String::from_utf8_lossy(&output.stdout);
    holds(&report, &["port_data: 1 rows", "1 refused by the target", "line 2: "]);
    // The file grew.
    let good = write(
        "good.csv",
        "serial_number,port_number,timestamp,pv_power,total_production\nA1,1,2025-06-21T12:00:00Z,35.5,\nA1,1,2025-06-21T12:01:00Z,36,7\n",
    );
    holds(
        &said(&import(&[&good, "--table", "port_data"], &data, folder.path())),
        &["port_data: 1 rows, 1 were here already"],
    );
    let store = rusqlite::Connection::open(folder.path().join("hoymiles.db")).unwrap();
    let rows: i64 = store.query_row("SELECT count(*) FROM port_data", [], |row| row.get(0)).unwrap();
    assert_eq!(rows, 6);

    // One that begins with its newest row would be another one whenever it grew.
    let newest = write(
        "newest.csv",
        "serial_number,port_number,timestamp\nA1,1,2025-06-21T12:05:00Z\nA1,1,2025-06-21T12:04:00Z\n",
    );
    refused(&import(&[&newest, "--table", "port_data"], &data, folder.path()), 2, &["newest first", "tac"]);

    refused(&import(&[&good], &data, folder.path()), 1, &["needs --table"]);
    refused(
        &import(&[&good, "--table", "ports"], &data, folder.path()),
        2,
        &["nothing is known of a table `ports`", "port_data"],
    );
    let typo = write("typo.csv", "serial_number,port_number,timestamp,pv_pwer\n");
    refused(
        &import(&[&typo, "--table", "port_data"], &data, folder.path()),
        2,
        &["no column pv_pwer", "pv_power"],
    );
}

#[test]
fn what_is_no_source_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let data = [("DATA_DIR".to_owned(), folder.path().display().to_string())];
    let note = folder.path().join("note.db");
    std::fs::write(&note, "this is a note and no database at all, however long it is made").unwrap();
    let empty = folder.path().join("empty.db");
    rusqlite::Connection::open(&empty).unwrap().execute_batch("CREATE TABLE t (a)").unwrap();
    refused(&import(&["nowhere.db"], &data, folder.path()), 1, &["there is no file `nowhere.db`"]);
    refused(
        &import(&[note.to_str().unwrap()], &data, folder.path()),
        1,
        &["is damaged or is no SQLite database"],
    );
    refused(
        &import(&[empty.to_str().unwrap()], &data, folder.path()),
        2,
        &["none of the tables", "production_cache"],
    );
    refused(&import(&["postgres://"], &data, folder.path()), 1, &["write postgres://USER"]);
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let address = format!("postgres://u@127.0.0.1:{closed}/d");
    refused(&import(&[&address], &data, folder.path()), 1, &["cannot reach PostgreSQL"]);
    refused(&import(&["--in-place"], &data, folder.path()), 2, &["DB_HOST"]);
    refused(&import(&[], &data, folder.path()), 2, &["SOURCE"]);
    refused(
        &import(&[note.to_str().unwrap(), "--timezone", "Berlin"], &data, folder.path()),
        2,
        &["unknown time zone `Berlin` (--timezone); did you mean `Europe/Berlin`?"],
    );
}

#[test]
fn rules_of_ones_own_say_where_they_are_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let data = [("DATA_DIR".to_owned(), folder.path().display().to_string())];
    let rules = folder.path().join("rules.yaml");
    let csv = folder.path().join("rows.csv");
    std::fs::write(&csv, "serial_number\nA1\n").unwrap();
    let arguments = [csv.to_str().unwrap(), "--table", "inverters", "--rules", rules.to_str().unwrap()];
    for (text, words) in [
        ("steps:\n  - table: inverters\n    colums: {}\n", "unknown field `colums`"),
        ("steps: [{table: inverters, columns: {a: text}, key: [b], into: {}}]", "names the column `b`"),
        (
            "steps: [{table: inverters, columns: {serial_number: text}, into: {inverters: {columns: {x: y}}}}]",
            "no column `y` enters this sink",
        ),
        (
            "steps: [{table: inverters, columns: {serial_number: text}, transforms: [{type: valdity}], into: {}}]",
            "step `inverters`, transform `valdity`",
        ),
    ] {
        std::fs::write(&rules, text).unwrap();
        refused(&import(&arguments, &data, folder.path()), 2, &[words]);
    }
}
