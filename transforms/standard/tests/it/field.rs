//! `counter` and `daily_reset` over what a device says of itself, with a total of any kind or none, and the same rows by
//! the rules as they are described.

use std::path::Path;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type};
use arrow_array::{
    ArrayRef, Float64Array, RecordBatch, StringArray, TimestampMicrosecondArray, UInt16Array, UInt32Array,
};
use arrow_schema::{DataType, Field, Schema};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};
use smiles_runtime::StagedState;
use smiles_stage::{ColumnMeta, PassInfo, PlanContext, Registry, time_field};
use smiles_testkit::NoFiles;
use smiles_testkit::{ManualClock, open_context};
use smiles_transform_standard::{Counter, DailyReset, UnitConversion};

use crate::reference::{Daily, Lifetime, Settings};

/// How the device counts its lifetime.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Totals {
    /// In whole watt-hours.
    Fine,
    /// In whole kilowatt-hours.
    Coarse,
    /// In kilowatt-hours with fractions.
    Float,
    /// Not at all.
    Absent,
}

/// What a device says at one poll; `None`: not heard.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Said {
    pub(crate) time: Timestamp,
    pub(crate) today: Option<u16>,
    /// Watt-hours, as exact as the device knows.
    pub(crate) total: Option<f64>,
}

/// What is published of one row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Shown {
    pub(crate) today: Option<f64>,
    pub(crate) total: Option<f64>,
}

/// The options of both stages that cases vary.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    pub(crate) totals: Totals,
    pub(crate) zone: &'static str,
    pub(crate) reset_hour: i8,
    pub(crate) first: &'static str,
}

impl Rules {
    pub(crate) fn settings(&self) -> Settings {
        Settings {
            zone: TimeZone::get(self.zone).unwrap(),
            reset_hour: self.reset_hour,
            total_step: if self.totals == Totals::Coarse { 1000.0 } else { 1.0 },
            wrap: Some(65_536.0),
            mirror: self.first == "mirror",
        }
    }

    fn stages(&self) -> Vec<(&'static str, Value)> {
        let (key, rate) = (json!(["device"]), json!("2000 Wh/h"));
        let confirm = json!({"fall": "24h", "rise": "10m", "readings": 10});
        let counter =
            json!({"key": key, "column": "total", "max_rate": rate, "confirm": confirm, "wrap": "65536 Wh"});
        let mut daily = json!({
            "key": key, "today": "today", "max_rate": rate, "confirm": 5, "first": self.first,
            "reset_hour": self.reset_hour, "timezone": self.zone,
        });
        if self.totals == Totals::Absent {
            return vec![("daily_reset", daily)];
        }
        daily["total"] = json!("total");
        vec![
            ("unit_conversion", json!({"to": {"total": "Wh"}})),
            ("counter", counter),
            ("daily_reset", daily),
        ]
    }

    /// The rows as a device with such a total sends them.
    fn batch(&self, rows: &[Said]) -> RecordBatch {
        let times =
            TimestampMicrosecondArray::from_iter_values(rows.iter().map(|row| row.time.as_microsecond()));
        let mut fields = vec![time_field(), Field::new("device", DataType::Utf8, false)];
        let mut columns: Vec<ArrayRef> =
            vec![Arc::new(times.with_timezone("UTC")), Arc::new(StringArray::from(vec!["a"; rows.len()]))];
        let mut add = |name: &str, unit: &str, column: ArrayRef| {
            fields.push(Field::new(name, column.data_type().clone(), true).with_unit(unit));
            columns.push(column);
        };
        add("today", "Wh", Arc::new(rows.iter().map(|row| row.today).collect::<UInt16Array>()));
        let totals = || rows.iter().map(|row| row.total);
        match self.totals {
            Totals::Fine => {
                let whole = totals().map(|total| Some(total?.floor() as u32));
                add("total", "Wh", Arc::new(whole.collect::<UInt32Array>()));
            }
            Totals::Coarse => {
                let whole = totals().map(|total| Some((total? / 1000.0).floor() as u32));
                add("total", "kWh", Arc::new(whole.collect::<UInt32Array>()));
            }
            Totals::Float => {
                let whole = totals().map(|total| Some(total? / 1000.0));
                add("total", "kWh", Arc::new(whole.collect::<Float64Array>()));
            }
            Totals::Absent => {}
        }
        RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap()
    }

    /// What the stages publish.
    pub(crate) fn by_the_stages(&self, rows: &[Said]) -> Vec<Shown> {
        let registry =
            Registry::new().transform::<UnitConversion>().transform::<Counter>().transform::<DailyReset>();
        let mut batch = self.batch(rows);
        let pass = PassInfo::new("DTU", Timestamp::UNIX_EPOCH, true);
        for (name, options) in self.stages() {
            let Some(factory) = registry.find_transform(name) else { panic!("no {name}") };
            let plan = factory.plan(&options, PlanContext { stage: name, files: &NoFiles });
            let plan = plan.unwrap_or_else(|problems| panic!("{name}: {problems:?}"));
            let wired = plan.wire(&batch.schema()).unwrap_or_else(|problems| panic!("{name}: {problems:?}"));
            let context = open_context(Path::new("unused"), Arc::new(ManualClock::new()) as _);
            let mut open = wired.open(context).unwrap();
            batch = open.apply(batch, &pass, &mut StagedState::default()).unwrap();
        }
        let numbers = |name: &str| -> Vec<Option<f64>> {
            match batch.column_by_name(name).map(|column| (column.data_type().clone(), column)) {
                Some((DataType::Int64, column)) => column
                    .as_primitive::<Int64Type>()
                    .iter()
                    .map(|value| value.map(|value| value as f64))
                    .collect(),
                Some((_, column)) => column.as_primitive::<Float64Type>().iter().collect(),
                None => vec![None; rows.len()],
            }
        };
        let (today, total) = (numbers("today"), numbers("total"));
        today.into_iter().zip(total).map(|(today, total)| Shown { today, total }).collect()
    }

    /// What the rules say, and after each row whether today mirrors and which period it counts into.
    pub(crate) fn by_the_rules(&self, rows: &[Said]) -> Vec<(Shown, bool, Option<i64>)> {
        let settings = self.settings();
        let (mut lifetime, mut daily) = (Lifetime::default(), Daily::default());
        let read = |total: f64| match self.totals {
            Totals::Fine => Some(total.floor()),
            Totals::Coarse => Some((total / 1000.0).floor() * 1000.0),
            Totals::Float => Some(total),
            Totals::Absent => None,
        };
        let row = |row: &Said| {
            let total = lifetime.row(row.total.and_then(read), row.time, &settings);
            let today = daily.row(row.today.map(f64::from), total, row.time, &settings);
            (Shown { today, total }, daily.mirrors(), daily.counts_into())
        };
        rows.iter().map(row).collect()
    }
}
