//! What columns hold while they are not read.

use schemars::JsonSchema;
use serde::Deserialize;
use smiles_stage::option::Period;

/// What the columns of a block hold while it is not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Between {
    /// The last values, no longer than this after they were read.
    pub keep: Period,
}
