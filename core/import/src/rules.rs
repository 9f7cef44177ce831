//! What is taken over from which table, as a file declares it.

use std::time::Duration;

use indexmap::IndexMap;
use serde::Deserialize;
use serde_json::Value;
use smiles_stage::option::Period;

use crate::error::ImportError;

/// The rules of a file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rules {
    /// One per table, in the order in which they are taken over.
    pub(crate) steps: Vec<Step>,
    /// For a database that was adopted as it is.
    #[serde(default)]
    pub(crate) in_place: Vec<Mend>,
}

/// One table of the source.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Step {
    pub(crate) table: String,
    /// A column that grows with every row.
    pub(crate) number: Option<String>,
    pub(crate) columns: IndexMap<String, Type>,
    /// Columns that name a thing and measure nothing.
    #[serde(default)]
    pub(crate) key: Vec<String>,
    pub(crate) one_per: Option<OnePer>,
    /// Stages as in a pipeline: `type` and options.
    #[serde(default)]
    pub(crate) transforms: Vec<Value>,
    /// As `tables:` of a sink.
    pub(crate) into: Value,
}

/// Rows that repeat each other.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OnePer {
    pub(crate) key: Vec<String>,
    pub(crate) at: String,
    within: Period,
}

impl OnePer {
    pub(crate) fn within(&self) -> Duration {
        self.within.0
    }
}

/// The type of a column.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Type {
    Text,
    Int,
    Float,
    Bool,
    Time,
    Json,
}

/// A statement, and what it is good for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Mend {
    pub(crate) mends: String,
    pub(crate) sql: String,
}

impl Rules {
    /// Reads a file; `name` is what a person calls it.
    ///
    /// # Errors
    /// It is not YAML of this shape, or names columns that it does not have.
    pub fn parse(text: &str, name: &str) -> Result<Self, ImportError> {
        // Their parser follows every alias and makes a value of each.
        smiles_config::within_limits(text, name).map_err(ImportError::Refused)?;
        let rules: Self =
            serde_yaml::from_str(text).map_err(|error| ImportError::Refused(format!("{name}: {error}")))?;
        for step in &rules.steps {
            let per = step.one_per.iter().flat_map(|per| per.key.iter().chain([&per.at]));
            for column in step.key.iter().chain(per) {
                if !step.columns.contains_key(column) {
                    let table = &step.table;
                    let message = format!(
                        "{name}: `{table}` names the column `{column}`, which is not in its `columns`"
                    );
                    return Err(ImportError::Refused(message));
                }
            }
        }
        Ok(rules)
    }
}
