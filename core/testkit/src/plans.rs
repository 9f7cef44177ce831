//! Factories for the stages of this crate, so that a test can name them in a pipeline.

use std::sync::Arc;

use arrow_schema::SchemaRef;
use async_trait::async_trait;
use serde_json::{Value, json};
use smiles_stage::{
    Cadence, Delivery, Factory, Offer, OpenContext, OpenSink, PlanContext, Problems, SinkPlan, Source,
    SourcePlan, StageError, Store, WiredSink,
};

use crate::{CollectingSink, MemorySink, MemoryTarget, Script, TargetFaults, numbered_schema};

/// A source type named `name` whose every instance follows the script.
pub fn scripted(name: &str, script: &Script, cadence: Cadence) -> Arc<dyn Factory<dyn SourcePlan>> {
    let plan =
        ScriptedPlan { script: script.clone(), cadence, schema: numbered_schema(), name: name.to_owned() };
    Arc::new(TestFactory {
        name: name.to_owned(),
        make: move || Box::new(plan.clone()) as Box<dyn SourcePlan>,
    })
}

/// As [`scripted`], with other columns than [`numbered_schema`].
pub fn scripted_with(name: &str, script: &Script, schema: SchemaRef) -> Arc<dyn Factory<dyn SourcePlan>> {
    let plan =
        ScriptedPlan { script: script.clone(), cadence: Cadence::Polled, schema, name: name.to_owned() };
    Arc::new(TestFactory {
        name: name.to_owned(),
        make: move || Box::new(plan.clone()) as Box<dyn SourcePlan>,
    })
}

/// A transactional sink type named `name` over the target.
pub fn memory_sink(
    name: &str,
    target: &MemoryTarget,
    mishaps: &TargetFaults,
) -> Arc<dyn Factory<dyn SinkPlan>> {
    let plan = MemoryPlan { target: target.clone(), mishaps: mishaps.clone() };
    Arc::new(TestFactory { name: name.to_owned(), make: move || Box::new(plan.clone()) as Box<dyn SinkPlan> })
}

/// A sink type named `name` that collects, either live or at least once.
pub fn collecting_sink(
    name: &str,
    sink: &CollectingSink,
    delivery: Delivery,
) -> Arc<dyn Factory<dyn SinkPlan>> {
    let plan = CollectingPlan { sink: sink.clone(), delivery };
    Arc::new(TestFactory { name: name.to_owned(), make: move || Box::new(plan.clone()) as Box<dyn SinkPlan> })
}

/// A factory without options.
struct TestFactory<F> {
    name: String,
    make: F,
}

impl<P: ?Sized, F: Fn() -> Box<P> + Send + Sync> Factory<P> for TestFactory<F> {
    fn name(&self) -> &str {
        &self.name
    }

    fn about(&self) -> &str {
        "a stage for tests"
    }

    fn schema(&self) -> Value {
        json!({ "type": "object", "properties": {}, "additionalProperties": false })
    }

    fn plan(&self, _options: &Value, _context: PlanContext<'_>) -> Result<Box<P>, Problems> {
        Ok((self.make)())
    }
}

#[derive(Clone)]
pub(crate) struct ScriptedPlan {
    pub(crate) script: Script,
    pub(crate) cadence: Cadence,
    pub(crate) schema: SchemaRef,
    pub(crate) name: String,
}

#[async_trait]
impl SourcePlan for ScriptedPlan {
    fn output(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn cadence(&self) -> Cadence {
        self.cadence
    }

    fn address(&self) -> String {
        format!("script://{}", self.name)
    }

    async fn open(&self, context: OpenContext) -> Result<Box<dyn Source>, StageError> {
        Ok(self.script.source(context.clock))
    }
}

#[derive(Clone)]
struct MemoryPlan {
    target: MemoryTarget,
    mishaps: TargetFaults,
}

impl SinkPlan for MemoryPlan {
    fn delivery(&self) -> Delivery {
        Delivery::Transactional
    }

    fn wire(
        self: Box<Self>,
        _input: &SchemaRef,
        _store: Option<&Offer>,
    ) -> Result<Box<dyn WiredSink>, Problems> {
        Ok(self)
    }
}

#[async_trait]
impl WiredSink for MemoryPlan {
    async fn open(
        &self,
        context: OpenContext,
        _store: Option<Arc<dyn Store>>,
    ) -> Result<OpenSink, StageError> {
        let sink = MemorySink::new(&self.target, &self.mishaps).named(&context.stage);
        Ok(OpenSink { sink: Box::new(sink), store: None })
    }
}

#[derive(Clone)]
struct CollectingPlan {
    sink: CollectingSink,
    delivery: Delivery,
}

impl SinkPlan for CollectingPlan {
    fn delivery(&self) -> Delivery {
        self.delivery
    }

    fn wire(
        self: Box<Self>,
        _input: &SchemaRef,
        _store: Option<&Offer>,
    ) -> Result<Box<dyn WiredSink>, Problems> {
        Ok(self)
    }
}

#[async_trait]
impl WiredSink for CollectingPlan {
    async fn open(
        &self,
        _context: OpenContext,
        _store: Option<Arc<dyn Store>>,
    ) -> Result<OpenSink, StageError> {
        Ok(OpenSink { sink: Box::new(self.sink.clone()), store: None })
    }
}
