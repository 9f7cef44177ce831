//! The mapping, as data: what is refused, what a batch becomes, how rows of one key fold.

mod merging;
mod planning;
mod projecting;

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, ArrayRef};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use serde_json::Value;

use crate::{TablePlan, Tables, TablesPlan};
use smiles_stage::{ColumnMeta, Kind, Path, Problems, json_field, source_field, time_field};

fn input() -> SchemaRef {
    Arc::new(Schema::new(vec![
        time_field(),
        source_field(),
        Field::new("serial", DataType::Utf8, true),
        Field::new("port", DataType::UInt8, true),
        Field::new("voltage", DataType::Float64, true).with_unit("V").with_kind(Kind::Gauge),
        Field::new("total", DataType::UInt64, true).with_unit("Wh").with_kind(Kind::Counter),
        Field::new("status", DataType::UInt16, true).with_kind(Kind::State),
        Field::new("up", DataType::Boolean, true),
        json_field("notes"),
        Field::new("blob", DataType::Binary, true),
    ]))
}

fn planned(tables: Value, input: &Schema) -> Result<TablesPlan, Problems> {
    let tables: Tables = serde_json::from_value(tables).unwrap();
    TablesPlan::new(&tables, input, &Path::root().key("tables"))
}

/// The plan of one table `t` over [`input`].
fn table(options: Value) -> TablePlan {
    planned(serde_json::json!({ "t": options }), &input()).unwrap().tables[0].clone()
}

/// Rows as lines of cells, null as `-`.
fn lines(records: &RecordBatch) -> Vec<String> {
    (0..records.num_rows())
        .map(|row| records.columns().iter().map(|column| cell(column, row)).collect::<Vec<_>>().join("|"))
        .collect()
}

fn cell(column: &ArrayRef, row: usize) -> String {
    if column.is_null(row) {
        return "-".to_owned();
    }
    match column.data_type() {
        DataType::Int64 => column.as_primitive::<Int64Type>().value(row).to_string(),
        DataType::Float64 => format!("{:?}", column.as_primitive::<Float64Type>().value(row)),
        DataType::Boolean => column.as_boolean().value(row).to_string(),
        DataType::Utf8 => column.as_string::<i32>().value(row).to_owned(),
        _ => format!("@{}", column.as_primitive::<TimestampMicrosecondType>().value(row)),
    }
}
