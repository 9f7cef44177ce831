//! The stock tables: what the README's six tables hold after polls of a DTU.

use std::path::PathBuf;
use std::sync::Arc;

use arrow_array::{
    Float64Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray, UInt8Array, UInt16Array,
    UInt32Array,
};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use serde_json::Value;
use smiles_stage::{ColumnMeta, Filter, Kind, Query, RunId, Value as Cell, source_field, time_field};
use smiles_stage::{Comparison, Order};

use crate::fixture::{Fixture, ask, batch, batch_of};

/// The first measured column; all behind it are.
const MEASURED: usize = 5;
const SECOND: i64 = 1_000_000;
/// 2026-11-23T19:43:12.314023Z
const POLL: i64 = 1_795_462_992_314_023;

fn gauge(name: &str, unit: &str) -> Field {
    Field::new(name, DataType::Float64, true).with_unit(unit).with_kind(Kind::Gauge)
}

fn counter(name: &str, data_type: DataType) -> Field {
    Field::new(name, data_type, true).with_unit("Wh").with_kind(Kind::Counter)
}

fn state(name: &str, data_type: DataType) -> Field {
    Field::new(name, data_type, true).with_kind(Kind::State)
}

fn columns() -> SchemaRef {
    let mut fields = vec![
        time_field(),
        source_field(),
        Field::new("dtu_serial", DataType::Utf8, true),
        Field::new("serial_number", DataType::Utf8, true),
        Field::new("port_number", DataType::UInt8, true),
        gauge("pv_voltage", "V"),
        gauge("pv_current", "A"),
        gauge("grid_voltage", "V"),
        gauge("grid_frequency", "Hz"),
        gauge("pv_power", "W"),
        counter("today_production", DataType::UInt16),
        counter("total_production", DataType::UInt32),
        gauge("temperature", "°C"),
        state("operating_status", DataType::UInt16),
        state("alarm_code", DataType::UInt16),
        state("alarm_count", DataType::UInt16),
        state("link_status", DataType::UInt8),
    ];
    // What was read, as `validity` keeps it beside what is published.
    let read =
        fields[MEASURED..].iter().map(|field| field.clone().with_name(format!("raw_{}", field.name())));
    fields.extend(read.collect::<Vec<_>>());
    fields.push(Field::new("plant", DataType::Utf8, false));
    for of in ["plant", "dtu", "inverter"] {
        fields.extend(
            ["today", "total"].map(|what| counter(&format!("{of}_{what}_production"), DataType::Int64)),
        );
    }
    Arc::new(Schema::new(fields))
}

#[derive(Clone)]
struct Port {
    serial: &'static str,
    port: u8,
    pv: Option<(f64, f64, f64)>,
    grid: Option<(f64, f64, f64)>,
    today: Option<u16>,
    total: Option<u32>,
    status: [u16; 3],
    link: u8,
}

fn poll(time: i64, source: &str, ports: &[Port]) -> RecordBatch {
    let floats =
        |cell: &dyn Fn(&Port) -> Option<f64>| Arc::new(ports.iter().map(cell).collect::<Float64Array>());
    let status =
        |place: usize| Arc::new(ports.iter().map(|port| Some(port.status[place])).collect::<UInt16Array>());
    let times = TimestampMicrosecondArray::from(vec![time; ports.len()]).with_timezone("UTC");
    let mut columns: Vec<arrow_array::ArrayRef> = vec![
        Arc::new(times),
        Arc::new(StringArray::from(vec![source; ports.len()])),
        Arc::new(StringArray::from(vec!["4121a001de16"; ports.len()])),
        Arc::new(ports.iter().map(|port| Some(port.serial)).collect::<StringArray>()),
        Arc::new(ports.iter().map(|port| Some(port.port)).collect::<UInt8Array>()),
        floats(&|port| Some(port.pv?.0)),
        floats(&|port| Some(port.pv?.1)),
        floats(&|port| Some(port.grid?.0)),
        floats(&|port| Some(port.grid?.1)),
        floats(&|port| Some(port.pv?.2)),
        Arc::new(ports.iter().map(|port| port.today).collect::<UInt16Array>()),
        Arc::new(ports.iter().map(|port| port.total).collect::<UInt32Array>()),
        floats(&|port| Some(port.grid?.2)),
        status(0),
        status(1),
        status(2),
        Arc::new(ports.iter().map(|port| Some(port.link)).collect::<UInt8Array>()),
    ];
    columns.extend_from_within(MEASURED..);
    columns.push(Arc::new(StringArray::from(vec!["hoymiles"; ports.len()])));
    let sums = Arc::new(Int64Array::from(vec![Some(7); ports.len()]));
    columns.extend((0..6).map(|_| Arc::clone(&sums) as arrow_array::ArrayRef));
    RecordBatch::try_new(self::columns(), columns).unwrap()
}

fn port(serial: &'static str, port: u8, pv: (f64, f64, f64), today: u16, total: u32) -> Port {
    let grid = Some((230.2, 50.01, 43.0));
    Port {
        serial,
        port,
        pv: Some(pv),
        grid,
        today: Some(today),
        total: Some(total),
        status: [3, 0, 0],
        link: 1,
    }
}

fn not_heard(serial: &'static str, number: u8) -> Port {
    let none = Port {
        pv: None,
        grid: None,
        today: None,
        total: None,
        link: 0,
        ..port(serial, number, (0.0, 0.0, 0.0), 0, 0)
    };
    Port { status: [0, 9, 0], ..none }
}

/// Two inverters as in the captures of the earlier system, the second of the MI series.
fn first_poll() -> RecordBatch {
    let mi = Port {
        grid: Some((229.9, 49.99, -5.5)),
        status: [3, 7, 2],
        ..port("102162804827", 1, (34.0, 0.8, 27.2), 900, 300_300)
    };
    let ports = [
        port("116182800001", 1, (35.1, 1.02, 35.8), 1234, 567_890),
        port("116182800001", 2, (34.9, 0.99, 34.5), 1200, 543_210),
        mi,
    ];
    poll(POLL, "DTU", &ports)
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap()
}

fn stock() -> Fixture {
    let tables: Value = serde_yaml::from_str(&read("pipelines/hoymiles/tables.yaml")).unwrap();
    Fixture::new(tables, columns())
        .with_migration("001_tables.sql", &read("migrations/sqlite/001_tables.sql"))
        .with_migration("002_sums.sql", &read("migrations/sqlite/002_sums.sql"))
}

#[tokio::test]
async fn a_poll_fills_the_tables_of_the_readme() {
    let store = stock();
    store.deliver(1, &first_poll()).await;
    let rows = [
        (
            "SELECT * FROM inverters ORDER BY serial_number",
            vec![
                "102162804827|DTU|2026-11-23T19:43:12.314023+00:00|2026-11-23T19:43:12.314023+00:00|-|-",
                "116182800001|DTU|2026-11-23T19:43:12.314023+00:00|2026-11-23T19:43:12.314023+00:00|-|-",
            ],
        ),
        (
            "SELECT * FROM inverter_data ORDER BY id",
            vec![
                "1|116182800001|2026-11-23T19:43:12.314023+00:00|230.2|50.01|43.0|3|0|0|1|{\"grid_voltage\":230.2,\"grid_frequency\":50.01,\"temperature\":43.0,\"operating_status\":3,\"alarm_code\":0,\"alarm_count\":0,\"link_status\":1}",
                "2|102162804827|2026-11-23T19:43:12.314023+00:00|229.9|49.99|-5.5|3|7|2|1|{\"grid_voltage\":229.9,\"grid_frequency\":49.99,\"temperature\":-5.5,\"operating_status\":3,\"alarm_code\":7,\"alarm_count\":2,\"link_status\":1}",
            ],
        ),
        (
            "SELECT * FROM port_data ORDER BY id",
            vec![
                "1|116182800001|1|2026-11-23T19:43:12.314023+00:00|35.1|1.02|35.8|1234|567890|{\"pv_voltage\":35.1,\"pv_current\":1.02,\"pv_power\":35.8,\"today_production\":1234,\"total_production\":567890}",
                "2|116182800001|2|2026-11-23T19:43:12.314023+00:00|34.9|0.99|34.5|1200|543210|{\"pv_voltage\":34.9,\"pv_current\":0.99,\"pv_power\":34.5,\"today_production\":1200,\"total_production\":543210}",
                "3|102162804827|1|2026-11-23T19:43:12.314023+00:00|34.0|0.8|27.2|900|300300|{\"pv_voltage\":34.0,\"pv_current\":0.8,\"pv_power\":27.2,\"today_production\":900,\"total_production\":300300}",
            ],
        ),
        (
            "SELECT * FROM production_cache ORDER BY serial_number, port_number",
            vec![
                "102162804827|1|900|300300|2026-11-23T19:43:12.314023+00:00",
                "116182800001|1|1234|567890|2026-11-23T19:43:12.314023+00:00",
                "116182800001|2|1200|543210|2026-11-23T19:43:12.314023+00:00",
            ],
        ),
        ("SELECT count(*) FROM config_cache", vec!["0"]),
        ("SELECT count(*) FROM system_metrics", vec!["0"]),
        ("PRAGMA integrity_check", vec!["ok"]),
    ];
    for (sql, expected) in rows {
        assert_eq!(store.rows(sql), expected, "{sql}");
    }
}

#[tokio::test]
async fn later_polls_overwrite_what_they_know_better() {
    let store = stock();
    store.deliver(1, &first_poll()).await;
    let serial = "116182800001";
    let later = poll(
        POLL + 60 * SECOND,
        "barn",
        &[not_heard(serial, 1), port(serial, 2, (1.0, 1.0, 1.0), 1201, 543_211)],
    );
    store.deliver(2, &later).await;
    let older = poll(POLL - 60 * SECOND, "DTU", &[port(serial, 2, (1.0, 1.0, 1.0), 1, 1)]);
    store.deliver(3, &older).await;
    assert_eq!(
        store.rows("SELECT dtu_name, substr(first_seen, 12, 8), substr(last_seen, 12, 8) FROM inverters WHERE serial_number LIKE '116%'"),
        ["barn|19:43:12|19:44:12"],
        "the source that heard it last; first seen stays; an older row overwrites nothing"
    );
    assert_eq!(
        store.rows("SELECT port_number, today_production, total_production, substr(last_updated, 12, 8) FROM production_cache WHERE serial_number LIKE '116%'"),
        ["1|1234|567890|19:44:12", "2|1201|543211|19:44:12"],
        "null overwrites no value"
    );
    assert_eq!(
        store.rows("SELECT grid_voltage, operating_status FROM inverter_data WHERE serial_number LIKE '116%' ORDER BY timestamp"),
        ["230.2|3", "230.2|3", "230.2|3"],
        "one row per poll, that of the port that was heard"
    );
}

#[tokio::test]
async fn a_night_leaves_nulls_and_states() {
    let store = stock();
    store.deliver(1, &poll(POLL, "DTU", &[not_heard("116182800001", 1), not_heard("116182800001", 2)])).await;
    assert_eq!(
        store.rows(
            "SELECT grid_voltage, operating_status, alarm_code, link_status, raw_data FROM inverter_data"
        ),
        [
            "-|0|9|0|{\"grid_voltage\":null,\"grid_frequency\":null,\"temperature\":null,\"operating_status\":0,\"alarm_code\":9,\"alarm_count\":0,\"link_status\":0}"
        ]
    );
    assert_eq!(store.rows("SELECT port_number, today_production FROM production_cache"), ["1|-", "2|-"]);
}

/// Rows of a poll that were set aside come later, one by one: every port is there in the end, and its inverter once.
#[tokio::test]
async fn what_is_replayed_adds_no_second_row_per_inverter_and_poll() {
    let store = stock();
    let poll = first_poll();
    store.deliver(1, &poll.slice(1, 1)).await;
    let mut sink = store.open().await.sink;
    let again = RunId([8; 16]);
    sink.watermark(again).await.unwrap();
    for (seq, row) in [(1, 0), (2, 2)] {
        sink.upkeep().unwrap().replay(&batch_of(again, seq, &poll.slice(row, 1))).await.unwrap();
    }
    sink.flush().await.unwrap();
    // Another poll is another row, also when it comes under the same run.
    let later =
        self::poll(POLL + 60 * SECOND, "DTU", &[port("116182800001", 1, (1.0, 1.0, 1.0), 1235, 567_891)]);
    sink.upkeep().unwrap().replay(&batch_of(again, 3, &later)).await.unwrap();
    sink.flush().await.unwrap();
    assert_eq!(
        store.rows("SELECT serial_number, substr(timestamp, 12, 8) FROM inverter_data ORDER BY id"),
        ["116182800001|19:43:12", "102162804827|19:43:12", "116182800001|19:44:12"]
    );
    assert_eq!(
        store.rows("SELECT serial_number, port_number, today_production FROM port_data ORDER BY id"),
        ["116182800001|2|1200", "116182800001|1|1234", "102162804827|1|900", "116182800001|1|1235"]
    );
    assert_eq!(
        store.rows("SELECT port_number, today_production FROM production_cache WHERE serial_number LIKE '116%' ORDER BY 1"),
        ["1|1235", "2|1200"]
    );
}

#[tokio::test]
async fn the_api_s_questions_go_through_the_indexes() {
    let fixture = stock();
    fixture.deliver(1, &first_poll()).await;
    let plan = |sql: &str| fixture.rows(&format!("EXPLAIN QUERY PLAN {sql}")).join("\n");
    let history =
        plan("SELECT * FROM inverter_data WHERE serial_number = 'a' ORDER BY timestamp DESC LIMIT 5");
    assert!(history.contains("idx_inverter_data_serial_time") && !history.contains("TEMP"), "{history}");
    let store = fixture.open().await.store.unwrap();
    let latest = Query {
        table: "port_data".into(),
        columns: vec!["id".into(), "port_number".into()],
        filters: vec![Filter {
            column: "serial_number".into(),
            comparison: Comparison::Eq,
            value: Cell::Text("116182800001".into()),
        }],
        latest_by: vec!["serial_number".into(), "port_number".into()],
        newest: Some("timestamp".into()),
        order: vec![Order { column: "port_number".into(), descending: true }],
        ..Query::default()
    };
    let pieces = ask(store.as_ref(), &latest).await;
    let ids: Vec<_> = pieces[0].column(0).as_ref().to_data().buffer::<i64>(0).to_vec();
    assert_eq!(ids, [2, 1]);
    let stats = store.stats().await.unwrap();
    let rows: Vec<(&str, u64)> = stats.rows.iter().map(|(table, rows)| (table.as_str(), *rows)).collect();
    assert_eq!(
        rows,
        [
            ("inverters", 2),
            ("inverter_data", 2),
            ("port_data", 3),
            ("production_cache", 3),
            ("plant_production", 1),
            ("dtu_production", 1),
            ("inverter_production", 2),
            ("config_cache", 0),
            ("system_metrics", 0)
        ]
    );
    assert!(stats.kind == "SQLITE" && stats.size_bytes > 4096, "{stats:?}");
}

#[tokio::test]
async fn many_batches_in_one_write_are_one_transaction() {
    let fixture = stock();
    let mut sink = fixture.connected().await;
    for seq in 1..=50_u64 {
        let time = POLL + i64::try_from(seq).unwrap() * 60 * SECOND;
        let ports: Vec<Port> =
            (1..=4).map(|number| port("116182800001", number, (30.0, 1.0, 30.0), 1, 2)).collect();
        sink.write(&batch(seq, &poll(time, "DTU", &ports))).await.unwrap();
    }
    sink.flush().await.unwrap();
    let counts = "SELECT (SELECT count(*) FROM inverters), (SELECT count(*) FROM inverter_data), \
                  (SELECT count(*) FROM port_data), (SELECT count(*) FROM production_cache), \
                  (SELECT max(seq) FROM smiles_watermarks), (SELECT substr(first_seen, 12, 5) FROM inverters)";
    assert_eq!(fixture.rows(counts), ["1|50|200|4|50|19:44"]);
}
