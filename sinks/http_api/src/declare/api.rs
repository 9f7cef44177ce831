//! What the server needs to know of its declaration.

use std::time::Duration;

use indexmap::IndexMap;
use jiff::tz::TimeZone;

use crate::current::memory::Views;
use crate::declare::check::Bounds;
use crate::declare::config::api::{Document, Stat};
use crate::declare::config::discovery::Discovery;
use crate::declare::config::metrics::Metrics;
use crate::declare::resource::Resource;
use crate::declare::series::Series;

/// What the server needs to know of its declaration.
#[derive(Clone, Debug)]
pub(crate) struct Api {
    /// Where the sources stand in `/health`.
    pub sources_key: String,
    /// The fields of `/stats`.
    pub stats: IndexMap<String, Stat>,
    /// The declared series.
    pub metrics: Metrics,
    /// How long a source may be silent.
    pub offline_after: Duration,
    /// Limits.
    pub bounds: Bounds,
    /// How it makes itself known.
    pub discovery: Option<Discovery>,
    /// The routes.
    pub resources: Vec<Resource>,
    /// Series of columns, once wired.
    pub series: Vec<Series>,
    /// The sink whose store is read.
    pub store_name: Option<String>,
    /// The local clock.
    pub zone: TimeZone,
    /// The hour at which its days begin for counters.
    pub reset_hour: i8,
    /// Words for the description.
    pub document: Document,
    /// What is kept in memory, once the store's mapping is known.
    pub views: Views,
}

impl Api {
    /// The columns by which rows heard are told apart.
    pub(crate) fn heard_key(&self) -> Vec<String> {
        let totals = self.resources.iter().filter_map(|resource| resource.route.totals.as_ref());
        let keys = totals.flat_map(|totals| totals.values.iter().map(|(_, total)| &total.key));
        keys.into_iter().find(|key| !key.is_empty()).cloned().unwrap_or_default()
    }
}
