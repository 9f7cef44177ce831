//! From a declared pipeline to one whose every column is checked: plan each stage, pass the schema along.
//!
//! Pure: no effects beyond reading the files that options name, no network. All complaints are collected.

use std::sync::Arc;

use arrow_schema::SchemaRef;
use smiles_config::{Pipeline, StageDecl};
use smiles_stage::{Delivery, Files, PlanContext, SourcePlan, Subject, WiredSink, WiredTransform};

/// A pipeline whose every stage is planned and whose every column fits: proof that it may open.
pub struct Wired {
    pub(crate) pipeline: Pipeline,
    pub(crate) sources: Vec<Box<dyn SourcePlan>>,
    pub(crate) transforms: Vec<TransformNode>,
    pub(crate) sinks: Vec<SinkNode>,
    /// What the memory of each disabled transform is about, where it can be told.
    pub(crate) disabled: Vec<Option<Subject>>,
    /// The rows before the first transform.
    pub(crate) input: SchemaRef,
    /// The rows that are journalled.
    pub(crate) schema: SchemaRef,
}

/// A transform in its place.
pub(crate) struct TransformNode {
    pub(crate) transform: Box<dyn WiredTransform>,
    pub(crate) input: SchemaRef,
}

/// A sink in its place.
pub(crate) struct SinkNode {
    pub(crate) sink: Box<dyn WiredSink>,
    pub(crate) delivery: Delivery,
    /// The sink whose store it reads.
    pub(crate) store: Option<usize>,
}

pub(crate) fn context<'a>(stage: &'a StageDecl, files: &'a Arc<dyn Files>) -> PlanContext<'a> {
    PlanContext { stage: &stage.name, files: files.as_ref() }
}
