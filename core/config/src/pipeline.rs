//! The typed declaration of a pipeline: what the file says, resolved, nothing planned yet.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Points at a node of the loaded file, for diagnostics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub(crate) usize);

impl NodeId {
    /// No node: for declarations that come from no file. Diagnostics there have no place.
    pub const NOWHERE: Self = Self(usize::MAX);
}

/// One pipeline file.
#[derive(Clone, Debug)]
pub struct Pipeline {
    /// `pipeline:`; names the journal.
    pub name: String,
    /// `enabled:`; default true. One that is not is checked and does not run.
    pub enabled: bool,
    /// `journal:`.
    pub journal: JournalDecl,
    /// `sources:`, in order, `for_each` expanded, disabled ones left out.
    pub sources: Vec<SourceDecl>,
    /// `transforms:`, in order, disabled ones left out.
    pub transforms: Vec<TransformDecl>,
    /// `sinks:`, in order, disabled ones left out.
    pub sinks: Vec<SinkDecl>,
    /// The disabled ones of `transforms:`, in order: their memory is theirs still.
    pub disabled_transforms: Vec<DisabledTransform>,
    /// The names of disabled sinks: naming one as a store is no mistake, it just has nothing to read.
    pub disabled_sinks: Vec<String>,
}

/// `journal:`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalDecl {
    /// `memory`: for tests.
    pub memory: bool,
    /// Bytes; default 1 GiB.
    pub max_size: u64,
    /// Default 24 h.
    pub retain: Duration,
    /// Default `block`.
    pub on_full: OnFull,
}

/// `journal.on_full`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnFull {
    /// Polls pause.
    #[default]
    Block,
    /// The oldest batches go.
    DropOldest,
}

/// What every stage has.
#[derive(Clone)]
pub struct StageDecl {
    /// The map key or item name; for transforms `name:` or the type (`type-2` for the second of it).
    pub name: String,
    /// `type:`; known to the registry.
    pub type_name: String,
    /// The options left when the common ones are taken out; valid by the type's JSON Schema. Shared, since whoever runs
    /// a pipeline keeps its declaration, and a device file makes them long.
    pub options: Arc<Value>,
    /// The stage's node.
    pub node: NodeId,
}

impl fmt::Debug for StageDecl {
    /// Without the options, which have passwords in clear.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StageDecl")
            .field("name", &self.name)
            .field("type_name", &self.type_name)
            .field("options", &format_args!("…"))
            .field("node", &self.node)
            .finish()
    }
}

/// One of `sources:`.
#[derive(Clone, Debug)]
pub struct SourceDecl {
    /// The stage.
    pub stage: StageDecl,
    /// `every:`.
    pub every: Option<Duration>,
    /// `stretch_after:` failed passes the period stretches, up to 5 minutes; default 5; 0: never.
    pub stretch_after: u32,
}

/// One of `transforms:`.
#[derive(Clone, Debug)]
pub struct TransformDecl {
    /// The stage.
    pub stage: StageDecl,
    /// Whether the file gives it its name.
    pub named: bool,
}

/// One of `transforms:` with `enabled: false`.
#[derive(Clone, Debug)]
pub struct DisabledTransform {
    /// How many enabled ones stand before it.
    pub place: usize,
    /// `type:`; empty where it is no plain text.
    pub type_name: String,
    /// `name:`, where it is a plain text.
    pub name: Option<String>,
    /// The stage, where it could run; a mistake in what is switched off is none.
    pub stage: Option<StageDecl>,
}

/// One of `sinks:`.
#[derive(Clone, Debug)]
pub struct SinkDecl {
    /// The stage.
    pub stage: StageDecl,
    /// `from:` where a sink that is new to an existing journal begins; default `now`.
    pub from: StartFrom,
    /// `batch.max_rows:` how many rows one write may merge when the sink lags; default 10,000.
    pub max_rows: usize,
}

/// `from:`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StartFrom {
    /// Batches accepted after it joined.
    #[default]
    Now,
    /// Everything retained.
    Oldest,
}
