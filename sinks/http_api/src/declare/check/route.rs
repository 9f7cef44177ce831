//! Checks of one route that need no columns: its parameters, and that what refers to them finds them.

use std::collections::BTreeSet;

use indexmap::IndexMap;
use smiles_stage::{Path, Problem, Problems, did_you_mean};

use crate::declare::config::history::History;
use crate::declare::config::route::{
    Case, Condition, Limit, Parameter, ParameterLocation, ParameterType, Route, Select, Shape,
};
use crate::declare::config::totals::Totals;
use crate::declare::paging;
use crate::declare::params::Param;
use crate::text::spell;
use crate::text::spell::Step;
use crate::text::zone::Interval;

/// Checks what of a route refers to its parameters.
pub(super) fn check(route: &Route, params: &[Param], at: &Path, problems: &mut Problems) {
    RouteCheck { route, params, used: BTreeSet::new() }.check(at, problems);
}

/// The parameters of a route, those of the path first.
pub(super) fn parameters(
    route: &Route,
    steps: &[Step<'_>],
    at: &Path,
    problems: &mut Problems,
) -> Vec<Param> {
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
        } else if !route.parameters.contains_key(*name) {
            problems.push(
                Problem::error(at.clone(), format!("the path parameter `{name}` is not declared"))
                    .suggest(name, route.parameters.keys().map(String::as_str)),
            );
        }
    }
    let check = |(name, spec): (&String, &Parameter)| {
        let at = at.key(name);
        let mut param = Param {
            name: name.to_owned(),
            in_path: in_path.contains(&name.as_str()),
            spec: spec.clone(),
            default: None,
            labels: None,
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
    if let Some(history) = &route.history {
        for name in paging::NAMES.iter().filter(|name| route.parameters.contains_key(**name)) {
            let message = format!("the parameter `{name}` is added by `history`");
            problems.push(Problem::error(at.key(*name), message).help("remove it here"));
        }
        params.extend(paging::parameters(history));
    }
    params.sort_by_key(|param| !param.in_path);
    params
}

/// What of a parameter's declaration contradicts itself.
fn misfits(param: &Param) -> Vec<String> {
    let spec = &param.spec;
    let numeric = matches!(spec.kind, ParameterType::Integer | ParameterType::Number);
    let text = spec.kind == ParameterType::Text;
    let misplaced = spec.place.is_some_and(|place| (place == ParameterLocation::Path) != param.in_path);
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
        (!text && spec.case != Case::Exact, "`case` is for texts"),
        (spec.max_length == 0, "`max_length` allows nothing"),
        (param.in_path && spec.default.is_some(), "a part of the path has no default"),
    ];
    rows.into_iter().filter(|(wrong, _)| *wrong).map(|(_, message)| message.to_owned()).collect()
}

/// A history is plain rows of one table, and the engine orders and limits them.
fn history_of(route: &Route, declared: &History, at: &Path, problems: &mut Problems) {
    let own = route.query.as_ref().is_some_and(|query| {
        !query.order.is_empty()
            || query.limit.is_some()
            || !query.latest_by.is_empty()
            || !query.resets.is_empty()
    });
    let at_history = at.key("history");
    let rows = [
        (own, "its query has no order, limit, latest rows or resets of its own"),
        (!route.join.is_empty() || !route.nest.is_empty(), "it has no joins and no nested rows"),
        (route.shape == Shape::Object, "it is a list"),
        (declared.by.is_empty(), "`by` names the time column, and what tells rows of one instant apart"),
        (declared.limit == 0 || declared.limit > declared.maximum, "`limit` is from 1 to `maximum`"),
        (!declared.buckets.is_empty() && declared.intervals.is_empty(), "`buckets` need `intervals`"),
    ];
    for (_, message) in rows.iter().filter(|(wrong, _)| *wrong) {
        problems.push(Problem::error(at_history.clone(), format!("of a history: {message}")));
    }
    for (place, text) in declared.intervals.iter().enumerate() {
        if Interval::parse(text).is_none() {
            let message =
                format!("`{text}` is no interval: whole parts of an hour such as `5m`, `1h` or `1d`");
            problems.push(Problem::error(at_history.key("intervals").index(place), message));
        }
    }
}

fn totals(route: &Route, declared: &Totals, at: &Path, problems: &mut Problems) {
    let at = at.key("totals");
    let more =
        !route.join.is_empty() || !route.nest.is_empty() || route.exists.is_some() || route.history.is_some();
    if more || !route.parameters.is_empty() || route.not_found.is_some() {
        problems.push(Problem::error(at.clone(), "sums have no parameters, joins, nested rows or history"));
    }
    if declared.whole == declared.each {
        problems.push(Problem::error(at.key("each"), "`whole` and `each` have different names"));
    }
    for (name, total) in declared.values.iter() {
        let (heard, sum) = (total.heard.is_some(), total.sum.is_some());
        let stored = total.table.is_some() && total.column.is_some();
        let part = total.table.is_some() || total.column.is_some();
        let ways = [heard, sum, stored].into_iter().filter(|way| *way).count();
        let stray = heard && total.resets.is_some()
            || !heard && !total.key.is_empty()
            || sum && total.aggregate.is_some();
        let at = at.key("values").key(name);
        if ways != 1 || part && !stored || part && (heard || sum) || stray {
            let message = "a value is one of `heard`, `sum`, or `table` and `column`";
            problems.push(Problem::error(at, message));
        } else if sum && declared.sums.is_none() {
            problems.push(Problem::error(at.key("sum"), "no `sums` say in which tables it is"));
        } else if stored && declared.belongs.is_none() {
            problems.push(Problem::error(at.key("table"), "no `belongs` says of which source a row is"));
        }
    }
    if declared.values.is_empty() {
        problems.push(Problem::error(at.key("values"), "sums of nothing"));
    }
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
        if route.query.is_some() == route.totals.is_some() {
            problems.push(Problem::error(at.clone(), "a route has either a `query` or `totals`"));
        }
        if let Some(query) = &route.query {
            self.select(query, &at.key("query"), problems);
        }
        if let Some(declared) = &route.totals {
            totals(route, declared, at, problems);
        }
        if let Some(declared) = &route.history {
            history_of(route, declared, at, problems);
            self.used.extend(paging::NAMES.map(str::to_owned));
        }
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

    fn partner(&mut self, on: &IndexMap<String, String>, query: &Select, at: &Path, problems: &mut Problems) {
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

    fn filters(&mut self, filters: &IndexMap<String, Condition>, at: &Path, problems: &mut Problems) {
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
