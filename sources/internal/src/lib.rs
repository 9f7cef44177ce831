//! What the process knows of itself, as rows.
//!
//! Each row has a `kind`. `metric`: the value of a series, its labels as a JSON object; every pass has one row per
//! series chosen. `config`: something the process was started with, as JSON under a stable name; the first pass has
//! them. Two tables take the two kinds apart by `where`.

mod config;
mod metric;
mod pattern;
mod rows;
mod source;

pub use config::{Internal, InternalConfig};
