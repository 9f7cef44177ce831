//! A plugin's transform.

use std::collections::BTreeMap;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use serde_json::Value;
use smiles_stage::{
    Factory, OpenContext, PassInfo, PlanContext, Problems, StageError, State, Subject, Transform,
    TransformPlan, WiredTransform, fingerprint,
};

use crate::instance::open_one;
use crate::stage_type::{Slot, StageType, unsound};
use crate::{rows, schema};

pub(crate) struct PluginTransform(pub(crate) StageType);

struct PluginTransformPlan {
    stage: StageType,
    options: Value,
}

struct WiredPluginTransform {
    stage: StageType,
    options: Value,
    input: SchemaRef,
    output: SchemaRef,
}

struct RunningTransform {
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

    fn plugin(&self) -> Option<&str> {
        Some(&self.0.plugin.metadata.name)
    }

    fn plan(&self, options: &Value, _: PlanContext<'_>) -> Result<Box<dyn TransformPlan>, Problems> {
        self.0.plan(options, None, false).map_err(unsound)?;
        Ok(Box::new(PluginTransformPlan { stage: self.0.clone(), options: options.clone() }))
    }
}

impl TransformPlan for PluginTransformPlan {
    fn wire(&self, input: &SchemaRef) -> Result<Box<dyn WiredTransform>, Problems> {
        if let Some(reason) = schema::unfit(input) {
            return Err(unsound(reason));
        }
        let output = self.stage.plan(&self.options, Some(input), true).map_err(unsound)?;
        let no_columns = || unsound(format!("`{}` says no columns", self.stage.meta.type_name));
        let (stage, options) = (self.stage.clone(), self.options.clone());
        let input = SchemaRef::clone(input);
        Ok(Box::new(WiredPluginTransform { stage, options, input, output: output.ok_or_else(no_columns)? }))
    }
}

impl WiredTransform for WiredPluginTransform {
    fn output(&self) -> SchemaRef {
        SchemaRef::clone(&self.output)
    }

    fn subject(&self) -> Option<Subject> {
        Some(subject(&self.stage.answer.schema, &self.options))
    }

    fn open(&self, context: OpenContext) -> Result<Box<dyn Transform>, StageError> {
        let (input, output) = (SchemaRef::clone(&self.input), SchemaRef::clone(&self.output));
        let opener = self.stage.opener(&self.options, Some(input), Some(output), &context);
        let mut slot = Slot::new(opener);
        slot.instance_now()?;
        Ok(Box::new(RunningTransform { slot }))
    }
}

/// The options that the schema marks with `x-identity`; without any, all of them. Their values may be secrets, and this
/// is written to the journal, so they are told by a fingerprint.
fn subject(schema: &Value, options: &Value) -> Subject {
    let known = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
    let marked: Vec<&String> = known
        .filter(|(_, option)| option.get("x-identity") == Some(&Value::Bool(true)))
        .map(|(name, _)| name)
        .collect();
    let given = options.as_object().into_iter().flatten();
    let telling = given.filter(|(name, _)| marked.is_empty() || marked.contains(name));
    let telling: BTreeMap<&String, Value> = telling.map(|(name, value)| (name, sorted(value))).collect();
    let print = fingerprint(serde_json::to_string(&telling).unwrap_or_default().as_bytes());
    Subject::default().with("options", format!("{print:016x}"))
}

/// The order in which a file writes keys down means nothing.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().map(sorted).collect(),
        Value::Object(entries) => {
            let entries: BTreeMap<&String, &Value> = entries.iter().collect();
            Value::Object(entries.into_iter().map(|(name, value)| (name.clone(), sorted(value))).collect())
        }
        other => other.clone(),
    }
}

impl Transform for RunningTransform {
    fn apply(
        &mut self,
        batch: RecordBatch,
        _pass: &PassInfo,
        state: &mut dyn State,
    ) -> Result<RecordBatch, StageError> {
        let instance = self.slot.instance_now()?;
        instance.call_now("apply", Some(state), move |handle, memory| {
            Ok(rows::copied(&open_one(handle)?.apply(&batch, memory)?))
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::subject;

    #[test]
    fn memory_is_about_all_options_or_those_that_are_marked() {
        let schema = json!({"properties": {"key": {}, "window": {}}});
        let (small, large) =
            (json!({"key": {"a": 1, "b": 2}, "window": 3}), json!({"window": 9, "key": {"b": 2, "a": 1}}));
        let again = json!({"window": 3, "key": {"b": 2, "a": 1}});
        assert_eq!(subject(&schema, &small), subject(&schema, &again), "the order of keys means nothing");
        assert_ne!(subject(&schema, &small), subject(&schema, &large));
        let marked = json!({"properties": {"key": {"x-identity": true}, "window": {}}});
        assert_eq!(subject(&marked, &small), subject(&marked, &large));
        assert_ne!(subject(&marked, &small), subject(&marked, &json!({"key": {"a": 1}, "window": 3})));
        assert!(!subject(&schema, &json!({"token": "hunter2"})).to_string().contains("hunter2"));
    }
}
