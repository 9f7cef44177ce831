//! From a declared pipeline to one whose every column is checked: plan each stage, pass the schema along.
//!
//! Pure: no effects beyond reading the files that options name, no network. All complaints are collected.

use std::sync::Arc;

use arrow_schema::SchemaRef;
use smiles_config::{Pipeline, StageDecl};
use smiles_stage::{Files, PlanContext, SinkPlan, SourcePlan, Subject, TransformPlan};

/// A pipeline whose every stage is planned and whose every column fits: proof that it may open.
pub struct Wired {
    pub(crate) pipeline: Pipeline,
    pub(crate) sources: Vec<Box<dyn SourcePlan>>,
    pub(crate) transforms: Vec<WiredTransform>,
    pub(crate) sinks: Vec<WiredSink>,
    /// What the memory of each disabled transform is about, where it can be told.
    pub(crate) disabled: Vec<Option<Subject>>,
    /// The rows before the first transform.
    pub(crate) input: SchemaRef,
    /// The rows that are journalled.
    pub(crate) schema: SchemaRef,
}

pub(crate) struct WiredTransform {
    pub(crate) plan: Box<dyn TransformPlan>,
    pub(crate) input: SchemaRef,
    pub(crate) output: SchemaRef,
}

pub(crate) struct WiredSink {
    pub(crate) plan: Box<dyn SinkPlan>,
    /// The sink whose store it reads.
    pub(crate) store: Option<usize>,
}

pub(crate) fn context<'a>(stage: &'a StageDecl, files: &'a Arc<dyn Files>) -> PlanContext<'a> {
    PlanContext { stage: &stage.name, files: files.as_ref() }
}
