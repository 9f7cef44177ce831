//! The keys of the file itself, and the journal's.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use smiles_stage::option::{Period, Size};

use crate::keys::read;
use crate::line::LineKeys;
use crate::plugins::PluginKeys;
use crate::variables::VariableKeys;
use crate::{JournalDecl, OnFull};

/// What stands at the top of a file.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "read part by part, at different times; its schema is asked for as a whole")]
pub(crate) struct FileKeys {
    /// a name for the pipeline; its journal and its state are kept under it
    #[schemars(length(min = 1), regex(pattern = r"^[a-z][a-z0-9_-]*$"))]
    pipeline: String,
    /// false: checked, but not run
    #[schemars(default = "yes")]
    enabled: bool,
    /// the durable log between the sources and the sinks
    journal: Option<JournalKeys>,
    /// what the variables of this file mean
    variables: Option<BTreeMap<String, VariableKeys>>,
    /// libraries that add stage types
    plugins: Option<Vec<PluginKeys>>,
    /// what several sources share to reach their devices, by the name that their `line` says
    lines: Option<BTreeMap<String, LineKeys>>,
    /// where rows come from, by name
    sources: Map<String, Value>,
    /// what happens to every row, in order
    transforms: Option<Vec<Value>>,
    /// where rows go, by name
    sinks: Map<String, Value>,
}

fn yes() -> bool {
    true
}

/// `journal:`.
#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "only its schema is asked for")]
enum JournalKeys {
    Memory(Memory),
    Disk(DiskKeys),
}

/// for tests: nothing survives the process
#[derive(JsonSchema)]
#[schemars(rename_all = "lowercase")]
#[expect(dead_code, reason = "only its schema is asked for")]
enum Memory {
    Memory,
}

/// a journal on disk
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct DiskKeys {
    max_size: Size,
    /// how long delivered batches stay
    retain: Period,
    /// block: polls pause; drop_oldest: the oldest batches go
    on_full: OnFull,
}

impl Default for DiskKeys {
    fn default() -> Self {
        let day = Period(std::time::Duration::from_secs(24 * 3600));
        Self { max_size: Size(1 << 30), retain: day, on_full: OnFull::default() }
    }
}

/// `journal:` as it was checked.
pub(crate) fn journal(checked: &Value) -> JournalDecl {
    let DiskKeys { max_size, retain, on_full } = read(checked);
    JournalDecl { memory: checked == "memory", max_size: max_size.0, retain: retain.0, on_full }
}
