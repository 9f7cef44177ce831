//! The stock pipeline against a Modbus server that is not ours: exactly the values its registers state.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};

use serde_json::{Value, json};

use crate::bridge::{Bridge, root};

/// pymodbus serving the published records; ends when its standard input closes.
pub(crate) struct Peer {
    child: Child,
    stdin: Option<ChildStdin>,
    pub(crate) port: String,
}

impl Peer {
    pub(crate) fn start() -> Self {
        let python = std::env::var_os("SMILES_TEST_PYTHON")
            .map_or_else(|| root().join(".venv/bin/python"), PathBuf::from);
        assert!(python.exists(), "no Python at {}: run `make setup`", python.display());
        let script = root().join("cli/tests/peers/dtu_pymodbus.py");
        let mut child = Command::new(python)
            .arg(script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the peer starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("stdout is piped"))
            .read_line(&mut line)
            .expect("the peer speaks");
        let port = line
            .trim()
            .strip_prefix("listening ")
            .unwrap_or_else(|| panic!("the peer says `{line}`"))
            .to_owned();
        let stdin = child.stdin.take();
        Self { child, stdin, port }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        drop(self.stdin.take());
        _ = self.child.wait();
    }
}

/// serial, port, PV V, PV A, grid V, Hz, W, today, total, °C, status, alarm code, alarm count, link.
pub(crate) type Record = (&'static str, u8, f64, f64, f64, f64, f64, u32, u32, f64, u16, u16, u16, u8);

/// What the authors of the captures say they mean, in the order served.
pub(crate) const RECORDS: &[Record] = &[
    ("103332416355", 1, 35.0, 0.2, 238.1, 50.0, 10.2, 751, 74823, 4.3, 3, 0, 0, 1),
    ("113332416355", 1, 35.0, 0.02, 238.1, 50.0, 10.2, 751, 74823, 4.3, 3, 0, 0, 1),
    ("123332416355", 1, 35.0, 0.02, 238.1, 50.0, 10.2, 751, 74823, 4.3, 3, 0, 0, 1),
    ("116182800001", 1, 35.1, 1.02, 230.1, 50.01, 35.8, 1234, 567_890, 43.1, 3, 0, 0, 1),
    ("116182800001", 2, 34.9, 0.99, 230.1, 50.01, 34.5, 1200, 543_210, 43.1, 3, 0, 0, 1),
    ("116182800001", 3, 35.2, 1.01, 230.2, 50.01, 35.5, 1222, 555_555, 43.0, 3, 0, 0, 1),
    ("116182800001", 4, 35.0, 1.0, 230.2, 50.01, 35.0, 1211, 545_454, 43.0, 3, 0, 0, 1),
    ("102162804827", 1, 34.0, 0.8, 229.9, 49.99, 27.2, 900, 300_300, -5.5, 3, 7, 2, 1),
];

#[test]
fn a_foreign_server_is_stored_and_served_exactly() {
    let peer = Peer::start();
    let folder = tempfile::tempdir().unwrap();
    let variables = [
        ("DTU_HOST", "127.0.0.1"),
        ("DTU_PORT", peer.port.as_str()),
        ("HEALTH_HOST", "127.0.0.1"),
        ("HEALTH_PORT", "0"),
        ("DTU_MIN_DELAY", "1ms"),
    ];
    let bridge = Bridge::start(&["run"], &variables, folder.path());
    let inverters =
        bridge.eventually("/api/inverters", |answer| answer.as_array().is_some_and(|list| list.len() == 5));
    let ports = bridge.json("/api/ports");
    for record in RECORDS {
        served(&inverters, &ports, record);
        let history = bridge.json(&format!("/api/inverters/{}/history?limit=100", record.0));
        assert_eq!(history.as_array().map(Vec::len), Some(1), "one row per inverter and poll: {history}");
    }
    let (status, _) = bridge.interrupt();
    assert!(status.success());
    let store = rusqlite::Connection::open(folder.path().join("data/hoymiles.db")).unwrap();
    for record in RECORDS {
        stored(&store, record);
    }
    let names: String =
        store.query_row("SELECT DISTINCT dtu_name FROM inverters", [], |row| row.get(0)).unwrap();
    assert_eq!(names, "DTU");
}

fn served(inverters: &Value, ports: &Value, record: &Record) {
    let &(serial, port, pv_voltage, pv_current, .., today, total, _, _, _, _, _) = record;
    let inverter = inverters.as_array().unwrap().iter().find(|inverter| inverter["serial_number"] == serial);
    let inverter = inverter.unwrap_or_else(|| panic!("no inverter {serial} in {inverters:#}"));
    let first = RECORDS.iter().find(|first| first.0 == serial).unwrap();
    assert_eq!(inverter["grid_voltage"], json!(first.4), "{serial}");
    assert_eq!(inverter["grid_frequency"], json!(first.5), "{serial}");
    assert_eq!(inverter["temperature"], json!(first.9), "{serial}");
    for (key, value) in [("operating_status", first.10), ("alarm_code", first.11), ("alarm_count", first.12)]
    {
        assert_eq!(inverter[key], json!(value), "{serial} {key}");
    }
    for list in [ports, &inverter["ports"]] {
        let own = list.as_array().unwrap().iter();
        let mut own = own.filter(|one| one["serial_number"] == serial && one["port_number"] == port);
        let one = own.next().unwrap_or_else(|| panic!("no port {serial}/{port} in {list:#}"));
        assert!(own.next().is_none(), "port {serial}/{port} is there twice");
        assert_eq!(one["pv_voltage"], json!(pv_voltage), "{serial}/{port}");
        assert_eq!(one["pv_current"], json!(pv_current), "{serial}/{port}");
        assert_eq!(one["pv_power"], json!(record.6), "{serial}/{port}");
        assert_eq!(one["today_production"], json!(today), "{serial}/{port}");
        assert_eq!(one["total_production"], json!(total), "{serial}/{port}");
    }
}

fn stored(store: &rusqlite::Connection, record: &Record) {
    let (serial, port) = (record.0, record.1);
    let query = "SELECT pv_voltage, pv_current, pv_power, today_production, total_production FROM port_data
                 WHERE serial_number = ?1 AND port_number = ?2 ORDER BY id LIMIT 1";
    let row: (f64, f64, f64, u32, u32) = store
        .query_row(query, (serial, port), |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?))
        })
        .unwrap();
    assert_eq!(row, (record.2, record.3, record.6, record.7, record.8), "{serial}/{port}");
    let cache: (u32, u32) = store
        .query_row(
            "SELECT today_production, total_production FROM production_cache WHERE serial_number = ?1 AND port_number = ?2",
            (serial, port),
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .unwrap();
    assert_eq!(cache, (record.7, record.8), "{serial}/{port}");
}
