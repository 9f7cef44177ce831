//! The embedded store: tables in a SQLite file, exactly once.
//!
//! One writer connection moves the rows of all tables and the watermark in one transaction; a small pool of
//! read-only connections answers queries beside it (WAL). What is pure (SQL text, compiling of queries) stands in
//! files of its own; SQLite is called on blocking threads only.
//!
//! Cells are stored as: whole number INTEGER, number REAL, text and JSON TEXT, bool INTEGER 0 or 1, time TEXT
//! `2026-11-23T19:43:12.314023+00:00` (always UTC and six digits: readable, and sorts as the instants do). A
//! number that is not finite is null. A whole number that does not fit 64 bits with sign and a year outside of
//! 0 to 9999 reject the row.

mod answer;
mod attempt;
mod attribution;
mod bind;
mod compile;
mod config;
mod error;
mod extract;
mod file;
mod kept;
mod migrate;
mod orphans;
mod plan;
mod readers;
mod shape;
mod sink;
mod sql;
mod stats;
mod store;
mod watermark;
mod words;
mod write;
mod writer;

pub use config::{SqliteConfig, Synchronous};
pub use extract::{Extract, TextRow};
pub use plan::Sqlite;
