//! A line as `lines:` declares it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde_json::{Map, Value};
use smiles_stage::option::Period;

use crate::document::Entry;

/// what several sources share to reach their devices
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "only its schema is asked for")]
pub(crate) struct LineKeys {
    /// what to connect to, as at a source
    address: Option<String>,
    /// how long to wait after connecting
    connect_delay: Option<Period>,
    /// the least time between two requests
    min_delay: Option<Period>,
}

/// The lines of the file.
#[derive(Default)]
pub(crate) struct Lines {
    pub(crate) by_name: BTreeMap<String, Line>,
    /// What stands there are no lines, which has been said.
    pub(crate) broken: bool,
}

/// One of them.
pub(crate) struct Line {
    pub(crate) entry: Entry,
    /// Its keys, typed.
    pub(crate) keys: Map<String, Value>,
    pub(crate) used: bool,
}
