//! REST resources declared in YAML, health, metrics and the dashboard.
//!
//! Nothing here knows a column, a table or a route: `declare` is what a pipeline may declare, with its checks; `query` asks
//! a store for it, `current` keeps the last values, `describe` and `observe` tell of it, `serve` listens.

mod current;
mod declare;
mod describe;
mod observe;
mod query;
mod serve;
mod text;

pub use serve::plan::HttpApi;
