//! The stock resources over the stock tables, with the rows of the earlier system's captures.

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use serde_json::{Value as Json, json};
use smiles_stage::{ColumnMeta, json_field, source_field, time_field};

use crate::fake_store::{FakeStore, Table, batch};

/// The options of the stock pipeline's API, listening on a free port.
pub(crate) fn options() -> Json {
    json!({
        "listen": "127.0.0.1:0",
        "store": "store",
        "resources": yaml(include_str!("../../../../pipelines/hoymiles/api.yaml")),
        "metrics": yaml(&include_str!("../../../../pipelines/hoymiles/metrics.yaml")
            .replace("${METRICS_ENABLED:-true}", "true")),
    })
}

pub(crate) fn yaml(text: &str) -> Json {
    serde_yaml::from_str(text).unwrap()
}

/// The columns of the stock pipeline after its transforms.
pub(crate) fn input() -> SchemaRef {
    let number = |name: &str, unit: &str| Field::new(name, DataType::Float64, true).with_unit(unit);
    let count = |name: &str, unit: &str| Field::new(name, DataType::Int64, true).with_unit(unit);
    Arc::new(Schema::new(vec![
        time_field(),
        source_field(),
        Field::new("serial_number", DataType::Utf8, false),
        Field::new("port_number", DataType::Int32, false),
        number("pv_power", "W"),
        number("temperature", "°C"),
        Field::new("operating_status", DataType::Int32, true),
        count("today_production", "Wh"),
        count("total_production", "Wh"),
    ]))
}

/// Rows of the stock pipeline.
pub(crate) fn rows(rows: &[Json]) -> RecordBatch {
    batch(&input(), &rows.iter().collect::<Vec<_>>())
}

fn schema(fields: Vec<Field>) -> SchemaRef {
    Arc::new(Schema::new(fields))
}

fn text(name: &str) -> Field {
    Field::new(name, DataType::Utf8, true)
}

fn time(name: &str) -> Field {
    Field::new(name, DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), true)
}

fn whole(name: &str) -> Field {
    Field::new(name, DataType::Int64, true)
}

fn real(name: &str, unit: &str) -> Field {
    Field::new(name, DataType::Float32, true).with_unit(unit)
}

/// Two inverters of four and one port, and one that was never read.
pub(crate) fn store() -> FakeStore {
    FakeStore::new([
        ("inverters", inverters()),
        ("inverter_data", inverter_data()),
        ("port_data", port_data()),
        ("production_cache", production_cache()),
        (
            "plant_production",
            sums("plant", &[("test", json!(3702), json!(1_703_670)), ("other", json!(7), json!(9))]),
        ),
        ("dtu_production", sums("dtu_name", &[("DTU", json!(3702), json!(1_703_670))])),
        ("inverter_production", sums("serial_number", &[("102162804827", Json::Null, Json::Null)])),
        ("config_cache", Table { schema: schema(vec![text("key")]), rows: Vec::new() }),
        ("system_metrics", Table { schema: schema(vec![whole("id")]), rows: vec![json!({"id": 1})] }),
    ])
}

/// Sums, as the pipeline made them.
fn sums(name: &str, rows: &[(&str, Json, Json)]) -> Table {
    let row = |(of, today, total): &(&str, Json, Json)| {
        json!({
            name: of, "today_production": today, "total_production": total,
            "last_updated": "2026-11-23T19:43:30Z",
        })
    };
    let (today, total) = (whole("today_production"), whole("total_production"));
    let wh = |field: Field| field.with_unit("Wh");
    Table {
        schema: schema(vec![text(name), wh(today), wh(total), time("last_updated")]),
        rows: rows.iter().map(row).collect(),
    }
}

fn inverters() -> Table {
    let row = |serial: &str| {
        json!({
            "serial_number": serial, "dtu_name": "DTU", "first_seen": "2026-11-23T19:43:15.324433Z",
            "last_seen": "2026-11-23T19:43:30Z",
        })
    };
    Table {
        schema: schema(vec![
            text("serial_number"),
            text("dtu_name"),
            time("first_seen"),
            time("last_seen"),
            text("inverter_type"),
            json_field("metadata"),
        ]),
        rows: vec![row("116182800001"), row("102162804827"), row("14fffffffffe")],
    }
}

fn inverter_data() -> Table {
    let row = |id: u64, serial: &str, time: &str, voltage: f64| {
        json!({
            "id": id, "serial_number": serial, "timestamp": time, "grid_voltage": voltage,
            "grid_frequency": 50.01, "temperature": 43.0, "operating_status": 3, "alarm_code": 0,
            "alarm_count": 0, "link_status": 1, "raw_data": {"grid_voltage": voltage},
        })
    };
    Table {
        schema: schema(vec![
            whole("id"),
            text("serial_number"),
            time("timestamp"),
            real("grid_voltage", "V"),
            real("grid_frequency", "Hz"),
            real("temperature", "°C"),
            whole("operating_status"),
            whole("alarm_code"),
            whole("alarm_count"),
            whole("link_status"),
            json_field("raw_data"),
        ]),
        rows: vec![
            row(1, "116182800001", "2026-11-23T19:43:10Z", 229.5),
            row(2, "102162804827", "2026-11-23T19:43:10Z", 231.0),
            row(3, "116182800001", "2026-11-23T19:43:20Z", 230.1),
            row(4, "102162804827", "2026-11-23T19:43:20Z", 229.9),
            row(5, "116182800001", "2026-11-23T19:43:30.3823Z", 230.2),
        ],
    }
}

fn port_data() -> Table {
    let row = |id: u64, serial: &str, port: u64, time: &str| {
        json!({
            "id": id, "serial_number": serial, "port_number": port, "timestamp": time, "pv_voltage": 35.0,
            "pv_current": 1.02, "pv_power": 35.8, "today_production": 1234, "total_production": 567890,
            "raw_data": {"pv_power": 35.8},
        })
    };
    let (old, new) = ("2026-11-23T19:43:20Z", "2026-11-23T19:43:30Z");
    let mut rows = vec![row(1, "102162804827", 1, old)];
    rows.extend((1..=4).map(|port| row(1 + port, "116182800001", port, old)));
    rows.extend((1..=4).map(|port| row(5 + port, "116182800001", port, new)));
    Table {
        schema: schema(vec![
            whole("id"),
            text("serial_number"),
            whole("port_number"),
            time("timestamp"),
            real("pv_voltage", "V"),
            real("pv_current", "A"),
            real("pv_power", "W"),
            whole("today_production").with_unit("Wh"),
            whole("total_production").with_unit("Wh"),
            json_field("raw_data"),
        ]),
        rows,
    }
}

fn production_cache() -> Table {
    let row = |serial: &str, port: u64| {
        json!({
            "serial_number": serial, "port_number": port, "today_production": 1234,
            "total_production": 567890, "last_updated": "2026-11-23T19:43:30Z",
        })
    };
    Table {
        schema: schema(vec![
            text("serial_number"),
            whole("port_number"),
            whole("today_production"),
            whole("total_production"),
            time("last_updated"),
        ]),
        rows: vec![row("116182800001", 2), row("116182800001", 1), row("102162804827", 1)],
    }
}
