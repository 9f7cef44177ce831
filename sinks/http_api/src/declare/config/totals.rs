//! What a pipeline file may say of a route that answers sums: over everything, and per source.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::declare::config::metrics::Aggregate;

/// One object with the values over everything, and one per source.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Totals {
    /// The name of the object over everything.
    pub whole: String,
    /// The name of the object that holds one per source, by the source's name.
    pub each: String,
    /// The values, in order.
    pub values: IndexMap<String, Total>,
    /// The tables that hold the sums of the pipeline.
    pub sums: Option<SumTables>,
    /// How a row of a table belongs to a source.
    pub belongs: Option<Belongs>,
}

/// Where the columns of the transform `sum` are kept.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SumTables {
    /// Of the whole; `name` is the column with the name of the pipeline.
    pub whole: SumTable,
    /// Of each source; `name` is the column with the source's name.
    pub each: SumTable,
    /// Of other groups: the name of an object beside the two, which holds one per `name`.
    #[serde(default)]
    pub more: IndexMap<String, SumTable>,
}

/// A table with one row per group.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SumTable {
    /// The table.
    pub table: String,
    /// Its column that says whose sum a row is.
    pub name: String,
}

/// One value: of the last rows of each source (`heard`), a column of the tables in `sums` (`sum`), or of all rows of a table
/// (`table` and `column`).
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Total {
    /// A column of the pipeline: the last value from each source of each key counts. No value is 0 for a source that
    /// answered and null for one that did not.
    pub heard: Option<String>,
    /// With `heard`: the columns of the pipeline that tell one thing from another. A partial poll leaves the records
    /// it lacks as they were, for `offline_after`. Without it a partial poll changes nothing as long.
    pub key: Vec<String>,
    /// A column of the tables in `sums`: what the transform `sum` made, which never steps.
    pub sum: Option<String>,
    /// A table with one row per key: every key ever known counts, with a reading or not; null as long as one has no value. A key
    /// that joins or leaves is a step: energy for a dashboard is better taken from `sum`.
    pub table: Option<String>,
    /// A column of that table.
    pub column: Option<String>,
    /// How the values become one; unless said otherwise their sum.
    pub aggregate: Option<Aggregate>,
    /// The time column that tells of a value of a day that is over: it counts as 0 from `reset_hour` on.
    pub resets: Option<String>,
}

/// The table that knows the source of a key.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Belongs {
    /// The table.
    pub table: String,
    /// `column of the row: column of this table`.
    pub on: IndexMap<String, String>,
    /// Its column with the source's name.
    pub source: String,
}
