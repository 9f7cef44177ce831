//! `/metrics`: the runtime's own series, some of them under declared names, and columns of the latest rows.

use std::collections::BTreeSet;

use indexmap::IndexMap;
use prometheus::proto::{LabelPair, Metric, MetricFamily, MetricType};
use prometheus::{Encoder, TextEncoder};
use smiles_stage::{Health, SourceState};

use crate::current::latest::Rows;
use crate::declare::config::metrics::{HealthSeries, RuntimeSeries, SeriesType};
use crate::declare::series::Series;
use crate::observe::series::{pair, sample};

/// The label of the runtime's meters that names their pipeline.
const PIPELINE: &str = "pipeline";

/// The text of all series.
///
/// # Errors
/// The encoder's, which are about families without metrics or bad names; none is made here.
pub(crate) fn text(
    gathered: Vec<MetricFamily>,
    renamed: &IndexMap<String, RuntimeSeries>,
    columns: &[Series],
    totals: Vec<MetricFamily>,
    health: &Health,
    latest: &[Rows],
) -> Result<Vec<u8>, prometheus::Error> {
    let mut families = gathered;
    let runtime: Vec<MetricFamily> =
        renamed.iter().filter_map(|(name, series)| rename(name, series, &families, health)).collect();
    families.extend(runtime);
    families.extend(totals);
    families.extend(columns.iter().map(|series| series.family(latest)));
    families.retain(|family| !family.get_metric().is_empty());
    let mut seen = BTreeSet::new();
    families.retain(|family| seen.insert(family.name().to_owned()));
    families.sort_by(|a, b| a.name().cmp(b.name()));
    let mut out = Vec::new();
    TextEncoder::new().encode(&families, &mut out)?;
    Ok(out)
}

fn rename(
    name: &str,
    series: &RuntimeSeries,
    gathered: &[MetricFamily],
    health: &Health,
) -> Option<MetricFamily> {
    let mut family = match (&series.meter, series.health) {
        (Some(meter), _) => gathered.iter().find(|family| family.name() == meter)?.clone(),
        (None, Some(value)) => of_health(value, health),
        (None, None) => return None,
    };
    family.set_name(name.to_owned());
    if let Some(help) = &series.help {
        family.set_help(help.clone());
    }
    let mut metrics = family.take_metric();
    // Without that label, series of other pipelines of the process would pass for this one's.
    if series.without.iter().any(|name| name == PIPELINE) {
        let own = |label: &LabelPair| label.name() != PIPELINE || label.value() == health.pipeline;
        metrics.retain(|metric| metric.get_label().iter().all(own));
    }
    for metric in &mut metrics {
        let mut labels = metric.take_label();
        labels.retain(|label| !series.without.iter().any(|name| name == label.name()));
        for label in &mut labels {
            if let Some((exposed, _)) = series.labels.iter().find(|(_, own)| *own == label.name()) {
                label.set_name(exposed.to_owned());
            }
        }
        labels.extend(series.constants.iter().map(|(name, value)| pair(name, value)));
        labels.sort_by(|a, b| a.name().cmp(b.name()));
        metric.set_label(labels);
    }
    family.set_metric(metrics);
    Some(family)
}

#[expect(clippy::cast_precision_loss, reason = "a sample is a double")]
fn of_health(value: HealthSeries, health: &Health) -> MetricFamily {
    let (kind, help) = match value {
        HealthSeries::Passes => (SeriesType::Counter, "Passes of a source by outcome"),
        HealthSeries::Errors => (SeriesType::Counter, "Passes of a source that failed wholly or in part"),
        HealthSeries::Online => (SeriesType::Gauge, "Whether the last pass of a source brought rows"),
        HealthSeries::Stretched => {
            (SeriesType::Gauge, "Whether failures have stretched the period of a source")
        }
        HealthSeries::Uptime => (SeriesType::Gauge, "Seconds since the pipeline began to run"),
    };
    let mut metrics = Vec::new();
    let mut add = |labels: &[(&str, &str)], value: f64| {
        let labels = labels.iter().map(|(name, value)| pair(name, value)).collect();
        let mut metric = Metric::from_label(labels);
        sample(&mut metric, kind, value);
        metrics.push(metric);
    };
    if value == HealthSeries::Uptime {
        add(&[], health.uptime.as_secs_f64());
    }
    for source in &health.sources {
        let name = ("source", source.name.as_str());
        match value {
            HealthSeries::Passes => {
                add(&[name, ("outcome", "success")], source.success_count as f64);
                add(&[name, ("outcome", "error")], source.error_count as f64);
            }
            HealthSeries::Errors => add(&[name], source.error_count as f64),
            HealthSeries::Online => {
                add(&[name], f64::from(u8::from(source.state == SourceState::Online)));
            }
            HealthSeries::Stretched => add(&[name], f64::from(u8::from(source.stretched))),
            HealthSeries::Uptime => {}
        }
    }
    let mut family = MetricFamily::default();
    family.set_help(help.to_owned());
    family.set_field_type(match kind {
        SeriesType::Gauge => MetricType::GAUGE,
        SeriesType::Counter => MetricType::COUNTER,
    });
    family.set_metric(metrics);
    family
}
