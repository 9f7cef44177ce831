//! The options of the sink.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use smiles_stage::option::Period;
use smiles_tables::Tables;

/// `type: sqlite`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Config")]
pub struct SqliteConfig {
    /// The database file; a relative path is under DATA_DIR. Default: `<pipeline>.db`.
    pub path: Option<String>,
    /// A folder of SQL files `001_name.sql`, each applied once, in order, in one transaction.
    pub migrations: Option<String>,
    /// Which columns go to which tables.
    pub tables: Tables,
    /// What a commit waits for.
    #[serde(default)]
    pub synchronous: Synchronous,
    /// How long to wait for another program that holds the file locked.
    #[serde(default = "five_seconds")]
    pub busy_timeout: Period,
    /// How many queries run at once.
    #[serde(default = "four")]
    #[schemars(range(min = 1, max = 64))]
    pub readers: usize,
}

/// What a commit waits for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Synchronous {
    /// The disk: what is committed survives a power cut.
    #[default]
    Full,
    /// The operating system: a power cut may undo the last commits as a whole; they are delivered again.
    Normal,
}

fn five_seconds() -> Period {
    Period(Duration::from_secs(5))
}

fn four() -> usize {
    4
}
