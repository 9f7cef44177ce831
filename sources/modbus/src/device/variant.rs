//! Units that differ from record to record.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};
use serde_json::Number;

/// Another unit for some records.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Variant {
    /// Which records.
    pub when: When,
    /// The unit of the raw number in those.
    pub unit: String,
}

/// What holds in records that are none of the variants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Otherwise {
    /// The field's own `unit`.
    Unit,
    /// Nothing: the value is null.
    Null,
}

/// A condition on another field of the same record. Exactly one of `prefix` and `equals`.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct When {
    /// The field asked.
    pub field: String,
    /// Its text begins so.
    pub prefix: Option<String>,
    /// Its raw number is this, as number or bit pattern.
    pub equals: Option<Number>,
}

/// `otherwise: null` says something, other than leaving it out does.
pub(super) fn otherwise<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Otherwise>, D::Error> {
    Ok(Some(Option::deserialize(deserializer)?.unwrap_or(Otherwise::Null)))
}
