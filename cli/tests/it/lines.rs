//! Units behind one gateway, as their owner meets them: simulated by the pipeline file that reads them, looked at with
//! `read`, explained by `check`, stored by `run --once`.

use std::path::Path;
use std::process::Output;

use crate::bridge::{Bridge, finish};
use crate::sequence::{Device, pipeline};

/// Three meters behind a gateway.
const PIPELINE: &str = "pipeline: house
lines:
  gateway: {address: 'tcp://127.0.0.1:PORT', connect_delay: 50ms, min_delay: 10ms}
sources:
  meter: {type: modbus, line: gateway, unit_id: 3, every: 1h, device: !include meter.yaml}
  annex: {type: modbus, line: gateway, unit_id: 4, every: 1h, device: !include meter.yaml}
  shed: {type: modbus, line: gateway, unit_id: 9, every: 1h, device: !include meter.yaml}
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
        columns: {time: time, source: source, voltage: voltage, energy: energy, temperature: temperature}
";

const METER: &str = "description: A meter
gap: 4
blocks:
  live: {address: 0, count: 1, fields: {voltage: {at: 0, type: u16, unit: 0.1 V, kind: gauge, simulate: {constant: 2301}}}}
  sums: {address: 2, count: 2, fields: {energy: {at: 0, type: u32, unit: Wh, kind: counter, simulate: {constant: 70000}}}}
  air: {read: input, address: 7, count: 1, fields: {temperature: {at: 0, type: i16, unit: 0.1 °C, simulate: {constant: -53}}}}
";

/// The files, and the simulated gateway; its address.
fn house(folder: &Path, quirks: &[&str]) -> (Bridge, String) {
    std::fs::write(folder.join("meter.yaml"), METER).unwrap();
    std::fs::write(folder.join("house.yaml"), PIPELINE.replace("PORT", "1")).unwrap();
    let quirks = quirks.iter().flat_map(|quirk| ["--quirk", quirk]);
    let args: Vec<&str> =
        ["simulate", "--device", "house.yaml", "--listen", "127.0.0.1:0"].into_iter().chain(quirks).collect();
    let simulated = Bridge::start(&args, &[], folder);
    let line = simulated.line(&["simulated device listening"]);
    let address =
        line.split("tcp://").nth(1).and_then(|rest| rest.split([' ', '"']).next()).unwrap().to_owned();
    let port = address.rsplit(':').next().unwrap();
    std::fs::write(folder.join("house.yaml"), PIPELINE.replace("PORT", port)).unwrap();
    (simulated, format!("tcp://{address}"))
}

fn smiles(args: &[&str], variables: &[(&str, &str)], folder: &Path) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = finish(args, variables, folder);
    (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

#[test]
fn units_behind_a_picky_gateway_are_all_stored() {
    let folder = tempfile::tempdir().unwrap();
    let quirks = ["one_client", "drops_when_busy", "delay=20ms", "slow_start=20ms"];
    let (_gateway, _) = house(folder.path(), &quirks);
    for run in 1..=2 {
        let (code, _, said) =
            smiles(&["run", "--once", "house.yaml", "--data-dir", "data"], &[], folder.path());
        assert_eq!(code, Some(0), "{said}");
        let store = rusqlite::Connection::open(folder.path().join("data/store.db")).unwrap();
        let query = "SELECT count(*), sum(voltage), sum(energy), min(temperature) FROM readings";
        let stored: (u32, f64, f64, f64) = store
            .query_row(query, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))
            .unwrap();
        let times = f64::from(run);
        assert_eq!(stored, (3 * run, 690.3 * times, 210_000.0 * times, -5.3));
    }
}

#[test]
fn read_shows_where_each_value_comes_from_and_stores_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (_gateway, address) = house(folder.path(), &[]);
    let (code, text, said) = smiles(&["read", "house.yaml"], &[], folder.path());
    assert_eq!(code, Some(0), "{said}");
    let lines: Vec<String> =
        text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    let meter = [
        "block field registers raw value",
        "live voltage holding 0 08fd 230.1 V",
        "sums energy holding 2 to 3 00011170 70000 Wh",
        "air temperature input 7 ffcb -5.3 °C",
    ];
    let expected: Vec<String> = [("meter", 3), ("annex", 4), ("shed", 9)]
        .into_iter()
        .flat_map(|(name, unit)| {
            std::iter::once(format!("source {name} ({address} unit {unit})")).chain(meter.map(str::to_owned))
        })
        .collect();
    assert_eq!(lines, expected);
    assert!(!folder.path().join("data").exists(), "nothing is stored");

    let ask = |more: &[&str]| {
        let args = [&["read", address.as_str()], more].concat();
        let (code, text, said) = smiles(&args, &[], folder.path());
        assert_eq!(code, Some(0), "{said}");
        text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect::<Vec<_>>()
    };
    assert_eq!(
        ask(&["--unit", "3", "--holding", "2", "--count", "2", "--type", "u32"]),
        ["2 0x0002 00011170 70000"]
    );
    assert_eq!(ask(&["--unit", "9", "--input", "0x7", "--type", "i16"]), ["7 0x0007 ffcb -53"]);
    assert_eq!(ask(&["--unit", "3", "--holding", "0"])[1], "0 0x0000 08fd 2301 2301");
}

#[test]
fn read_says_what_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let (_gateway, address) = house(folder.path(), &[]);
    let rows: [(&[&str], i32, &str); 7] = [
        (&["read", &address], 2, "add `--holding 0`"),
        (&["read", &address, "--holding", "40001x"], 2, "not a register from 0 to 65535"),
        (&["read", &address, "--holding", "0", "--unit", "3", "--type", "uint16"], 2, "--type"),
        (&["read", &address, "--holding", "0", "--count", "126"], 2, "at most 125"),
        (
            &["read", &address, "--holding", "900", "--unit", "3"],
            1,
            "holding 900: the device answered exception 2: illegal data address",
        ),
        (
            &["read", &address, "--holding", "0", "--unit", "7", "--timeout", "300ms"],
            1,
            "is `unit_id` right?",
        ),
        (&["read", "tcp://127.0.0.1:1", "--holding", "0"], 1, "connection refused"),
    ];
    for (args, expected, word) in rows {
        let (code, _, said) = smiles(args, &[], folder.path());
        assert_eq!(code, Some(expected), "{args:?}: {said}");
        assert!(said.contains(word), "{args:?}: {said}");
    }
}

#[test]
fn read_does_not_take_the_connection_of_a_running_bridge() {
    let (device, folder) = (Device::start(), tempfile::tempdir().unwrap());
    pipeline(&device, folder.path(), "1h");
    let bridge = Bridge::start(&["run", "sequence.yaml", "--data-dir", "data"], &[], folder.path());
    bridge.line(&["source is online"]);
    let args = ["read", "sequence.yaml", "--data-dir", "data"];
    let (code, text, said) = smiles(&args, &[], folder.path());
    assert_eq!((code, text.as_str()), (Some(1), ""));
    assert!(said.contains("a bridge runs with this pipeline") && said.contains("--anyway"), "{said}");
    let (code, text, said) =
        smiles(&[&args[..], &["--anyway"]].concat(), &[("LOG_LEVEL", "DEBUG")], folder.path());
    assert_eq!(code, Some(0), "{said}");
    assert!(text.contains("port[2]"), "{text}");
    assert!(said.contains("sent=000000000006010320000003"), "every frame is in the log: {said}");
    assert!(said.contains("received="), "{said}");
}

#[test]
fn check_explains_what_a_pass_asks() {
    let folder = tempfile::tempdir().unwrap();
    let (_gateway, _) = house(folder.path(), &[]);
    let (code, text, said) = smiles(&["check", "--explain", "house.yaml"], &[], folder.path());
    assert_eq!(code, Some(0), "{said}");
    assert!(text.contains("  one pass:\n    2 requests\n"), "{text}");
    let expected =
        "holding 0 to 3: `live` (voltage) + `sums` (energy) (one request; alone if the device refuses it)";
    assert!(text.contains(expected), "{text}");
    let (code, text, said) = smiles(&["check", "--explain"], &[("DTU_HOST", "10.0.0.5")], folder.path());
    assert_eq!(code, Some(0), "{said}");
    assert!(
        text.contains("[once, optional]")
            && text.contains("up to the record that ends the list, at most 100"),
        "{text}"
    );
}
