//! What is taken over from which table, as a file declares it.

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;
use smiles_stage::option::Period;
use smiles_stage::tables::Ordered;

use crate::exit::Failure;

/// The file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rules {
    /// One per table, in the order in which they are taken over.
    pub(super) steps: Vec<Step>,
    /// For a database that was adopted as it is.
    #[serde(default)]
    pub(super) in_place: Vec<Mend>,
}

/// One table of the source.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Step {
    pub(super) table: String,
    /// A column that grows with every row.
    pub(super) number: Option<String>,
    pub(super) columns: Ordered<Type>,
    /// Columns that name a thing and measure nothing.
    #[serde(default)]
    pub(super) key: Vec<String>,
    pub(super) one_per: Option<OnePer>,
    /// Stages as in a pipeline: `type` and options.
    #[serde(default)]
    pub(super) transforms: Vec<Value>,
    /// As `tables:` of a sink.
    pub(super) into: Value,
}

/// Rows that repeat each other.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OnePer {
    pub(super) key: Vec<String>,
    pub(super) at: String,
    within: Period,
}

impl OnePer {
    pub(super) fn within(&self) -> Duration {
        self.within.0
    }
}

/// The type of a column.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(super) enum Type {
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
pub(super) struct Mend {
    pub(super) mends: String,
    pub(super) sql: String,
}

impl Rules {
    /// Reads a file; `name` is what a person calls it.
    pub(super) fn parse(text: &str, name: &str) -> Result<Self, Failure> {
        let rules: Self =
            serde_yaml::from_str(text).map_err(|error| Failure::configuration(format!("{name}: {error}")))?;
        for step in &rules.steps {
            let per = step.one_per.iter().flat_map(|per| per.key.iter().chain([&per.at]));
            for column in step.key.iter().chain(per) {
                if !step.columns.names().any(|name| name == column) {
                    let table = &step.table;
                    let message = format!(
                        "{name}: `{table}` names the column `{column}`, which is not in its `columns`"
                    );
                    return Err(Failure::configuration(message));
                }
            }
        }
        Ok(rules)
    }
}
