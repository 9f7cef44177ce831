//! Checks the routes against the tables of the store, and makes the questions that answer them.

pub(crate) mod more;

use arrow_schema::{DataType, Field, SchemaRef};
use indexmap::IndexMap;
use smiles_stage::{ColumnMeta, Comparison, Labels, Order, Path, Problem, Problems, StoreSchema, Value};

use crate::declare::config::api::Stat;
use crate::declare::config::route::{
    Condition, Join, Limit, Parameter, ParameterType, Route, Scalar, Select,
};
use crate::declare::resource::{Plan, Resource};
use crate::declare::selection::{Operand, Partner, Selection, Test};
use crate::text::json::servable;
use crate::text::spell;

/// Gives each route its questions.
///
/// # Errors
/// Every table and column that does not fit, by its option.
pub(crate) fn wire_routes(resources: &mut [Resource], tables: &StoreSchema, input: &SchemaRef) -> Problems {
    let mut problems = Problems::new();
    for resource in resources {
        let at = Path::root().key("resources").key(&resource.path);
        let mut wiring =
            Wiring { tables, route: &resource.route, problems: &mut problems, labels: Vec::new() };
        match &resource.route.totals {
            Some(declared) => resource.totals = wiring.totals(declared, input, &at.key("totals")),
            None => resource.plan = wiring.plan(&at),
        }
        for (name, labels) in wiring.labels {
            // Where two columns with different words go by one parameter, it is a number.
            let mut params = resource.params.iter_mut();
            if let Some(param) = params.find(|param| param.name == name) {
                param.labels = labels;
            }
        }
    }
    problems
}

/// Checks that `/stats` counts tables that exist.
pub(crate) fn wire_stats(stats: &IndexMap<String, Stat>, tables: &StoreSchema) -> Problems {
    let mut problems = Problems::new();
    for (field, stat) in stats.iter() {
        let Stat::Rows(counted) = stat else { continue };
        for (place, table) in counted.iter().enumerate().filter(|(_, table)| !tables.contains_key(*table)) {
            let at = Path::root().key("resources").key("/stats").key(field).key("rows").index(place);
            problems.push(unknown_table(at, table, tables));
        }
    }
    problems
}

fn unknown_table(at: Path, table: &str, tables: &StoreSchema) -> Problem {
    Problem::error(at, format!("the store has no table `{table}`"))
        .suggest(table, tables.keys().map(String::as_str))
}

fn unknown_column(at: Path, table: &str, column: &str, schema: &SchemaRef) -> Problem {
    Problem::error(at, format!("the table `{table}` has no column `{column}`"))
        .suggest(column, schema.fields().iter().map(|field| field.name().as_str()))
}

/// Wires one route.
pub(crate) struct Wiring<'a> {
    pub(crate) tables: &'a StoreSchema,
    route: &'a Route,
    pub(crate) problems: &'a mut Problems,
    /// By parameter the words of all columns that are compared with it; `None`: they have not the same ones.
    labels: Vec<(String, Option<Labels>)>,
}

impl<'a> Wiring<'a> {
    fn plan(&mut self, at: &Path) -> Option<Plan> {
        let route = self.route;
        let query_at = at.key("query");
        let mut base = self.select(route.query.as_ref()?, &query_at);
        let history = route.history.as_ref().zip(base.as_mut());
        let history = history.and_then(|(declared, base)| self.history(declared, base, &at.key("history")));
        let mut names: Vec<String> = Vec::new();
        if let Some(base) = &base {
            self.claim(&mut names, base, &query_at.key("columns"));
        }
        let mut joins = Vec::new();
        for (place, join) in route.join.iter().enumerate() {
            let at = at.key("join").index(place);
            let partner = self.partner(join, base.as_ref(), &at);
            if let Some(partner) = &partner {
                self.claim(&mut names, &partner.selection, &at.key("query").key("columns"));
            }
            joins.extend(partner);
        }
        let mut nests = Vec::new();
        for (name, nest) in route.nest.iter() {
            let at = at.key("nest").key(name);
            if names.iter().any(|known| known == name) {
                self.problems
                    .push(Problem::error(at.clone(), format!("`{name}` is served twice in one row")));
            }
            nests.extend(self.partner(nest, base.as_ref(), &at).map(|partner| (name.to_owned(), partner)));
        }
        let exists = route.exists.as_ref().and_then(|exists| {
            let at = at.key("exists");
            let schema = self.table(&exists.table, &at)?;
            let mut selection = empty(&exists.table);
            // Which column is read does not matter; the first one always exists.
            selection.columns.extend(schema.fields().first().map(|field| Field::clone(field)));
            selection.filters = self.filters(&exists.filters, &exists.table, &schema, &at.key("filters"));
            Some(selection)
        });
        Some(Plan { base: base?, joins, nests, exists, history })
    }

    /// Refuses a name that is served twice in one row.
    fn claim(&mut self, names: &mut Vec<String>, selection: &Selection, at: &Path) {
        for (place, served) in selection.served.iter().enumerate() {
            if names.contains(&served.name) {
                let message = format!("`{}` is served twice in one row", served.name);
                let problem = Problem::error(at.index(place), message);
                self.problems.push(problem.help("name it otherwise with `column as name`"));
            }
            names.push(served.name.clone());
        }
    }

    pub(crate) fn table(&mut self, table: &str, at: &Path) -> Option<SchemaRef> {
        let found = self.tables.get(table).cloned();
        if found.is_none() {
            self.problems.push(unknown_table(at.key("table"), table, self.tables));
        }
        found
    }

    fn partner(&mut self, join: &Join, base: Option<&Selection>, at: &Path) -> Option<Partner> {
        let mut selection = self.select(&join.query, &at.key("query"))?;
        let (base, schema) = (base?, self.tables.get(&join.query.table)?);
        let mut on = Vec::new();
        for (theirs, own) in join.on.iter() {
            let at = at.key("on").key(theirs);
            let place = base.columns.iter().position(|field| field.name() == theirs);
            if place.is_none() {
                let known = base.columns.iter().map(|field| field.name().as_str());
                let message = format!("the rows have no column `{theirs}` to compare");
                self.problems.push(Problem::error(at.clone(), message).suggest(theirs, known));
            }
            match (place, selection.ask(schema, own)) {
                (Some(place), Some(own)) => on.push((place, own)),
                (None, Some(_)) => {}
                (_, None) => self.problems.push(unknown_column(at, &join.query.table, own, schema)),
            }
        }
        Some(Partner { on, selection })
    }

    fn select(&mut self, select: &Select, at: &Path) -> Option<Selection> {
        let schema = self.table(&select.table, at)?;
        let mut selection = empty(&select.table);
        let columns_at = at.key("columns");
        for (place, text) in select.columns.iter().enumerate() {
            let (column, name) = spell::column(text);
            self.serve(&mut selection, &schema, column, name, &columns_at.index(place));
        }
        if select.columns.is_empty() {
            for field in schema.fields() {
                self.serve(&mut selection, &schema, field.name(), field.name(), &columns_at);
            }
        }
        selection.filters = self.filters(&select.filters, &select.table, &schema, &at.key("filters"));
        for (place, column) in select.latest_by.iter().enumerate() {
            self.column(&schema, &select.table, column, at.key("latest_by").index(place));
        }
        selection.latest_by.clone_from(&select.latest_by);
        if let Some(newest) = &select.newest {
            self.column(&schema, &select.table, newest, at.key("newest"));
        }
        selection.newest.clone_from(&select.newest);
        for (place, text) in select.order.iter().enumerate() {
            let (column, descending) = spell::order(text);
            self.column(&schema, &select.table, column, at.key("order").index(place));
            selection.order.push(Order { column: column.to_owned(), descending });
        }
        selection.limit = select.limit.as_ref().map(|limit| match limit {
            Limit::Rows(rows) => Operand::Value(Value::Int(i64::try_from(*rows).unwrap_or(i64::MAX))),
            Limit::Asked(asked) => Operand::Param(asked.param.clone()),
        });
        for (column, time) in select.resets.iter() {
            let at = at.key("resets").key(column);
            let places = self.reset(&mut selection, &schema, column, time, &at);
            selection.resets.extend(places);
        }
        Some(selection)
    }

    fn serve(&mut self, selection: &mut Selection, schema: &SchemaRef, column: &str, name: &str, at: &Path) {
        let Some(place) = selection.ask(schema, column) else {
            self.problems.push(unknown_column(at.clone(), &selection.table, column, schema));
            return;
        };
        let kind = selection.columns[place].data_type();
        if !servable(kind) {
            let message = format!("the column `{column}` is of type {kind}, which has no JSON form");
            self.problems.push(Problem::error(at.clone(), message));
        }
        selection.serve(place, name);
    }

    pub(crate) fn column(
        &mut self,
        schema: &SchemaRef,
        table: &str,
        column: &str,
        at: Path,
    ) -> Option<Field> {
        let found = schema.field_with_name(column).ok().cloned();
        if found.is_none() {
            self.problems.push(unknown_column(at, table, column, schema));
        }
        found
    }

    fn filters(
        &mut self,
        filters: &IndexMap<String, Condition>,
        table: &str,
        schema: &SchemaRef,
        at: &Path,
    ) -> Vec<Test> {
        let mut tests = Vec::new();
        for (column, condition) in filters.iter() {
            let at = at.key(column);
            let Some(field) = self.column(schema, table, column, at.clone()) else { continue };
            if let Some(value) = &condition.value {
                let (value, kind) = constant(value);
                self.comparable(&field, kind, &at.key("value"));
                tests.push(Test {
                    column: column.to_owned(),
                    comparison: Comparison::Eq,
                    operand: Operand::Value(value),
                });
            }
            let asked = [
                ("param", &condition.param, Comparison::Eq),
                ("from", &condition.from, Comparison::Ge),
                ("before", &condition.before, Comparison::Lt),
            ];
            for (key, name, comparison) in asked {
                let Some(name) = name else { continue };
                if let Some(parameter) = self.parameter(name) {
                    self.comparable(&field, parameter.kind, &at.key(key));
                    self.name_codes(name, field.labels());
                }
                tests.push(Test {
                    column: column.to_owned(),
                    comparison,
                    operand: Operand::Param(name.clone()),
                });
            }
        }
        tests
    }

    fn parameter(&self, name: &str) -> Option<&'a Parameter> {
        self.route.parameters.get(name)
    }

    /// Notes that the parameter is compared with a column of these words.
    fn name_codes(&mut self, parameter: &str, labels: Option<Labels>) {
        match self.labels.iter_mut().find(|(known, _)| known == parameter) {
            Some((_, known)) if *known != labels => *known = None,
            Some(_) => {}
            None => self.labels.push((parameter.to_owned(), labels)),
        }
    }

    fn comparable(&mut self, field: &Field, kind: ParameterType, at: &Path) {
        let fits = match field.data_type() {
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => kind == ParameterType::Text,
            DataType::Boolean => kind == ParameterType::Boolean,
            DataType::Timestamp(_, _) => kind == ParameterType::Time,
            other if other.is_numeric() => matches!(kind, ParameterType::Integer | ParameterType::Number),
            _ => false,
        };
        if !fits {
            let message = format!(
                "the column `{}` is of type {} and cannot be compared with {}",
                field.name(),
                field.data_type(),
                match kind {
                    ParameterType::Text => "a text",
                    ParameterType::Integer => "a whole number",
                    ParameterType::Number => "a number",
                    ParameterType::Boolean => "true or false",
                    ParameterType::Time => "a time",
                }
            );
            self.problems.push(Problem::error(at.clone(), message).help("change the parameter's `type`"));
        }
    }
}

/// A question about a table that asks for no column yet.
pub(crate) fn empty(table: &str) -> Selection {
    Selection {
        table: table.to_owned(),
        columns: Vec::new(),
        served: Vec::new(),
        filters: Vec::new(),
        latest_by: Vec::new(),
        newest: None,
        order: Vec::new(),
        limit: None,
        resets: Vec::new(),
        view: None,
    }
}

fn constant(scalar: &Scalar) -> (Value, ParameterType) {
    match scalar {
        Scalar::Bool(value) => (Value::Bool(*value), ParameterType::Boolean),
        Scalar::Int(value) => (Value::Int(*value), ParameterType::Integer),
        Scalar::Float(value) => (Value::Float(*value), ParameterType::Number),
        Scalar::Text(value) => (Value::Text(value.clone()), ParameterType::Text),
    }
}
