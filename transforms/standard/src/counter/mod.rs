//! `counter`: a lifetime total that never falls, computed from the device's own, which may.
//!
//! The rules are in [`total`]; this file is the stage around them: options, columns, keyed state.

mod total;

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Deserialize;
use smiles_stage::option::Period;
use smiles_stage::{
    ColumnMeta, OpenContext, PassInfo, Path, PlanContext, Problem, Problems, Stage, StageError, State,
    Subject, Transform, TransformPlan,
};
use std::time::Duration;

use crate::accepted::ConfirmedEvents;
use crate::column_plan::{ColumnPlan, transform_plan};
use crate::columns;
use crate::keyed::{Key, each_row, shown};
use crate::quantity::Quantity;
use crate::rate::RateText;
pub use total::Total;
use total::{CounterEvent, CounterLimits};

/// The stage type `counter`.
pub struct Counter;

/// Options of `counter`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Options")]
pub struct CounterOptions {
    /// The columns that tell one counter from another, for example `[serial_number, port_number]`.
    key: Vec<String>,
    /// The column with the device's own lifetime total; it leaves as a total that never falls.
    column: String,
    /// How fast the counter can possibly grow; a larger step waits until it is confirmed. A step within three
    /// minutes may be as large as one that takes three minutes, and one step of the device is always possible.
    max_rate: RateText,
    /// What confirms a value that cannot follow the last one.
    #[serde(default)]
    confirm: Confirm,
    /// The device's total loses exactly so much when an inner counter of it overflows, for example `65536 Wh`: such a
    /// fall is accepted after `confirm.readings`, and nothing is lost.
    wrap: Option<Quantity>,
}

/// How long a value that cannot follow the last one must last to be accepted.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Confirm {
    /// So long for a fall (the device lost its memory); counting then continues from the published total.
    fall: Period,
    /// So long for a rise that is too large.
    rise: Period,
    /// And at least so many readings for either.
    #[schemars(range(min = 1, max = 100_000))]
    readings: u32,
}

impl Default for Confirm {
    fn default() -> Self {
        let hours = |hours: u64| Duration::from_secs(hours * 3600);
        Self { fall: Period(hours(24)), rise: Period(Duration::from_secs(600)), readings: 10 }
    }
}

impl Stage for Counter {
    type Plan = dyn TransformPlan;
    type Config = CounterOptions;
    const NAME: &'static str = "counter";
    const ABOUT: &'static str = "a lifetime total that never falls, computed from the device's own";

    fn plan(config: CounterOptions, _context: PlanContext<'_>) -> Result<Box<dyn TransformPlan>, Problems> {
        if config.confirm.readings == 0 {
            let at = Path::root().key("confirm").key("readings");
            return Err(vec![
                Problem::error(at, "no reading at all cannot confirm anything").help("write 1 or more"),
            ]);
        }
        Ok(transform_plan(CounterPlan(config)))
    }
}

struct CounterPlan(CounterOptions);

/// Where the stage finds its columns.
struct CounterColumns {
    time: usize,
    total: usize,
    key: Key,
    limits: CounterLimits,
    schema: SchemaRef,
}

impl ColumnPlan for CounterPlan {
    type Columns = CounterColumns;

    fn columns(&self, input: &SchemaRef) -> Result<CounterColumns, Problems> {
        let Self(options) = self;
        let root = Path::root();
        let mut problems = Problems::new();
        let total = columns::find_changed(input, &options.column, root.key("column"));
        // Without the column there is no unit to hold the rate against.
        let unit = input.field_with_name(&options.column).ok().map(ColumnMeta::measure);
        let unit = unit.as_ref().map(Option::as_ref);
        let rate = unit.map(|unit| options.max_rate.resolve(unit, &root.key("max_rate")));
        let wrap = unit.and_then(|unit| Some(options.wrap.as_ref()?.resolve(unit, &root.key("wrap"))));
        let wrap = wrap.transpose();
        let key = Key::resolve(input, &options.key, &root.key("key"));
        let time = columns::find_time(input);
        if let (Ok(total), Some(Ok(rate)), Ok(wrap), Ok(key), Ok(time)) = (&total, &rate, &wrap, &key, &time)
        {
            let Confirm { fall, rise, readings } = &options.confirm;
            let rate = rate.in_steps_of(columns::one_step(input.field(*total)));
            let limits = CounterLimits { rate, fall: fall.0, rise: rise.0, readings: *readings, wrap: *wrap };
            let schema = columns::with_numbers(input, *total);
            return Ok(CounterColumns { time: *time, total: *total, key: key.clone(), limits, schema });
        }
        problems.extend(key.err().into_iter().flatten());
        problems.extend(total.err());
        problems.extend(rate.and_then(Result::err));
        problems.extend(wrap.err());
        problems.extend(time.err());
        Err(problems)
    }

    fn output(columns: &CounterColumns) -> SchemaRef {
        Arc::clone(&columns.schema)
    }

    fn subject(&self, input: &SchemaRef) -> Option<Subject> {
        let Self(CounterOptions { key, column, .. }) = self;
        let subject = Subject::default().with("column", column.as_str()).with("key", key.clone());
        Some(subject.with("unit", columns::unit(input, column)))
    }

    fn open(&self, columns: Arc<CounterColumns>, context: OpenContext) -> Box<dyn Transform> {
        let accepted = ConfirmedEvents::register(
            context,
            "smiles_counting_accepted_total",
            "Falls, impossible rises and overflows of a lifetime total that were accepted after confirmation",
            &["fall", "rise", "wrap"],
        );
        Box::new(CounterTransform { columns, accepted })
    }
}

struct CounterTransform {
    columns: Arc<CounterColumns>,
    accepted: ConfirmedEvents,
}

impl Transform for CounterTransform {
    fn apply(
        &mut self,
        batch: RecordBatch,
        _pass: &PassInfo,
        state: &mut dyn State,
    ) -> Result<RecordBatch, StageError> {
        let CounterColumns { time, total, key, limits, schema } = self.columns.as_ref();
        let values = columns::counters(&batch, *total)?;
        let times = columns::Times::of(&batch, *time);
        let published = each_row(Counter::NAME, &batch, key, state, |row, key, slot: &mut Option<Total>| {
            if let Some(value) = columns::value(&values, row) {
                let time = times.at(row)?;
                match slot {
                    Some(total) => {
                        if let Some(event) = total.count(value, time, *limits) {
                            self.tell(key, event, time);
                        }
                    }
                    None => *slot = Some(Total::first(value, time)),
                }
            }
            Ok(slot.as_ref().map(|total| total.published))
        })?;
        columns::put_numbers(&batch, *total, &published, schema)
    }
}

impl CounterTransform {
    fn tell(&self, key: &[u8], event: CounterEvent, time: Timestamp) {
        let ConfirmedEvents { pipeline, transform, .. } = &self.accepted;
        let (name, said) = match event {
            CounterEvent::Fall => {
                ("fall", "total fell and stayed low: counting continues from the published total")
            }
            CounterEvent::Rise => {
                ("rise", "total rose faster than possible and stayed: the new value is accepted")
            }
            CounterEvent::Wrap => {
                ("wrap", "total overflowed in the device: the published total continues without a loss")
            }
        };
        tracing::warn!(%pipeline, %transform, key = %shown(key), %time, "{said}");
        self.accepted.count(name);
    }
}

#[cfg(test)]
mod tests;
