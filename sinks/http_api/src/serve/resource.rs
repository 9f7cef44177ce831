//! A declared resource from request to response: parameters, cache, memory, store.

use std::sync::Arc;

use arrow_schema::Field;
use axum::extract::RawPathParams;
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, Uri};
use prometheus::proto::{Metric, MetricFamily, MetricType};

use crate::current::fresh;
use crate::declare::config::metrics::SeriesType;
use crate::declare::params;
use crate::declare::params::Values;
use crate::declare::resource::{Plan, Resource};
use crate::declare::totals::TotalsPlan;
use crate::observe::series::{pair, sample};
use crate::query::answer::{Body, Content, answer};
use crate::query::cache::CachedAnswer;
use crate::query::format::Format;
use crate::query::history::buckets::answer_buckets;
use crate::query::history::page::answer_page;
use crate::query::history::request;
use crate::query::history::request::HistoryRequest;
use crate::query::totals;
use crate::query::totals::{Given, Sums};
use crate::serve::app::{App, no_store};
use crate::serve::reply;
use crate::text::problem::Failure;
use crate::text::zone::Spans;

/// Answers the resource at this place in the declaration.
///
/// # Errors
/// A bad request, something that is not there, or a store that does not answer.
pub(crate) async fn serve(
    app: &Arc<App>,
    place: usize,
    path: &RawPathParams,
    uri: &Uri,
    headers: &HeaderMap,
) -> Result<Response, Failure> {
    let resource = &app.api.resources[place];
    let format = Format::wanted(headers, resource.formats())?;
    let current = resource.is_current();
    if current {
        app.refresh().await;
    } else {
        app.observe().await;
    }
    let (stamp, target) = (app.stamp(current), uri.path_and_query().map_or("", |it| it.as_str()));
    if let Some(kept) = app.cache.find(format, target, |it| *it == stamp) {
        return Ok(reply::whole(&kept, headers));
    }
    let path: Vec<(String, String)> =
        path.iter().map(|(name, text)| (name.to_owned(), text.to_owned())).collect();
    if path.iter().any(|(_, text)| text.is_empty()) {
        return Err(nothing_at(uri));
    }
    let values = params::read(&resource.params, &path, uri.query())?;
    let content = content(app, resource, &values, format, uri).await?;
    match content.body {
        Body::Whole(body) => {
            let kept = Arc::new(CachedAnswer::new(content.format, body, content.link));
            if content.keep {
                app.cache.keep(target, stamp, &kept);
            }
            Ok(reply::whole(&kept, headers))
        }
        Body::Flow(pieces) => {
            let (link, limit) = (content.link.as_deref(), app.api.bounds.transfer);
            Ok(reply::flow(content.format, link, pieces, headers, limit))
        }
    }
}

async fn content(
    app: &Arc<App>,
    resource: &Resource,
    values: &Values,
    format: Format,
    uri: &Uri,
) -> Result<Content, Failure> {
    if let Some(plan) = &resource.totals {
        let sums = sums(app, plan).await?;
        let whole = Content::whole(format, Bytes::from(totals::body(plan, &sums)));
        // What was heard grows old, and a source falls silent, without a batch that says so.
        return Ok(Content { keep: false, ..whole });
    }
    let store = app.store()?;
    let plan = resource.plan.as_ref().ok_or_else(no_store)?;
    let client = app.client(store);
    let Some(history) = &plan.history else { return answer(resource, plan, values, format, &client).await };
    // Whether an empty history is one of something known may be for memory to say.
    app.refresh_for(plan).await;
    let by: Vec<&Field> = history.by.iter().map(|&column| &plan.base.columns[column]).collect();
    let asked = HistoryRequest::read(values, &by)?.plausible(client.latest);
    let (mut content, next) = match asked.interval {
        Some(interval) => {
            let spans = Spans { zone: app.api.zone.clone(), interval };
            answer_buckets(resource, (plan, history), values, &asked, &spans, format, &client).await?
        }
        None => answer_page(resource, (plan, history), values, &asked, format, &client).await?,
    };
    content.link = next.map(|place| request::link(uri.path(), uri.query(), &place));
    Ok(content)
}

impl App {
    async fn refresh_for(self: &Arc<Self>, plan: &Plan) {
        if plan.exists.as_ref().is_some_and(|exists| exists.view.is_some()) && !self.memory.knows_all() {
            self.refresh().await;
        }
    }
}

impl Resource {
    /// What it can be had as.
    pub(crate) fn formats(&self) -> &'static [Format] {
        let flat = self.is_list() && self.route.totals.is_none();
        if flat && self.route.join.is_empty() && self.route.nest.is_empty() {
            Format::FLAT
        } else {
            Format::NESTED
        }
    }
}

/// The sums of a plan. Energy is unknown until every key ever known was read from the store once.
async fn sums(app: &Arc<App>, plan: &TotalsPlan) -> Result<Sums, Failure> {
    let rows = match &app.store {
        None => None,
        Some(_) if plan.selections().any(|it| it.view.is_some()) && !app.memory.knows_all() => None,
        Some(store) => {
            let client = app.client(store);
            let mut rows = Vec::new();
            for selection in plan.selections() {
                rows.push(client.rows(selection, &selection.query(&Values::new())).await?.0);
            }
            Some(rows)
        }
    };
    let health = app.health.health();
    let offline_after = app.api.offline_after;
    let heard = app.latest.named(|name| fresh::patience_with(&health, name, offline_after));
    Ok(totals::sums(plan, &Given { rows, heard: &heard, health: &health, offline_after }))
}

/// The declared sums as series; those that are null are absent.
pub(crate) async fn total_series(app: &Arc<App>) -> Vec<MetricFamily> {
    let declared = &app.api.metrics.totals;
    if declared.is_empty() {
        return Vec::new();
    }
    app.refresh().await;
    let mut families = Vec::new();
    for (name, series) in declared.iter() {
        let route = app.api.resources.iter().find(|resource| resource.path == series.route);
        let Some(plan) = route.and_then(|resource| resource.totals.as_ref()) else { continue };
        let Some(place) = plan.values.iter().position(|value| value.name == series.value) else { continue };
        let Ok(sums) = sums(app, plan).await else { continue };
        let metrics = sums.each.iter().filter_map(|(source, values)| {
            let mut metric = Metric::from_label(vec![pair(&series.label, source)]);
            sample(&mut metric, series.kind, values.get(place)?.number()?);
            Some(metric)
        });
        let mut family = MetricFamily::default();
        family.set_name(name.to_owned());
        family.set_help(series.help.clone());
        family.set_field_type(match series.kind {
            SeriesType::Gauge => MetricType::GAUGE,
            SeriesType::Counter => MetricType::COUNTER,
        });
        family.set_metric(metrics.collect());
        families.push(family);
    }
    families
}

/// 404 of a path.
pub(crate) fn nothing_at(uri: &Uri) -> Failure {
    let path: String = uri.path().chars().take(128).collect();
    Failure::not_found(format!("nothing is served at `{path}`; /api lists what is"))
}
