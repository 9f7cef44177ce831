//! The source: what was configured with the first pass, the meters with every one.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::json;
use smiles_stage::{OpenContext, Pass, Process, Source, StageError};

use crate::metric;
use crate::pattern::Pattern;
use crate::rows::{Kind, Rows};

/// Tells what the process knows of itself.
pub(crate) struct Reporter {
    patterns: Arc<[Pattern]>,
    context: OpenContext,
    /// Whether the configuration was told.
    told: bool,
}

impl Reporter {
    pub(crate) fn new(patterns: Arc<[Pattern]>, context: OpenContext) -> Self {
        Self { patterns, context, told: false }
    }
}

#[async_trait]
impl Source for Reporter {
    async fn next(&mut self) -> Result<Option<Pass>, StageError> {
        let mut rows = Rows::default();
        if !self.told {
            configuration(&mut rows, &self.context.process);
        }
        metric::add(&mut rows, &self.context.meters.gather(), &self.patterns, &self.context.pipeline);
        let rows = rows.finish()?;
        self.told = true;
        Ok(Some(Pass { rows, faults: Vec::new(), complete: true }))
    }
}

/// Under names that stay the same from start to start, so that a table keeps one row of each.
fn configuration(rows: &mut Rows, process: &Process) {
    rows.push(Kind::Config, "version", None, &json!(process.version));
    for one in &process.pipelines {
        let name = format!("pipeline.{}", one.pipeline);
        let what = json!({ "file": one.file, "fingerprint": one.fingerprint, "settings": one.settings });
        rows.push(Kind::Config, &name, None, &what);
    }
}
