//! Columns of the latest rows as Prometheus series.

use std::collections::BTreeMap;

use prometheus::proto::{Counter, Gauge, LabelPair, Metric, MetricFamily, MetricType};

use crate::current::latest::Rows;
use crate::declare::config::metrics::{Aggregate, SeriesType};
use crate::declare::series::Series;
use crate::text::json;
use crate::text::json::{Cell, decimal};

impl Series {
    /// The series of these rows; one metric per set of labels, sorted.
    pub(crate) fn family(&self, latest: &[Rows]) -> MetricFamily {
        let mut values: BTreeMap<Vec<String>, f64> = BTreeMap::new();
        for rows in latest {
            for &row in &rows.places {
                let cell = json::cell(rows.batch.column(self.column), row);
                let Some(value) = cell.number() else { continue };
                let value = self.conversion.as_ref().map_or(value, |conversion| conversion.apply(value));
                let key = self.labels.iter().map(|(_, column)| label(rows, *column, row)).collect();
                values
                    .entry(key)
                    .and_modify(|known| *known = self.aggregate.of(*known, value))
                    .or_insert(value);
            }
        }
        let metrics = values.into_iter().map(|(labels, value)| self.metric(labels, value)).collect();
        let mut family = MetricFamily::default();
        family.set_name(self.name.clone());
        family.set_help(self.help.clone());
        family.set_field_type(match self.kind {
            SeriesType::Gauge => MetricType::GAUGE,
            SeriesType::Counter => MetricType::COUNTER,
        });
        family.set_metric(metrics);
        family
    }

    fn metric(&self, labels: Vec<String>, value: f64) -> Metric {
        let pairs = self.labels.iter().zip(labels).map(|((name, _), value)| pair(name, &value)).collect();
        let mut metric = Metric::from_label(pairs);
        sample(&mut metric, self.kind, value);
        metric
    }
}

/// A label and its value.
pub(crate) fn pair(name: &str, value: &str) -> LabelPair {
    let mut pair = LabelPair::default();
    pair.set_name(name.to_owned());
    pair.set_value(value.to_owned());
    pair
}

/// Sets the one value of a metric.
pub(crate) fn sample(metric: &mut Metric, kind: SeriesType, value: f64) {
    match kind {
        SeriesType::Gauge => {
            let mut gauge = Gauge::default();
            gauge.set_value(value);
            metric.set_gauge(gauge);
        }
        SeriesType::Counter => {
            let mut counter = Counter::default();
            counter.set_value(value);
            metric.set_counter(counter);
        }
    }
}

fn label(rows: &Rows, column: usize, row: usize) -> String {
    match json::cell(rows.batch.column(column), row) {
        Cell::Null => String::new(),
        Cell::Text(text) => text.to_owned(),
        cell => {
            let mut text = String::new();
            json::write_cell(&mut text, &cell, false);
            text.trim_matches('"').to_owned()
        }
    }
}

impl Aggregate {
    /// Two values as one.
    pub(crate) fn of(self, known: f64, value: f64) -> f64 {
        match self {
            Aggregate::First => known,
            Aggregate::Last => value,
            Aggregate::Sum => decimal(known + value),
            Aggregate::Min => known.min(value),
            Aggregate::Max => known.max(value),
        }
    }
}
