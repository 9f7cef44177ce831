//! The keys that every stage of a role has beside its own options.

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use smiles_stage::option::Period;

use crate::StartFrom;
use crate::role::Role;

/// Failed passes after which a period stretches.
const STRETCH_AFTER: u32 = 5;

/// The keys of one role; all have a default but `type`.
pub(crate) trait StageKeys: DeserializeOwned + JsonSchema + Default {
    const ROLE: Role;
    /// `type:`.
    fn type_name(&mut self) -> Option<String>;
}

/// Of a source.
#[derive(Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(extend("required" = ["type"]))]
pub(crate) struct SourceKeys {
    /// which source it is
    #[serde(rename = "type")]
    type_name: Option<String>,
    /// false: as if it were not in the file
    enabled: bool,
    /// how often it is polled
    pub(crate) every: Option<Period>,
    /// failed polls after which it is polled less often, at least every 5 minutes; 0: never
    pub(crate) stretch_after: u32,
    /// one source per item of a JSON list: `${json:NAME:-}`
    for_each: Option<Value>,
}

/// Of a transform.
#[derive(Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(extend("required" = ["type"]))]
pub(crate) struct TransformKeys {
    /// which transform it is
    #[serde(rename = "type")]
    type_name: Option<String>,
    /// its name in state and metrics; tells it from another transform of the same columns
    #[schemars(length(min = 1, max = 128))]
    pub(crate) name: Option<String>,
    /// false: as if it were not in the file
    enabled: bool,
}

/// Of a sink.
#[derive(Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(extend("required" = ["type"]))]
pub(crate) struct SinkKeys {
    /// which sink it is
    #[serde(rename = "type")]
    type_name: Option<String>,
    /// false: as if it were not in the file
    enabled: bool,
    /// where a sink that is new to an existing journal begins
    pub(crate) from: StartFrom,
    /// how much it takes at once
    pub(crate) batch: BatchKeys,
}

/// `batch:`.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct BatchKeys {
    /// how many rows one write may merge when the sink lags
    #[schemars(range(min = 1))]
    pub(crate) max_rows: u32,
}

impl Default for SourceKeys {
    fn default() -> Self {
        Self { type_name: None, enabled: true, every: None, stretch_after: STRETCH_AFTER, for_each: None }
    }
}

impl Default for TransformKeys {
    fn default() -> Self {
        Self { type_name: None, name: None, enabled: true }
    }
}

impl Default for SinkKeys {
    fn default() -> Self {
        Self { type_name: None, enabled: true, from: StartFrom::default(), batch: BatchKeys::default() }
    }
}

impl Default for BatchKeys {
    fn default() -> Self {
        Self { max_rows: 10_000 }
    }
}

impl StageKeys for SourceKeys {
    const ROLE: Role = Role::Source;
    fn type_name(&mut self) -> Option<String> {
        self.type_name.take()
    }
}

impl StageKeys for TransformKeys {
    const ROLE: Role = Role::Transform;
    fn type_name(&mut self) -> Option<String> {
        self.type_name.take()
    }
}

impl StageKeys for SinkKeys {
    const ROLE: Role = Role::Sink;
    fn type_name(&mut self) -> Option<String> {
        self.type_name.take()
    }
}
