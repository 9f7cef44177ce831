//! A plugin's source.

use std::sync::{Arc, Mutex, PoisonError};

use arrow_schema::SchemaRef;
use async_trait::async_trait;
use serde_json::Value;
use smiles_stage::{
    Cadence, Factory, Fault, OpenContext, Pass, PlanContext, Position, Problems, Source, SourcePlan,
    StageError,
};

use crate::instance::open_one;
use crate::instance_handle::{CallError, PassResult};
use crate::rows;
use crate::stage_type::{Slot, StageType, file_name, unsound};

pub(crate) struct PluginSource(pub(crate) StageType);

struct PluginSourcePlan {
    stage: StageType,
    options: Value,
    output: SchemaRef,
}

struct RunningSource {
    slot: Slot,
    /// A pass that ended after its caller had gone: it is not lost.
    kept: Arc<Mutex<Option<PassResult>>>,
    /// Its last rows were taken.
    ended: bool,
}

impl Factory<dyn SourcePlan> for PluginSource {
    fn name(&self) -> &str {
        &self.0.meta.type_name
    }

    fn about(&self) -> &str {
        &self.0.meta.about
    }

    fn schema(&self) -> Value {
        self.0.answer.schema.clone()
    }

    fn plugin(&self) -> Option<&str> {
        Some(&self.0.plugin.metadata.name)
    }

    fn plan(&self, options: &Value, _: PlanContext<'_>) -> Result<Box<dyn SourcePlan>, Problems> {
        let output = self.0.plan(options, None, true).map_err(unsound)?;
        let output = output.ok_or_else(|| unsound(format!("`{}` says no columns", self.0.meta.type_name)))?;
        Ok(Box::new(PluginSourcePlan { stage: self.0.clone(), options: options.clone(), output }))
    }
}

#[async_trait]
impl SourcePlan for PluginSourcePlan {
    fn output(&self) -> SchemaRef {
        SchemaRef::clone(&self.output)
    }

    fn cadence(&self) -> Cadence {
        if self.stage.answer.streamed { Cadence::Streamed } else { Cadence::Polled }
    }

    fn address(&self) -> String {
        format!("plugin {}", file_name(&self.stage.plugin.path))
    }

    async fn open(&self, context: OpenContext) -> Result<Box<dyn Source>, StageError> {
        let opener = self.stage.opener(&self.options, None, Some(SchemaRef::clone(&self.output)), &context);
        let mut slot = Slot::new(opener);
        slot.instance().await?;
        Ok(Box::new(RunningSource { slot, kept: Arc::default(), ended: false }))
    }
}

#[async_trait]
impl Source for RunningSource {
    async fn next(&mut self) -> Result<Option<Pass>, StageError> {
        if self.ended {
            return Ok(None);
        }
        // Half of the limit, so that a source that keeps to it is never taken for one that hangs.
        let limit = self.slot.opener().limit() / 2;
        let kept = Arc::clone(&self.kept);
        let instance = self.slot.instance().await?;
        instance
            .call("next", move |handle| {
                if kept.lock().unwrap_or_else(PoisonError::into_inner).is_none() {
                    let passed = open_one(handle)?.next(limit)?;
                    *kept.lock().unwrap_or_else(PoisonError::into_inner) = Some(passed);
                }
                Ok::<(), CallError>(())
            })
            .await?;
        let passed = self.kept.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.ended = matches!(passed, Some(PassResult::Last(..) | PassResult::Ended));
        match passed {
            Some(PassResult::Rows(rows, faults) | PassResult::Last(rows, faults)) => {
                let faults: Vec<Fault> = faults.into_iter().map(|message| Fault { message }).collect();
                Ok(Some(Pass { rows: rows::copied(&rows), complete: faults.is_empty(), faults }))
            }
            Some(PassResult::Ended) => Ok(None),
            None => Err(StageError::retry("the plugin's pass brought neither rows nor an error")),
        }
    }

    async fn commit(&mut self, position: Position) -> Result<(), StageError> {
        let instance = self.slot.instance().await?;
        instance.call("commit", move |handle| open_one(handle)?.commit(position)).await
    }
}
