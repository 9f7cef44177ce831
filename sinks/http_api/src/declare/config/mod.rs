//! What a pipeline file may say of its HTTP API: plain data, unknown keys denied.

pub(crate) mod access;
pub(crate) mod api;
pub(crate) mod discovery;
pub(crate) mod history;
pub(crate) mod metrics;
pub(crate) mod route;
pub(crate) mod totals;
