//! `smiles import`: from the schemas of the earlier systems, over crashes and again, and the way back.

mod files;

use std::path::Path;
use std::process::{Command, Output, Stdio};

use smiles_testkit::postgres::{Database, PASSWORD, Server, USER, binary};

use crate::bridge::{PATIENCE, finish, now, pause, smiles};

const EARLIER: &str = include_str!("../../../sinks/postgres/tests/it/earlier_system.sql");

/// 40 polls a minute apart, two inverters with two ports: a row of `inverter_data` per port, milliseconds apart. From
/// poll 30 on the sun is down: the first inverter answers with zeros.
const POLLS: &str = "
INSERT INTO inverters VALUES ('116182800001', 'roof', '2025-06-21 12:00:00', '2025-06-21 12:39:00', NULL, NULL),
                             ('116182800002', NULL, '2025-06-21 12:00:00', '2025-06-21 12:39:00', NULL, NULL);
INSERT INTO inverter_data (serial_number, \"timestamp\", grid_voltage, grid_frequency, temperature, operating_status, alarm_code, alarm_count, link_status, raw_data)
SELECT '11618280000' || inverter, timestamp '2025-06-21 12:00:00' + poll * interval '1 minute' + (inverter * 2 + port) * interval '3 ms',
       CASE WHEN down THEN 0 ELSE 230.1 END, CASE WHEN down THEN 0 ELSE 50.01 END, CASE WHEN down THEN 0 ELSE 21.5 END,
       3, 0, 1, CASE WHEN down THEN 0 ELSE 1 END, '{\"grid_voltage\": 230.1}'
FROM generate_series(0, 39) AS poll, generate_series(1, 2) AS inverter, generate_series(1, 2) AS port,
     LATERAL (SELECT poll >= 30 AND inverter = 1 AS down) AS sun
ORDER BY poll, inverter, port;
INSERT INTO port_data (serial_number, port_number, \"timestamp\", pv_voltage, pv_current, pv_power, today_production, total_production, raw_data)
SELECT '11618280000' || inverter, port, timestamp '2025-06-21 12:00:00' + poll * interval '1 minute',
       CASE WHEN down THEN 0 ELSE 35.1 END, CASE WHEN down THEN 0 ELSE 1.02 END, CASE WHEN down THEN 0 ELSE 35.8 END,
       CASE WHEN down THEN 0 ELSE poll END, CASE WHEN down THEN 0 ELSE 1000 + poll END, NULL
FROM generate_series(0, 39) AS poll, generate_series(1, 2) AS inverter, generate_series(1, 2) AS port,
     LATERAL (SELECT poll >= 30 AND inverter = 1 AS down) AS sun
ORDER BY poll, inverter, port;
INSERT INTO production_cache VALUES ('116182800001', 1, 0, 0, '2025-06-21 12:39:00'), ('116182800002', 1, 39, 1039, '2025-06-21 12:39:00');
-- The clock shows 02:30 twice that night.
INSERT INTO system_metrics (\"timestamp\", metric_name, metric_value, tags) VALUES ('2025-10-26 02:30:00', 'm', 1.5, '{\"a\": 1}');
";

fn earlier(server: &Server) -> Database {
    let database = server.database();
    server.admin(&format!("ALTER DATABASE {} SET timezone = 'Europe/Berlin'", database.name));
    database.sql(EARLIER);
    database.sql(POLLS);
    database
}

fn address(database: &Database) -> String {
    format!("postgres://{USER}:{PASSWORD}@127.0.0.1:{}/{}", database.port, database.name)
}

fn import(arguments: &[&str], variables: &[(String, String)], folder: &Path) -> Output {
    let arguments: Vec<&str> = std::iter::once("import").chain(arguments.iter().copied()).collect();
    let variables: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (&**name, &**value)).collect();
    finish(&arguments, &variables, folder)
}

#[track_caller]
fn said(output: &Output) -> String {
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{complaints}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[track_caller]
fn refused(output: &Output, code: i32, words: &[&str]) {
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{complaints}");
    for words in words {
        assert!(complaints.contains(words), "no `{words}` in:\n{complaints}");
    }
}

#[track_caller]
fn holds(text: &str, lines: &[&str]) {
    for line in lines {
        assert!(text.contains(line), "no `{line}` in:\n{text}");
    }
}

/// What a complete import of [`POLLS`] leaves.
#[track_caller]
fn is_mended(database: &Database) {
    let one = |sql: &str| database.sql(sql).trim().to_owned();
    assert_eq!(one("SELECT count(*) FROM inverter_data"), "80", "one row per inverter and poll");
    assert_eq!(one("SELECT count(*) FROM inverter_data WHERE grid_voltage IS NULL"), "10", "not heard");
    assert_eq!(one("SELECT count(*) FROM inverter_data WHERE grid_voltage = 0"), "0");
    assert_eq!(one("SELECT count(*) FROM port_data"), "160");
    assert_eq!(
        one("SELECT count(*) FROM port_data WHERE total_production IS NULL AND pv_power IS NULL"),
        "20"
    );
    assert_eq!(one("SELECT count(*) FROM port_data WHERE total_production = 0"), "0");
    // Noon in Berlin.
    assert_eq!(one("SELECT min(timestamp) FROM port_data"), "2025-06-21 10:00:00+00");
    // The second of the two.
    assert_eq!(one("SELECT timestamp FROM system_metrics WHERE metric_name = 'm'"), "2025-10-26 01:30:00+00");
    assert_eq!(
        database.rows(
            "SELECT serial_number, today_production, total_production FROM production_cache ORDER BY 1"
        ),
        ["116182800001|-|-", "116182800002|39|1039"]
    );
    assert_eq!(
        database.rows("SELECT serial_number, dtu_name FROM inverters ORDER BY 1"),
        ["116182800001|roof", "116182800002|-"]
    );
}

#[test]
fn a_database_on_another_server_is_copied_and_mended_once() {
    let server = Server::shared();
    let (source, target, folder) = (earlier(server), server.database(), tempfile::tempdir().unwrap());
    let planned = said(&import(&[&address(&source), "--dry-run"], &target.variables(), folder.path()));
    holds(&planned, &["would import from PostgreSQL 127.0.0.1", "port_data: 160 rows"]);
    assert_eq!(target.sql("SELECT to_regclass('port_data') IS NULL").trim(), "t", "a dry run writes nothing");

    let report = said(&import(&[&address(&source)], &target.variables(), folder.path()));
    holds(
        &report,
        &[
            "imported from PostgreSQL 127.0.0.1",
            "inverter_data: 80 rows\n    80 left out: they repeat the row before\n    10 without a reading: their \
             zeros became null",
            "port_data: 160 rows\n    20 without a reading",
            "instants without a time zone were read as Europe/Berlin",
            "1 of an hour that the clock showed twice",
        ],
    );
    is_mended(&target);

    let again = said(&import(&[&address(&source)], &target.variables(), folder.path()));
    holds(
        &again,
        &["inverter_data: 0 rows, 160 were here already", "port_data: 0 rows, 160 were here already"],
    );
    is_mended(&target);

    // What the earlier system, which still runs, stored since then comes with the next call.
    source.sql(
        "INSERT INTO port_data (serial_number, port_number, \"timestamp\", total_production)
         VALUES ('116182800001', 1, '2025-06-21 12:40:00', 1040)",
    );
    let more = said(&import(&[&address(&source)], &target.variables(), folder.path()));
    holds(&more, &["port_data: 1 rows, 160 were here already"]);
    assert_eq!(target.sql("SELECT count(*) FROM port_data").trim(), "161");
}

#[test]
fn another_zone_is_taken_on_demand() {
    let server = Server::shared();
    let (source, target, folder) = (earlier(server), server.database(), tempfile::tempdir().unwrap());
    let arguments = [&*address(&source), "--timezone", "America/New_York", "--table", "port_data"];
    // Alone, the readings of inverters that nobody knows are refused: nothing is written, and nothing taken for written.
    let stopped = import(&arguments, &target.variables(), folder.path());
    refused(
        &stopped,
        1,
        &["the target refuses rows of `port_data`", "row 1: ", "23503", "and 140 more", "--skip-refused"],
    );
    let whole = [&*address(&source), "--timezone", "America/New_York"];
    said(&import(&whole, &target.variables(), folder.path()));
    assert_eq!(target.sql("SELECT min(last_updated) FROM production_cache").trim(), "2025-06-21 16:39:00+00");
}

#[test]
fn an_import_that_is_killed_goes_on_where_it_was() {
    let server = Server::shared();
    let (source, target, folder) = (server.database(), server.database(), tempfile::tempdir().unwrap());
    source.sql(EARLIER);
    source.sql(
        "INSERT INTO inverters VALUES ('116182800001', 'roof', '2025-06-21', '2025-06-21', NULL, NULL);
         INSERT INTO port_data (serial_number, port_number, \"timestamp\", pv_power, total_production)
         SELECT '116182800001', 1, timestamp '2025-06-21' + i * interval '1 minute', i, 1 + i FROM generate_series(1, 300000) AS i",
    );
    let variables = target.variables();
    let lent: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (&**name, &**value)).collect();
    let count = |database: &Database| -> u64 {
        let there = database.sql("SELECT to_regclass('port_data') IS NOT NULL");
        if there.trim() == "t" {
            database.sql("SELECT count(*) FROM port_data").trim().parse().unwrap()
        } else {
            0
        }
    };
    let mut seen = 0;
    for _ in 0..3 {
        let mut child = smiles(&["import", &address(&source)], &lent)
            .current_dir(folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let deadline = now() + PATIENCE;
        while count(&target) <= seen && child.try_wait().unwrap().is_none() {
            assert!(now() < deadline, "nothing arrives");
            pause();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        seen = count(&target);
    }
    // Ctrl-C ends it behind the piece under way, and says that nothing is lost.
    let child = smiles(&["import", &address(&source)], &lent)
        .current_dir(folder.path())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let deadline = now() + PATIENCE;
    while count(&target) <= seen {
        assert!(now() < deadline, "nothing arrives");
        pause();
    }
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    refused(&child.wait_with_output().unwrap(), 1, &["stopped; the same command continues"]);
    assert!(seen > 0);
    said(&import(&[&address(&source)], &variables, folder.path()));
    assert_eq!(
        target.sql("SELECT count(*), count(DISTINCT timestamp), sum(pv_power::bigint) FROM port_data").trim(),
        "300000|300000|45000150000",
        "every row once"
    );
}

/// A trigger that leaves rows out without an error: the import says how many, and has not succeeded.
#[test]
fn rows_that_the_target_does_not_keep_are_told_and_make_the_exit_code_1() {
    let server = Server::shared();
    let (source, target, folder) = (earlier(server), server.database(), tempfile::tempdir().unwrap());
    said(&import(&[&address(&source), "--table", "inverters"], &target.variables(), folder.path()));
    target.sql(
        "CREATE FUNCTION swallow() RETURNS trigger LANGUAGE plpgsql AS
         $$ BEGIN IF new.port_number = 2 THEN RETURN NULL; END IF; RETURN new; END $$;
         CREATE TRIGGER swallow BEFORE INSERT ON port_data FOR EACH ROW EXECUTE FUNCTION swallow()",
    );
    let output = import(&[&address(&source)], &target.variables(), folder.path());
    refused(&output, 1, &["error: 80 rows were left out"]);
    holds(
        &String::from_utf8_lossy(&output.stdout),
        &["80 not kept: a trigger or rule of the database leaves them out"],
    );
    assert_eq!(target.sql("SELECT count(*) FROM port_data").trim(), "80");
}

#[test]
fn an_adopted_database_is_mended_in_place_and_the_dump_brings_it_back() {
    let server = Server::shared();
    let (database, folder) = (earlier(server), tempfile::tempdir().unwrap());
    // As the guide says.
    let dump = folder.path().join("before.sql");
    let dumped = Command::new(binary("pg_dump"))
        .args(["--dbname", &address(&database), "--file"])
        .arg(&dump)
        .status()
        .unwrap();
    assert!(dumped.success());

    let planned = said(&import(&["--in-place", "--dry-run"], &database.variables(), folder.path()));
    holds(&planned, &["still that of the earlier system"]);
    let report = said(&import(&["--in-place"], &database.variables(), folder.path()));
    holds(
        &report,
        &["mended", "80 rows of inverter_data that repeat", "20 rows of port_data that were not heard"],
    );
    is_mended(&database);
    // From here on the readings are S-Miles' own: two of a quick restart, one of a night, one of a new inverter.
    let own = "SELECT * FROM inverter_data WHERE timestamp > now() - interval '1 hour' ORDER BY id";
    let own_ports = "SELECT * FROM port_data WHERE timestamp > now() - interval '1 hour' ORDER BY id";
    database.sql(
        "INSERT INTO inverter_data (serial_number, timestamp, grid_voltage, grid_frequency, temperature, link_status)
         VALUES ('116182800001', now(), 230, 50, 20, 1), ('116182800001', now() + interval '1 s', 231, 50, 20, 1),
                ('116182800002', now(), 0, 0, 20, 0);
         INSERT INTO port_data (serial_number, port_number, timestamp, pv_power, total_production)
         VALUES ('116182800002', 1, now(), 5, 0);
         INSERT INTO production_cache VALUES ('116182800002', 2, 0, 0, now())",
    );
    let before = (database.rows(own), database.rows(own_ports));
    assert_eq!((before.0.len(), before.1.len()), (3, 1));
    said(&import(&["--in-place"], &database.variables(), folder.path()));
    assert_eq!((database.rows(own), database.rows(own_ports)), before, "its own readings are as they were");
    let cache = "SELECT total_production FROM production_cache WHERE serial_number = '116182800002' AND port_number = 2";
    assert_eq!(database.rows(cache), ["0"]);
    let again = said(&import(&["--in-place", "--dry-run"], &database.variables(), folder.path()));
    holds(
        &again,
        &["would mend", " 0 rows of inverter_data that repeat", " 0 rows of port_data that were not heard"],
    );
    // It is its own source.
    refused(
        &import(&[&address(&database)], &database.variables(), folder.path()),
        2,
        &["is the one the pipeline writes to", "--in-place"],
    );

    database.sql("DROP SCHEMA public CASCADE; CREATE SCHEMA public");
    let restored = Command::new(binary("psql"))
        .args(["--quiet", "--set", "ON_ERROR_STOP=1", "--dbname", &address(&database), "--file"])
        .arg(&dump)
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(restored.success());
    assert_eq!(database.sql("SELECT count(*) FROM inverter_data").trim(), "160", "as it was");
    assert_eq!(
        database.sql("SELECT pg_typeof(\"timestamp\") FROM port_data LIMIT 1").trim(),
        "timestamp without time zone"
    );
}
