//! What is asked of one table, its columns found, and how its rows are served.

use std::sync::Arc;

use arrow_schema::{Field, SchemaRef};
use smiles_stage::{ColumnMeta, Comparison, Labels, Order, Query, Value};
use smiles_tables::TablesPlan;

use crate::current::memory::Views;
use crate::declare::params::{Values, value};
use crate::text::json;
use crate::text::json::Cell;

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
        let json = self.columns[column].is_json();
        let mut key = String::new();
        json::write_text(&mut key, name);
        key.push(':');
        let labels = self.columns[column].labels().filter(|labels| !labels.words().is_empty());
        let labels = labels.map(Arc::new);
        self.served.push(Served { name: name.to_owned(), key, column, json, labels });
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
    /// The words that are shown for its codes. Filters, joins and places in an order go by the numbers.
    pub labels: Option<Arc<Labels>>,
}

impl Served {
    /// The word for a cell; `None` where the cell itself is shown.
    pub(crate) fn word(&self, cell: &Cell<'_>) -> Option<String> {
        self.labels.as_ref()?.word(cell.code()?)
    }
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

/// A value as people write it.
pub(crate) fn text(value: &Value) -> String {
    match value {
        Value::Bool(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::Float(value) => value.to_string(),
        Value::Text(value) => value.clone(),
        Value::Time(value) => json::instant(*value),
    }
}
