//! `smiles check` on broken variants of the stock file: what a stranger reads, as snapshots.
//!
//! `SMILES_UPDATE=1 cargo test -p smiles check` writes them anew.

use std::fs;
use std::path::Path;

use crate::bridge::{finish, root};

/// The stock file with `from` replaced by `to`.
struct Edit {
    name: &'static str,
    from: &'static str,
    to: &'static str,
    variables: &'static [(&'static str, &'static str)],
}

const HOST: &[(&str, &str)] = &[("DTU_HOST", "192.0.2.1")];

const fn edit(name: &'static str, from: &'static str, to: &'static str) -> Edit {
    Edit { name, from, to, variables: HOST }
}

const fn variables(name: &'static str, variables: &'static [(&'static str, &'static str)]) -> Edit {
    Edit { name, from: "", to: "", variables }
}

const EDITS: &[Edit] = &[
    edit("misspelt_option", "unit_id:", "unit_idd:"),
    edit("misspelt_top_key", "transforms:", "transform:"),
    edit("misspelt_stage_type", "type: modbus", "type: modbuss"),
    edit("misspelt_transform_type", "type: unit_conversion", "type: unit_convertion"),
    edit("missing_type", "    type: sqlite\n", ""),
    edit("missing_required_option", "    key: [serial_number, port_number]\n", ""),
    edit("missing_pipeline_name", "pipeline: hoymiles\n", ""),
    edit("bad_pipeline_name", "pipeline: hoymiles\n", "pipeline: My Pipeline\n"),
    edit("bad_duration", "every: ${QUERY_PERIOD:-60}s", "every: 60 minutes"),
    edit("missing_period", "    every: ${QUERY_PERIOD:-60}s\n", ""),
    edit("bad_rate", "max_rate: 2000 Wh/h", "max_rate: fast"),
    edit("rate_of_another_dimension", "max_rate: 2000 Wh/h", "max_rate: 2000 V/h"),
    edit("unknown_column", "today: today_production", "today: today_prodution"),
    edit("column_of_the_wrong_type", "today: today_production", "today: serial_number"),
    edit("unknown_key_column", "key: [serial_number, port_number]", "key: [serial_number, port]"),
    edit(
        "unit_that_does_not_convert",
        "- type: unit_conversion",
        "- type: unit_conversion\n    to: {pv_voltage: kWh}",
    ),
    edit("unknown_unit", "- type: unit_conversion", "- type: unit_conversion\n    to: {pv_power: mw}"),
    edit("text_for_a_number", "unit_id: ${item.unit_id:-${MODBUS_UNIT_ID:-1}}", "unit_id: one"),
    edit("number_out_of_range", "unit_id: ${item.unit_id:-${MODBUS_UNIT_ID:-1}}", "unit_id: 300"),
    edit(
        "text_for_a_map",
        "device: !include hoymiles/device.yaml",
        "device: {blocks: {a: {address: 1, count: 1, between: 15m, fields: {a: {at: 0, type: u16}}}}}",
    ),
    edit(
        "types_of_other_programs",
        "device: !include hoymiles/device.yaml",
        "device: {blocks: {a: {address: 1, count: 3, fields: {a: {at: 0, type: uint16}, b: {at: 2, type: Float32}}}}}",
    ),
    edit("list_for_a_map", "device: !include hoymiles/device.yaml", "device: [1, 2]"),
    edit("bad_address", "address: tcp://", "address: serial://"),
    edit("unknown_store", "    store: store\n", "    store: stroe\n"),
    edit("unreadable_include", "!include hoymiles/device.yaml", "!include hoymiles/devices.yaml"),
    edit("duplicate_key", "    timeout:", "    every: 5s\n    timeout:"),
    edit("duplicate_sink", "  api:\n", "  store:\n"),
    edit("unset_variable", "${COMM_TIMEOUT:-3}s", "${COMM_TIMEOUTS}s"),
    edit("unclosed_reference", "${COMM_TIMEOUT:-3}s", "${COMM_TIMEOUT:-3s"),
    edit("no_sinks", "sinks:", "sources2:"),
    edit("tabs", "transforms:\n  - type", "transforms:\n\t- type"),
    edit("not_yaml", "sources:\n", "sources: [}\n"),
    edit("bad_indentation", "    type: modbus", "   type: modbus"),
    edit("unknown_time_zone", "timezone: ${TIMEZONE:-UTC}", "timezone: Europe/Berln"),
    edit(
        "bad_line",
        "sources:\n",
        "lines:\n  gateway: {adress: tcp://192.0.2.1, min_delay: 100}\n  roof: tcp://192.0.2.2\nsources:\n",
    ),
    edit("several_at_once", "type: modbus", "type: modbus\n    tiemout: 3s\n    min_dely: 1s"),
    variables("no_device_configured", &[]),
    variables("variable_out_of_range", &[("DTU_HOST", "192.0.2.1"), ("QUERY_PERIOD", "1")]),
    variables("variable_of_the_wrong_type", &[("DTU_HOST", "192.0.2.1"), ("DTU_PORT", "modbus")]),
    variables("variable_not_boolean", &[("DTU_HOST", "192.0.2.1"), ("METRICS_ENABLED", "maybe")]),
    variables("reset_hour_out_of_range", &[("DTU_HOST", "192.0.2.1"), ("RESET_HOUR", "24")]),
    variables("configs_not_json", &[("DTU_CONFIGS", "[{name: roof}]")]),
    variables(
        "configs_of_equal_names",
        &[("DTU_CONFIGS", r#"[{"name":"a","host":"192.0.2.1"},{"name":"a","host":"192.0.2.2"}]"#)],
    ),
    variables("configs_without_host", &[("DTU_CONFIGS", r#"[{"name":"a"}]"#)]),
];

/// Whole files, and the others they include.
const FILES: &[(&str, &[(&str, &str)])] = &[
    ("empty_file", &[("pipeline.yaml", "")]),
    ("binary_file", &[("pipeline.yaml", "\u{0}\u{1}\u{2}")]),
    ("a_list", &[("pipeline.yaml", "- a\n- b\n")]),
    ("two_documents", &[("pipeline.yaml", "pipeline: a\n---\npipeline: b\n")]),
    (
        "cyclic_include",
        &[
            ("pipeline.yaml", "!include a.yaml\n"),
            ("a.yaml", "sources: !include b.yaml\n"),
            ("b.yaml", "x: !include a.yaml\n"),
        ],
    ),
    (
        "error_in_an_included_file",
        &[
            (
                "pipeline.yaml",
                "pipeline: p\nsources:\n  d: {type: modbus, address: tcp://192.0.2.1, every: 5s, device: !include device.yaml}\nsinks:\n  s: {type: sqlite, path: s.db, tables: {t: {mode: append, create: true, columns: {v: voltage}}}}\n",
            ),
            (
                "device.yaml",
                "blocks:\n  live:\n    address: 0\n    count: 2\n    fields:\n      voltage: {at: 0, typ: u16, unit: 0.1 Volts}\n",
            ),
        ],
    ),
];

/// Each of them by name: the files of which it consists.
pub(crate) fn broken() -> Vec<(&'static str, Vec<(String, String)>)> {
    let stock = fs::read_to_string(root().join("pipelines/hoymiles-sqlite.yaml")).unwrap();
    let edited = EDITS
        .iter()
        .map(|edit| (edit.name, vec![("pipeline.yaml".to_owned(), stock.replacen(edit.from, edit.to, 1))]));
    let whole = FILES.iter().map(|(name, files)| {
        (*name, files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect())
    });
    edited.chain(whole).collect()
}

fn check(name: &str, files: &[(&str, String)], variables: &[(&str, &str)]) -> Result<(), String> {
    let folder = tempfile::tempdir().unwrap();
    for (path, text) in files {
        fs::write(folder.path().join(path), text).unwrap();
    }
    let output = finish(&["check", "pipeline.yaml"], variables, folder.path());
    let said = String::from_utf8(output.stderr).map_err(|error| format!("{name}: not UTF-8: {error}"))?;
    if output.status.code() != Some(2) {
        return Err(format!("{name}: exit {:?}, not 2:\n{said}", output.status.code()));
    }
    let lines = said.lines().count();
    if lines > 50 || said.contains("panicked") || !said.contains(": ") {
        return Err(format!("{name}: {lines} lines are no one-screen error:\n{said}"));
    }
    snapshot(name, &said)
}

fn snapshot(name: &str, said: &str) -> Result<(), String> {
    let path = root().join("cli/tests/it/snapshots").join(format!("{name}.txt"));
    if std::env::var_os("SMILES_UPDATE").is_some() {
        fs::create_dir_all(path.parent().unwrap_or(Path::new("."))).unwrap();
        fs::write(&path, said).unwrap();
        return Ok(());
    }
    let expected = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    if expected == said { Ok(()) } else { Err(format!("{name} now says:\n{said}\nand not:\n{expected}")) }
}

#[test]
fn broken_files_are_explained() {
    let stock = fs::read_to_string(root().join("pipelines/hoymiles-sqlite.yaml")).unwrap();
    let mut failures = Vec::new();
    for edit in EDITS {
        assert!(stock.contains(edit.from), "the stock file has no `{}` for {}", edit.from, edit.name);
        let text = stock.replacen(edit.from, edit.to, 1);
        failures.extend(check(edit.name, &[("pipeline.yaml", text)], edit.variables).err());
    }
    for (name, files) in FILES {
        let files: Vec<_> = files.iter().map(|(path, text)| (*path, (*text).to_owned())).collect();
        failures.extend(check(name, &files, HOST).err());
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let output = finish(&["check", "missing.yaml"], &[], folder.path());
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("missing.yaml"), "{said}");
}

#[test]
fn stock_pipelines_are_sound() {
    let folder = tempfile::tempdir().unwrap();
    for (file, variables) in
        [("hoymiles-sqlite.yaml", HOST), ("eastron-sdm120.yaml", &[("METER_HOST", "192.0.2.1")])]
    {
        for place in [file.to_owned(), root().join("pipelines").join(file).display().to_string()] {
            let output = finish(&["check", &place], variables, folder.path());
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success() && said.is_empty(), "{place}: {said}");
            assert!(String::from_utf8_lossy(&output.stdout).starts_with("ok: "));
        }
    }
}

#[test]
fn every_switch_can_be_off_and_secrets_stay_hidden() {
    let folder = tempfile::tempdir().unwrap();
    for spelling in ["false", "No", "OFF", "0"] {
        for name in ["HEALTH_ENABLED", "METRICS_ENABLED", "PERSISTENCE_ENABLED"] {
            let variables = [HOST[0], (name, spelling)];
            let output = finish(&["check"], &variables, folder.path());
            assert!(
                output.status.success(),
                "{name}={spelling}: {}",
                String::from_utf8_lossy(&output.stderr)
            );
        }
    }
    fs::write(folder.path().join("secret.yaml"), "pipeline: p\nsources:\n  d: {type: modbus, address: 'tcp://192.0.2.1:${file:password}', every: 5s, device: {blocks: {}}}\nsinks: {}\n").unwrap();
    fs::write(folder.path().join("password"), "hunter2\n").unwrap();
    let output = finish(&["check", "secret.yaml"], &[], folder.path());
    assert_eq!(output.status.code(), Some(2));
    assert!(!String::from_utf8_lossy(&output.stderr).contains("hunter2"));
}
