//! A route whose declaration was checked: what a request may carry, and which questions answer it.

use arrow_schema::{Field, SchemaRef};
use smiles_stage::tables::TablesPlan;
use smiles_stage::{Comparison, Order, Query, Value, is_json};

use crate::current::memory::Views;
use crate::declare::config::{Route, Shape};
use crate::declare::params::Param;
use crate::query::totals::TotalsPlan;
use crate::text::json;

/// What is known of a route without a store.
#[derive(Clone, Debug)]
pub(crate) struct Resource {
    /// Its template: `/api/things/{id}`.
    pub path: String,
    /// As declared.
    pub route: Route,
    /// Its parameters, those of the path first.
    pub params: Vec<Param>,
    /// The questions; none where the pipeline has no store.
    pub plan: Option<Plan>,
    /// The sums, of a route with `totals`.
    pub totals: Option<TotalsPlan>,
}

/// The questions that answer a route.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// The rows.
    pub base: Selection,
    /// Columns put into each row.
    pub joins: Vec<Partner>,
    /// Lists put into each row, by name.
    pub nests: Vec<(String, Partner)>,
    /// What must exist for an empty list to be no 404.
    pub exists: Option<Selection>,
    /// How the rows are paged through.
    pub history: Option<HistoryPlan>,
}

/// Rows through time.
#[derive(Clone, Debug)]
pub(crate) struct HistoryPlan {
    /// The columns of the order, as places in the base selection; the first is the time.
    pub by: Vec<usize>,
    /// The time's name in the answer.
    pub time_name: String,
    /// The columns of which `interval` answers aggregates.
    pub buckets: Vec<Bucket>,
}

/// A column that is aggregated.
#[derive(Clone, Debug)]
pub(crate) struct Bucket {
    /// As stored.
    pub column: Field,
    /// Its name in the answer, without the function's.
    pub name: String,
    /// Decimal places of a mean.
    pub decimals: i32,
}

/// Rows of one table and how they are served.
#[derive(Clone, Debug)]
pub(crate) struct Selection {
    /// The table.
    pub table: String,
    /// The columns asked for; each once.
    pub columns: Vec<Field>,
    /// The columns served, in order.
    pub served: Vec<Served>,
    /// Conditions.
    pub filters: Vec<Test>,
    /// See [`Query::latest_by`].
    pub latest_by: Vec<String>,
    /// See [`Query::newest`].
    pub newest: Option<String>,
    /// See [`Query::order`].
    pub order: Vec<Order>,
    /// How many.
    pub limit: Option<Operand>,
    /// Columns that are 0 when their time column says that their day is over, as places.
    pub resets: Vec<(usize, usize)>,
    /// The view in memory that answers it, if one does.
    pub view: Option<usize>,
}

/// A column as served.
#[derive(Clone, Debug)]
pub(crate) struct Served {
    /// Its name in the answer.
    pub name: String,
    /// The name as a JSON key with its colon.
    pub key: String,
    /// Its place in [`Selection::columns`].
    pub column: usize,
    /// Whether its texts are JSON.
    pub json: bool,
}

/// A condition on a column.
#[derive(Clone, Debug)]
pub(crate) struct Test {
    /// The column.
    pub column: String,
    /// How it is compared.
    pub comparison: Comparison,
    /// With what.
    pub operand: Operand,
}

/// A value of the file or of the request.
#[derive(Clone, Debug)]
pub(crate) enum Operand {
    /// Of the file.
    Value(Value),
    /// The parameter of this name; absent ones narrow nothing.
    Param(String),
}

/// Rows of another table that belong to a row.
#[derive(Clone, Debug)]
pub(crate) struct Partner {
    /// Equal columns: places in the base selection's columns and in the partner's.
    pub on: Vec<(usize, usize)>,
    /// The rows.
    pub selection: Selection,
}

/// The values of a request's parameters by name.
pub(crate) type Values = Vec<(String, Value)>;

/// The value of a parameter, if it has one.
pub(crate) fn value<'a>(values: &'a Values, name: &str) -> Option<&'a Value> {
    values.iter().find(|(known, _)| known == name).map(|(_, value)| value)
}

impl Resource {
    /// Whether it answers an array.
    pub(crate) fn is_list(&self) -> bool {
        self.route.shape == Shape::List
    }

    /// Whether current rows are all it needs: it is answered from memory.
    pub(crate) fn is_current(&self) -> bool {
        let current = |selection: &Selection| selection.view.is_some();
        match (&self.plan, &self.totals) {
            (Some(plan), _) => plan.selections().all(current),
            (None, Some(totals)) => totals.selections().all(current),
            (None, None) => false,
        }
    }

    /// What a 404 says for these values.
    pub(crate) fn not_found(&self, values: &Values) -> String {
        let mut message = self.route.not_found.clone().unwrap_or_else(|| "no such row".to_owned());
        for (name, value) in values {
            message = message.replace(&format!("{{{name}}}"), &text(value));
        }
        message
    }
}

impl Plan {
    fn selections(&self) -> impl Iterator<Item = &Selection> {
        let joins = self.joins.iter().map(|partner| &partner.selection);
        let nests = self.nests.iter().map(|(_, partner)| &partner.selection);
        std::iter::once(&self.base).chain(joins).chain(nests).chain(&self.exists)
    }

    /// Lets memory answer what it can.
    pub(crate) fn follow(&mut self, mapping: &TablesPlan, views: &mut Views) {
        if self.history.is_none() {
            self.base.follow(mapping, views, &[]);
        }
        let joins = self.joins.iter_mut();
        for partner in joins.chain(self.nests.iter_mut().map(|(_, partner)| partner)) {
            let on: Vec<String> =
                partner.on.iter().map(|(_, own)| partner.selection.columns[*own].name().clone()).collect();
            partner.selection.follow(mapping, views, &on);
        }
        if let Some(exists) = &mut self.exists {
            exists.follow(mapping, views, &[]);
        }
    }
}

impl Selection {
    /// Lets memory answer it, if it can; `narrowed`: columns that conditions may be added on.
    pub(crate) fn follow(&mut self, mapping: &TablesPlan, views: &mut Views, narrowed: &[String]) {
        let filtered = self.filters.iter().map(|test| test.column.as_str());
        let filtered: Vec<&str> = filtered.chain(narrowed.iter().map(String::as_str)).collect();
        self.view = views.want(mapping, &self.table, &self.latest_by, self.newest.as_deref(), &filtered);
    }

    /// The place of a column, asked for if it is not yet; `None` if the table has no such column.
    pub(crate) fn ask(&mut self, schema: &SchemaRef, column: &str) -> Option<usize> {
        if let Some(place) = self.columns.iter().position(|field| field.name() == column) {
            return Some(place);
        }
        let field = schema.field_with_name(column).ok()?;
        self.columns.push(field.clone());
        Some(self.columns.len() - 1)
    }

    /// Serves a column under a name.
    pub(crate) fn serve(&mut self, column: usize, name: &str) {
        let json = is_json(&self.columns[column]);
        let mut key = String::new();
        json::write_text(&mut key, name);
        key.push(':');
        self.served.push(Served { name: name.to_owned(), key, column, json });
    }

    /// The question for these values.
    pub(crate) fn query(&self, values: &Values) -> Query {
        let resolve = |operand: &Operand| match operand {
            Operand::Value(value) => Some(value.clone()),
            Operand::Param(name) => value(values, name).cloned(),
        };
        let filter = |test: &Test| {
            let value = resolve(&test.operand)?;
            Some(smiles_stage::Filter { column: test.column.clone(), comparison: test.comparison, value })
        };
        let limit = self.limit.as_ref().and_then(resolve).and_then(|value| match value {
            Value::Int(rows) => u64::try_from(rows).ok(),
            Value::Bool(_) | Value::Float(_) | Value::Text(_) | Value::Time(_) => None,
        });
        Query {
            table: self.table.clone(),
            columns: self.columns.iter().map(|field| field.name().clone()).collect(),
            filters: self.filters.iter().filter_map(filter).collect(),
            latest_by: self.latest_by.clone(),
            newest: self.newest.clone(),
            order: self.order.clone(),
            limit,
            ..Query::default()
        }
    }
}

/// A value as people write it.
fn text(value: &Value) -> String {
    match value {
        Value::Bool(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::Float(value) => value.to_string(),
        Value::Text(value) => value.clone(),
        Value::Time(value) => json::instant(*value),
    }
}
