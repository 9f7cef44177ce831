//! What a pipeline file says of its API, checked, and wired to the tables of its store.

pub(crate) mod api;
pub(crate) mod check;
pub(crate) mod config;
pub(crate) mod frames;
pub(crate) mod hosts;
pub(crate) mod listed;
pub(crate) mod origins;
pub(crate) mod paging;
pub(crate) mod params;
pub(crate) mod paths;
pub(crate) mod resource;
pub(crate) mod selection;
pub(crate) mod series;
pub(crate) mod totals;
pub(crate) mod wiring;
