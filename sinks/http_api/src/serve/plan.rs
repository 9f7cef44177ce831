//! `type: http_api`: from options to a listening sink.

use std::sync::Arc;

use arrow_schema::SchemaRef;
use async_trait::async_trait;
use smiles_stage::{
    Delivery, Offer, OpenContext, OpenSink, Path, PlanContext, Problem, Problems, SinkPlan, Stage,
    StageError, Store, WiredSink,
};
use smiles_tables::TablesPlan;

use crate::current::memory::Views;
use crate::declare::api::Api;
use crate::declare::check::{Address, Checked, check};
use crate::declare::config::access::Secret;
use crate::declare::config::api::Config;
use crate::declare::frames::Frames;
use crate::declare::hosts::Hosts;
use crate::declare::origins::Origins;
use crate::declare::{series, wiring};
use crate::serve::access::Access;
use crate::serve::pages::PAGES;
use crate::serve::sink;

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
        let pages: Vec<&str> = PAGES.iter().map(|page| page.path).collect();
        match check(&config, &pages) {
            Ok(Checked { address, offline_after, bounds, resources, zone, origins, hosts, frames })
                if problems.is_empty() =>
            {
                let api = Api {
                    store_name: config.store.clone(),
                    zone,
                    reset_hour: config.reset_hour,
                    document: config.resources.document,
                    views: Views::default(),
                    sources_key: config.resources.health.sources,
                    stats: config.resources.stats,
                    metrics: config.metrics,
                    offline_after,
                    bounds,
                    discovery: config.discovery,
                    resources,
                    series: Vec::new(),
                };
                let doors = AccessOptions {
                    token: config.token,
                    token_file: config.token_file,
                    origins,
                    hosts,
                    frames,
                };
                Ok(Box::new(ApiPlan { address, store: config.store, api, doors }))
            }
            Ok(_) => Err(problems),
            Err(more) => {
                problems.extend(more);
                Err(problems)
            }
        }
    }
}

struct ApiPlan {
    address: Address,
    store: Option<String>,
    api: Api,
    doors: AccessOptions,
}

/// Who may ask, as declared.
struct AccessOptions {
    token: Secret,
    token_file: String,
    origins: Origins,
    hosts: Hosts,
    frames: Frames,
}

impl AccessOptions {
    /// Reads the token's file, if it has one.
    fn open(&self) -> Result<Access, StageError> {
        let mut token = self.token.clone();
        if !self.token_file.is_empty() {
            token = Secret::read(&self.token_file).map_err(|error| {
                let cannot = format!("cannot read the token of the API from {}", self.token_file);
                StageError::halt(cannot).because(error)
            })?;
        }
        let token = Some(token).filter(|token| !token.0.is_empty());
        let (origins, hosts, frames) = (self.origins.clone(), self.hosts.clone(), self.frames.clone());
        Ok(Access { token, origins, hosts, frames })
    }
}

impl SinkPlan for ApiPlan {
    fn delivery(&self) -> Delivery {
        Delivery::Live
    }

    fn reads(&self) -> Option<&str> {
        self.store.as_deref()
    }

    fn wire(
        mut self: Box<Self>,
        input: &SchemaRef,
        store: Option<&Offer>,
    ) -> Result<Box<dyn WiredSink>, Problems> {
        let mut problems = Problems::new();
        if let Some(Offer { tables, .. }) = store {
            problems.extend(wiring::wire_routes(&mut self.api.resources, tables, input));
            problems.extend(wiring::wire_stats(&self.api.stats, tables));
        }
        match series::wire(&self.api.metrics, input) {
            Ok(series) => self.api.series = series,
            Err(more) => problems.extend(more),
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        let mapping =
            store.and_then(|store| Arc::clone(store.mapping.as_ref()?).downcast::<TablesPlan>().ok());
        if let Some(mapping) = mapping {
            self.follow(&mapping);
        }
        Ok(self)
    }
}

impl ApiPlan {
    /// Lets memory answer what the mapping of the store says it will hold.
    fn follow(&mut self, mapping: &TablesPlan) {
        let mut views = Views::default();
        for resource in &mut self.api.resources {
            if let Some(plan) = &mut resource.plan {
                plan.follow(mapping, &mut views);
            }
            for selection in resource.totals.iter_mut().flat_map(|totals| totals.selections_mut()) {
                selection.follow(mapping, &mut views, &[]);
            }
        }
        self.api.views = views;
    }
}

#[async_trait]
impl WiredSink for ApiPlan {
    fn listens(&self) -> Option<String> {
        let Address { host, port } = &self.address;
        let host = if host.contains(':') { format!("[{host}]") } else { host.clone() };
        (*port != 0).then(|| format!("{host}:{port}"))
    }

    async fn open(
        &self,
        context: OpenContext,
        store: Option<Arc<dyn Store>>,
    ) -> Result<OpenSink, StageError> {
        let access = self.doors.open()?;
        let sink = sink::open(&self.address, self.api.clone(), access, context, store).await?;
        Ok(OpenSink { sink: Box::new(sink), store: None })
    }
}
