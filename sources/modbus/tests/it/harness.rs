//! Sources built from YAML, and rows as text.

use std::sync::Arc;
use std::time::Duration;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, TimestampMicrosecondType, UInt8Type,
    UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::DataType;
use smiles_source_modbus::Modbus;
use smiles_source_modbus::device::Device;
use smiles_stage::{PlanContext, Problems, Registry, Source, SourcePlan, prometheus};
use smiles_testkit::NoFiles;
use smiles_testkit::{ManualClock, open_context};

/// The stock device file.
pub(crate) const STOCK: &str = include_str!("../../../../pipelines/hoymiles/device.yaml");

pub(crate) fn device(text: &str) -> Device {
    serde_json::from_value(serde_yaml::from_str(text).unwrap())
        .unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// Plans a source as a pipeline would: `options` are YAML without the device.
pub(crate) fn plan(options: &str, device: &str) -> Result<Box<dyn SourcePlan>, Problems> {
    let mut value: serde_json::Value = serde_yaml::from_str(options).unwrap();
    value["device"] = serde_yaml::from_str(device).unwrap();
    let registry = Registry::new().source::<Modbus>();
    let factory = registry.find_source("modbus").unwrap();
    factory.plan(&value, PlanContext { stage: "meter", files: &NoFiles })
}

/// An open source.
pub(crate) async fn source(options: &str, device: &str, every: Duration) -> Box<dyn Source> {
    metered(options, device, every).await.0
}

/// An open source, and where its series are.
pub(crate) async fn metered(
    options: &str,
    device: &str,
    every: Duration,
) -> (Box<dyn Source>, prometheus::Registry) {
    let plan = plan(options, device).unwrap_or_else(|problems| panic!("{problems:?}"));
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::default());
    let mut context = open_context(folder.path(), clock);
    context.stage = "meter".into();
    context.every = Some(every);
    let meters = context.meters.clone();
    (plan.open(context).await.unwrap(), meters)
}

/// The series of a registry as `name outcome value`, those that are not zero.
pub(crate) fn counted(meters: &prometheus::Registry) -> Vec<String> {
    let families = meters.gather();
    let lines = families.iter().flat_map(|family| {
        family.get_metric().iter().filter_map(move |metric| {
            let value = metric.get_counter().get_value();
            let outcome =
                metric.get_label().iter().find(|label| ["outcome", "column"].contains(&label.name()));
            let outcome = outcome.map(|label| label.value()).unwrap_or_default();
            (value > 0.0).then(|| format!("{} {outcome} {value}", family.name()))
        })
    });
    lines.collect()
}

/// A column as text, null as `-`.
pub(crate) fn column(batch: &RecordBatch, name: &str) -> Vec<String> {
    let array = batch.column_by_name(name).unwrap_or_else(|| panic!("no column {name}"));
    (0..array.len()).map(|row| cell(array, row)).collect()
}

pub(crate) fn cell(array: &ArrayRef, row: usize) -> String {
    if array.is_null(row) {
        return "-".to_owned();
    }
    macro_rules! shown {
        ($($data_type:ident: $native:ident),*) => {
            match array.data_type() {
                $(DataType::$data_type => array.as_primitive::<$native>().value(row).to_string(),)*
                DataType::Timestamp(..) => {
                    let micros = array.as_primitive::<TimestampMicrosecondType>().value(row);
                    format!("{} s", micros / 1_000_000)
                }
                DataType::Boolean => array.as_boolean().value(row).to_string(),
                _ => array.as_string::<i32>().value(row).to_owned(),
            }
        };
    }
    shown!(
        UInt8: UInt8Type, UInt16: UInt16Type, UInt32: UInt32Type, UInt64: UInt64Type, Int8: Int8Type,
        Int16: Int16Type, Int32: Int32Type, Int64: Int64Type, Float32: Float32Type, Float64: Float64Type
    )
}

/// `0c 1033` as bytes.
pub(crate) fn hex(text: &str) -> Vec<u8> {
    hex::decode(text.replace(char::is_whitespace, "")).unwrap()
}
