//! REST resources declared in YAML, health, metrics and the dashboard.
//!
//! Nothing here knows a column, a table or a route: [`config`] is what a pipeline may declare, `plan` and `wire`
//! check it, `answer` runs it against a store, `serve` listens.

mod answer;
mod check;
pub mod config;
mod connections;
mod dashboard;
mod health;
mod index;
mod json;
mod latest;
mod metrics;
mod params;
mod paths;
mod plan;
mod problem;
mod resource;
mod router;
mod series;
mod serve;
mod spell;
mod stats;
mod wire;

pub use plan::HttpApi;
