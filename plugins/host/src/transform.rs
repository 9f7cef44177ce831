//! A plugin's transform.

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use serde_json::Value;
use smiles_stage::{
    Factory, OpenContext, PlanContext, Problems, StageError, State, Transform, TransformPlan,
};

use crate::host::{Slot, StageType};
use crate::instance::open_one;
use crate::sink::unsound;
use crate::{rows, schema};

pub(crate) struct PluginTransform(pub(crate) StageType);

struct Plan {
    stage: StageType,
    options: Value,
}

struct Running {
    slot: Slot,
}

impl Factory<dyn TransformPlan> for PluginTransform {
    fn name(&self) -> &str {
        &self.0.meta.type_name
    }

    fn about(&self) -> &str {
        &self.0.meta.about
    }

    fn schema(&self) -> Value {
        self.0.answer.schema.clone()
    }

    fn plan(&self, options: &Value, _: PlanContext<'_>) -> Result<Box<dyn TransformPlan>, Problems> {
        self.0.plan(options, None, false).map_err(unsound)?;
        Ok(Box::new(Plan { stage: self.0.clone(), options: options.clone() }))
    }
}

impl Plan {
    fn columns(&self, input: &SchemaRef) -> Result<SchemaRef, String> {
        if let Some(reason) = schema::unfit(input) {
            return Err(reason);
        }
        let output = self.stage.plan(&self.options, Some(input), true)?;
        output.ok_or_else(|| format!("`{}` says no columns", self.stage.meta.type_name))
    }
}

impl TransformPlan for Plan {
    fn output(&self, input: &SchemaRef) -> Result<SchemaRef, Problems> {
        self.columns(input).map_err(unsound)
    }

    fn open(&self, input: &SchemaRef, context: OpenContext) -> Result<Box<dyn Transform>, StageError> {
        let output = self.columns(input).map_err(StageError::halt)?;
        let opener = self.stage.opener(&self.options, Some(SchemaRef::clone(input)), Some(output), &context);
        let mut slot = Slot::new(opener);
        slot.instance_now()?;
        Ok(Box::new(Running { slot }))
    }
}

impl Transform for Running {
    fn apply(&mut self, batch: RecordBatch, state: &mut dyn State) -> Result<RecordBatch, StageError> {
        let instance = self.slot.instance_now()?;
        instance.call_now("apply", Some(state), move |held, memory| {
            Ok(rows::copied(&open_one(held)?.apply(&batch, memory)?))
        })
    }
}
