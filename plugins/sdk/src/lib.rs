//! Write a plugin for S-Miles in safe Rust: implement [`Source`], [`Transform`] or [`Sink`], and name it in [`export!`].
//!
//! ```
//! use schemars::JsonSchema;
//! use serde::Deserialize;
//! use smiles_plugin_sdk::{Error, Host, Position, RecordBatch, SchemaRef, Sink};
//!
//! /// The options of the stage; their comments are what people read in editors and in `smiles plugin inspect`.
//! #[derive(Deserialize, JsonSchema)]
//! #[serde(deny_unknown_fields)]
//! struct Options {
//!     /// written before each number of rows
//!     prefix: String,
//! }
//!
//! struct Shout {
//!     prefix: String,
//!     host: Host,
//! }
//!
//! impl Sink for Shout {
//!     type Options = Options;
//!     const TYPE: &'static str = "shout";
//!     const ABOUT: &'static str = "says in the log how many rows came";
//!
//!     fn open(options: Options, _: SchemaRef, host: Host) -> Result<Self, Error> {
//!         Ok(Self { prefix: options.prefix, host })
//!     }
//!
//!     fn write(&mut self, rows: &RecordBatch, _: Position) -> Result<(), Error> {
//!         self.host.info(&format!("{} {}", self.prefix, rows.num_rows()));
//!         Ok(())
//!     }
//!
//!     fn flush(&mut self) -> Result<(), Error> {
//!         Ok(())
//!     }
//! }
//!
//! smiles_plugin_sdk::export! { license: "MIT", sinks: [Shout] }
//! # fn main() {}
//! ```
//!
//! One call at a time comes for an instance, from any thread, and may block; [`Host::cancelled`] says when nobody waits for
//! it any more. A panic becomes an error of that instance alone, which is then closed and opened anew. A crate compiled with
//! `panic = "abort"` cannot keep that promise; its metadata says so.

mod cell;
mod error;
mod export;
mod host;
mod options;
mod role;
mod rows;
mod sink;
mod source;
mod transform;

#[cfg(feature = "tokio")]
mod blocking;

#[cfg(feature = "tokio")]
pub use blocking::{AsyncSink, AsyncSource, Blocking};
pub use error::{Error, Rejected};
pub use host::{Host, State};
pub use role::{Metric, Next, Position, RunId, Sink, Source, Transform, Watermark};

pub use arrow_array::{self, RecordBatch};
pub use arrow_schema::{self, Schema, SchemaRef};
pub use {schemars, serde, serde_json};

/// What [`export!`] expands to; not for people.
#[doc(hidden)]
pub mod expansion {
    pub use smiles_plugin_abi as abi;

    pub use crate::export::{pointers, same};
    pub use crate::sink::table as sink;
    pub use crate::source::table as source;
    pub use crate::transform::table as transform;
}

/// The tutorial of the documentation: its programs are compiled as tests.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/plugins.md")]
struct Tutorial;
