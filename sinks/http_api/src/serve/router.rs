//! Paths to answers: the engine's own endpoints, the declared resources, the pages.

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::Router;
use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{MatchedPath, RawPathParams, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};

use crate::current::fresh;
use crate::declare::origins;
use crate::observe::health::Audience;
use crate::observe::{health, metrics};
use crate::serve::app::App;
use crate::serve::pages::PAGES;
use crate::serve::{access, reply, resource};
use crate::text::problem::{Failure, METHODS};

/// The Prometheus text format.
const METRICS_TYPE: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

/// The router of a pipeline.
pub(crate) fn router(app: Arc<App>) -> Router {
    let mut router = Router::new()
        .route("/health", endpoint(get(serve_health)))
        .route("/ready", endpoint(get(serve_ready)))
        .route("/metrics", endpoint(get(serve_metrics)))
        .route("/stats", endpoint(get(serve_stats)))
        .route("/api", endpoint(get(serve_index)))
        .route("/openapi.json", endpoint(get(serve_document)))
        .route("/api/events", endpoint(get(serve_events)));
    let policy = app.access.frames.policy(app.access.token.is_some());
    for page in PAGES {
        let policy = policy.clone();
        router = router.route(page.path, endpoint(get(move || async move { page.response(&policy) })));
    }
    for (place, resource) in app.api.resources.iter().enumerate() {
        let serve = move |State(app): State<Arc<App>>,
                          path: Result<RawPathParams, RawPathParamsRejection>,
                          uri: Uri,
                          headers: HeaderMap| async move {
            let path = path.map_err(|_| Failure::bad_request("the path is not percent-encoded UTF-8"))?;
            resource::serve(&app, place, &path, &uri, &headers).await
        };
        router = router.route(&resource.path, endpoint(get(serve)));
    }
    router.fallback(no_such_path).layer(from_fn_with_state(Arc::clone(&app), around)).with_state(app)
}

/// GET and HEAD, what OPTIONS says, and 405 for the rest.
fn endpoint(methods: MethodRouter<Arc<App>>) -> MethodRouter<Arc<App>> {
    methods.options(|| async { (StatusCode::NO_CONTENT, [(ALLOW, METHODS)]) }).fallback(|| async {
        Failure::new(StatusCode::METHOD_NOT_ALLOWED, "the API is read-only: GET, HEAD or OPTIONS")
    })
}

async fn no_such_path(uri: Uri) -> Failure {
    resource::nothing_at(&uri)
}

/// What all answers have in common: who may ask, headers, and being counted by route and status.
async fn around(
    State(app): State<Arc<App>>,
    route: Option<MatchedPath>,
    mut request: Request,
    next: Next,
) -> Response {
    let origin = origins::origin(request.headers());
    let preflight = request.method() == Method::OPTIONS;
    let path = request.uri().path();
    let is_page = preflight || PAGES.iter().any(|page| page.path == path);
    let mut response = match app.access.check(request.uri(), is_page, request.headers()) {
        Ok(audience) => {
            request.extensions_mut().insert(audience);
            next.run(request).await
        }
        Err(refused) => refused.into_response(),
    };
    if response.status() == StatusCode::UNAUTHORIZED {
        access::challenge(response.headers_mut());
    }
    let status = response.status();
    let headers = response.headers_mut();
    app.access.origins.mark(origin.as_ref(), preflight, headers);
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    let route = route.as_ref().map_or("other", MatchedPath::as_str);
    app.requests.with_label_values(&[route, status.as_str()]).inc();
    response
}

fn json(status: StatusCode, body: String) -> Response {
    (status, [(CONTENT_TYPE, HeaderValue::from_static("application/json"))], body).into_response()
}

/// The engine's own endpoints have no parameters.
fn no_parameters(uri: &Uri) -> Result<(), Failure> {
    crate::declare::params::read(&[], &[], uri.query()).map(|_| ())
}

async fn serve_health(
    State(app): State<Arc<App>>,
    Extension(audience): Extension<Audience>,
    uri: Uri,
) -> Result<Response, Failure> {
    no_parameters(&uri)?;
    let state = app.health.health();
    let healthy = health::is_healthy(&state, app.api.offline_after);
    let status = if healthy { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let told = health::body(&state, &app.process, &app.api.sources_key, app.api.offline_after, audience);
    Ok(json(status, told.to_string()))
}

async fn serve_ready(
    State(app): State<Arc<App>>,
    Extension(audience): Extension<Audience>,
    uri: Uri,
) -> Result<Response, Failure> {
    no_parameters(&uri)?;
    let missing = health::missing(&app.health.health(), app.api.offline_after, audience);
    if missing.is_empty() {
        return Ok(([(CONTENT_TYPE, HeaderValue::from_static("text/plain"))], "OK").into_response());
    }
    Err(Failure::unavailable(missing.join("; "), Duration::from_secs(1)).with("missing", missing))
}

async fn serve_metrics(State(app): State<Arc<App>>, uri: Uri) -> Result<Response, Failure> {
    no_parameters(&uri)?;
    if !app.api.metrics.enabled {
        return Err(Failure::not_found("metrics are switched off (`metrics.enabled` is false)"));
    }
    let totals = resource::total_series(&app).await;
    let state = app.health.health();
    let latest = app.latest.of(|name| fresh::patience_with(&state, name, app.api.offline_after));
    let runtime = &app.api.metrics.runtime;
    let text = metrics::text(app.meters.gather(), runtime, &app.api.series, totals, &state, &latest);
    let text = text.map_err(|error| {
        tracing::error!(%error, "cannot encode metrics");
        Failure::new(StatusCode::INTERNAL_SERVER_ERROR, "the metrics cannot be encoded; the log says why")
    })?;
    Ok(([(CONTENT_TYPE, METRICS_TYPE)], text).into_response())
}

async fn serve_stats(State(app): State<Arc<App>>, uri: Uri, headers: HeaderMap) -> Result<Response, Failure> {
    no_parameters(&uri)?;
    Ok(reply::whole(&app.stats().await?, &headers))
}

async fn serve_index(State(app): State<Arc<App>>, uri: Uri, headers: HeaderMap) -> Result<Response, Failure> {
    no_parameters(&uri)?;
    Ok(reply::whole(&app.index, &headers))
}

async fn serve_document(
    State(app): State<Arc<App>>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    no_parameters(&uri)?;
    Ok(reply::whole(&app.document, &headers))
}

async fn serve_events(
    State(app): State<Arc<App>>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    no_parameters(&uri)?;
    app.events.follow(&headers)
}
