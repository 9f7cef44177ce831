//! Options: what is said about bad ones, and their JSON Schema.

use serde_json::Value;
use smiles_source_modbus::Modbus;
use smiles_stage::{Problems, Registry};

use crate::harness::plan;

const DEVICE: &str = "blocks: {b: {address: 0, count: 1, fields: {f: {at: 0, type: u16}}}}";

fn said(problems: &Problems) -> Vec<String> {
    problems.iter().map(|problem| format!("{}: {}", problem.at, problem.message)).collect()
}

#[test]
fn problems_name_their_place() {
    let rows: &[(&str, &str, &[&str])] = &[
        ("address: 10.0.0.5", DEVICE, &["address: `10.0.0.5` does not begin with `tcp://`"]),
        (
            "{address: 'tcp://a:0', timeout: 0s}",
            "blocks: {b: {address: 0, count: 1, fields: {f: {at: 1, type: u16, unit: Vx}}}}",
            &[
                "device.blocks.b.fields.f.at: the field ends at 3 and the block has 2 bytes",
                "device.blocks.b.fields.f.unit: unknown unit `Vx`",
                "address: `0` is not a port from 1 to 65535",
                "timeout: a time limit of 0 leaves no time for an answer",
            ],
        ),
        (
            "{address: 'tcp://a', unit_id: 256}",
            DEVICE,
            &["unit_id: invalid value: integer `256`, expected u8"],
        ),
        ("{address: 'tcp://a', timeout: 3}", DEVICE, &["timeout: "]),
        ("{address: 'tcp://a', speed: 3}", DEVICE, &["speed: unknown field `speed`"]),
        (
            "address: tcp://a",
            "blocks: {b: {address: 0, count: 1, fields: {f: {at: 0, type: u17}}}}",
            &["device.blocks.b.fields.f.type: unknown variant `u17`"],
        ),
        (
            "address: tcp://a",
            "blocks: {b: {address: 0, count: 1, fields: {f: {at: 0, type: u16, unti: V}}}}",
            &["device.blocks.b.fields.f.unti: unknown field `unti`"],
        ),
    ];
    for (options, device, expected) in rows {
        let got = said(&plan(options, device).err().unwrap_or_default());
        assert_eq!(got.len(), expected.len(), "{options}: {got:?}");
        for (got, expected) in got.iter().zip(*expected) {
            assert!(got.starts_with(expected), "{got}\nexpected {expected}");
        }
    }
}

/// Every schema node that describes a value a person writes.
fn undescribed(at: &str, schema: &Value, found: &mut Vec<String>) {
    if let Some(properties) = schema["properties"].as_object() {
        for (name, property) in properties {
            if property["description"].as_str().is_none_or(str::is_empty) {
                found.push(format!("{at}.{name}"));
            }
            undescribed(&format!("{at}.{name}"), property, found);
        }
    }
    for (name, definition) in schema["$defs"].as_object().into_iter().flatten() {
        undescribed(name, definition, found);
    }
}

#[test]
fn every_option_is_described_and_nothing_else_allowed() {
    let registry = Registry::new().source::<Modbus>();
    let schema = registry.find_source("modbus").unwrap().schema();
    let mut found = Vec::new();
    undescribed("options", &schema, &mut found);
    assert_eq!(found, Vec::<String>::new());
    assert_eq!(schema["additionalProperties"], false);
    assert_eq!(schema["required"], serde_json::json!(["device"]));
    assert_eq!(schema["properties"]["timeout"]["default"], "3s");
    for name in ["Device", "Block", "Field", "Repeat", "Until", "Variant", "When"] {
        assert_eq!(schema["$defs"][name]["additionalProperties"], false, "{name}");
    }
    assert_eq!(schema["$defs"]["Field"]["properties"]["unit"]["type"], serde_json::json!(["string", "null"]));
}
