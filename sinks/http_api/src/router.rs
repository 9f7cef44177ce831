//! Paths to answers: the engine's own endpoints, the declared resources, the dashboard.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use axum::Router;
use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{MatchedPath, RawPathParams, Request, State};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, StatusCode, Uri};
use prometheus::{IntCounterVec, IntGauge, Opts};
use smiles_stage::{HealthView, OpenContext, StageError, Store};
use tokio::sync::Semaphore;

use crate::answer::{Asker, STORE_RETRY, answer};
use crate::dashboard::ASSETS;
use crate::latest::Latest;
use crate::plan::Api;
use crate::problem::{Failure, METHODS};
use crate::resource::Resource;
use crate::{health, index, metrics, params, stats};

/// The Prometheus text format.
const METRICS_TYPE: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

/// What every request may look at.
pub(crate) struct App {
    api: Api,
    index: String,
    health: Arc<dyn HealthView>,
    meters: prometheus::Registry,
    store: Option<Arc<dyn Store>>,
    store_down: AtomicBool,
    gate: Semaphore,
    latest: Arc<Latest>,
    requests: IntCounterVec,
    connections: IntGauge,
}

impl App {
    /// Registers the sink's own series.
    ///
    /// # Errors
    /// Halt: they are registered already.
    pub(crate) fn new(
        api: Api,
        context: OpenContext,
        store: Option<Arc<dyn Store>>,
        latest: Arc<Latest>,
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
        context.meters.register(Box::new(requests.clone())).map_err(cannot)?;
        context.meters.register(Box::new(connections.clone())).map_err(cannot)?;
        let index = index::body(&context.pipeline, &api.sources_key, &api.resources, &api.stats).to_string();
        Ok(Self {
            gate: Semaphore::new(api.bounds.store_queries),
            api,
            index,
            health: context.health,
            meters: context.meters,
            store,
            store_down: AtomicBool::new(false),
            latest,
            requests,
            connections,
        })
    }

    /// Shows how many connections are open.
    pub(crate) fn connection_meter(&self) -> IntGauge {
        self.connections.clone()
    }

    fn store(&self) -> Result<&Arc<dyn Store>, Failure> {
        self.store.as_ref().ok_or_else(no_store)
    }

    fn asker<'a>(&'a self, store: &'a Arc<dyn Store>) -> Asker<'a> {
        Asker {
            store: store.as_ref(),
            gate: &self.gate,
            rows_max: self.api.bounds.rows,
            down: &self.store_down,
        }
    }
}

/// The router of a pipeline.
pub(crate) fn router(app: Arc<App>) -> Router {
    let mut router = Router::new()
        .route("/health", endpoint(get(serve_health)))
        .route("/ready", endpoint(get(serve_ready)))
        .route("/metrics", endpoint(get(serve_metrics)))
        .route("/stats", endpoint(get(serve_stats)))
        .route("/api", endpoint(get(serve_index)));
    for asset in ASSETS {
        router = router.route(asset.path, endpoint(get(|| async { asset.response() })));
    }
    for (place, resource) in app.api.resources.iter().enumerate() {
        let serve = move |State(app): State<Arc<App>>,
                          path: Result<RawPathParams, RawPathParamsRejection>,
                          uri: Uri| async move {
            serve_resource(&app, &app.api.resources[place], path, &uri).await
        };
        router = router.route(&resource.path, endpoint(get(serve)));
    }
    router
        .fallback(no_such_path)
        .layer(from_fn_with_state(Arc::clone(&app), count))
        .layer(from_fn(harden))
        .with_state(app)
}

/// GET and HEAD, what OPTIONS says, and 405 for the rest.
fn endpoint(methods: MethodRouter<Arc<App>>) -> MethodRouter<Arc<App>> {
    methods.options(|| async { (StatusCode::NO_CONTENT, [(ALLOW, METHODS)]) }).fallback(|| async {
        Failure::new(StatusCode::METHOD_NOT_ALLOWED, "the API is read-only: GET, HEAD or OPTIONS")
    })
}

async fn no_such_path(uri: Uri) -> Failure {
    nothing_at(&uri)
}

fn nothing_at(uri: &Uri) -> Failure {
    let path: String = uri.path().chars().take(128).collect();
    Failure::not_found(format!("nothing is served at `{path}`; /api lists what is"))
}

/// Counts answers by route and status.
async fn count(
    State(app): State<Arc<App>>,
    route: Option<MatchedPath>,
    request: Request,
    next: Next,
) -> Response {
    let response = next.run(request).await;
    let route = route.as_ref().map_or("other", MatchedPath::as_str);
    app.requests.with_label_values(&[route, response.status().as_str()]).inc();
    response
}

/// Headers of every answer.
async fn harden(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

fn no_store() -> Failure {
    Failure::unavailable("this pipeline runs without a store, so nothing is kept to be read", STORE_RETRY)
}

fn json(status: StatusCode, body: String) -> Response {
    (status, [(CONTENT_TYPE, HeaderValue::from_static("application/json"))], body).into_response()
}

async fn serve_health(State(app): State<Arc<App>>) -> Response {
    let state = app.health.health();
    let healthy = health::is_healthy(&state, app.api.offline_after);
    let status = if healthy { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    json(status, health::body(&state, &app.api.sources_key, app.api.offline_after).to_string())
}

async fn serve_ready(State(app): State<Arc<App>>) -> Result<Response, Failure> {
    let missing = health::missing(&app.health.health(), app.api.offline_after);
    if missing.is_empty() {
        return Ok(([(CONTENT_TYPE, HeaderValue::from_static("text/plain"))], "OK").into_response());
    }
    Err(Failure::unavailable(missing.join("; "), std::time::Duration::from_secs(1)).with("missing", missing))
}

async fn serve_metrics(State(app): State<Arc<App>>) -> Result<Response, Failure> {
    if !app.api.metrics.enabled {
        return Err(Failure::not_found("metrics are switched off (`metrics.enabled` is false)"));
    }
    let state = app.health.health();
    let is_fresh = |name: &str| {
        let mut sources = state.sources.iter().filter(|source| source.name == name);
        sources.any(|source| health::is_fresh(source, app.api.offline_after))
    };
    let latest = app.latest.of(is_fresh);
    let runtime = &app.api.metrics.runtime;
    let text = metrics::text(app.meters.gather(), runtime, &app.api.series, &state, &latest);
    let text = text.map_err(|error| {
        tracing::error!(%error, "cannot encode metrics");
        Failure::new(StatusCode::INTERNAL_SERVER_ERROR, "the metrics cannot be encoded; the log says why")
    })?;
    Ok(([(CONTENT_TYPE, METRICS_TYPE)], text).into_response())
}

async fn serve_stats(State(app): State<Arc<App>>) -> Result<Response, Failure> {
    let asker = app.asker(app.store()?);
    let stats = stats::body(&app.api.stats, &asker.stats().await?);
    Ok(json(StatusCode::OK, serde_json::Value::Object(stats).to_string()))
}

async fn serve_index(State(app): State<Arc<App>>) -> Response {
    json(StatusCode::OK, app.index.clone())
}

async fn serve_resource(
    app: &App,
    resource: &Resource,
    path: Result<RawPathParams, RawPathParamsRejection>,
    uri: &Uri,
) -> Result<Response, Failure> {
    let path = path.map_err(|_| Failure::bad_request("the path is not percent-encoded UTF-8"))?;
    let path: Vec<(String, String)> =
        path.iter().map(|(name, text)| (name.to_owned(), text.to_owned())).collect();
    if path.iter().any(|(_, text)| text.is_empty()) {
        return Err(nothing_at(uri));
    }
    let values = params::read(&resource.params, &path, uri.query())?;
    let store = app.store()?;
    let plan = resource.plan.as_ref().ok_or_else(no_store)?;
    let body = answer(resource, plan, &values, &app.asker(store)).await?;
    Ok(json(StatusCode::OK, body))
}
