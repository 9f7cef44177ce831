//! A plugin's sink.

use std::sync::Arc;

use arrow_schema::SchemaRef;
use async_trait::async_trait;
use serde_json::Value;
use smiles_stage::{
    Batch, Delivery, Factory, Offer, OpenContext, OpenSink, PlanContext, Position, Problems, RunId, Sink,
    SinkPlan, StageError, Store, Upkeep, Watermark, WiredSink,
};

use crate::instance::open_one;
use crate::schema;
use crate::stage_type::{Slot, StageType, unsound};

pub(crate) struct PluginSink(pub(crate) StageType);

struct PluginSinkPlan {
    stage: StageType,
    options: Value,
}

struct WiredPluginSink {
    stage: StageType,
    options: Value,
    input: SchemaRef,
}

struct RunningSink {
    slot: Slot,
    transactional: bool,
    /// Batches were written that no flush has confirmed.
    owes: bool,
}

impl Factory<dyn SinkPlan> for PluginSink {
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

    fn plan(&self, options: &Value, _: PlanContext<'_>) -> Result<Box<dyn SinkPlan>, Problems> {
        self.0.plan(options, None, false).map_err(unsound)?;
        Ok(Box::new(PluginSinkPlan { stage: self.0.clone(), options: options.clone() }))
    }
}

impl SinkPlan for PluginSinkPlan {
    fn delivery(&self) -> Delivery {
        if self.stage.answer.transactional { Delivery::Transactional } else { Delivery::AtLeastOnce }
    }

    fn wire(self: Box<Self>, input: &SchemaRef, _: Option<&Offer>) -> Result<Box<dyn WiredSink>, Problems> {
        if let Some(reason) = schema::unfit(input) {
            return Err(unsound(reason));
        }
        self.stage.plan(&self.options, Some(input), false).map_err(unsound)?;
        Ok(Box::new(WiredPluginSink {
            stage: self.stage,
            options: self.options,
            input: SchemaRef::clone(input),
        }))
    }
}

#[async_trait]
impl WiredSink for WiredPluginSink {
    async fn open(&self, context: OpenContext, _: Option<Arc<dyn Store>>) -> Result<OpenSink, StageError> {
        let opener = self.stage.opener(&self.options, Some(SchemaRef::clone(&self.input)), None, &context);
        let mut slot = Slot::new(opener);
        slot.instance().await?;
        let sink = RunningSink { slot, transactional: self.stage.answer.transactional, owes: false };
        Ok(OpenSink { sink: Box::new(sink), store: None })
    }
}

#[async_trait]
impl Sink for RunningSink {
    async fn write(&mut self, batch: &Batch) -> Result<(), StageError> {
        self.owes = true;
        let (records, position) = (batch.records.clone(), batch.position);
        let instance = self.slot.instance().await?;
        instance.call("write", move |handle| open_one(handle)?.write(&records, position)).await
    }

    async fn flush(&mut self) -> Result<Option<Position>, StageError> {
        let limit = self.slot.opener().limit();
        let instance = self.slot.instance().await?;
        let reached = instance.call("flush", move |handle| open_one(handle)?.flush(limit)).await?;
        self.owes = false;
        Ok(reached)
    }

    async fn watermark(&mut self, run: RunId) -> Result<Option<Watermark>, StageError> {
        // A question means that everything since the last flush is in doubt; a plugin that is not asked for its
        // watermark is told so by a new instance.
        if std::mem::take(&mut self.owes) && !self.transactional {
            self.slot.dismiss_fit();
        }
        let instance = self.slot.instance().await?;
        instance.call("watermark", move |handle| open_one(handle)?.watermark(run)).await
    }

    fn upkeep(&mut self) -> Option<&mut dyn Upkeep> {
        Some(self)
    }
}

/// The ABI has a call for forgotten runs alone: rows that come late are rows, and what a plugin left in its target under
/// another name stays there.
#[async_trait]
impl Upkeep for RunningSink {
    async fn replay(&mut self, rows: &Batch) -> Result<(), StageError> {
        self.write(rows).await
    }

    async fn rename(&mut self, _from: &str) -> Result<(), StageError> {
        Ok(())
    }

    async fn forget(&mut self, runs: &[RunId]) -> Result<(), StageError> {
        let runs = runs.to_vec();
        let instance = self.slot.instance().await?;
        instance.call("forget", move |handle| open_one(handle)?.forget(&runs)).await
    }
}
