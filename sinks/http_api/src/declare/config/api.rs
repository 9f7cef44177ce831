//! The options of `type: http_api`: plain data, unknown keys denied.

use std::collections::BTreeMap;
use std::time::Duration;

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;
use smiles_stage::option::Period;

use crate::declare::config::access::Secret;
use crate::declare::config::discovery::Discovery;
use crate::declare::config::metrics::Metrics;
use crate::declare::config::route::Route;

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
    #[schemars(with = "Period")]
    pub offline_after: String,
    /// The local clock (an IANA name): days of history begin at its midnight.
    #[serde(default = "utc")]
    pub timezone: String,
    /// The hour of that clock at which columns named in `resets` restart at 0.
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
    /// Names by which the API may be called while it has no token, by commas, beside addresses, `localhost`, names without a
    /// dot and those of local networks (`.local`, `.lan`, `.home`, `.internal`, ...); `*`: any. Others get 421.
    #[serde(default)]
    pub allow_hosts: String,
    /// Pages that may show the dashboard in a frame, by commas: origins, `self`, `none` or `*`; empty: any while it has no
    /// token, `self` with one.
    #[serde(default)]
    pub frame_ancestors: String,
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
    pub stats: IndexMap<String, Stat>,
    /// Words for `/openapi.json`.
    pub document: Document,
    /// Path templates (`/api/things/{id}`) with what they answer, in the order of the index.
    pub routes: IndexMap<String, Route>,
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

/// What one client, or all of them together, may ask for.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Open connections; beyond, the one longest without a complete request is closed.
    #[schemars(range(min = 8, max = 65536))]
    pub connections: usize,
    /// How long a client may take to send a request, and to be idle between two.
    #[schemars(with = "Period")]
    pub request_head: String,
    /// How long a client may take nothing of an answer before it is hung up on.
    #[schemars(with = "Period")]
    pub stall: String,
    /// How long a long answer may take altogether.
    #[schemars(with = "Period")]
    pub transfer: String,
    /// How long an answer may take to be ready.
    #[schemars(with = "Period")]
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
    #[schemars(with = "Period")]
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

/// A duration as everywhere; `None` for anything else and for zero.
pub(crate) fn duration(text: &str) -> Option<Duration> {
    text.parse::<Period>().ok().map(|period| period.0).filter(|duration| !duration.is_zero())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_unit_and_are_not_zero() {
        let rows = [
            ("500ms", Some(500)),
            ("3s", Some(3000)),
            ("5m", Some(300_000)),
            ("1.5h", Some(5_400_000)),
            ("1m 30s", Some(90_000)),
        ];
        for (text, millis) in rows {
            assert_eq!(duration(text), millis.map(Duration::from_millis), "{text}");
        }
        for text in ["", "3", "s", "0s", "-1s", "99999999999999999999s", "18446744073709551615h"] {
            assert_eq!(duration(text), None, "{text}");
        }
    }
}
