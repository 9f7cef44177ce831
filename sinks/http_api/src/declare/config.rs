//! What a pipeline file may say of its HTTP API: plain data, unknown keys denied.

pub(crate) mod access;
pub(crate) mod discovery;
pub(crate) mod history;
pub(crate) mod metrics;
pub(crate) mod totals;

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

pub(crate) use access::Secret;
pub(crate) use discovery::Discovery;
pub(crate) use history::History;
pub(crate) use metrics::{Aggregate, Metrics};
pub(crate) use smiles_stage::tables::Ordered;
pub(crate) use totals::Totals;

/// Options of `type: http_api`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// `HOST:PORT` to listen on; an IPv6 address stands in brackets (`[::]:8080`); port 0 takes a free one.
    pub listen: String,
    /// The sink of this pipeline whose tables the resources read.
    pub store: Option<String>,
    /// How long after its last success a source counts as gone (or three of its periods, if that is longer).
    #[serde(default = "five_minutes")]
    #[schemars(regex(pattern = r"^[0-9]+(ms|s|m|h)$"))]
    pub offline_after: String,
    /// The local clock (an IANA name): days of history begin at its midnight.
    #[serde(default = "utc")]
    pub timezone: String,
    /// The hour of that clock at which columns named in `resets` begin anew.
    #[serde(default)]
    #[schemars(range(min = 0, max = 23))]
    pub reset_hour: i8,
    /// The bearer token clients must send, except for /health, /ready and the pages; empty: none.
    #[serde(default)]
    pub token: Secret,
    /// A file that holds the token; empty: none.
    #[serde(default)]
    pub token_file: String,
    /// Origins whose pages may read the API from a browser, by commas, or `*`; empty: none but its own.
    #[serde(default)]
    pub allow_origins: String,
    /// Whether and how the API makes itself known on the local network; without it, it does not.
    pub discovery: Option<Discovery>,
    /// What is served, and under which names.
    #[serde(default)]
    pub resources: Resources,
    /// What `/metrics` shows beside the runtime's own series.
    #[serde(default)]
    pub metrics: Metrics,
    /// What one client, or all of them together, may ask for.
    #[serde(default)]
    pub limits: Limits,
}

/// What is served: routes by path, and the names inside the engine's own `/health` and `/stats`.
#[derive(Clone, Debug, Default)]
pub struct Resources {
    /// Names inside `/health`.
    pub health: HealthNames,
    /// The fields of `/stats`, in order.
    pub stats: Ordered<Stat>,
    /// Words for `/openapi.json`.
    pub document: Document,
    /// Path templates (`/api/things/{id}`) with what they answer, in the order of the index.
    pub routes: Ordered<Route>,
}

/// Names inside `/health`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct HealthNames {
    /// The key of the object that holds the sources.
    pub sources: String,
}

impl Default for HealthNames {
    fn default() -> Self {
        Self { sources: "sources".to_owned() }
    }
}

/// Words for the description of the API.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Document {
    /// The title; by default the pipeline's name.
    pub title: String,
    /// What the API is about.
    pub description: String,
    /// Example values by the name of a column or parameter.
    pub examples: BTreeMap<String, serde_json::Value>,
}

/// What a field of `/stats` shows.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Stat {
    /// The kind of store: `SQLITE`.
    Kind,
    /// Bytes on disk.
    SizeBytes,
    /// The rows of these tables together; of none: 0.
    Rows(Vec<String>),
}

/// One path and what it answers.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// One sentence for the index and the documentation.
    #[serde(default)]
    pub description: String,
    /// Parameters by name: those in the path template, and those of the query string.
    #[serde(default)]
    pub parameters: Ordered<Parameter>,
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
    pub nest: Ordered<Join>,
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
    pub place: Option<Place>,
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
pub enum Place {
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
    pub filters: Ordered<Condition>,
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
    pub resets: Ordered<String>,
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
    pub on: Ordered<String>,
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
    pub filters: Ordered<Condition>,
}

/// What one client, or all of them together, may ask for.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Open connections; beyond, the one longest without a complete request is closed.
    #[schemars(range(min = 8, max = 65536))]
    pub connections: usize,
    /// How long a client may take to send a request, and to be idle between two.
    #[schemars(regex(pattern = r"^[0-9]+(ms|s|m|h)$"))]
    pub request_head: String,
    /// How long a client may take nothing of an answer before it is hung up on.
    #[schemars(regex(pattern = r"^[0-9]+(ms|s|m|h)$"))]
    pub stall: String,
    /// How long a long answer may take altogether.
    #[schemars(regex(pattern = r"^[0-9]+(ms|s|m|h)$"))]
    pub transfer: String,
    /// How long an answer may take to be ready.
    #[schemars(regex(pattern = r"^[0-9]+(ms|s|m|h)$"))]
    pub answer: String,
    /// Questions to the store at a time; others wait.
    #[schemars(range(min = 1, max = 1024))]
    pub store_queries: usize,
    /// Rows of one answer that has to be put together; beyond, the client is asked to narrow it.
    #[schemars(range(min = 1))]
    pub rows: usize,
    /// Clients that follow `/api/events` at a time.
    #[schemars(range(min = 1, max = 4096))]
    pub followers: usize,
    /// Silence on `/api/events` after which a comment shows that the line is alive; shorter than a proxy's patience.
    #[schemars(regex(pattern = r"^[0-9]+(ms|s|m|h)$"))]
    pub heartbeat: String,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 512,
            request_head: "15s".to_owned(),
            stall: "20s".to_owned(),
            transfer: "5m".to_owned(),
            answer: "10s".to_owned(),
            store_queries: 8,
            rows: 100_000,
            followers: 64,
            heartbeat: "15s".to_owned(),
        }
    }
}

fn utc() -> String {
    "UTC".to_owned()
}

fn five_minutes() -> String {
    "300s".to_owned()
}

fn max_length() -> usize {
    128
}

/// The value of this name.
pub(crate) fn find<'a, V>(map: &'a Ordered<V>, name: &str) -> Option<&'a V> {
    map.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
}

/// `500ms`, `3s`, `5m`, `1h`; `None` for anything else and for zero.
pub(crate) fn duration(text: &str) -> Option<Duration> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().ok()?;
    let millis = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return None,
    };
    Some(Duration::from_millis(number.checked_mul(millis)?)).filter(|duration| !duration.is_zero())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_unit_and_are_not_zero() {
        let rows = [("500ms", Some(500)), ("3s", Some(3000)), ("5m", Some(300_000)), ("1h", Some(3_600_000))];
        for (text, millis) in rows {
            assert_eq!(duration(text), millis.map(Duration::from_millis), "{text}");
        }
        for text in
            ["", "3", "s", "0s", "-1s", "1.5s", "3 s", "99999999999999999999s", "18446744073709551615h"]
        {
            assert_eq!(duration(text), None, "{text}");
        }
    }
}
