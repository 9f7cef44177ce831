//! Rows per second through the three transforms of the stock pipeline, and the state they write, by number of keys.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow_array::{
    ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray, UInt8Array,
};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use serde_json::{Value, json};
use smiles_runtime::StagedState;
use smiles_stage::{
    ColumnMeta, Kind, OpenContext, PassInfo, PlanContext, Registry, Transform, source_field, time_field,
};
use smiles_testkit::NoFiles;
use smiles_testkit::{ManualClock, open_context};
use smiles_transform_standard::{Counter, DailyReset, Validity};

use crate::Row;
use crate::machine::ratio;

const FEW: usize = 1_600;
const MANY: usize = 160_000;
/// Rows of a batch: a hundred stations of four inverters with four ports.
const BATCH: usize = 1_600;
/// Rows in all; every key is polled at least three times.
const ROWS: usize = 480_000;

pub(crate) fn rows_per_second() -> Vec<Row> {
    let (few, many) = (measure(FEW), measure(MANY));
    vec![
        Row {
            what: format!("rows/s through validity → counter → daily_reset, {MANY} keys"),
            ours: format!("{:.0}", many.rows_per_second),
            beside: format!("{:.0} (the same with {FEW} keys)", few.rows_per_second),
            ratio: ratio(few.rows_per_second, many.rows_per_second),
        },
        Row {
            what: format!("bytes of state per batch of {BATCH} rows, {MANY} keys"),
            ours: format!("{:.0} ({:.0} a row)", many.state_bytes, many.state_bytes / BATCH as f64),
            beside: format!("{:.0} (the same with {FEW} keys)", few.state_bytes),
            ratio: ratio(many.state_bytes, few.state_bytes),
        },
    ]
}

struct Measured {
    rows_per_second: f64,
    /// Keys and values written per batch.
    state_bytes: f64,
}

/// The batch is durable; how many bytes of it were state.
fn keep(state: &mut StagedState) -> usize {
    let bytes = state.changes().map(|(key, value)| key.len() + value.len()).sum();
    state.keep();
    bytes
}

fn measure(keys: usize) -> Measured {
    let pass = PassInfo::new("DTU", jiff::Timestamp::UNIX_EPOCH, true);
    let mut links = links();
    let batches: Vec<RecordBatch> = (0..ROWS / BATCH).map(|number| batch(number, keys)).collect();
    // The first pass makes the keys known.
    let known = keys / BATCH;
    let (mut took, mut bytes) = (Duration::ZERO, 0);
    for (number, batch) in batches.iter().enumerate() {
        let began = Instant::now();
        let mut rows = batch.clone();
        for (transform, state) in &mut links {
            rows = transform.apply(rows, &pass, state).expect("the rows fit");
        }
        let written: usize = links.iter_mut().map(|(_, state)| keep(state)).sum();
        if number >= known {
            took += began.elapsed();
            bytes += written;
        }
    }
    let counted = batches.len() - known;
    Measured {
        rows_per_second: (counted * BATCH) as f64 / took.as_secs_f64(),
        state_bytes: bytes as f64 / counted as f64,
    }
}

fn links() -> Vec<(Box<dyn Transform>, StagedState)> {
    let registry = Registry::new().transform::<Validity>().transform::<Counter>().transform::<DailyReset>();
    let key = json!(["serial_number", "port_number"]);
    let stages: [(&str, Value); 3] = [
        (
            "validity",
            json!({"key": key, "raw": "raw_", "keep": ["link_status"], "not_heard":
                {"any": [{"link_status": 0}, {"all_zero": ["grid_voltage", "total_production"]}]}}),
        ),
        ("counter", json!({"key": key, "column": "total_production", "max_rate": "2000 Wh/h"})),
        (
            "daily_reset",
            json!({"key": key, "today": "today_production", "total": "total_production",
                "max_rate": "2000 Wh/h", "reset_hour": 23, "timezone": "Europe/Berlin"}),
        ),
    ];
    let mut schema = schema();
    let mut links = Vec::new();
    for (name, options) in stages {
        let factory = registry.find_transform(name).unwrap_or_else(|| panic!("no {name}"));
        let plan = factory
            .plan(&options, PlanContext { stage: name, files: &NoFiles })
            .unwrap_or_else(|problems| panic!("{name}: {problems:?}"));
        let wired = plan.wire(&schema).unwrap_or_else(|problems| panic!("{name}: {problems:?}"));
        schema = wired.output();
        links.push((wired.open(context(name)).expect("it opens"), StagedState::default()));
    }
    links
}

fn context(stage: &str) -> OpenContext {
    let nowhere = open_context(Path::new("."), Arc::new(ManualClock::new()));
    OpenContext { stage: stage.to_owned(), ..nowhere }
}

fn schema() -> SchemaRef {
    let measured = |name: &str, data_type: DataType, unit: &str, kind: Kind| {
        Field::new(name, data_type, false).with_unit(unit).with_kind(kind)
    };
    Arc::new(Schema::new(vec![
        time_field(),
        source_field(),
        Field::new("serial_number", DataType::Utf8, false),
        Field::new("port_number", DataType::UInt8, false),
        measured("grid_voltage", DataType::Float64, "V", Kind::Gauge),
        measured("pv_power", DataType::Float64, "W", Kind::Gauge),
        measured("today_production", DataType::Int64, "Wh", Kind::Counter),
        measured("total_production", DataType::Int64, "Wh", Kind::Counter),
        Field::new("link_status", DataType::UInt8, false).with_kind(Kind::State),
    ]))
}

/// The `number`-th batch: its keys, a minute after the batch that had them before; every twentieth is not heard.
fn batch(number: usize, keys: usize) -> RecordBatch {
    let first = number * BATCH % keys;
    let pass = (number * BATCH / keys) as i64;
    let noon = 1_780_000_000_000_000;
    let rows = || first..first + BATCH;
    let heard = |row: &usize| !(row + number).is_multiple_of(20);
    let number_of = |value: i64, row: &usize| if heard(row) { value } else { 0 };
    let columns: Vec<ArrayRef> = vec![
        Arc::new(TimestampMicrosecondArray::from_value(noon + pass * 60_000_000, BATCH).with_timezone("UTC")),
        Arc::new(StringArray::from(vec!["DTU"; BATCH])),
        Arc::new(StringArray::from_iter_values(rows().map(|row| format!("{:012}", row / 4)))),
        Arc::new(UInt8Array::from_iter_values(rows().map(|row| (row % 4 + 1) as u8))),
        Arc::new(Float64Array::from_iter_values(rows().map(|row| number_of(230, &row) as f64))),
        Arc::new(Float64Array::from_iter_values(rows().map(|row| number_of(300, &row) as f64))),
        Arc::new(Int64Array::from_iter_values(rows().map(|row| number_of(2000 + pass * 5, &row)))),
        Arc::new(Int64Array::from_iter_values(rows().map(|row| number_of(900_000 + pass * 5, &row)))),
        Arc::new(UInt8Array::from_iter_values(rows().map(|row| u8::from(heard(&row))))),
    ];
    RecordBatch::try_new(schema(), columns).expect("the columns fit")
}
