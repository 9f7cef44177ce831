//! `daily_reset`: production since the last daily reset, computed from the device's own daily counter.
//!
//! The rules are in [`day`] and [`apply_reading`]; this file is the stage around them: options, columns, keyed state.

mod day;
mod reading;
mod total;

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::{Field, SchemaRef};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use schemars::JsonSchema;
use serde::Deserialize;
use smiles_stage::{
    ColumnMeta, OpenContext, PassInfo, Path, Periods, PlanContext, Problem, Problems, Stage, StageError,
    State, Subject, Transform, TransformPlan, time_zone,
};

use crate::accepted::ConfirmedEvents;
use crate::column_plan::{ColumnPlan, transform_plan};
use crate::columns;
use crate::keyed::{Key, each_row, shown};
use crate::quantity::Quantity;
use crate::rate::RateText;
use day::{DayEvent, DayLimits, DayState, Reading};
use total::TotalColumn;

/// The stage type `daily_reset`.
pub struct DailyReset;

/// Options of `daily_reset`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Options")]
pub struct DailyResetOptions {
    /// The columns that tell one counter from another, for example `[serial_number, port_number]`.
    key: Vec<String>,
    /// The column with the device's own production of the day; it leaves as the production since the last reset.
    today: String,
    /// The column with the lifetime total, if there is one: it tells when the device cleared itself unseen, and how
    /// much can have been produced.
    total: Option<String>,
    /// The step in which that total counts, for example `1 kWh`; unset: one of its raw unit, at least `1 Wh`.
    total_step: Option<Quantity>,
    /// The hour of the local clock at which the day ends.
    #[serde(default)]
    #[schemars(range(min = 0, max = 23))]
    reset_hour: i8,
    /// The time zone of that clock, by its IANA name.
    #[serde(default = "utc")]
    timezone: String,
    /// How fast the counter can possibly grow; a larger step waits until it is confirmed.
    max_rate: RateText,
    /// So many readings confirm a fall or an impossible rise.
    #[serde(default = "five")]
    #[schemars(range(min = 1, max = 1000))]
    confirm: u32,
    /// What a key never seen publishes until its first reset instant: `mirror`, the device's own counter of the day;
    /// or `zero`, what is added from its first reading on, where `today` is a lifetime total.
    #[serde(default)]
    first: First,
}

/// What a key never seen publishes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum First {
    /// The device's own counter of the day.
    #[default]
    Mirror,
    /// What is added from its first reading on: where `today` is a lifetime total.
    Zero,
}

fn utc() -> String {
    "UTC".to_owned()
}

fn five() -> u32 {
    5
}

impl Stage for DailyReset {
    type Plan = dyn TransformPlan;
    type Config = DailyResetOptions;
    const NAME: &'static str = "daily_reset";
    const ABOUT: &'static str =
        "production since the last daily reset, computed from the device's own daily counter";

    fn plan(
        config: DailyResetOptions,
        _context: PlanContext<'_>,
    ) -> Result<Box<dyn TransformPlan>, Problems> {
        let mut problems = Problems::new();
        let zone = time_zone(&config.timezone, Path::root().key("timezone"))
            .map_err(|problem| problems.push(problem));
        if !(0..=23).contains(&config.reset_hour) {
            let at = Path::root().key("reset_hour");
            problems.push(Problem::error(
                at,
                format!("`{}` is not an hour of the day (0 to 23)", config.reset_hour),
            ));
        }
        match zone {
            Ok(zone) if problems.is_empty() => Ok(transform_plan(DailyPlan { options: config, zone })),
            _ => Err(problems),
        }
    }
}

struct DailyPlan {
    options: DailyResetOptions,
    zone: TimeZone,
}

/// Where the stage finds its columns.
struct DailyColumns {
    time: usize,
    today: usize,
    total: Option<TotalColumn>,
    key: Key,
    limits: DayLimits,
    schema: SchemaRef,
}

impl ColumnPlan for DailyPlan {
    type Columns = DailyColumns;

    fn columns(&self, input: &SchemaRef) -> Result<DailyColumns, Problems> {
        let Self { options, .. } = self;
        let root = Path::root();
        let today = columns::find_changed(input, &options.today, root.key("today"));
        let field = input.field_with_name(&options.today).ok();
        let total = options.total.as_deref();
        let total = total.map(|name| TotalColumn::find(input, name, field, &root.key("total"))).transpose();
        // Without the column there is no unit to hold the rate against.
        let rate = field
            .map(|field| options.max_rate.resolve(field.measure().as_ref(), &root.key("max_rate")))
            .transpose();
        let step = self.total_step(total.as_ref().ok().and_then(Option::as_ref), field);
        let key = Key::resolve(input, &options.key, &root.key("key"));
        let time = columns::find_time(input);
        match (today, total, rate, step, key, time) {
            (Ok(today), Ok(total), Ok(Some(rate)), Ok(step), Ok(key), Ok(time)) => {
                let rate = rate.in_steps_of(columns::one_step(input.field(today)));
                let (total_step, total_is_fine) = step;
                let limits = DayLimits { rate, confirm: options.confirm, total_step, total_is_fine };
                let schema = columns::with_numbers(input, today);
                Ok(DailyColumns { time, today, total, key, limits, schema })
            }
            (today, total, rate, step, key, time) => {
                let mut problems = key.err().unwrap_or_default();
                let others = [today.err(), total.err(), rate.err(), step.err(), time.err()];
                problems.extend(others.into_iter().flatten());
                Err(problems)
            }
        }
    }

    fn output(columns: &DailyColumns) -> SchemaRef {
        Arc::clone(&columns.schema)
    }

    fn subject(&self, input: &SchemaRef) -> Option<Subject> {
        let DailyResetOptions { key, today, total, .. } = &self.options;
        let subject = Subject::default().with("today", today.as_str()).with("key", key.clone());
        Some(subject.with("total", total.clone()).with("unit", columns::unit(input, today)))
    }

    fn open(&self, columns: Arc<DailyColumns>, context: OpenContext) -> Box<dyn Transform> {
        let accepted = ConfirmedEvents::register(
            context,
            "smiles_daily_reset_accepted_total",
            "Falls, impossible rises and unseen resets of a daily counter that were accepted after confirmation",
            &["fall", "correction", "rise", "undone", "unseen_clear", "clock"],
        );
        let periods = Periods::new(self.zone.clone(), self.options.reset_hour);
        Box::new(DailyTransform { periods, columns, first: self.options.first, accepted })
    }
}

impl DailyPlan {
    fn total_step(&self, total: Option<&TotalColumn>, today: Option<&Field>) -> Result<(f64, bool), Problem> {
        let at = Path::root().key("total_step");
        let said = self.options.total_step.as_ref();
        if said.is_some() && self.options.total.is_none() {
            return Err(Problem::error(at, "there is no total that could count in steps")
                .help("name the column of the lifetime total in `total:`, or remove `total_step`"));
        }
        today.map_or(Ok((1.0, true)), |today| total::step_of(total, said, today, &at))
    }
}

struct DailyTransform {
    periods: Periods,
    columns: Arc<DailyColumns>,
    first: First,
    accepted: ConfirmedEvents,
}

impl Transform for DailyTransform {
    fn apply(
        &mut self,
        batch: RecordBatch,
        _pass: &PassInfo,
        state: &mut dyn State,
    ) -> Result<RecordBatch, StageError> {
        let columns = Arc::clone(&self.columns);
        let today = columns::counters(&batch, columns.today)?;
        let total = match columns.total {
            Some(total) => Some((columns::counters(&batch, total.index)?, total)),
            None => None,
        };
        let times = columns::Times::of(&batch, columns.time);
        let sums = each_row(DailyReset::NAME, &batch, &columns.key, state, |row, key, day| {
            let total =
                total.as_ref().and_then(|(values, total)| Some(total.read(columns::value(values, row)?)));
            let reading = Reading { time: times.at(row)?, today: columns::value(&today, row), total };
            let event = self.count(day, &reading)?;
            self.tell(key, event, reading.time);
            Ok(day.as_ref().map(DayState::sum))
        })?;
        columns::put_numbers(&batch, columns.today, &sums, &columns.schema)
    }
}

impl DailyTransform {
    fn count(&mut self, day: &mut Option<DayState>, reading: &Reading) -> Result<DayEvent, StageError> {
        let (period, _) = self
            .periods
            .around(reading.time)
            .ok_or_else(|| StageError::halt("a row's time lies at the end of the calendar"))?;
        Ok(match (day, reading.today) {
            (Some(day), _) => day.count(period, reading, self.columns.limits),
            (day @ None, Some(today)) => {
                *day = Some(DayState::first(period, today, reading, self.first == First::Mirror));
                DayEvent::None
            }
            (None, None) => DayEvent::None,
        })
    }

    fn tell(&self, key: &[u8], event: DayEvent, time: Timestamp) {
        let (name, said) = match event {
            DayEvent::None => return,
            DayEvent::Behind => {
                (None, "row is older than the current day: the clock was set back, or the time zone changed")
            }
            DayEvent::Fall => {
                (Some("fall"), "daily counter restarted during the day: what it counts is added")
            }
            DayEvent::Correction => {
                (Some("correction"), "daily counter fell a little and stayed low: accepted as a correction")
            }
            DayEvent::Rise => {
                (Some("rise"), "daily counter jumped and stayed high: the new value is accepted")
            }
            DayEvent::Undone => (Some("undone"), "daily counter is back at its old value: it was no restart"),
            DayEvent::UnseenClear => {
                (Some("unseen_clear"), "daily counter was reset between two readings: all of it is added")
            }
            DayEvent::Returned => (Some("clock"), "the clock was ahead: the earlier day continues"),
            DayEvent::Restarted => (Some("clock"), "the clock was in the future: a new day begins"),
        };
        let ConfirmedEvents { pipeline, transform, .. } = &self.accepted;
        tracing::warn!(%pipeline, %transform, key = %shown(key), %time, "{said}");
        if let Some(name) = name {
            self.accepted.count(name);
        }
    }
}

#[cfg(test)]
mod tests;
