//! What a check is given, and what it finds.

use std::sync::Arc;
use std::time::Duration;

use arrow_schema::SchemaRef;
use serde_json::Value;
use smiles_plugin_abi::SmilesStage;
use smiles_stage::Clock;

use crate::conformance::batches;
use crate::context::Context;
use crate::file::{Role, StageMeta};
use crate::instance_handle::{CallError, Cancel, InstanceHandle};
use crate::probe::plan;

/// How long a call of the check may take, for those that are told.
pub(super) const LIMIT: Duration = Duration::from_secs(5);

/// A check: its name and what it does.
pub(super) type Check = (&'static str, fn(&Subject) -> Result<(), Verdict>);

/// Why a check did not pass.
pub(crate) enum Verdict {
    Skip(String),
    Fail(String),
}

impl From<CallError> for Verdict {
    fn from(failed: CallError) -> Self {
        Self::Fail(failed.error.to_string())
    }
}

impl From<String> for Verdict {
    fn from(reason: String) -> Self {
        Self::Fail(reason)
    }
}

/// A stage under test.
pub(crate) struct Subject {
    pub(super) stage: SmilesStage,
    pub(super) meta: StageMeta,
    pub(super) plugin: String,
    pub(super) schema: Value,
    pub(super) options: Value,
    pub(super) clock: Arc<dyn Clock>,
}

impl Subject {
    pub(super) fn context(&self, stage: &str) -> Arc<Context> {
        let counters = Vec::new();
        Arc::new(Context::new(&self.plugin, "check", stage, Arc::clone(&self.clock), counters))
    }

    pub(super) fn open_named(
        &self,
        stage: &str,
        options: &str,
    ) -> Result<(InstanceHandle, Arc<Cancel>), CallError> {
        let cancel = Arc::new(Cancel::default());
        let handle = InstanceHandle::open(self.stage, self.context(stage), Arc::clone(&cancel), options)?;
        Ok((handle, cancel))
    }

    /// An open instance, bound to the columns of the check.
    pub(super) fn bound(&self, stage: &str) -> Result<(InstanceHandle, Arc<Cancel>), Verdict> {
        let (mut handle, cancel) = self.open_named(stage, &self.options.to_string())?;
        let input = self.input();
        let output = self.output(input.as_ref())?;
        handle.bind(input.as_ref(), output.as_ref())?;
        Ok((handle, cancel))
    }

    pub(super) fn input(&self) -> Option<SchemaRef> {
        (self.meta.role != Role::Source).then(batches::schema)
    }

    /// The columns that `plan` says leave.
    pub(super) fn output(&self, input: Option<&SchemaRef>) -> Result<Option<SchemaRef>, Verdict> {
        let wanted = self.meta.role != Role::Sink;
        let input = input.map(AsRef::as_ref);
        let planned = plan(&self.stage, &self.options.to_string(), input, wanted);
        planned.map_err(|reason| {
            let advice = "give options that fit the columns of the check with --options";
            Verdict::Fail(format!("`plan` refuses the options {}: {reason} ({advice})", self.options))
        })
    }
}

/// What is said of a plugin that changes the rows it is given.
pub(crate) const WRITES: &str = "it writes into the rows that it is given: their buffers are for reading only, by the Arrow C data interface";
