//! What a pipeline file may say of a route that answers a table's history.

use schemars::JsonSchema;
use serde::Deserialize;

/// A table through time. The engine adds the parameters `start`, `end`, `order`, `limit`, `cursor` and, with
/// `buckets`, `interval`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct History {
    /// The columns that give every row a place of its own: the time, then what tells rows of one instant apart.
    pub by: Vec<String>,
    /// Rows of an answer unless the client says otherwise.
    #[serde(default = "hundred")]
    #[schemars(range(min = 1))]
    pub limit: u32,
    /// Rows a client may ask for at a time.
    #[serde(default = "ten_thousand")]
    #[schemars(range(min = 1, max = 100_000))]
    pub maximum: u32,
    /// Columns of which `interval` answers minimum, mean, maximum and last value.
    #[serde(default)]
    pub buckets: Vec<String>,
    /// The intervals to choose from: whole parts of an hour (`5m`), `1h`, `1d`.
    #[serde(default = "intervals")]
    pub intervals: Vec<String>,
}

fn hundred() -> u32 {
    100
}

fn ten_thousand() -> u32 {
    10_000
}

fn intervals() -> Vec<String> {
    ["5m", "1h", "1d"].map(str::to_owned).to_vec()
}
