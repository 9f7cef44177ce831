//! What a pipeline file may say of `/metrics`.

use schemars::JsonSchema;
use serde::Deserialize;

use indexmap::IndexMap;

/// What `/metrics` shows beside the runtime's own series.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Metrics {
    /// `false`: `/metrics` is 404.
    pub enabled: bool,
    /// Series of the runtime under other names.
    pub runtime: IndexMap<String, RuntimeSeries>,
    /// Columns of the latest rows as series.
    pub columns: IndexMap<String, ColumnSeries>,
    /// Sums per source as series.
    pub totals: IndexMap<String, TotalSeries>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self { enabled: true, runtime: IndexMap::new(), columns: IndexMap::new(), totals: IndexMap::new() }
    }
}

/// A series of the runtime under another name: exactly one of `meter` and `health`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RuntimeSeries {
    /// The name of a registered series; absent from the answer while nobody has registered it.
    pub meter: Option<String>,
    /// A value of `/health`.
    pub health: Option<HealthSeries>,
    /// What it says, if not what the original says.
    pub help: Option<String>,
    /// `exposed label: original label`; labels not named here keep their names.
    pub labels: IndexMap<String, String>,
    /// Original labels that are left out; those left must still tell the series apart.
    pub without: Vec<String>,
    /// Labels that are always the same.
    pub constants: IndexMap<String, String>,
}

/// A value of `/health` as a series.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum HealthSeries {
    /// Counter with labels `source` and `outcome` (`success`, `error`).
    Passes,
    /// Counter with label `source`: passes that failed wholly or in part.
    Errors,
    /// Gauge with label `source`: 1 if the last pass brought rows, else 0.
    Online,
    /// Gauge with label `source`: 1 if failures have stretched its period, else 0.
    Stretched,
    /// Gauge: seconds since the pipeline began to run.
    Uptime,
}

/// A column of the latest rows as a series; nulls are not shown.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ColumnSeries {
    /// The column of the pipeline.
    pub column: String,
    /// How Prometheus sees it.
    #[serde(default, rename = "type")]
    pub kind: SeriesType,
    /// What it says.
    pub help: String,
    /// `label: column of the pipeline`; rows with the same labels are one series.
    #[serde(default)]
    pub labels: IndexMap<String, String>,
    /// How rows with the same labels become one value.
    #[serde(default)]
    pub aggregate: Aggregate,
    /// The unit shown; the column's own is converted to it.
    pub unit: Option<String>,
}

/// A value of a route with `totals`, one sample per source; absent while it is null.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TotalSeries {
    /// The path of the route.
    pub route: String,
    /// The name of the value there.
    pub value: String,
    /// The label that holds the source's name.
    pub label: String,
    /// What it says.
    pub help: String,
    /// How Prometheus sees it.
    #[serde(default, rename = "type")]
    pub kind: SeriesType,
}

/// A Prometheus type.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum SeriesType {
    /// A value that may go anywhere.
    #[default]
    Gauge,
    /// A sum that only grows.
    Counter,
}

/// How several rows become one value.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Aggregate {
    /// The first row's that is not null, as stores keep of rows that repeat a value.
    #[default]
    First,
    /// The last row's that is not null.
    Last,
    /// Their sum.
    Sum,
    /// The smallest.
    Min,
    /// The largest.
    Max,
}
