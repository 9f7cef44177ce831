//! Checks of the options that need no columns: everything wrong with them, at once.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use smiles_stage::unit::Unit;
use smiles_stage::{Path, Problem, Problems, did_you_mean};

use crate::config::{
    ColumnSeries, Condition, Config, Limit, Limits, Metrics, Ordered, ParameterType, Place, Resources, Route,
    RuntimeSeries, Select, Shape, duration, find,
};
use crate::dashboard;
use crate::params::Param;
use crate::resource::Resource;
use crate::spell::{self, Step};

/// Paths the engine answers itself, now or later.
const RESERVED: &[&str] =
    &["/health", "/ready", "/metrics", "/stats", "/api", "/api/events", "/docs", "/openapi.json"];

/// Keys of `/health` that the object of sources cannot take.
const HEALTH_KEYS: &[&str] =
    &["healthy", "uptime_seconds", "start_time", "pipeline", "sinks", "journal", "warnings"];

/// Where to listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    /// A name or an address without brackets.
    pub host: String,
    /// 0: any free one.
    pub port: u16,
}

/// Limits as numbers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// See [`Limits::connections`].
    pub connections: usize,
    /// See [`Limits::request_head`].
    pub request_head: Duration,
    /// See [`Limits::answer`].
    pub answer: Duration,
    /// See [`Limits::store_queries`].
    pub store_queries: usize,
    /// See [`Limits::rows`].
    pub rows: usize,
}

/// Options that are sound as far as they can be without columns.
#[derive(Debug)]
pub(crate) struct Checked {
    /// Where to listen.
    pub address: Address,
    /// See [`Config::offline_after`].
    pub offline_after: Duration,
    /// Limits.
    pub bounds: Bounds,
    /// Routes, without questions yet.
    pub resources: Vec<Resource>,
}

/// Checks the options.
///
/// # Errors
/// Everything wrong with them.
pub(crate) fn check(config: &Config) -> Result<Checked, Problems> {
    let mut problems = Problems::new();
    let root = Path::root();
    let address = parse_address(&config.listen);
    if let Err(message) = &address {
        problems.push(
            Problem::error(root.key("listen"), message.clone())
                .help("write HOST:PORT, such as `0.0.0.0:8080` or `[::]:8080`"),
        );
    }
    let offline_after = time(&config.offline_after, root.key("offline_after"), &mut problems);
    let bounds = check_limits(&config.limits, &root.key("limits"), &mut problems);
    let resources = check_resources(&config.resources, &root.key("resources"), &mut problems);
    check_metrics(&config.metrics, &root.key("metrics"), &mut problems);
    match address {
        Ok(address) if problems.is_empty() => Ok(Checked { address, offline_after, bounds, resources }),
        Ok(_) | Err(_) => Err(problems),
    }
}

fn parse_address(listen: &str) -> Result<Address, String> {
    let Some((host, port)) = listen.trim().rsplit_once(':') else {
        return Err(format!("`{listen}` has no port"));
    };
    let port = port.parse().map_err(|_| format!("`{port}` is no port: a number from 0 to 65535"))?;
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    if host.is_empty() || host.contains(char::is_whitespace) || host.contains(['[', ']', '/']) {
        return Err(format!("`{listen}` has no host before the port"));
    }
    Ok(Address { host: host.to_owned(), port })
}

fn time(text: &str, at: Path, problems: &mut Problems) -> Duration {
    duration(text).unwrap_or_else(|| {
        problems.push(
            Problem::error(at, format!("`{text}` is no duration"))
                .help("write a number and `ms`, `s`, `m` or `h`"),
        );
        Duration::ZERO
    })
}

fn check_limits(limits: &Limits, at: &Path, problems: &mut Problems) -> Bounds {
    let counts = [
        ("connections", limits.connections, 8),
        ("store_queries", limits.store_queries, 1),
        ("rows", limits.rows, 1),
    ];
    for (name, count, least) in counts {
        if count < least {
            problems.push(Problem::error(at.key(name), format!("{count} is too few: at least {least}")));
        }
    }
    Bounds {
        connections: limits.connections,
        request_head: time(&limits.request_head, at.key("request_head"), problems),
        answer: time(&limits.answer, at.key("answer"), problems),
        store_queries: limits.store_queries,
        rows: limits.rows,
    }
}

fn check_resources(resources: &Resources, at: &Path, problems: &mut Problems) -> Vec<Resource> {
    let sources = &resources.health.sources;
    if sources.is_empty() || HEALTH_KEYS.contains(&sources.as_str()) {
        let message = format!("`{sources}` cannot name the sources: /health has another key of this name");
        problems.push(Problem::error(at.key("/health").key("sources"), message));
    }
    let mut paths = Paths::default();
    let mut checked = Vec::new();
    for (path, route) in resources.routes.iter() {
        let at = at.key(path);
        let steps = spell::template(path).unwrap_or_else(|message| {
            problems.push(Problem::error(at.clone(), message));
            Vec::new()
        });
        paths.add(path, &steps, &at, problems);
        let params = check_parameters(route, &steps, &at, problems);
        RouteCheck { route, params: &params, used: BTreeSet::new() }.check(&at, problems);
        checked.push(Resource { path: path.to_owned(), route: route.clone(), params, plan: None });
    }
    checked
}

/// Paths taken so far, by shape; and the parameter's name at each place.
#[derive(Default)]
struct Paths<'a> {
    taken: BTreeMap<String, &'a str>,
    names: BTreeMap<String, &'a str>,
}

impl<'a> Paths<'a> {
    fn add(&mut self, path: &'a str, steps: &[Step<'a>], at: &Path, problems: &mut Problems) {
        if RESERVED.contains(&path) || dashboard::ASSETS.iter().any(|asset| asset.path == path) {
            problems.push(
                Problem::error(at.clone(), format!("the path `{path}` is answered by the engine itself"))
                    .help("choose another path"),
            );
        }
        let mut shape = String::new();
        for step in steps {
            match step {
                Step::Fixed(text) => shape = format!("{shape}/{text}"),
                Step::Parameter(name) => {
                    shape.push_str("/{}");
                    let first = self.names.entry(shape.clone()).or_insert(name);
                    if first != name {
                        let message = format!("`{{{name}}}` is called `{{{first}}}` in another path");
                        problems.push(Problem::error(at.clone(), message).help("use one name for one place"));
                    }
                }
            }
        }
        if let Some(other) = self.taken.insert(shape, path)
            && !steps.is_empty()
        {
            problems.push(Problem::error(at.clone(), format!("`{path}` and `{other}` are the same path")));
        }
    }
}

fn check_parameters(route: &Route, steps: &[Step<'_>], at: &Path, problems: &mut Problems) -> Vec<Param> {
    let in_path: Vec<&str> = steps
        .iter()
        .filter_map(|step| match step {
            Step::Parameter(name) => Some(*name),
            Step::Fixed(_) => None,
        })
        .collect();
    let at = at.key("parameters");
    for (place, name) in in_path.iter().enumerate() {
        if in_path[..place].contains(name) {
            problems.push(Problem::error(at.clone(), format!("`{{{name}}}` stands twice in the path")));
        } else if find(&route.parameters, name).is_none() {
            problems.push(
                Problem::error(at.clone(), format!("the path parameter `{name}` is not declared"))
                    .suggest(name, route.parameters.names()),
            );
        }
    }
    let check = |(name, spec): (&str, &crate::config::Parameter)| {
        let at = at.key(name);
        let mut param = Param {
            name: name.to_owned(),
            in_path: in_path.contains(&name),
            spec: spec.clone(),
            default: None,
        };
        for message in misfits(&param) {
            problems.push(Problem::error(at.clone(), message));
        }
        if let Some(default) = &spec.default {
            match param.parse_default(default) {
                Ok(value) => param.default = Some(value),
                Err(expected) => {
                    problems.push(Problem::error(at.key("default"), format!("not {expected}")));
                }
            }
        }
        param
    };
    let mut params: Vec<Param> = route.parameters.iter().map(check).collect();
    params.sort_by_key(|param| !param.in_path);
    params
}

/// What of a parameter's declaration contradicts itself.
fn misfits(param: &Param) -> Vec<String> {
    let spec = &param.spec;
    let numeric = matches!(spec.kind, ParameterType::Integer | ParameterType::Number);
    let text = spec.kind == ParameterType::Text;
    let misplaced = spec.place.is_some_and(|place| (place == Place::Path) != param.in_path);
    let empty = spec.minimum.zip(spec.maximum).is_some_and(|(low, high)| low > high);
    let rows = [
        (misplaced, "`in: path` is for a parameter that the path names, `in: query` for any other"),
        (
            !numeric && (spec.minimum.is_some() || spec.maximum.is_some()),
            "only a number has a minimum or maximum",
        ),
        (empty, "the minimum is above the maximum"),
        (!text && spec.one_of.is_some(), "`one_of` is for texts"),
        (spec.one_of.as_ref().is_some_and(Vec::is_empty), "`one_of` allows nothing"),
        (!text && spec.case != crate::config::Case::Exact, "`case` is for texts"),
        (spec.max_length == 0, "`max_length` allows nothing"),
        (param.in_path && spec.default.is_some(), "a part of the path has no default"),
    ];
    rows.into_iter().filter(|(wrong, _)| *wrong).map(|(_, message)| message.to_owned()).collect()
}

/// One route, and which of its parameters are used.
struct RouteCheck<'a> {
    route: &'a Route,
    params: &'a [Param],
    used: BTreeSet<String>,
}

impl RouteCheck<'_> {
    fn check(mut self, at: &Path, problems: &mut Problems) {
        let route = self.route;
        self.select(&route.query, &at.key("query"), problems);
        for (place, join) in route.join.iter().enumerate() {
            self.partner(&join.on, &join.query, &at.key("join").index(place), problems);
        }
        for (name, nest) in route.nest.iter() {
            self.partner(&nest.on, &nest.query, &at.key("nest").key(name), problems);
        }
        if let Some(exists) = &route.exists {
            let at = at.key("exists");
            if route.shape == Shape::Object {
                problems.push(Problem::error(
                    at.clone(),
                    "`exists` is for lists: an object without a row is a 404",
                ));
            }
            self.filters(&exists.filters, &at.key("filters"), problems);
        }
        if let Some(message) = &route.not_found {
            for name in spell::placeholders(message) {
                self.refer(name, &at.key("not_found"), problems);
            }
            if route.shape == Shape::List && route.exists.is_none() {
                let at = at.key("not_found");
                problems.push(
                    Problem::error(at, "a list is never not found")
                        .help("declare `exists`, or remove `not_found`"),
                );
            }
        }
        for param in self.params.iter().filter(|param| !self.used.contains(&param.name)) {
            let at = at.key("parameters").key(&param.name);
            problems.push(Problem::error(at, format!("nobody uses the parameter `{}`", param.name)));
        }
    }

    fn partner(&mut self, on: &Ordered<String>, query: &Select, at: &Path, problems: &mut Problems) {
        if on.is_empty() {
            problems.push(Problem::error(at.key("on"), "no columns to compare"));
        }
        let query_at = at.key("query");
        self.select(query, &query_at, problems);
        // One question serves all rows, so a limit would cut between them.
        if query.limit.is_some() {
            problems.push(
                Problem::error(query_at.key("limit"), "a join or nest has no limit")
                    .help("keep the newest rows with `latest_by` and `newest`"),
            );
        }
    }

    fn select(&mut self, select: &Select, at: &Path, problems: &mut Problems) {
        self.filters(&select.filters, &at.key("filters"), problems);
        if select.latest_by.is_empty() != select.newest.is_none() {
            let (there, missing) =
                if select.newest.is_none() { ("latest_by", "newest") } else { ("newest", "latest_by") };
            problems.push(Problem::error(at.key(there), format!("`{there}` needs `{missing}`")));
        }
        match &select.limit {
            Some(Limit::Asked(asked)) => {
                let at = at.key("limit").key("param");
                let param = self.refer(&asked.param, &at, problems);
                let counts = |param: &Param| {
                    param.spec.kind == ParameterType::Integer
                        && param.spec.minimum.is_some_and(|low| low >= 0.0)
                };
                if param.is_some_and(|param| !counts(param)) {
                    problems.push(
                        Problem::error(at, format!("`{}` cannot limit rows", asked.param))
                            .help("declare it as `type: integer` with `minimum: 1`"),
                    );
                }
            }
            Some(Limit::Rows(0)) => problems.push(Problem::error(at.key("limit"), "0 rows are no answer")),
            Some(Limit::Rows(_)) | None => {}
        }
    }

    fn filters(&mut self, filters: &Ordered<Condition>, at: &Path, problems: &mut Problems) {
        for (column, condition) in filters.iter() {
            let at = at.key(column);
            let equal = usize::from(condition.param.is_some()) + usize::from(condition.value.is_some());
            let range = condition.from.is_some() || condition.before.is_some();
            if equal + usize::from(range) != 1 {
                problems.push(Problem::error(
                    at.clone(),
                    "a condition is one of `param`, `value`, or `from` and `before`",
                ));
            }
            let named =
                [("param", &condition.param), ("from", &condition.from), ("before", &condition.before)];
            for (key, name) in named {
                if let Some(name) = name {
                    self.refer(name, &at.key(key), problems);
                }
            }
        }
    }

    fn refer(&mut self, name: &str, at: &Path, problems: &mut Problems) -> Option<&Param> {
        self.used.insert(name.to_owned());
        let found = self.params.iter().find(|param| param.name == name);
        if found.is_none() {
            let known = self.params.iter().map(|param| param.name.as_str());
            let help = did_you_mean(name, known).unwrap_or_else(|| "declare it in `parameters`".to_owned());
            problems
                .push(Problem::error(at.clone(), format!("no parameter `{name}` is declared")).help(help));
        }
        found
    }
}

fn check_metrics(metrics: &Metrics, at: &Path, problems: &mut Problems) {
    for (name, series) in metrics.runtime.iter() {
        let at = at.key("runtime").key(name);
        check_name(name, &at, problems);
        if find(&metrics.columns, name).is_some() {
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
}

fn check_runtime(series: &RuntimeSeries, at: &Path, problems: &mut Problems) {
    if series.meter.is_some() == series.health.is_some() {
        problems.push(Problem::error(at.clone(), "a series is one of `meter` and `health`"));
    }
    check_labels(series.labels.names(), &at.key("labels"), problems);
    check_labels(series.constants.names(), &at.key("constants"), problems);
}

fn check_column(series: &ColumnSeries, at: &Path, problems: &mut Problems) {
    check_labels(series.labels.names(), &at.key("labels"), problems);
    if series.help.trim().is_empty() {
        problems.push(Problem::error(at.key("help"), "a series says what it is"));
    }
    if let Some(unit) = &series.unit
        && let Err(error) = unit.parse::<Unit>()
    {
        problems.push(Problem::error(at.key("unit"), error.to_string()).suggest(unit, Unit::symbols()));
    }
}

fn check_name(name: &str, at: &Path, problems: &mut Problems) {
    if !is_word(name, true) {
        let message = format!("`{name}` is no name of a series: letters, digits, `_` and `:`");
        problems.push(Problem::error(at.clone(), message));
    }
}

fn check_labels<'a>(labels: impl Iterator<Item = &'a str>, at: &Path, problems: &mut Problems) {
    for label in labels.filter(|label| !is_word(label, false) || label.starts_with("__") || *label == "le") {
        let message = format!("`{label}` is no label: letters, digits and `_`; not `le`, not `__...`");
        problems.push(Problem::error(at.key(label), message));
    }
}

fn is_word(name: &str, colons: bool) -> bool {
    let inside = |c: char| c.is_ascii_alphanumeric() || c == '_' || colons && c == ':';
    !name.is_empty() && !name.starts_with(|c: char| c.is_ascii_digit()) && name.chars().all(inside)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_a_host_and_a_port() {
        let rows = [
            ("0.0.0.0:8080", Some(("0.0.0.0", 8080))),
            ("[::1]:0", Some(("::1", 0))),
            (":::8080", Some(("::", 8080))),
            ("localhost:1", Some(("localhost", 1))),
            ("8080", None),
            (":8080", None),
            ("a:b", None),
            ("a:65536", None),
            ("[::1]", None),
            ("", None),
        ];
        for (text, expected) in rows {
            let got = parse_address(text).ok();
            assert_eq!(got.as_ref().map(|a| (a.host.as_str(), a.port)), expected, "{text}");
        }
    }
}
