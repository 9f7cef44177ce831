//! `type: http_api`: from options to a listening sink.

use std::sync::Arc;
use std::time::Duration;

use arrow_schema::SchemaRef;
use async_trait::async_trait;
use smiles_stage::{
    Delivery, OpenContext, OpenSink, Path, PlanContext, Problem, Problems, SinkPlan, Stage, StageError,
    Store, StoreSchema,
};

use crate::check::{Address, Bounds, Checked, check};
use crate::config::{Config, Metrics, Ordered, Stat};
use crate::resource::Resource;
use crate::series::{self, Series};
use crate::{serve, wire};

/// The stage `http_api`: a sink that keeps the latest rows, and a server that answers from them and from a store.
#[derive(Clone, Copy, Debug)]
pub struct HttpApi;

impl Stage for HttpApi {
    type Plan = dyn SinkPlan;
    type Config = Config;
    const NAME: &'static str = "http_api";
    const ABOUT: &'static str = "serves REST resources, health, metrics and the dashboard over HTTP";

    fn plan(config: Config, _context: PlanContext<'_>) -> Result<Box<dyn SinkPlan>, Problems> {
        let mut problems = Problems::new();
        if config.store.is_none() && !config.resources.routes.is_empty() {
            problems.push(
                Problem::error(Path::root().key("resources"), "routes need a store to read")
                    .help("name a sink that is a store in `store`"),
            );
        }
        match check(&config) {
            Ok(Checked { address, offline_after, bounds, resources }) if problems.is_empty() => {
                let api = Api {
                    sources_key: config.resources.health.sources,
                    stats: config.resources.stats,
                    metrics: config.metrics,
                    offline_after,
                    bounds,
                    resources,
                    series: Vec::new(),
                };
                Ok(Box::new(ApiPlan { address, store: config.store, api }))
            }
            Ok(_) => Err(problems),
            Err(more) => {
                problems.extend(more);
                Err(problems)
            }
        }
    }
}

/// What the server needs to know of its declaration.
#[derive(Clone, Debug)]
pub(crate) struct Api {
    /// Where the sources stand in `/health`.
    pub sources_key: String,
    /// The fields of `/stats`.
    pub stats: Ordered<Stat>,
    /// The declared series.
    pub metrics: Metrics,
    /// How long a source may be silent.
    pub offline_after: Duration,
    /// Limits.
    pub bounds: Bounds,
    /// The routes.
    pub resources: Vec<Resource>,
    /// Series of columns, once wired.
    pub series: Vec<Series>,
}

struct ApiPlan {
    address: Address,
    store: Option<String>,
    api: Api,
}

#[async_trait]
impl SinkPlan for ApiPlan {
    fn delivery(&self) -> Delivery {
        Delivery::Live
    }

    fn reads(&self) -> Option<&str> {
        self.store.as_deref()
    }

    fn wire(&mut self, input: &SchemaRef, store: Option<&StoreSchema>) -> Result<(), Problems> {
        let mut problems = Problems::new();
        if let Some(tables) = store {
            problems.extend(wire::wire_routes(&mut self.api.resources, tables));
            problems.extend(wire::wire_stats(&self.api.stats, tables));
        }
        match series::wire(&self.api.metrics, input) {
            Ok(series) => self.api.series = series,
            Err(more) => problems.extend(more),
        }
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }

    async fn open(
        &self,
        context: OpenContext,
        store: Option<Arc<dyn Store>>,
    ) -> Result<OpenSink, StageError> {
        let sink = serve::open(&self.address, self.api.clone(), context, store).await?;
        Ok(OpenSink { sink: Box::new(sink), store: None })
    }
}
