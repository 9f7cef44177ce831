//! A device file of points, as its author meets it: explained by `check`, simulated by its own file, looked at with `read`,
//! stored as numbers and served as words.

use std::path::Path;
use std::process::Output;

use crate::bridge::{Bridge, finish};

const PIPELINE: &str = "pipeline: roof
sources:
  inverter: {type: modbus, address: 'tcp://127.0.0.1:PORT', unit_id: 7, every: 1h, min_delay: 0s, device: !include inverter.yaml}
transforms:
  - type: unit_conversion
sinks:
  store:
    type: sqlite
    path: store.db
    tables:
      readings:
        mode: append
        create: true
        columns: {time: time, source: source, power: power, temperature: temperature, grid: grid, state: state, alarms: alarms,
                  voltage: voltage, made: made, battery: battery}
  api:
    type: http_api
    listen: 127.0.0.1:0
    store: store
    resources:
      /api/readings:
        query: {table: readings}
        history: {by: [time, source]}
";

const INVERTER: &str = "description: An inverter, as its datasheet has it
numbering: modicon6
units: {widget: {description: 'What its maker counts'}}
points:
  power:       {register: 437114, type: i32, unit: W, negate: true, simulate: {constant: 250}}
  temperature: {register: 400588, type: u16, unit: 0.1 °C, offset: -100 °C, valid: -40 .. 90, simulate: {constant: 1234}}
  grid:        {registers: [400691, 400010], type: i32, unit: W, simulate: {constant: 65538}}
  state:       {register: 432090, type: u16, values: {0: standby, 0x200: on grid}, simulate: {constant: 512}}
  alarms:      {register: 432091, type: u16, flags: {0: too hot, 3: earth fault}, as: word, simulate: {constant: 9}}
  voltage:     {register: 440084, type: u16, unit: V, scale_by: voltage_sf, simulate: {constant: 2301}}
  voltage_sf:  {register: 440086, type: i16, simulate: {constant: -1}}
  made:        {register: 300021, type: u16, unit: 10 widget, simulate: {constant: 12}}
  battery:     {register: 400843, type: u16, unit: '%', unit_id: 100, simulate: {constant: 77}}
";

/// The files, and the simulated device, which answers two units.
fn roof(folder: &Path) -> Bridge {
    std::fs::write(folder.join("inverter.yaml"), INVERTER).unwrap();
    std::fs::write(folder.join("roof.yaml"), PIPELINE.replace("PORT", "1")).unwrap();
    let simulated =
        Bridge::start(&["simulate", "--device", "roof.yaml", "--listen", "127.0.0.1:0"], &[], folder);
    let line = simulated.line(&["simulated device listening"]);
    let address = line.split("tcp://").nth(1).and_then(|rest| rest.split([' ', '"']).next()).unwrap();
    let port = address.rsplit(':').next().unwrap();
    std::fs::write(folder.join("roof.yaml"), PIPELINE.replace("PORT", port)).unwrap();
    simulated
}

fn said(args: &[&str], folder: &Path) -> String {
    let Output { status, stdout, stderr } = finish(args, &[], folder);
    let errors = String::from_utf8(stderr).unwrap();
    assert_eq!(status.code(), Some(0), "{errors}");
    String::from_utf8(stdout).unwrap()
}

#[test]
fn numbers_of_a_datasheet_become_columns_and_words() {
    let folder = tempfile::tempdir().unwrap();
    let _device = roof(folder.path());
    let explained = said(&["check", "--explain", "roof.yaml"], folder.path());
    for line in [
        "holding 37113 to 37114 (from 437114 of the manual): power",
        "holding 40083 to 40085 (from 440084 of the manual): voltage, voltage_sf (one request",
        "unit 100, holding 842 (from 400843 of the manual): battery",
    ] {
        assert!(explained.contains(line), "no {line} in {explained}");
    }
    let read = said(&["read", "roof.yaml"], folder.path());
    let lines: Vec<String> =
        read.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    for line in [
        "power holding 37113 to 37114 000000fa -250 W",
        "temperature holding 587 04d2 23.4 °C",
        "grid holding 690, 9 00010002 65538 W",
        "state holding 32089 0200 512 (on grid)",
        "alarms holding 32090 0009 too hot,earth fault",
        "voltage holding 40083 08fd 230.1 V",
        "made input 20 000c 120 widget",
        "battery holding 842 004d 77 %",
    ] {
        assert!(lines.iter().any(|it| it.ends_with(line)), "no `{line}` in {read}");
    }
    said(&["run", "--once", "roof.yaml", "--data-dir", "data"], folder.path());
    let store = rusqlite::Connection::open(folder.path().join("data/store.db")).unwrap();
    let columns = "power, temperature, grid, state, alarms, voltage, made, battery";
    let row: Vec<rusqlite::types::Value> = store
        .query_row(&format!("SELECT {columns} FROM readings"), [], |row| {
            (0..8).map(|column| row.get(column)).collect()
        })
        .unwrap();
    use rusqlite::types::Value::{Integer, Real, Text};
    let number = |value: &rusqlite::types::Value| match value {
        Integer(number) => number.to_string(),
        Real(number) => number.to_string(),
        Text(text) => text.clone(),
        other => format!("{other:?}"),
    };
    let row: Vec<String> = row.iter().map(number).collect();
    assert_eq!(row, ["-250", "23.4", "65538", "512", "too hot,earth fault", "230.1", "120", "77"]);
    let bridge = Bridge::start(&["run", "roof.yaml", "--data-dir", "data"], &[], folder.path());
    bridge.eventually("/api/readings", |answer| answer.to_string().contains("\"on grid\""));
}
