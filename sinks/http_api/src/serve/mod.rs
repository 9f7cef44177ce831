//! Listening, connections, who may ask, routes, responses, events.

pub(crate) mod access;
pub(crate) mod app;
pub(crate) mod connections;
pub(crate) mod discovery;
pub(crate) mod events;
pub(crate) mod freshness;
pub(crate) mod listening;
pub(crate) mod pages;
pub(crate) mod plan;
pub(crate) mod refresh;
pub(crate) mod reply;
pub(crate) mod resource;
pub(crate) mod router;
pub(crate) mod sink;
pub(crate) mod stall;
