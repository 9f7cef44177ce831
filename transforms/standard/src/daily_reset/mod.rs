//! `daily_reset`: production since the last reset instant, out of a device's own counter of the day.
//!
//! The rules are in [`day`]; this file is the stage around them: options, columns, keyed state.

mod day;

use std::collections::HashSet;
use std::sync::Arc;

use arrow_array::builder::Float64Builder;
use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMicrosecondType;
use arrow_array::{Array, Float64Array, RecordBatch};
use arrow_schema::{Schema, SchemaRef};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use schemars::JsonSchema;
use serde::Deserialize;
use smiles_stage::prometheus::{IntCounterVec, Opts, Registry};
use smiles_stage::{
    OpenContext, Path, PlanContext, Problem, Problems, Stage, StageError, State, TIME, Transform,
    TransformPlan, column_unit,
};

use crate::columns;
use crate::keyed::{Key, shown};
use crate::period::Periods;
use crate::rate::{Rate, RateText};
use day::{Day, Event, Limits, Reading};

/// The stage type `daily_reset`.
pub struct DailyReset;

/// Options of `daily_reset`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Options {
    /// The columns that tell one counter from another, for example `[serial_number, port_number]`.
    key: Vec<String>,
    /// The column with the device's own production of the day; it leaves as the production since the last reset.
    today: String,
    /// The column with the lifetime total, if there is one: it tells when the device cleared itself unseen.
    total: Option<String>,
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
}

fn utc() -> String {
    "UTC".to_owned()
}

fn five() -> u32 {
    5
}

impl Stage for DailyReset {
    type Plan = dyn TransformPlan;
    type Config = Options;
    const NAME: &'static str = "daily_reset";
    const ABOUT: &'static str =
        "production since the last reset instant, out of a device's own counter of the day";

    fn plan(config: Options, _context: PlanContext<'_>) -> Result<Box<dyn TransformPlan>, Problems> {
        let mut problems = Problems::new();
        let zone = TimeZone::get(&config.timezone).map_err(|_| {
            let at = Path::root().key("timezone");
            problems.push(
                Problem::error(at, format!("unknown time zone `{}`", config.timezone))
                    .help("use an IANA name such as `Europe/Berlin` or `UTC`"),
            );
        });
        if !(0..=23).contains(&config.reset_hour) {
            let at = Path::root().key("reset_hour");
            problems.push(Problem::error(
                at,
                format!("`{}` is not an hour of the day (0 to 23)", config.reset_hour),
            ));
        }
        match zone {
            Ok(zone) if problems.is_empty() => Ok(Box::new(Plan { options: config, zone })),
            _ => Err(problems),
        }
    }
}

struct Plan {
    options: Options,
    zone: TimeZone,
}

/// Where the stage finds its columns.
struct Columns {
    time: usize,
    today: usize,
    total: Option<usize>,
    key: Key,
    rate: Rate,
    schema: SchemaRef,
}

impl Plan {
    fn columns(&self, input: &SchemaRef) -> Result<Columns, Problems> {
        let mut problems = Problems::new();
        let root = Path::root();
        let mut number = |name: &str, option: &str| match columns::find_number(input, name, root.key(option))
        {
            Ok(index) => index,
            Err(problem) => {
                problems.push(problem);
                0
            }
        };
        let today = number(&self.options.today, "today");
        let total = self.options.total.as_deref().map(|name| number(name, "total"));
        let rate = self.options.max_rate.resolve(column_unit(input.field(today)), &root.key("max_rate"));
        let key = Key::resolve(input, &self.options.key, &root.key("key"));
        let time = columns::find(input, TIME, root.clone());
        match (rate, key, time, problems.is_empty()) {
            (Ok(rate), Ok(key), Ok(time), true) => {
                let mut fields: Vec<_> = input.fields().iter().cloned().collect();
                let field = fields[today].as_ref().clone();
                let data_type = columns::widened(field.data_type());
                fields[today] = Arc::new(field.with_data_type(data_type).with_nullable(true));
                let schema = Arc::new(Schema::new_with_metadata(fields, input.metadata().clone()));
                Ok(Columns { time, today, total, key, rate, schema })
            }
            (rate, key, time, _) => {
                problems.extend(key.err().into_iter().flatten());
                problems.extend(time.err());
                // Without the column there is no unit to hold the rate against.
                if input.index_of(&self.options.today).is_ok() {
                    problems.extend(rate.err());
                }
                Err(problems)
            }
        }
    }
}

impl TransformPlan for Plan {
    fn output(&self, input: &SchemaRef) -> Result<SchemaRef, Problems> {
        self.columns(input).map(|columns| columns.schema)
    }

    fn open(&self, input: &SchemaRef, context: OpenContext) -> Result<Box<dyn Transform>, StageError> {
        let columns = self
            .columns(input)
            .map_err(|_| StageError::halt("daily_reset was opened with columns it had refused"))?;
        Ok(Box::new(Resetter {
            periods: Periods::new(self.zone.clone(), self.options.reset_hour),
            limits: Limits { rate: columns.rate, confirm: self.options.confirm },
            columns,
            stage: context.stage,
            accepted: accepted_counter(&context.meters),
            clock_warned: HashSet::new(),
        }))
    }
}

/// Registered once per process; a second stage of the type shares it.
fn accepted_counter(meters: &Registry) -> Option<IntCounterVec> {
    let options = Opts::new(
        "smiles_daily_reset_accepted_total",
        "Falls, impossible rises and unseen clears of a counter of the day that were believed in the end",
    );
    let counter = IntCounterVec::new(options, &["stage", "event"]).ok()?;
    meters.register(Box::new(counter.clone())).ok().map(|()| counter)
}

struct Resetter {
    periods: Periods,
    limits: Limits,
    columns: Columns,
    stage: String,
    accepted: Option<IntCounterVec>,
    /// Keys whose rows were older than their period: said once each.
    clock_warned: HashSet<Vec<u8>>,
}

impl Transform for Resetter {
    fn apply(&mut self, batch: RecordBatch, state: &mut dyn State) -> Result<RecordBatch, StageError> {
        let numbers = |index: usize| {
            columns::numbers(batch.column(index))
                .ok_or_else(|| StageError::halt("a counter column no longer holds numbers"))
        };
        let today = numbers(self.columns.today)?;
        let total = self.columns.total.map(numbers).transpose()?;
        let times = batch.column(self.columns.time).as_primitive::<TimestampMicrosecondType>();
        let mut sums = Float64Builder::with_capacity(batch.num_rows());
        for row in 0..batch.num_rows() {
            let value = |column: &Float64Array| column.is_valid(row).then(|| column.value(row));
            let time = Timestamp::from_microsecond(times.value(row))
                .map_err(|error| StageError::halt("a row's time is not in the calendar").because(error))?;
            let reading = Reading { time, today: value(&today), total: total.as_ref().and_then(value) };
            sums.append_option(match self.columns.key.of(&batch, row) {
                Some(key) => self.count(&key, reading, state)?,
                None => reading.today,
            });
        }
        let mut columns = batch.columns().to_vec();
        let field = self.columns.schema.field(self.columns.today);
        columns[self.columns.today] = columns::narrowed(&sums.finish(), field.data_type());
        RecordBatch::try_new(Arc::clone(&self.columns.schema), columns).map_err(columns::unexpected)
    }
}

impl Resetter {
    fn count(
        &mut self,
        key: &[u8],
        reading: Reading,
        state: &mut dyn State,
    ) -> Result<Option<f64>, StageError> {
        let period = self
            .periods
            .of(reading.time)
            .ok_or_else(|| StageError::halt("a row's time lies at the end of the calendar"))?;
        let before: Option<Day> = state.get(key).map(|bytes| Day::decode(&bytes)).transpose()?;
        let day = match (before, reading.today) {
            (Some(mut day), _) => {
                let event = day.count(period, &reading, self.limits);
                self.tell(key, event, &reading);
                day
            }
            (None, Some(today)) => Day::first(period, today, &reading),
            (None, None) => return Ok(None),
        };
        if before != Some(day) {
            state.put(key, day.encode()?);
        }
        Ok(Some(day.sum()))
    }

    fn tell(&mut self, key: &[u8], event: Event, reading: &Reading) {
        let (name, said) = match event {
            Event::None => return,
            Event::Behind => {
                if self.clock_warned.insert(key.to_vec()) {
                    let (stage, key, time) = (&self.stage, shown(key), reading.time);
                    tracing::warn!(%stage, %key, %time, "row is older than the current day: the clock stepped back");
                }
                return;
            }
            Event::Fall => ("fall", "counter of the day restarted"),
            Event::Rise => ("rise", "counter of the day jumped and stayed"),
            Event::UnseenClear => ("unseen_clear", "counter of the day was cleared while nobody looked"),
            Event::Restarted => ("clock", "the clock had been in the future: counting starts afresh"),
        };
        let (stage, key) = (&self.stage, shown(key));
        tracing::warn!(%stage, %key, time = %reading.time, "{said}");
        if let Some(counter) = &self.accepted {
            counter.with_label_values(&[stage.as_str(), name]).inc();
        }
    }
}

#[cfg(test)]
mod tests;
