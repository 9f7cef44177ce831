//! The SQLite sink and store as the runtime uses them: through the registry, on files in a temporary folder.

mod conformance;
mod delivery;
mod fixture;
mod migrations;
mod planning;
mod rejects;
mod stock;
