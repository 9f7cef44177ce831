//! REST resources declared in YAML, health, metrics and the dashboard.
//!
//! Nothing here knows a column, a table or a route: [`config`] is what a pipeline may declare, `plan` and `wire`
//! check it, `answer` runs it against a store, `serve` listens.

mod current;
mod declare;
mod describe;
mod observe;
mod query;
mod serve;
mod text;

pub use serve::plan::HttpApi;
