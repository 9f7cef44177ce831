//! Checks of the declared series that need no columns.

use smiles_stage::unit::Unit;
use smiles_stage::{ParseError, Path, Problem, Problems};

use crate::declare::config::api::Resources;
use crate::declare::config::metrics::{ColumnSeries, Metrics, RuntimeSeries, TotalSeries};
use crate::declare::config::route::Route;

/// Checks names, labels and units.
pub(super) fn check(metrics: &Metrics, resources: &Resources, at: &Path, problems: &mut Problems) {
    for (name, series) in metrics.runtime.iter() {
        let at = at.key("runtime").key(name);
        check_name(name, &at, problems);
        if metrics.columns.contains_key(name) {
            problems
                .push(Problem::error(at.clone(), format!("`{name}` is declared as a column's series too")));
        }
        check_runtime(series, &at, problems);
    }
    for (name, series) in metrics.columns.iter() {
        let at = at.key("columns").key(name);
        check_name(name, &at, problems);
        check_column(series, &at, problems);
    }
    for (name, series) in metrics.totals.iter() {
        let at = at.key("totals").key(name);
        check_name(name, &at, problems);
        if metrics.columns.contains_key(name) || metrics.runtime.contains_key(name) {
            problems.push(Problem::error(at.clone(), format!("`{name}` is declared as another series too")));
        }
        check_total(series, resources, &at, problems);
    }
}

fn check_total(series: &TotalSeries, resources: &Resources, at: &Path, problems: &mut Problems) {
    check_labels([&series.label], &at.key("label"), problems);
    if series.help.trim().is_empty() {
        problems.push(Problem::error(at.key("help"), "a series says what it is"));
    }
    let totals = |route: &Route| route.totals.is_some();
    let Some(route) = resources.routes.get(&series.route).filter(|route| totals(route)) else {
        let known = resources.routes.iter().filter(|(_, route)| totals(route)).map(|(path, _)| path.as_str());
        let message = format!("`{}` is no route with `totals`", series.route);
        problems.push(Problem::error(at.key("route"), message).suggest(&series.route, known));
        return;
    };
    let values: Vec<&str> =
        route.totals.iter().flat_map(|totals| totals.values.keys().map(String::as_str)).collect();
    if !values.contains(&series.value.as_str()) {
        let message = format!("`{}` has no value `{}`", series.route, series.value);
        problems.push(Problem::error(at.key("value"), message).suggest(&series.value, values));
    }
}

fn check_runtime(series: &RuntimeSeries, at: &Path, problems: &mut Problems) {
    if series.meter.is_some() == series.health.is_some() {
        problems.push(Problem::error(at.clone(), "a series is one of `meter` and `health`"));
    }
    check_labels(series.labels.keys(), &at.key("labels"), problems);
    check_labels(series.constants.keys(), &at.key("constants"), problems);
}

fn check_column(series: &ColumnSeries, at: &Path, problems: &mut Problems) {
    check_labels(series.labels.keys(), &at.key("labels"), problems);
    if series.help.trim().is_empty() {
        problems.push(Problem::error(at.key("help"), "a series says what it is"));
    }
    // One that a device file declares is known once its column is.
    if let Some(unit) = &series.unit
        && !Unit::may_be_declared(unit)
        && let Err(ParseError { message, help }) = unit.parse::<Unit>()
    {
        problems.push(Problem { help, ..Problem::error(at.key("unit"), message) });
    }
}

fn check_name(name: &str, at: &Path, problems: &mut Problems) {
    if !is_word(name, true) {
        let message = format!("`{name}` is no name of a series: letters, digits, `_` and `:`");
        problems.push(Problem::error(at.clone(), message));
    }
}

fn check_labels<'a>(labels: impl IntoIterator<Item = &'a String>, at: &Path, problems: &mut Problems) {
    let unfit = |label: &&String| !is_word(label, false) || label.starts_with("__") || *label == "le";
    for label in labels.into_iter().filter(unfit) {
        let message = format!("`{label}` is no label: letters, digits and `_`; not `le`, not `__...`");
        problems.push(Problem::error(at.key(label), message));
    }
}

fn is_word(name: &str, colons: bool) -> bool {
    let inside = |c: char| c.is_ascii_alphanumeric() || c == '_' || colons && c == ':';
    !name.is_empty() && !name.starts_with(|c: char| c.is_ascii_digit()) && name.chars().all(inside)
}
