//! Random device files (every type, order, unit, sign, offset, scale factor, word apart) decoded here and by a script of
//! another language that shares nothing with this code.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use arrow_array::{Array, ArrayRef};
use arrow_schema::{DataType, Field};
use serde_json::Value;
use smiles_source_modbus::device::{Device, Table};
use smiles_source_modbus::{Decoder, explain_device};
use smiles_stage::ColumnMeta;
use smiles_stage::unit::Unit;

use crate::harness::cell;
use crate::peer::script;

/// How many values are compared; the long form is told another number.
const VALUES: &str = "20000";
/// A failure is repeated by the same number.
const SEED: &str = "20261201";

#[test]
fn random_device_files_are_read_as_another_program_reads_them() {
    let values = std::env::var("SMILES_SOAK_VALUES").unwrap_or(VALUES.to_owned());
    let mut peer = script("datasheets.py").args([&values, SEED]).stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(peer.stdout.take().unwrap()).lines();
    let mut compared = 0_u64;
    for line in lines {
        let made: Value = serde_json::from_str(&line.unwrap()).unwrap();
        compared += compare(&made);
    }
    assert!(peer.wait().unwrap().success(), "the peer failed");
    assert!(compared >= values.parse().unwrap(), "{compared} values");
}

/// Decodes one device; how many values were compared.
fn compare(made: &Value) -> u64 {
    let device: Device =
        serde_json::from_value(made["device"].clone()).unwrap_or_else(|error| panic!("{error}: {made}"));
    let complaints = explain_device(&device);
    assert!(complaints.is_ok(), "{complaints:?}: {}", made["device"]);
    let register = |table: Table, address: u16| {
        let table = if table == Table::Input { "input" } else { "holding" };
        let word = made["registers"][table].get(address.to_string())?;
        u16::try_from(word.as_u64().unwrap()).ok()
    };
    let rows = Decoder::new(&device).row(register).unwrap();
    let schema = rows.schema();
    let expected = made["expected"].as_object().unwrap();
    for (name, expected) in expected {
        let (place, field) = schema.column_with_name(name).unwrap();
        let theirs = expected.as_str().unwrap_or("-");
        let ours = cell(rows.column(place), 0);
        let same = ours == theirs
            || is_number(field) && theirs != "-" && same(rows.column(place), field, &ours, theirs);
        assert!(same, "{name}: {ours} here and {theirs} there: {}", made["device"]["points"][name]);
    }
    expected.len().try_into().unwrap()
}

fn is_number(field: &Field) -> bool {
    field.data_type().is_numeric()
}

/// Whether a number of ours, in the unit of its column, is theirs in the unit without its scale.
fn same(column: &ArrayRef, field: &Field, ours: &str, theirs: &str) -> bool {
    if column.is_null(0) {
        return false;
    }
    let unit = field.unit().map(|unit| unit.parse::<Unit>().unwrap());
    let number: f64 = ours.parse().unwrap();
    let value = match unit {
        Some(unit) => unit.to(&unit.base()).unwrap().apply(number),
        None => number,
    };
    if field.data_type() == &DataType::Float32 {
        return value.to_string().parse::<f32>().unwrap() == theirs.parse::<f32>().unwrap();
    }
    let theirs: f64 = theirs.parse().unwrap();
    // Of more digits than a double holds the last one may be rounded twice.
    value == theirs || (value - theirs).abs() <= theirs.abs() * 4.0 * f64::EPSILON
}
