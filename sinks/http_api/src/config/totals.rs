//! What a pipeline file may say of a route that answers sums: over everything, and per source.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Aggregate, Ordered};

/// One object with the values over everything, and one per source.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Totals {
    /// The name of the object over everything.
    pub whole: String,
    /// The name of the object that holds one per source, by the source's name.
    pub each: String,
    /// The values, in order.
    pub values: Ordered<Total>,
    /// How a row of a table belongs to a source.
    pub belongs: Belongs,
}

/// One value: of the rows heard last (`heard`), or of all rows of a table (`table` and `column`).
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Total {
    /// A column of the pipeline: the rows of each source's last pass count. Nothing heard is 0 of a source that
    /// answered and null of one that did not.
    pub heard: Option<String>,
    /// A table with one row per key: every key ever known counts, heard or not.
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
    pub on: Ordered<String>,
    /// Its column with the source's name.
    pub source: String,
}
