//! A pipeline file, from YAML text to a typed declaration, every complaint with its place.
//!
//! The steps: [`load`] reads the file and its includes to a tree that knows every place (`compose`, `loader`), replaces
//! `${}` in its scalars (`expression`, `resolve`, `items`), types it by the JSON Schemas of the stages (`check`) and
//! takes it apart (`assemble`, `sources`, `lines`, `stage`); `plugins` adds stage types before that. All complaints are collected as [`Diagnostics`] and shown at once.

mod assemble;
mod check;
mod common;
mod complaints;
mod compose;
mod declarations;
mod diagnostic;
mod document;
mod each;
mod environment;
mod expression;
mod file;
mod head;
mod hidden;
mod items;
mod keys;
mod limits;
mod line;
mod lines;
mod load;
mod loader;
mod measure;
mod names;
mod pipeline;
mod plugins;
mod redact;
mod render;
mod resolve;
mod role;
mod schema;
mod secret;
mod settings;
mod sources;
mod stage;
mod tree;
mod variables;

pub use check::dialect::unchecked;
pub use declarations::{Retired, Variable};
pub use diagnostic::{Diagnostic, Diagnostics, Place};
pub use environment::Environment;
pub use file::{TypedFile, load_file, within_limits};
pub use load::{Loaded, load, load_with};
pub use pipeline::{
    DisabledTransform, JournalDecl, NodeId, OnFull, Pipeline, SinkDecl, SourceDecl, StageDecl, StartFrom,
    TransformDecl,
};
pub use plugins::{NoPlugins, PluginDecl, Plugins};
pub use schema::{included, schema, with_includes};
pub use tree::{Embedded, Folder, Layered, Tree, beside};
