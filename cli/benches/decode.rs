//! How many registers a second become values: beside pymodbus with struct, and beside a loop written by hand for these points,
//! which makes the same Arrow rows.

use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow_array::builder::PrimitiveBuilder;
use arrow_array::types::{Float32Type, Int16Type, Int32Type, UInt16Type, UInt32Type, UInt64Type};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::SchemaRef;
use smiles_source_modbus::Decoder;
use smiles_source_modbus::device::Device;

use crate::Row;
use crate::machine::ratio;

/// Registers of one record.
const REGISTERS: usize = 22;

/// A three-phase meter, by byte: voltages, currents, powers, energies, temperature, power factor and state.
const DEVICE: &str = r#"{"blocks": {"meter": {"address": 0, "count": 22, "repeat": {"stride": 22, "max": 2000}, "fields": {
    "v1": {"at": 0, "type": "u16", "unit": "0.1 V"}, "v2": {"at": 2, "type": "u16", "unit": "0.1 V"},
    "v3": {"at": 4, "type": "u16", "unit": "0.1 V"}, "i1": {"at": 6, "type": "u16", "unit": "0.01 A"},
    "i2": {"at": 8, "type": "u16", "unit": "0.01 A"}, "i3": {"at": 10, "type": "u16", "unit": "0.01 A"},
    "p1": {"at": 12, "type": "i32", "unit": "W"}, "p2": {"at": 16, "type": "i32", "unit": "W"},
    "p3": {"at": 20, "type": "i32", "unit": "W"}, "today": {"at": 24, "type": "u32", "unit": "Wh"},
    "total": {"at": 28, "type": "u64", "unit": "Wh", "null_when": [18446744073709551615]},
    "temperature": {"at": 36, "type": "i16", "unit": "0.1 °C", "null_when": [32768]},
    "factor": {"at": 38, "type": "f32"}, "state": {"at": 42, "type": "u16"}}}}}"#;

const AT_LEAST: Duration = Duration::from_secs(2);

pub(crate) fn registers_per_second() -> Vec<Row> {
    let device: Device = serde_json::from_str(DEVICE).expect("a device");
    let decoder = Decoder::new(&device);
    [1_usize, 99]
        .into_iter()
        .map(|count| {
            let data: Vec<u8> =
                (0..count * REGISTERS * 2).map(|byte| (byte * 31 % 251).to_le_bytes()[0]).collect();
            let records: Vec<&[u8]> = data.chunks(REGISTERS * 2).collect();
            let rows = decoder.records(&records).expect("rows");
            let schema = rows.schema();
            assert_eq!(by_hand(&schema, &records), rows, "both make the same rows");
            // In turn, so that both have the same machine.
            let (mut ours, mut theirs) = (0.0_f64, 0.0_f64);
            for _ in 0..5 {
                ours = ours.max(rate(count, || decoder.records(&records).expect("rows")));
                theirs = theirs.max(rate(count, || by_hand(&schema, &records)));
            }
            let python = by_python(count);
            Row {
                what: format!("million registers decoded per second, {count} records of {REGISTERS} at once"),
                ours: format!("{:.1}", ours / 1e6),
                beside: format!(
                    "{:.1} (a loop by hand that makes the same rows), {:.2} (pymodbus, struct)",
                    theirs / 1e6,
                    python / 1e6
                ),
                ratio: format!("{}, {}", ratio(ours, theirs), ratio(ours, python)),
            }
        })
        .collect()
}

fn rate(count: usize, decode: impl Fn() -> RecordBatch) -> f64 {
    let (begin, mut rounds) = (Instant::now(), 0_u32);
    while begin.elapsed() < AT_LEAST / 5 {
        for _ in 0..100 {
            std::hint::black_box(decode());
        }
        rounds += 100;
    }
    f64::from(rounds) * (count * REGISTERS) as f64 / begin.elapsed().as_secs_f64()
}

fn by_python(count: usize) -> f64 {
    let folder = env!("CARGO_MANIFEST_DIR");
    let python =
        std::env::var_os("SMILES_TEST_PYTHON").unwrap_or(format!("{folder}/../.venv/bin/python").into());
    let script = format!("{folder}/benches/decode_pymodbus.py");
    let output =
        Command::new(python).arg(script).arg(count.to_string()).output().expect("a Python with pymodbus");
    String::from_utf8_lossy(&output.stdout).trim().parse().expect("a number; run `make setup`")
}

/// What somebody would write who knows these points and nothing else.
fn by_hand(schema: &SchemaRef, records: &[&[u8]]) -> RecordBatch {
    let size = records.len();
    let mut words: [PrimitiveBuilder<UInt16Type>; 7] =
        std::array::from_fn(|_| PrimitiveBuilder::with_capacity(size));
    let mut powers: [PrimitiveBuilder<Int32Type>; 3] =
        std::array::from_fn(|_| PrimitiveBuilder::with_capacity(size));
    let mut today = PrimitiveBuilder::<UInt32Type>::with_capacity(size);
    let mut total = PrimitiveBuilder::<UInt64Type>::with_capacity(size);
    let mut temperature = PrimitiveBuilder::<Int16Type>::with_capacity(size);
    let mut factor = PrimitiveBuilder::<Float32Type>::with_capacity(size);
    for record in records {
        let two = |at: usize| [record[at], record[at + 1]];
        let four = |at: usize| [record[at], record[at + 1], record[at + 2], record[at + 3]];
        for (place, builder) in words.iter_mut().enumerate() {
            builder.append_value(u16::from_be_bytes(two(if place == 6 { 42 } else { place * 2 })));
        }
        for (place, builder) in powers.iter_mut().enumerate() {
            builder.append_value(i32::from_be_bytes(four(12 + place * 4)));
        }
        today.append_value(u32::from_be_bytes(four(24)));
        let number = u64::from_be_bytes(record[28..36].try_into().expect("eight bytes"));
        total.append_option((number != u64::MAX).then_some(number));
        let number = i16::from_be_bytes(two(36));
        temperature.append_option((number != i16::MIN).then_some(number));
        let number = f32::from_be_bytes(four(38));
        factor.append_option(number.is_finite().then_some(number));
    }
    let [v1, v2, v3, i1, i2, i3, state] = words.map(|mut builder| Arc::new(builder.finish()) as ArrayRef);
    let [p1, p2, p3] = powers.map(|mut builder| Arc::new(builder.finish()) as ArrayRef);
    let others: [ArrayRef; 4] = [
        Arc::new(today.finish()),
        Arc::new(total.finish()),
        Arc::new(temperature.finish()),
        Arc::new(factor.finish()),
    ];
    let [today, total, temperature, factor] = others;
    let columns = vec![v1, v2, v3, i1, i2, i3, p1, p2, p3, today, total, temperature, factor, state];
    RecordBatch::try_new(Arc::clone(schema), columns).expect("the same columns")
}
