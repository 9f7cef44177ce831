//! Series as rows: one per series and moment, histograms as what they counted and summed up.

use prometheus::proto::{Metric, MetricFamily, MetricType};
use serde_json::{Map, Value};

use crate::pattern::Pattern;
use crate::rows::{Kind, Rows};

/// The label by which the runtime's series name their pipeline.
const PIPELINE: &str = "pipeline";

/// Adds the series that are meant; those of the pipeline `own` are not, lest every report reports on the last one.
pub(crate) fn add(rows: &mut Rows, families: &[MetricFamily], patterns: &[Pattern], own: &str) {
    for family in families {
        for metric in family.get_metric() {
            let is_own =
                |label: &prometheus::proto::LabelPair| label.name() == PIPELINE && label.value() == own;
            if metric.get_label().iter().any(is_own) {
                continue;
            }
            for (suffix, value) in values(family.get_field_type(), metric) {
                let name = format!("{}{suffix}", family.name());
                // No table takes what is not finite.
                if value.is_finite() && patterns.iter().any(|pattern| pattern.matches(&name)) {
                    rows.push(Kind::Metric, &name, Some(value), &labels(metric));
                }
            }
        }
    }
}

fn values(kind: MetricType, metric: &Metric) -> Vec<(&'static str, f64)> {
    match kind {
        MetricType::COUNTER => vec![("", metric.get_counter().get_value())],
        MetricType::GAUGE => vec![("", metric.get_gauge().get_value())],
        MetricType::HISTOGRAM => {
            let histogram = metric.get_histogram();
            vec![("_count", histogram.get_sample_count() as f64), ("_sum", histogram.get_sample_sum())]
        }
        MetricType::SUMMARY => {
            let summary = metric.get_summary();
            vec![("_count", summary.sample_count() as f64), ("_sum", summary.sample_sum())]
        }
        _ => Vec::new(),
    }
}

fn labels(metric: &Metric) -> Value {
    let labels = metric.get_label().iter();
    let labels: Map<String, Value> =
        labels.map(|label| (label.name().to_owned(), Value::from(label.value()))).collect();
    Value::Object(labels)
}
