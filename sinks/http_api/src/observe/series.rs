//! Columns of the latest rows as Prometheus series.

use std::collections::BTreeMap;

use arrow_schema::{DataType, SchemaRef};
use prometheus::proto::{Counter, Gauge, LabelPair, Metric, MetricFamily, MetricType};
use smiles_stage::unit::{Conversion, Unit};
use smiles_stage::{Path, Problem, Problems, column_unit};

use crate::current::latest::Rows;
use crate::declare::config::metrics::{Aggregate, ColumnSeries, Metrics, SeriesType};
use crate::text::json;
use crate::text::json::Cell;

/// A declared series, its columns found.
#[derive(Clone, Debug)]
pub(crate) struct Series {
    name: String,
    help: String,
    kind: SeriesType,
    aggregate: Aggregate,
    column: usize,
    conversion: Option<Conversion>,
    labels: Vec<(String, usize)>,
}

/// Finds the columns of the declared series.
///
/// # Errors
/// Every column and unit that does not fit, by its option.
pub(crate) fn wire(metrics: &Metrics, input: &SchemaRef) -> Result<Vec<Series>, Problems> {
    let mut problems = Problems::new();
    let at = Path::root().key("metrics").key("columns");
    let series = metrics
        .columns
        .iter()
        .filter_map(|(name, series)| wire_one(name, series, input, &at.key(name), &mut problems))
        .collect();
    if problems.is_empty() { Ok(series) } else { Err(problems) }
}

fn wire_one(
    name: &str,
    series: &ColumnSeries,
    input: &SchemaRef,
    at: &Path,
    problems: &mut Problems,
) -> Option<Series> {
    let mut find = |column: &str, at: Path| {
        let place = input.index_of(column).ok();
        if place.is_none() {
            let known = input.fields().iter().map(|field| field.name().as_str());
            let problem = Problem::error(at, format!("the pipeline has no column `{column}`"));
            problems.push(problem.suggest(column, known));
        }
        place
    };
    let column = find(&series.column, at.key("column"));
    let labels: Option<Vec<(String, usize)>> = series
        .labels
        .iter()
        .map(|(label, column)| Some((label.to_owned(), find(column, at.key("labels").key(label))?)))
        .collect::<Vec<_>>()
        .into_iter()
        .collect();
    let column = column?;
    let field = input.field(column);
    if !field.data_type().is_numeric() && field.data_type() != &DataType::Boolean {
        let message = format!("the column `{}` is of type {}, not a number", field.name(), field.data_type());
        problems.push(Problem::error(at.key("column"), message));
    }
    let conversion = series.unit.as_deref().and_then(|unit| {
        let wanted: Unit = unit.parse().ok()?;
        let own = column_unit(field).and_then(|unit| unit.parse::<Unit>().ok());
        let conversion = own.as_ref().and_then(|own| own.to(&wanted));
        if conversion.is_none() {
            let has = column_unit(field).map_or("has no unit".to_owned(), |unit| format!("is in {unit}"));
            let message = format!("the column `{}` {has}, which is no {unit}", field.name());
            problems.push(Problem::error(at.key("unit"), message));
        }
        conversion
    });
    Some(Series {
        name: name.to_owned(),
        help: series.help.clone(),
        kind: series.kind,
        aggregate: series.aggregate,
        column,
        conversion,
        labels: labels?,
    })
}

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

/// A sum of decimals without the dust of binary fractions: 35.8 + 34.5 is 70.3.
pub(crate) fn decimal(sum: f64) -> f64 {
    const PLACES: f64 = 1e6;
    // Beyond, a double has no such places.
    if sum.abs() < 1e9 { (sum * PLACES).round() / PLACES } else { sum }
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
