//! A query as SQL with bound parameters: pure.
//!
//! Conditions come first, then `latest_by`, then order and limit. A row with a null in a `latest_by` column belongs
//! to no combination; of rows equally new the one written last wins. Text is compared and ordered by its bytes,
//! whatever the database's collation, so that every store answers the same.

mod buckets;
mod edge;
mod latest;
mod value;

use arrow_schema::SchemaRef;
use postgres_types::Type;
use smiles_stage::{Comparison, Filter, Order, Query, StageError, StoreSchema, Value};
use smiles_store::{Resolved, operator, quoted, resolve, wherever};
use smiles_tables::ColumnType;

use crate::catalog::{DatabaseColumn, DatabaseTable};
use crate::compile::value::Bound;
use crate::sql::qualified;

/// What to run, and the columns that come back.
#[derive(Debug)]
pub(crate) struct Compiled {
    pub(crate) sql: String,
    pub(crate) parameters: Vec<Bound>,
    pub(crate) schema: SchemaRef,
}

/// Compiles a query over the tables of a store.
///
/// # Errors
/// Halt: the query does not fit the tables.
pub(crate) fn compile(
    query: &Query,
    tables: &StoreSchema,
    found: &DatabaseTable,
) -> Result<Compiled, StageError> {
    let resolved = resolve(query, tables)?;
    let mut text = Text { query, resolved: &resolved, found, parameters: Vec::new() };
    let mut sql = match (&query.buckets, &query.newest) {
        (Some(buckets), _) => text.buckets(buckets)?,
        (None, Some(newest)) if !query.latest_by.is_empty() => text.latest(newest)?,
        (None, _) => text.plain()?,
    };
    sql.push_str(&text.order_and_limit()?);
    let parameters = text.parameters;
    Ok(Compiled { sql, parameters, schema: resolved.answer })
}

struct Text<'a> {
    query: &'a Query,
    resolved: &'a Resolved<'a>,
    found: &'a DatabaseTable,
    parameters: Vec<Bound>,
}

impl Text<'_> {
    fn plain(&mut self) -> Result<String, StageError> {
        let mut conditions = self.conditions(|_| true)?;
        let query = self.query;
        for edge in &query.within {
            conditions.push(self.edge(edge)?);
        }
        let from = qualified(&query.table);
        Ok(format!("SELECT {} FROM {from} AS n{}", self.selected()?, wherever(&conditions)))
    }

    /// The columns of the answer, each as the type it is read as.
    fn selected(&self) -> Result<String, StageError> {
        let columns = self.resolved.columns.iter().map(|name| {
            let cell = format!("n.{}", quoted(name));
            Ok(match self.column_type(name)? {
                ColumnType::Int64 => format!("{cell}::int8"),
                ColumnType::Float64 if self.found.columns.get(name).is_some_and(|it| it.is_float()) => cell,
                ColumnType::Float64 => format!("{cell}::float8"),
                ColumnType::Text | ColumnType::Json => format!("{cell}::text"),
                ColumnType::Bool => format!("{cell}::bool"),
                ColumnType::Time => format!("{}::timestamptz", self.instant(name, cell)),
            })
        });
        Ok(columns.collect::<Result<Vec<_>, StageError>>()?.join(", "))
    }

    /// An instant of the column with its zone: what a `timestamp` holds is what a clock in UTC shows.
    fn instant(&self, name: &str, cell: String) -> String {
        match self.found.columns.get(name).is_some_and(DatabaseColumn::is_naive) {
            true => format!("({cell} AT TIME ZONE 'UTC')"),
            false => cell,
        }
    }

    fn column_type(&self, name: &str) -> Result<ColumnType, StageError> {
        Ok(ColumnType::of(self.resolved.field(name)?).unwrap_or(ColumnType::Text))
    }

    /// The value as the cells of the column are compared.
    fn bound(&self, column: &str, value: &Value) -> Result<Bound, StageError> {
        let single = self.found.columns.get(column).is_some_and(DatabaseColumn::is_single);
        value::bound(self.column_type(column)?, single, value)
            .ok_or_else(|| self.resolved.incomparable(column))
    }

    /// The conditions on the columns that `take` takes, each with its own numbered parameter.
    fn conditions(&mut self, take: impl Fn(&str) -> bool) -> Result<Vec<String>, StageError> {
        let query = self.query;
        let taken = query.filters.iter().filter(|filter| take(&filter.column));
        taken.map(|filter| self.condition(filter)).collect()
    }

    fn condition(&mut self, filter: &Filter) -> Result<String, StageError> {
        let column_type = self.column_type(&filter.column)?;
        let bound = self.bound(&filter.column, &filter.value)?;
        self.parameters.push(bound);
        let operator = operator(filter.comparison);
        let cell = format!("n.{}", quoted(&filter.column));
        let cell = match column_type {
            ColumnType::Json => format!("{cell}::text"),
            ColumnType::Time => self.instant(&filter.column, cell),
            // Equal is equal in any collation, and an index is of the column's own.
            ColumnType::Text if filter.comparison != Comparison::Eq => by_bytes(&cell),
            _ => cell,
        };
        Ok(format!("{cell} {operator} ${}", self.parameters.len()))
    }

    fn order_and_limit(&mut self) -> Result<String, StageError> {
        let order = self.query.order.iter().map(|order| self.ordered(order));
        let order = order.collect::<Result<Vec<_>, StageError>>()?;
        let mut sql =
            if order.is_empty() { String::new() } else { format!(" ORDER BY {}", order.join(", ")) };
        if let Some(limit) = self.query.limit {
            self.parameters.push((Box::new(i64::try_from(limit).unwrap_or(i64::MAX)), Type::INT8));
            sql.push_str(&format!(" LIMIT ${}", self.parameters.len()));
        }
        if self.query.skip > 0 {
            let skip = i64::try_from(self.query.skip).unwrap_or(i64::MAX);
            self.parameters.push((Box::new(skip), Type::INT8));
            sql.push_str(&format!(" OFFSET ${}", self.parameters.len()));
        }
        Ok(sql)
    }

    /// The column as it is ordered.
    fn comparable(&self, column: &str) -> Result<String, StageError> {
        let cell = format!("n.{}", quoted(column));
        Ok(match self.column_type(column)? {
            ColumnType::Text => by_bytes(&cell),
            ColumnType::Json => by_bytes(&format!("{cell}::text")),
            ColumnType::Time => self.instant(column, cell),
            _ => cell,
        })
    }

    /// Nulls last; not said where there are none, since an index in descending order has them first.
    fn ordered(&self, order: &Order) -> Result<String, StageError> {
        let cell = self.comparable(&order.column)?;
        let direction = match order.descending {
            true if self.found.never_null(&order.column) => "DESC",
            true => "DESC NULLS LAST",
            false => "ASC",
        };
        Ok(format!("{cell} {direction}"))
    }
}

fn by_bytes(cell: &str) -> String {
    format!("{cell} COLLATE \"C\"")
}
