//! Strangers as judges: 100,000 random records decode as the decoder that owners already trust decodes them.

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;
use smiles_source_modbus::decode_records;

use crate::harness::{STOCK, cell, device, hex};

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

fn peer() -> Vec<Value> {
    let root = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    let python = std::env::var_os("SMILES_TEST_PYTHON").map_or(root.join(".venv/bin/python"), PathBuf::from);
    assert!(python.exists(), "no {}: run `make setup`", python.display());
    let script = root.join("cli/tests/peers/decode_hoymiles_modbus.py");
    let output = Command::new(python).arg(script).args([&COUNT.to_string(), SEED]).output().unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "the peer failed (run `make setup`): {complaint}");
    let lines = String::from_utf8(output.stdout).unwrap();
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
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
