//! The `synthetic` source: rows out of nothing, as fast as they are taken, for benches and tests of what stands
//! behind it.

mod column;

use std::sync::Arc;

use arrow_array::builder::TimestampMicrosecondBuilder;
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{Field, Schema, SchemaRef};
use async_trait::async_trait;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Deserialize;
use smiles_source_modbus::device::Named;
use smiles_stage::option::Period;
use smiles_stage::{
    Cadence, OpenContext, Pass, Path, PlanContext, Problem, Problems, Source, SourcePlan, Stage, StageError,
    time_field,
};

use column::Generator;
pub use column::{Column, ColumnKind, Pattern, ValueType};

/// The most rows of one pass.
const ROWS_MAX: u32 = 10_000_000;

/// The stage type `synthetic`.
#[derive(Debug)]
pub struct Synthetic;

/// Options of `synthetic`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SyntheticConfig {
    /// Rows of one pass, up to 10,000,000.
    #[schemars(range(min = 1, max = 10_000_000))]
    pub rows: u32,
    /// How many passes there are; unset: endless.
    pub passes: Option<u64>,
    /// Same seed, same rows.
    #[serde(default)]
    pub seed: u64,
    /// Rows carry their own `time`, so far apart. Unset: the time of the pass.
    pub time_step: Option<Period>,
    /// `time` of the first row, as `2026-06-21T12:00:00Z`; unset: when the source opens.
    pub start: Option<String>,
    /// The columns, in this order.
    pub columns: Named<Column>,
}

impl Stage for Synthetic {
    type Plan = dyn SourcePlan;
    type Config = SyntheticConfig;
    const NAME: &'static str = "synthetic";
    const ABOUT: &'static str = "rows out of nothing, for benches and tests";

    fn plan(config: SyntheticConfig, _: PlanContext<'_>) -> Result<Box<dyn SourcePlan>, Problems> {
        let mut problems = Problems::new();
        if config.rows == 0 || config.rows > ROWS_MAX {
            let message = format!("a pass has 1 to {ROWS_MAX} rows, not {}", config.rows);
            problems.push(Problem::error(Path::root().key("rows"), message));
        }
        let start =
            config.start.as_deref().map(str::parse::<Timestamp>).transpose().unwrap_or_else(|error| {
                let at = Path::root().key("start");
                problems.push(
                    Problem::error(at, format!("not a time: {error}")).help("write 2026-06-21T12:00:00Z"),
                );
                None
            });
        let mut columns = Vec::new();
        for (name, column) in config.columns.iter() {
            match Generator::plan(name, column, config.seed) {
                Ok(generator) => columns.push(generator),
                Err(found) => problems.extend(found),
            }
        }
        if config.columns.0.is_empty() {
            problems.push(Problem::error(Path::root().key("columns"), "at least one column is needed"));
        }
        let time = config.time_step.is_some().then(time_field);
        let fields: Vec<Field> = time.into_iter().chain(columns.iter().map(Generator::field)).collect();
        let plan = SyntheticPlan { config, start, columns, schema: Arc::new(Schema::new(fields)) };
        if problems.is_empty() { Ok(Box::new(plan)) } else { Err(problems) }
    }
}

struct SyntheticPlan {
    config: SyntheticConfig,
    start: Option<Timestamp>,
    columns: Vec<Generator>,
    schema: SchemaRef,
}

#[async_trait]
impl SourcePlan for SyntheticPlan {
    fn output(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn cadence(&self) -> Cadence {
        Cadence::Streamed
    }

    fn address(&self) -> String {
        format!("synthetic seed {}", self.config.seed)
    }

    async fn open(&self, context: OpenContext) -> Result<Box<dyn Source>, StageError> {
        let start = self.start.unwrap_or_else(|| context.clock.now());
        Ok(Box::new(SyntheticSource {
            rows: usize::try_from(self.config.rows).unwrap_or(usize::MAX),
            passes: self.config.passes,
            pass: 0,
            time: self.config.time_step.map(|step| Ticks {
                next_us: start.as_microsecond(),
                step_us: i64::try_from(step.0.as_micros()).unwrap_or(i64::MAX),
            }),
            columns: self.columns.clone(),
            schema: Arc::clone(&self.schema),
        }))
    }
}

struct SyntheticSource {
    rows: usize,
    passes: Option<u64>,
    pass: u64,
    time: Option<Ticks>,
    columns: Vec<Generator>,
    schema: SchemaRef,
}

#[async_trait]
impl Source for SyntheticSource {
    async fn next(&mut self) -> Result<Option<Pass>, StageError> {
        if self.passes.is_some_and(|passes| self.pass >= passes) {
            return Ok(None);
        }
        let time = self.time.as_mut().map(|ticks| ticks.take(self.rows));
        let columns = self.columns.iter_mut().map(|column| column.generate(self.pass, self.rows));
        let arrays: Vec<ArrayRef> = time.into_iter().chain(columns).collect();
        let rows = RecordBatch::try_new(Arc::clone(&self.schema), arrays)
            .map_err(|error| StageError::halt("generated columns do not fit the schema").because(error))?;
        self.pass += 1;
        // Being always ready, it would otherwise keep its thread to itself.
        tokio::task::yield_now().await;
        Ok(Some(Pass { rows, faults: Vec::new(), complete: true }))
    }
}

/// Times at equal steps.
struct Ticks {
    next_us: i64,
    step_us: i64,
}

impl Ticks {
    fn take(&mut self, rows: usize) -> ArrayRef {
        let mut times = TimestampMicrosecondBuilder::with_capacity(rows).with_timezone("UTC");
        for _ in 0..rows {
            times.append_value(self.next_us);
            self.next_us = self.next_us.saturating_add(self.step_us);
        }
        Arc::new(times.finish())
    }
}
