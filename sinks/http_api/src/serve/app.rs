//! What every request may look at.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use jiff::Timestamp;
use prometheus::{IntCounterVec, IntGauge, Opts};
use smiles_stage::{Clock, HealthView, OpenContext, Periods, Process, StageError, Store};
use tokio::sync::Semaphore;

use crate::current::latest::Latest;
use crate::current::memory::Memory;
use crate::current::refusals::Refusals;
use crate::declare::api::Api;
use crate::describe::{index, openapi};
use crate::query::cache::{Cache, CachedAnswer};
use crate::query::client::{STORE_RETRY, StoreClient};
use crate::query::format::Format;
use crate::serve::access::Access;
use crate::serve::events::Events;
use crate::serve::freshness::Freshness;
use crate::text::problem::Failure;

/// The running API.
pub(crate) struct App {
    pub(crate) api: Api,
    pub(crate) access: Access,
    /// The answer of `/api`.
    pub(crate) index: Arc<CachedAnswer>,
    /// The answer of `/openapi.json`.
    pub(crate) document: Arc<CachedAnswer>,
    pub(crate) health: Arc<dyn HealthView>,
    pub(crate) process: Arc<Process>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) meters: prometheus::Registry,
    pub(crate) store: Option<Arc<dyn Store>>,
    /// The name of the sink that is the store.
    pub(crate) store_name: Option<String>,
    pub(crate) store_down: AtomicBool,
    refusals: Refusals,
    pub(crate) gate: Arc<Semaphore>,
    pub(crate) latest: Arc<Latest>,
    pub(crate) memory: Arc<Memory>,
    pub(crate) events: Arc<Events>,
    pub(crate) fresh: Freshness,
    pub(crate) cache: Cache,
    days: Mutex<Periods>,
    pub(crate) requests: IntCounterVec,
    pub(crate) connections: IntGauge,
}

/// What the sink shares with the requests.
#[derive(Clone)]
pub(crate) struct Shared {
    /// The rows of each source's last batch.
    pub latest: Arc<Latest>,
    /// Current rows of tables.
    pub memory: Arc<Memory>,
    /// Who follows along.
    pub events: Arc<Events>,
}

impl App {
    /// Registers the sink's own series.
    ///
    /// # Errors
    /// Halt: others have their names.
    pub(crate) fn new(
        api: Api,
        access: Access,
        context: OpenContext,
        store: Option<Arc<dyn Store>>,
        shared: Shared,
    ) -> Result<Self, StageError> {
        let cannot = |error: prometheus::Error| StageError::halt("cannot register series").because(error);
        let named = |name: &str, help: &str| {
            let opts = Opts::new(name, help).const_label("pipeline", context.pipeline.as_str());
            opts.const_label("sink", context.stage.as_str())
        };
        let requests = IntCounterVec::new(
            named("smiles_http_requests_total", "Requests answered by route and status"),
            &["route", "status"],
        )
        .map_err(cannot)?;
        let connections =
            IntGauge::with_opts(named("smiles_http_connections", "Open connections")).map_err(cannot)?;
        register(&context.meters, || Box::new(requests.clone())).map_err(cannot)?;
        register(&context.meters, || Box::new(connections.clone())).map_err(cannot)?;
        let document = |body: serde_json::Value| {
            Arc::new(CachedAnswer::new(Format::Json, Bytes::from(body.to_string()), None))
        };
        Ok(Self {
            gate: Arc::new(Semaphore::new(api.bounds.store_queries)),
            index: document(index::body(&context.pipeline, &api)),
            document: document(openapi::document(&context.pipeline, &api, access.token.is_some())),
            days: Mutex::new(Periods::new(api.zone.clone(), api.reset_hour)),
            store_name: api.store_name.clone(),
            api,
            access,
            health: context.health,
            process: context.process,
            clock: context.clock,
            meters: context.meters,
            store,
            store_down: AtomicBool::new(false),
            refusals: Refusals::default(),
            latest: shared.latest,
            memory: shared.memory,
            events: shared.events,
            fresh: Freshness::default(),
            cache: Cache::default(),
            requests,
            connections,
        })
    }

    /// The store.
    ///
    /// # Errors
    /// 503: the pipeline has none.
    pub(crate) fn store(&self) -> Result<&Arc<dyn Store>, Failure> {
        self.store.as_ref().ok_or_else(no_store)
    }

    /// Asks the store and memory.
    pub(crate) fn client<'a>(&'a self, store: &'a Arc<dyn Store>) -> StoreClient<'a> {
        let today = self.today();
        StoreClient {
            store,
            store_name: self.store_name.as_deref(),
            health: self.health.as_ref(),
            gate: &self.gate,
            rows_max: self.api.bounds.rows,
            down: &self.store_down,
            refusals: &self.refusals,
            now: self.clock.monotonic(),
            memory: &self.memory,
            latest: self.memory.goes_on(self.clock.now()),
            day: (today, Periods::new(self.api.zone.clone(), self.api.reset_hour)),
        }
    }

    /// The first instant of the day it is, by the hour at which counters begin anew.
    pub(crate) fn today(&self) -> Option<Timestamp> {
        let mut days = self.days.lock().unwrap_or_else(PoisonError::into_inner);
        days.around(self.clock.now()).map(|(start, _)| start)
    }
}

/// In place of those of the same name that a sink which had to be made anew left behind.
fn register(
    meters: &prometheus::Registry,
    series: impl Fn() -> Box<dyn prometheus::core::Collector>,
) -> Result<(), prometheus::Error> {
    match meters.register(series()) {
        Err(prometheus::Error::AlreadyReg) => {
            meters.unregister(series())?;
            meters.register(series())
        }
        registered => registered,
    }
}

/// 503 of a pipeline without a store.
pub(crate) fn no_store() -> Failure {
    Failure::unavailable("this pipeline runs without a store, so nothing is kept to be read", STORE_RETRY)
}
