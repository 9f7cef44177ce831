//! When a row was not heard: columns that have a value, columns that are all zero.

use std::collections::BTreeMap;

use arrow_array::cast::AsArray;
use arrow_array::{Array, Float64Array, RecordBatch};
use arrow_schema::{DataType, Schema};
use schemars::JsonSchema;
use serde::Deserialize;
use smiles_stage::{Path, Problem, Problems, StageError};

use crate::columns;

/// Columns and the values they have, or columns that are all zero; of several all must hold.
#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct Condition {
    /// All of these columns are zero. One that is null is not.
    all_zero: Option<Vec<String>>,
    /// Columns and the values they have.
    #[serde(flatten)]
    equal: BTreeMap<String, ConditionValue>,
}

/// What a column may be compared with.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(rename = "Value")]
pub(crate) enum ConditionValue {
    /// A truth value.
    Bool(bool),
    /// A number.
    Number(f64),
    /// A text.
    Text(String),
}

/// One comparison of one column, by index.
#[derive(Clone, Debug)]
pub(super) enum ColumnTest {
    Number(usize, f64),
    Text(usize, String),
    Bool(usize, bool),
}

impl Condition {
    /// What is wrong whatever the columns are.
    pub(super) fn problem(&self, at: &Path) -> Option<Problem> {
        let help = "write `{column: value}` or `{all_zero: [columns]}`";
        match &self.all_zero {
            None if self.equal.is_empty() => {
                Some(Problem::error(at.clone(), "no column is named").help(help))
            }
            Some(none) if none.is_empty() => {
                Some(Problem::error(at.key("all_zero"), "no column is named").help(help))
            }
            _ => None,
        }
    }

    /// The comparisons, all of which must hold.
    pub(super) fn resolve(&self, schema: &Schema, at: &Path) -> Result<Vec<ColumnTest>, Problems> {
        let mut tests = Vec::new();
        let mut problems = Problems::new();
        let mut add = |test: Result<ColumnTest, Problem>| match test {
            Ok(test) => tests.push(test),
            Err(problem) => problems.push(problem),
        };
        for (place, name) in self.all_zero.iter().flatten().enumerate() {
            let at = at.key("all_zero").index(place);
            add(columns::find_number(schema, name, at).map(|index| ColumnTest::Number(index, 0.0)));
        }
        for (name, value) in &self.equal {
            add(value.test(schema, name, at.key(name)));
        }
        if problems.is_empty() { Ok(tests) } else { Err(problems) }
    }
}

impl ConditionValue {
    fn test(&self, schema: &Schema, name: &str, at: Path) -> Result<ColumnTest, Problem> {
        let index = columns::find(schema, name, at.clone())?;
        match (schema.field(index).data_type(), self) {
            (data_type, Self::Number(value)) if data_type.is_numeric() => {
                Ok(ColumnTest::Number(index, *value))
            }
            (DataType::Utf8, Self::Text(value)) => Ok(ColumnTest::Text(index, value.clone())),
            (DataType::Boolean, Self::Bool(value)) => Ok(ColumnTest::Bool(index, *value)),
            (data_type, _) => {
                let what = match self {
                    Self::Bool(_) => "a truth value",
                    Self::Number(_) => "a number",
                    Self::Text(_) => "a text",
                };
                Err(Problem::error(at, format!("column `{name}` holds {data_type} and never equals {what}")))
            }
        }
    }
}

/// The tests over the columns of one batch.
pub(super) enum BoundCondition<'a> {
    Number(Float64Array, f64),
    Text(&'a arrow_array::StringArray, &'a str),
    Bool(&'a arrow_array::BooleanArray, bool),
}

impl ColumnTest {
    pub(super) fn bind<'a>(&'a self, batch: &'a RecordBatch) -> Result<BoundCondition<'a>, StageError> {
        let changed = || StageError::halt("a column no longer holds what was checked");
        Ok(match self {
            Self::Number(index, value) => {
                BoundCondition::Number(columns::numbers(batch.column(*index)).ok_or_else(changed)?, *value)
            }
            Self::Text(index, value) => {
                BoundCondition::Text(batch.column(*index).as_string_opt().ok_or_else(changed)?, value)
            }
            Self::Bool(index, value) => {
                BoundCondition::Bool(batch.column(*index).as_boolean_opt().ok_or_else(changed)?, *value)
            }
        })
    }
}

impl BoundCondition<'_> {
    /// Whether the row has the value; null has none.
    pub(super) fn holds(&self, row: usize) -> bool {
        match self {
            Self::Number(column, value) => column.is_valid(row) && column.value(row) == *value,
            Self::Text(column, value) => column.is_valid(row) && column.value(row) == *value,
            Self::Bool(column, value) => column.is_valid(row) && column.value(row) == *value,
        }
    }
}
