//! Strangers as judges: 100,000 random records decode as the decoder that owners already trust decodes them.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use smiles_source_modbus::decode_records;

use crate::harness::{STOCK, cell, column, device, hex, source};

const COUNT: usize = 100_000;
/// A failure is repeated by the same number.
const SEED: &str = "20251113";

/// Places after the point of the columns' raw units.
fn places(name: &str) -> usize {
    match name {
        "pv_current" | "grid_frequency" => 2,
        "pv_voltage" | "grid_voltage" | "pv_power" | "temperature" => 1,
        _ => 0,
    }
}

/// `-5.5` with one place is `-55`.
fn scaled(value: &Value, places: usize) -> String {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    if places == 0 {
        return text;
    }
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    assert!(fraction.len() <= places, "{text} is finer than our column");
    format!("{whole}{fraction:0<places$}").parse::<i64>().unwrap().to_string()
}

/// A script of `cli/tests/peers`, ready to run.
pub(crate) fn script(name: &str) -> Command {
    let root = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    let python = std::env::var_os("SMILES_TEST_PYTHON").map_or(root.join(".venv/bin/python"), PathBuf::from);
    assert!(python.exists(), "no {}: run `make setup`", python.display());
    let mut command = Command::new(python);
    command.arg(root.join("cli/tests/peers").join(name));
    command
}

fn peer() -> Vec<Value> {
    let output = script("decode_hoymiles_modbus.py").args([&COUNT.to_string(), SEED]).output().unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "the peer failed (run `make setup`): {complaint}");
    let lines = String::from_utf8(output.stdout).unwrap();
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Serves the captured records until it is dropped.
struct Pymodbus(Child);

impl Drop for Pymodbus {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// Starts a script; the server and its port.
fn start(name: &str) -> (Pymodbus, String) {
    let mut command = script(name);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut server = Pymodbus(command.spawn().unwrap());
    let mut said = String::new();
    BufReader::new(server.0.stdout.take().unwrap()).read_line(&mut said).unwrap();
    let port = said.trim().strip_prefix("listening ").map(str::to_owned);
    (server, port.unwrap_or_else(|| panic!("it said {said:?}: run `make setup`")))
}

#[tokio::test]
async fn three_units_of_a_server_that_is_not_ours_are_read_over_one_connection() {
    let device = "
gap: 10
blocks:
  low: {address: 0, count: 2, fields: {low: {at: 2, type: u16}}}
  high: {address: 10, count: 1, fields: {high: {at: 0, type: u16}}}
  none: {address: 200, count: 1, optional: true, fields: {none: {at: 0, type: u16}}}
";
    let (_server, port) = start("units_pymodbus.py");
    let open = async |unit: u8| {
        let options = format!("address: tcp://127.0.0.1:{port}\nmin_delay: 0s\nunit_id: {unit}");
        source(&options, device, Duration::from_secs(60)).await
    };
    let (mut one, mut two, mut three) = (open(1).await, open(2).await, open(3).await);
    for _ in 0..20 {
        let (one, two, three) = tokio::join!(one.next(), two.next(), three.next());
        for (unit, pass) in [(1, one), (2, two), (3, three)] {
            let pass = pass.unwrap_or_else(|error| panic!("{}", error.chain())).unwrap();
            assert!(pass.complete && pass.faults.is_empty(), "{:?}", pass.faults);
            let cells = ["low", "high", "none"].map(|name| column(&pass.rows, name).concat());
            assert_eq!(
                cells,
                [(1000 * unit + 1).to_string(), (1000 * unit + 10).to_string(), "-".to_owned()]
            );
        }
    }
}

#[tokio::test]
async fn a_meter_of_libmodbus_is_read_from_all_four_tables() {
    let device = "
blocks:
  holding: {address: 7, count: 1, fields: {holding: {at: 0, type: u16}}}
  input: {read: input, address: 7, count: 1, fields: {input: {at: 0, type: u16}}}
  coils: {read: coils, address: 6, count: 2, fields: {even: {at: 0, type: bool}, odd: {at: 1, type: bool}}}
  discrete: {read: discrete, address: 9, count: 2, fields: {third: {at: 0, type: bool}, other: {at: 1, type: bool}}}
";
    let (_server, port) = start("meter_libmodbus.py");
    for connection in ["pass", "keep"] {
        let options = format!("address: tcp://127.0.0.1:{port}\nmin_delay: 0s\nconnection: {connection}");
        let mut source = source(&options, device, Duration::from_secs(60)).await;
        for _ in 0..20 {
            let pass = source.next().await.unwrap_or_else(|error| panic!("{}", error.chain())).unwrap();
            assert!(pass.complete && pass.faults.is_empty(), "{:?}", pass.faults);
            let cells = ["holding", "input", "even", "odd", "third", "other"]
                .map(|name| column(&pass.rows, name).concat());
            assert_eq!(cells, ["7", "1007", "false", "true", "true", "false"]);
        }
    }
}

#[tokio::test]
async fn a_server_that_is_not_ours_is_read() {
    let (_server, port) = start("dtu_pymodbus.py");
    let options = format!("address: tcp://127.0.0.1:{port}\nmin_delay: 0s");
    let pass = source(&options, STOCK, Duration::from_secs(60)).await.next().await.unwrap().unwrap();
    assert!(pass.complete && pass.faults.is_empty(), "{:?}", pass.faults);
    assert_eq!(column(&pass.rows, "dtu_serial"), ["10f871600831"; 8]);
    assert_eq!(column(&pass.rows, "pv_current"), ["20", "2", "2", "102", "99", "101", "100", "80"]);
    assert_eq!(column(&pass.rows, "temperature"), ["43", "43", "43", "431", "431", "430", "430", "-55"]);
}

#[test]
fn random_records_decode_as_the_peer_decodes_them() {
    let peer = peer();
    assert_eq!(peer.len(), COUNT);
    let records: Vec<Vec<u8>> = peer.iter().map(|line| hex(line["hex"].as_str().unwrap())).collect();
    let records: Vec<&[u8]> = records.iter().map(Vec::as_slice).collect();
    let rows = decode_records(&device(STOCK), &records).unwrap();
    let names: Vec<&String> = peer[0]["fields"].as_object().unwrap().keys().collect();
    assert_eq!(names.len(), 14, "every field is compared: {names:?}");
    for name in names {
        let column = rows.column_by_name(name).unwrap_or_else(|| panic!("no column {name}"));
        for (row, line) in peer.iter().enumerate() {
            let theirs = scaled(&line["fields"][name], places(name));
            let theirs = theirs.trim_matches('"');
            assert_eq!(cell(column, row), theirs, "{name} of {}", line["hex"]);
        }
    }
}
