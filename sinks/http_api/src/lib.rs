//! REST resources declared in YAML, health, metrics and the dashboard.
//!
//! Nothing here knows a column, a table or a route: [`config`] is what a pipeline may declare, `plan` and `wire`
//! check it, `answer` runs it against a store, `serve` listens.

mod access;
mod answer;
mod app;
mod asker;
mod cache;
mod check;
pub mod config;
mod connections;
mod current;
mod cursor;
mod discovery;
mod events;
mod format;
mod health;
mod history;
mod index;
mod job;
mod json;
mod latest;
mod memory;
mod metrics;
mod openapi;
mod pages;
mod params;
mod paths;
mod plan;
mod problem;
mod refusals;
mod reply;
mod resource;
mod router;
mod series;
mod serve;
mod serve_resource;
mod spell;
mod stall;
mod stats;
mod totals;
mod wire;
mod zone;

pub use plan::HttpApi;
