//! The SQLite sink and store as the runtime uses them: through the registry, on files in a temporary folder.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod blame;
mod clocks;
mod conformance;
mod delivery;
mod fixture;
mod migrations;
mod planning;
mod queries;
mod rejects;
mod stock;
mod types;
mod worlds;
