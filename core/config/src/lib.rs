//! A pipeline file, from YAML text to a typed declaration, every complaint with its place.

mod pipeline;

pub use pipeline::{JournalDecl, OnFull, Pipeline, SinkDecl, SourceDecl, StageDecl, StartFrom, TransformDecl};
