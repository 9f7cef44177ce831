//! A route as a file declares it.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::declare::config::history::History;
use crate::declare::config::totals::Totals;

/// One path and what it answers.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// One sentence for the index and the documentation.
    #[serde(default)]
    pub description: String,
    /// Parameters by name: those in the path template, and those of the query string.
    #[serde(default)]
    pub parameters: IndexMap<String, Parameter>,
    /// A list of rows, or one.
    #[serde(default)]
    pub shape: Shape,
    /// What a 404 says; `{name}` stands for a parameter. For an object, or a list with `exists`.
    pub not_found: Option<String>,
    /// An empty list is a 404 unless such a row exists.
    pub exists: Option<Exists>,
    /// The rows; of every route but one with `totals`.
    pub query: Option<Select>,
    /// The rows through time.
    pub history: Option<History>,
    /// Sums in place of rows.
    pub totals: Option<Totals>,
    /// Columns of other tables put into each row; null where there is no partner.
    #[serde(default)]
    pub join: Vec<Join>,
    /// Lists of rows of other tables put into each row, by name.
    #[serde(default)]
    pub nest: IndexMap<String, Join>,
}

/// Whether a route answers a list or one object.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// An array, perhaps empty.
    #[default]
    List,
    /// One object, or 404.
    Object,
}

/// A parameter of the path or the query string.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Parameter {
    /// What it is for.
    #[serde(default)]
    pub description: String,
    /// Where it stands; by default in the path if the template names it, else in the query string.
    #[serde(rename = "in")]
    pub place: Option<ParameterLocation>,
    /// What its text means.
    #[serde(default, rename = "type")]
    pub kind: ParameterType,
    /// Its value when it is not given; without one an absent query parameter narrows nothing.
    pub default: Option<Scalar>,
    /// Smallest number allowed.
    pub minimum: Option<f64>,
    /// Largest number allowed.
    pub maximum: Option<f64>,
    /// The only texts allowed.
    pub one_of: Option<Vec<String>>,
    /// Longest text allowed, in characters.
    #[serde(default = "max_length")]
    pub max_length: usize,
    /// The case texts are stored in: whatever the client writes is brought to it.
    #[serde(default)]
    pub case: Case,
}

/// Where a parameter stands.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum ParameterLocation {
    /// In the path.
    Path,
    /// In the query string.
    Query,
}

/// What the text of a parameter means.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum ParameterType {
    /// Any text.
    #[default]
    Text,
    /// A whole number.
    Integer,
    /// A number.
    Number,
    /// `true` or `false`.
    Boolean,
    /// An instant, RFC 3339: `2026-11-23T19:43:12Z`.
    Time,
}

/// The case a text parameter is brought to.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Case {
    /// As written.
    #[default]
    Exact,
    /// Lower case.
    Lower,
    /// Upper case.
    Upper,
}

/// A plain value of the file.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq)]
#[serde(untagged, expecting = "a text, a number, true or false")]
pub enum Scalar {
    /// True or false.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number.
    Float(f64),
    /// Text.
    Text(String),
}

/// Rows of one table.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Select {
    /// The table, as named in the store's mapping.
    pub table: String,
    /// `column`, or `column as name`, in the order served; none: all columns of the table.
    #[serde(default)]
    pub columns: Vec<String>,
    /// Conditions on columns; all must hold.
    #[serde(default)]
    pub filters: IndexMap<String, Condition>,
    /// Only the newest row of each combination of these columns; needs `newest`.
    #[serde(default)]
    pub latest_by: Vec<String>,
    /// The column that decides which row is newest.
    pub newest: Option<String>,
    /// `column` or `-column` (largest first).
    #[serde(default)]
    pub order: Vec<String>,
    /// At most so many rows: a number, or `{param: NAME}`.
    pub limit: Option<Limit>,
    /// `column: time column`: a value of a day that is over is served as 0. The day begins at `reset_hour`.
    #[serde(default)]
    pub resets: IndexMap<String, String>,
}

/// A condition on a column: exactly one of `param` and `value`, or a range of `from` and `before`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Condition {
    /// Equal to this parameter.
    pub param: Option<String>,
    /// Equal to this value.
    pub value: Option<Scalar>,
    /// At least this parameter.
    pub from: Option<String>,
    /// Less than this parameter.
    pub before: Option<String>,
}

/// How many rows.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "a number of rows or {param: NAME}")]
pub enum Limit {
    /// Always so many.
    Rows(u64),
    /// As the client asks.
    Asked(ParameterName),
}

/// Names a parameter.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ParameterName {
    /// A parameter of the route, of type integer.
    pub param: String,
}

/// Rows of another table that belong to a row.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Join {
    /// Columns that are equal: `column of the route's query: column of this query`.
    pub on: IndexMap<String, String>,
    /// The rows, asked for once for the whole answer.
    pub query: Select,
}

/// Whether a row exists.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Exists {
    /// The table.
    pub table: String,
    /// Conditions on its columns; all must hold.
    pub filters: IndexMap<String, Condition>,
}

fn max_length() -> usize {
    128
}
