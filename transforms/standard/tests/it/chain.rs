//! `unit_conversion`, `validity`, `counter` and `daily_reset` through the registry, with the state a journal would keep.

use std::path::Path;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{
    ArrayRef, RecordBatch, StringArray, TimestampMicrosecondArray, UInt8Array, UInt16Array, UInt32Array,
};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use jiff::Timestamp;
use serde_json::{Value, json};
use smiles_runtime::StagedState;
use smiles_stage::prometheus;
use smiles_stage::{
    ColumnMeta, Kind, PassInfo, PlanContext, Registry, State, Transform, WiredTransform, source_field,
    time_field,
};
use smiles_testkit::NoFiles;
use smiles_testkit::{ManualClock, open_context};
use smiles_transform_standard::{Counter, DailyReset, UnitConversion, Validity};

/// What a device says of one port.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Row {
    pub(crate) time: Timestamp,
    pub(crate) port: u8,
    /// Tenths of a volt.
    pub(crate) voltage: u16,
    pub(crate) today: u16,
    pub(crate) total: u32,
    pub(crate) link: u8,
}

impl Row {
    pub(crate) fn heard(time: Timestamp, today: u16, total: u32) -> Self {
        Self { time, port: 1, voltage: 2301, today, total, link: 1 }
    }

    /// All zero, link down: the night.
    pub(crate) fn silent(time: Timestamp) -> Self {
        Self { time, port: 1, voltage: 0, today: 0, total: 0, link: 0 }
    }
}

/// What is published of one row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Published {
    pub(crate) today: Option<i64>,
    pub(crate) total: Option<i64>,
}

struct Link {
    name: &'static str,
    wired: Box<dyn WiredTransform>,
    open: Box<dyn Transform>,
    kept: StagedState,
}

/// The opened transforms, one behind the other.
pub(crate) struct Chain {
    links: Vec<Link>,
    clock: Arc<ManualClock>,
    meters: prometheus::Registry,
    /// What was accepted before the last restart.
    accepted: f64,
}

pub(crate) fn stock(reset_hour: i8, zone: &str) -> Vec<(&'static str, Value)> {
    let key = json!(["serial_number", "port_number"]);
    vec![
        ("unit_conversion", json!({})),
        (
            "validity",
            json!({
                "key": key, "raw": "raw_", "keep": ["link_status"],
                "not_heard": {"any": [{"link_status": 0}, {"all_zero": ["grid_voltage", "total_production"]}]},
            }),
        ),
        (
            "counter",
            json!({
                "key": key, "column": "total_production", "max_rate": "2000 Wh/h",
                "confirm": {"fall": "24h", "rise": "10m", "readings": 10}, "wrap": "65536 Wh",
            }),
        ),
        (
            "daily_reset",
            json!({
                "key": key, "today": "today_production", "total": "total_production", "max_rate": "2000 Wh/h",
                "reset_hour": reset_hour, "timezone": zone, "confirm": 5,
            }),
        ),
    ]
}

fn input() -> SchemaRef {
    let measured = |name: &str, data_type: DataType, unit: &str, kind: Kind| {
        Field::new(name, data_type, false).with_unit(unit).with_kind(kind)
    };
    Arc::new(Schema::new(vec![
        time_field(),
        source_field(),
        Field::new("serial_number", DataType::Utf8, false),
        Field::new("port_number", DataType::UInt8, false),
        measured("grid_voltage", DataType::UInt16, "0.1 V", Kind::Gauge),
        measured("today_production", DataType::UInt16, "Wh", Kind::Counter),
        measured("total_production", DataType::UInt32, "Wh", Kind::Counter),
        Field::new("link_status", DataType::UInt8, false).with_kind(Kind::State),
    ]))
}

impl Chain {
    pub(crate) fn new(reset_hour: i8, zone: &str) -> Self {
        let registry = Registry::new()
            .transform::<UnitConversion>()
            .transform::<Validity>()
            .transform::<Counter>()
            .transform::<DailyReset>();
        let clock = Arc::new(ManualClock::new());
        let meters = prometheus::Registry::new();
        let mut schema = input();
        let mut links = Vec::new();
        for (name, options) in stock(reset_hour, zone) {
            let context = PlanContext { stage: name, files: &NoFiles };
            let Some(factory) = registry.find_transform(name) else { panic!("no {name}") };
            let plan =
                factory.plan(&options, context).unwrap_or_else(|problems| panic!("{name}: {problems:?}"));
            let wired = plan.wire(&schema).unwrap_or_else(|problems| panic!("{name}: {problems:?}"));
            let open = open(name, wired.as_ref(), &clock, &meters);
            schema = wired.output();
            links.push(Link { name, wired, open, kept: StagedState::default() });
        }
        Self { links, clock, meters, accepted: 0.0 }
    }

    /// Everything in memory is lost, what the journal kept is not.
    pub(crate) fn restart(&mut self) {
        self.accepted = self.accepted();
        self.meters = prometheus::Registry::new();
        for link in &mut self.links {
            link.open = open(link.name, link.wired.as_ref(), &self.clock, &self.meters);
            link.kept.discard();
        }
    }

    /// One batch through all stages; what they put is durable with it.
    pub(crate) fn run(&mut self, rows: &[Row]) -> Vec<Published> {
        let records = self.pass(rows);
        for link in &mut self.links {
            link.kept.keep();
        }
        published(&records)
    }

    /// One batch through all stages that never becomes durable: the process dies before the journal has it.
    pub(crate) fn run_in_vain(&mut self, rows: &[Row]) {
        self.pass(rows);
        let accepted = self.accepted;
        self.restart();
        self.accepted = accepted;
    }

    fn pass(&mut self, rows: &[Row]) -> RecordBatch {
        let mut records = batch(rows);
        let pass = PassInfo::new("DTU", Timestamp::UNIX_EPOCH, true);
        for link in &mut self.links {
            records = link
                .open
                .apply(records, &pass, &mut link.kept)
                .unwrap_or_else(|error| panic!("{}: {error}", link.name));
        }
        records
    }

    /// How often something was believed that could not be.
    pub(crate) fn accepted(&self) -> f64 {
        let counts = |family: &prometheus::proto::MetricFamily| {
            family.get_metric().iter().map(|metric| metric.get_counter().get_value()).sum::<f64>()
        };
        self.accepted + self.meters.gather().iter().map(counts).sum::<f64>()
    }

    /// The value of one series.
    pub(crate) fn counted(&self, name: &str, event: &str) -> f64 {
        let families = self.meters.gather();
        let family = families.iter().find(|family| family.name() == name).unwrap();
        let has = |metric: &&prometheus::proto::Metric| {
            metric.get_label().iter().any(|label| label.value() == event)
        };
        family.get_metric().iter().find(has).unwrap().get_counter().get_value()
    }

    /// What a stage keeps of port 1, as the JSON it is.
    pub(crate) fn kept(&self, stage: &str) -> Option<Value> {
        let link = self.links.iter().find(|link| link.name == stage).unwrap();
        link.kept.get(b"1161\x001").map(|bytes| serde_json::from_slice(&bytes).unwrap())
    }
}

fn open(
    name: &str,
    wired: &dyn WiredTransform,
    clock: &Arc<ManualClock>,
    meters: &prometheus::Registry,
) -> Box<dyn Transform> {
    let mut context = open_context(Path::new("unused"), Arc::clone(clock) as _);
    context.stage = name.to_owned();
    context.meters = meters.clone();
    wired.open(context).unwrap_or_else(|error| panic!("{name}: {error}"))
}

pub(crate) fn batch(rows: &[Row]) -> RecordBatch {
    let times = rows.iter().map(|row| row.time.as_microsecond());
    let columns: Vec<ArrayRef> = vec![
        Arc::new(TimestampMicrosecondArray::from_iter_values(times).with_timezone("UTC")),
        Arc::new(StringArray::from(vec!["DTU"; rows.len()])),
        Arc::new(StringArray::from(vec!["1161"; rows.len()])),
        Arc::new(UInt8Array::from_iter_values(rows.iter().map(|row| row.port))),
        Arc::new(UInt16Array::from_iter_values(rows.iter().map(|row| row.voltage))),
        Arc::new(UInt16Array::from_iter_values(rows.iter().map(|row| row.today))),
        Arc::new(UInt32Array::from_iter_values(rows.iter().map(|row| row.total))),
        Arc::new(UInt8Array::from_iter_values(rows.iter().map(|row| row.link))),
    ];
    RecordBatch::try_new(input(), columns).unwrap()
}

fn published(records: &RecordBatch) -> Vec<Published> {
    let column = |name: &str| records.column_by_name(name).unwrap().as_primitive::<Int64Type>().clone();
    let (today, total) = (column("today_production"), column("total_production"));
    today.iter().zip(total.iter()).map(|(today, total)| Published { today, total }).collect()
}
