//! Raw values, as the device file writes them.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Number;

/// A raw value, as the device file writes it.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Sentinel {
    /// That of a bit.
    Bool(bool),
    /// A number, or the bits of one (`0x8000`).
    Number(Number),
    /// A text, as it would be read.
    Text(String),
}
