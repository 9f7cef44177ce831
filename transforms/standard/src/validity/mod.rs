//! `validity`: replaces what the device did not measure by null, and what was read is kept beside it.
//!
//! Measured columns are those with a unit or a kind in the device file. In a row that was not heard they become null,
//! but for those that `keep` names: null means "the device did not say", a zero there would be a false one.

mod condition;

use std::sync::Arc;

use arrow_array::{BooleanArray, RecordBatch};
use arrow_schema::{Field, Schema, SchemaRef};
use arrow_select::nullif::nullif;
use schemars::JsonSchema;
use serde::Deserialize;
use smiles_stage::{
    ColumnMeta, OpenContext, PassInfo, Path, PlanContext, Problem, Problems, SOURCE, Stage, StageError,
    State, TIME, Transform, TransformPlan,
};

use crate::column_plan::{ColumnPlan, transform_plan};
use crate::keyed::Key;
use crate::{columns, raw};
use condition::{BoundCondition, ColumnTest, Condition};

/// The stage type `validity`.
pub struct Validity;

/// Options of `validity`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Options")]
pub struct ValidityOptions {
    /// The columns that tell one device from another, for example `[serial_number, port_number]`: they stay.
    key: Vec<String>,
    /// Copies every measured column as it was read to one of this prefix: `raw_` makes `raw_voltage`. Later stages
    /// leave the copies alone.
    raw: Option<String>,
    /// When a row holds no reading: the device was offline.
    not_heard: NotHeard,
    /// Measured columns that stay although the device was offline, such as its status.
    #[serde(default)]
    keep: Vec<String>,
}

/// When a row holds no reading: the device was offline.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NotHeard {
    /// When any of these holds.
    any: Vec<Condition>,
}

impl Stage for Validity {
    type Plan = dyn TransformPlan;
    type Config = ValidityOptions;
    const NAME: &'static str = "validity";
    const ABOUT: &'static str = "replaces what the device did not measure by null";

    fn plan(config: ValidityOptions, _context: PlanContext<'_>) -> Result<Box<dyn TransformPlan>, Problems> {
        let any = Path::root().key("not_heard").key("any");
        let mut problems: Problems = config
            .not_heard
            .any
            .iter()
            .enumerate()
            .filter_map(|(place, condition)| condition.problem(&any.index(place)))
            .collect();
        if config.not_heard.any.is_empty() {
            problems.push(
                Problem::error(any, "no condition is given").help("list one, such as `{link_status: 0}`"),
            );
        }
        if config.raw.as_deref() == Some("") {
            let problem =
                Problem::error(Path::root().key("raw"), "a copy needs another name than its column");
            problems.push(problem.help("write a prefix such as `raw_`, or remove `raw`"));
        }
        if problems.is_empty() { Ok(transform_plan(ValidityPlan(config))) } else { Err(problems) }
    }
}

struct ValidityPlan(ValidityOptions);

/// What happens to the columns.
struct ValidityColumns {
    /// The row was not heard when all tests of any of these hold.
    not_heard: Vec<Vec<ColumnTest>>,
    /// Become null when not heard.
    nulled: Vec<usize>,
    /// Are copied behind the others.
    copied: Vec<usize>,
    schema: SchemaRef,
}

/// Whether the device measured it: one with a unit or a kind, and no copy of another.
fn is_measured(field: &Field) -> bool {
    (field.unit().is_some() || field.kind().is_some())
        && !field.is_copy()
        && field.name() != TIME
        && field.name() != SOURCE
}

impl ColumnPlan for ValidityPlan {
    type Columns = ValidityColumns;

    fn columns(&self, input: &SchemaRef) -> Result<ValidityColumns, Problems> {
        let Self(options) = self;
        let root = Path::root();
        let mut problems = Problems::new();
        let key = Key::resolve(input, &options.key, &root.key("key"));
        let mut not_heard = Vec::new();
        for (place, condition) in options.not_heard.any.iter().enumerate() {
            match condition.resolve(input, &root.key("not_heard").key("any").index(place)) {
                Ok(tests) => not_heard.push(tests),
                Err(wrong) => problems.extend(wrong),
            }
        }
        let mut kept = Vec::new();
        for (place, name) in options.keep.iter().enumerate() {
            match columns::find(input, name, root.key("keep").index(place)) {
                Ok(index) => kept.push(index),
                Err(problem) => problems.push(problem),
            }
        }
        let key = key.map_err(|wrong| problems.extend(wrong)).ok();
        let is_key = |index: usize| key.as_ref().is_some_and(|key| key.contains(index));
        let measured: Vec<usize> = (0..input.fields().len())
            .filter(|index| is_measured(input.field(*index)) && !is_key(*index))
            .collect();
        if measured.is_empty() {
            let problem =
                Problem::error(root.clone(), "no column here is measured: none has a unit or a kind");
            problems.push(problem.help("give the fields of the device file a `unit:` or a `kind:`"));
        }
        let nulled: Vec<usize> = measured.iter().copied().filter(|index| !kept.contains(index)).collect();
        let mut fields: Vec<Arc<Field>> = input.fields().iter().cloned().collect();
        for index in &nulled {
            fields[*index] = Arc::new(fields[*index].as_ref().clone().with_nullable(true));
        }
        let mut copied = Vec::new();
        if let Some(prefix) = &options.raw {
            for index in measured {
                let name = format!("{prefix}{}", input.field(index).name());
                if input.index_of(&name).is_ok() {
                    let problem =
                        Problem::error(root.key("raw"), format!("there is a column `{name}` already"));
                    problems.push(problem.help("choose another prefix"));
                }
                fields.push(Arc::new(raw::copy(input.field(index), name)));
                copied.push(index);
            }
        }
        let schema = Arc::new(Schema::new_with_metadata(fields, input.metadata().clone()));
        if problems.is_empty() {
            Ok(ValidityColumns { not_heard, nulled, copied, schema })
        } else {
            Err(problems)
        }
    }

    fn output(columns: &ValidityColumns) -> SchemaRef {
        Arc::clone(&columns.schema)
    }

    fn open(&self, columns: Arc<ValidityColumns>, _context: OpenContext) -> Box<dyn Transform> {
        Box::new(ValidityTransform(columns))
    }
}

struct ValidityTransform(Arc<ValidityColumns>);

impl Transform for ValidityTransform {
    fn apply(
        &mut self,
        batch: RecordBatch,
        _pass: &PassInfo,
        _state: &mut dyn State,
    ) -> Result<RecordBatch, StageError> {
        let Self(columns) = self;
        let not_heard = columns.not_heard(&batch)?;
        let mut arrays = batch.columns().to_vec();
        arrays.extend(columns.copied.iter().map(|index| Arc::clone(batch.column(*index))));
        if not_heard.true_count() > 0 {
            for index in &columns.nulled {
                arrays[*index] = nullif(&arrays[*index], &not_heard).map_err(columns::unexpected)?;
            }
        }
        RecordBatch::try_new(Arc::clone(&columns.schema), arrays).map_err(columns::unexpected)
    }
}

impl ValidityColumns {
    fn not_heard(&self, batch: &RecordBatch) -> Result<BooleanArray, StageError> {
        let mut any: Vec<Vec<BoundCondition<'_>>> = Vec::new();
        for tests in &self.not_heard {
            any.push(tests.iter().map(|test| test.bind(batch)).collect::<Result<_, _>>()?);
        }
        let holds = |row: usize| any.iter().any(|all| all.iter().all(|test| test.holds(row)));
        Ok((0..batch.num_rows()).map(|row| Some(holds(row))).collect())
    }
}

#[cfg(test)]
mod tests;
