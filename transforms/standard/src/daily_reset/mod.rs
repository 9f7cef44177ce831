//! `daily_reset`: production since the last reset instant, out of a device's own counter of the day.
//!
//! The rules are in [`day`]; this file is the stage around them: options, columns, keyed state.

mod day;

use arrow_array::RecordBatch;
use arrow_array::builder::Float64Builder;
use arrow_schema::{Field, SchemaRef};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use schemars::JsonSchema;
use serde::Deserialize;
use smiles_stage::unit::{Conversion, Unit};
use smiles_stage::{
    OpenContext, Path, Periods, PlanContext, Problem, Problems, Stage, StageError, State, Transform,
    TransformPlan, column_unit,
};

use crate::accepted::Accepted;
use crate::columns;
use crate::keyed::{Key, Memory, shown};
use crate::rate::RateText;
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
    /// The total, and how it reads in the unit of the counter of the day.
    total: Option<(usize, Option<Conversion>)>,
    key: Key,
    limits: Limits,
    schema: SchemaRef,
}

impl Plan {
    fn columns(&self, input: &SchemaRef) -> Result<Columns, Problems> {
        let Self { options, .. } = self;
        let root = Path::root();
        let today = columns::find_changed(input, &options.today, root.key("today"));
        let field = input.field_with_name(&options.today).ok();
        let total =
            options.total.as_deref().map(|name| total_in(input, name, field, &root.key("total"))).transpose();
        // Without the column there is no unit to hold the rate against.
        let rate = field
            .map(|field| options.max_rate.resolve(column_unit(field), &root.key("max_rate")))
            .transpose();
        let key = Key::resolve(input, &options.key, &root.key("key"));
        let time = columns::find_time(input);
        match (today, total, rate, key, time) {
            (Ok(today), Ok(total), Ok(Some(rate)), Ok(key), Ok(time)) => {
                let limits = Limits { rate, confirm: options.confirm, slack: slack(input.field(today)) };
                let schema = columns::with_sums(input, today);
                Ok(Columns { time, today, total, key, limits, schema })
            }
            (today, total, rate, key, time) => {
                let mut problems = key.err().unwrap_or_default();
                problems.extend([today.err(), total.err(), rate.err(), time.err()].into_iter().flatten());
                Err(problems)
            }
        }
    }
}

/// Finds the total and how to read it in the unit of the counter of the day; as it is where either has none.
fn total_in(
    input: &SchemaRef,
    name: &str,
    today: Option<&Field>,
    at: &Path,
) -> Result<(usize, Option<Conversion>), Problem> {
    let index = columns::find_number(input, name, at.clone())?;
    let unit = |field: &Field| column_unit(field)?.parse::<Unit>().ok();
    let (Some(own), Some(target)) = (unit(input.field(index)), today.and_then(unit)) else {
        return Ok((index, None));
    };
    own.to(&target).map(|conversion| (index, Some(conversion))).ok_or_else(|| {
        let message = format!("column `{name}` in `{own}` cannot be held against one in `{target}`");
        Problem::error(at.clone(), message).help("name the lifetime total of the same quantity")
    })
}

/// One watt-hour where energy is counted, else one of whatever is.
fn slack(today: &Field) -> f64 {
    let unit = |text: &str| text.parse::<Unit>().ok();
    let converted = column_unit(today).and_then(unit).and_then(|own| unit("Wh")?.to(&own));
    converted.map_or(1.0, |conversion| conversion.apply(1.0))
}

impl TransformPlan for Plan {
    fn output(&self, input: &SchemaRef) -> Result<SchemaRef, Problems> {
        self.columns(input).map(|columns| columns.schema)
    }

    fn open(&self, input: &SchemaRef, context: OpenContext) -> Result<Box<dyn Transform>, StageError> {
        let columns = self
            .columns(input)
            .map_err(|_| StageError::halt("daily_reset was opened with columns it had refused"))?;
        let accepted = Accepted::register(
            context,
            "smiles_daily_reset_accepted_total",
            "Falls, impossible rises and unseen clears of a counter of the day that were believed in the end",
            &["fall", "rise", "unseen_clear", "clock"],
        );
        let periods = Periods::new(self.zone.clone(), self.options.reset_hour);
        Ok(Box::new(Resetter { periods, columns, accepted }))
    }
}

struct Resetter {
    periods: Periods,
    columns: Columns,
    accepted: Accepted,
}

impl Transform for Resetter {
    fn apply(&mut self, batch: RecordBatch, state: &mut dyn State) -> Result<RecordBatch, StageError> {
        let today = columns::counters(&batch, self.columns.today)?;
        let total = match self.columns.total {
            Some((index, unit)) => Some((columns::counters(&batch, index)?, unit)),
            None => None,
        };
        let times = columns::Times::of(&batch, self.columns.time);
        let mut memory = Memory::<Day>::new(DailyReset::NAME);
        let mut sums = Float64Builder::with_capacity(batch.num_rows());
        let mut key = Vec::new();
        for row in 0..batch.num_rows() {
            // A row of nobody knows whom has no day.
            if !self.columns.key.write(&batch, row, &mut key) {
                sums.append_null();
                continue;
            }
            let total = total.as_ref().and_then(|(total, unit)| {
                let value = columns::value(total, row)?;
                Some(unit.map_or(value, |unit| unit.apply(value)))
            });
            let reading = Reading { time: times.at(row)?, today: columns::value(&today, row), total };
            let day = memory.slot(&key, state)?;
            let event = self.count(day, &reading)?;
            self.tell(&key, event, reading.time);
            sums.append_option(day.as_ref().map(Day::sum));
        }
        let batch = columns::put_sums(&batch, self.columns.today, &sums.finish(), &self.columns.schema)?;
        memory.store(state)?;
        Ok(batch)
    }
}

impl Resetter {
    fn count(&mut self, day: &mut Option<Day>, reading: &Reading) -> Result<Event, StageError> {
        let period = self
            .periods
            .of(reading.time)
            .ok_or_else(|| StageError::halt("a row's time lies at the end of the calendar"))?;
        Ok(match (day, reading.today) {
            (Some(day), _) => day.count(period, reading, self.columns.limits),
            (day @ None, Some(today)) => {
                *day = Some(Day::first(period, today, reading));
                Event::None
            }
            (None, None) => Event::None,
        })
    }

    fn tell(&self, key: &[u8], event: Event, time: Timestamp) {
        let (name, said) = match event {
            Event::None => return,
            Event::Behind => (None, "row is older than the current day: the clock stepped back"),
            Event::Fall => (Some("fall"), "counter of the day restarted"),
            Event::Rise => (Some("rise"), "counter of the day jumped and stayed"),
            Event::UnseenClear => {
                (Some("unseen_clear"), "counter of the day was cleared while nobody looked")
            }
            Event::Restarted => (Some("clock"), "the clock had been in the future: counting starts afresh"),
        };
        let Accepted { pipeline, transform, .. } = &self.accepted;
        tracing::warn!(%pipeline, %transform, key = %shown(key), %time, "{said}");
        if let Some(name) = name {
            self.accepted.count(name);
        }
    }
}

#[cfg(test)]
mod tests;
