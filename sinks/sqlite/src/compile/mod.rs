//! A query as SQL with bound parameters: pure.
//!
//! Conditions come first, then `latest_by`, then order and limit. A row with a null in a `latest_by` column belongs
//! to no combination; of rows equally new the one written last wins.

mod buckets;
mod edge;
mod latest;

use arrow_schema::SchemaRef;
use rusqlite::types::Value as Cell;
use smiles_stage::{Filter, Query, StageError, StoreSchema, Value};
use smiles_store::{Resolved, list, operator, quoted, resolve, wherever};
use smiles_tables::{ColumnType, write_time};

use crate::shape::Shape;

/// What to run, and the columns that come back.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Compiled {
    pub(crate) sql: String,
    pub(crate) parameters: Vec<Cell>,
    pub(crate) schema: SchemaRef,
}

/// Compiles a query over the tables of a store.
///
/// # Errors
/// Halt: the query does not fit the tables.
pub(crate) fn compile(query: &Query, tables: &StoreSchema, shape: &Shape) -> Result<Compiled, StageError> {
    let resolved = resolve(query, tables)?;
    let mut text = Text { query, resolved: &resolved, parameters: Vec::new() };
    let mut sql = match (&query.buckets, &query.newest) {
        (Some(buckets), _) => text.buckets(buckets, shape)?,
        (None, Some(newest)) if !query.latest_by.is_empty() => {
            text.latest(&resolved.columns, newest, shape)?
        }
        (None, _) => text.plain(&resolved.columns)?,
    };
    sql.push_str(&text.order_and_limit());
    let parameters = text.parameters;
    Ok(Compiled { sql, parameters, schema: resolved.answer })
}

struct Text<'a> {
    query: &'a Query,
    resolved: &'a Resolved<'a>,
    parameters: Vec<Cell>,
}

impl Text<'_> {
    fn plain(&mut self, columns: &[String]) -> Result<String, StageError> {
        let mut conditions = self.conditions("", |_| true)?;
        for edge in &self.query.within {
            conditions.push(self.edge(edge)?);
        }
        let from = quoted(&self.query.table);
        Ok(format!("SELECT {} FROM {from}{}", list(names(columns)), wherever(&conditions)))
    }

    /// The conditions on the columns that `take` takes, each with its own numbered parameter.
    fn conditions(&mut self, prefix: &str, take: impl Fn(&str) -> bool) -> Result<Vec<String>, StageError> {
        let query = self.query;
        query
            .filters
            .iter()
            .filter(|filter| take(&filter.column))
            .map(|it| self.condition(prefix, it))
            .collect()
    }

    /// The number of a new parameter to compare this column with.
    fn bind(&mut self, column: &str, value: &Value) -> Result<usize, StageError> {
        let column_type = ColumnType::of(self.resolved.field(column)?);
        let cell = column_type.and_then(|column_type| bound(column_type, value));
        self.parameters.push(cell.ok_or_else(|| self.resolved.incomparable(column))?);
        Ok(self.parameters.len())
    }

    fn condition(&mut self, prefix: &str, filter: &Filter) -> Result<String, StageError> {
        let operator = operator(filter.comparison);
        let place = self.bind(&filter.column, &filter.value)?;
        Ok(format!("{prefix}{} {operator} ?{place}", quoted(&filter.column)))
    }

    fn order_and_limit(&mut self) -> String {
        let order: Vec<String> = self
            .query
            .order
            .iter()
            .map(|order| {
                let direction = if order.descending { "DESC" } else { "ASC NULLS LAST" };
                format!("{} {direction}", quoted(&order.column))
            })
            .collect();
        let mut sql =
            if order.is_empty() { String::new() } else { format!(" ORDER BY {}", order.join(", ")) };
        sql.push_str(&self.limit());
        sql
    }

    fn limit(&mut self) -> String {
        let (limit, skip) = (self.query.limit, self.query.skip);
        if limit.is_none() && skip == 0 {
            return String::new();
        }
        // Without a limit SQLite takes no offset; -1 is none.
        self.parameters.push(Cell::Integer(limit.map_or(-1, whole)));
        let mut sql = format!(" LIMIT ?{}", self.parameters.len());
        if skip > 0 {
            self.parameters.push(Cell::Integer(whole(skip)));
            sql.push_str(&format!(" OFFSET ?{}", self.parameters.len()));
        }
        sql
    }
}

fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn names(columns: &[String]) -> impl Iterator<Item = &str> {
    columns.iter().map(String::as_str)
}

/// The value as the column's cells are stored; `None` if the two cannot be compared.
fn bound(column_type: ColumnType, value: &Value) -> Option<Cell> {
    match (column_type, value) {
        (ColumnType::Int64 | ColumnType::Float64, Value::Int(value)) => Some(Cell::Integer(*value)),
        (ColumnType::Int64 | ColumnType::Float64, Value::Float(value)) => Some(Cell::Real(*value)),
        (ColumnType::Bool, Value::Bool(value)) => Some(Cell::Integer(i64::from(*value))),
        (ColumnType::Text | ColumnType::Json, Value::Text(value)) => Some(Cell::Text(value.clone())),
        (ColumnType::Time, Value::Time(value)) => Some(Cell::Text(instant(value.as_microsecond()))),
        _ => None,
    }
}

/// An instant outside of the years that can be stored is before or after every cell.
fn instant(micros: i64) -> String {
    let mut text = String::new();
    if !write_time(micros, &mut text) && micros > 0 {
        text.push('~');
    }
    text
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_schema::Schema;
    use jiff::Timestamp;
    use smiles_stage::{Comparison, Order};

    use super::*;

    fn tables() -> StoreSchema {
        let types = [
            ("k", ColumnType::Text),
            ("p", ColumnType::Int64),
            ("at", ColumnType::Time),
            ("up", ColumnType::Bool),
        ];
        let fields: Vec<_> = types.iter().map(|(name, column_type)| column_type.field(name)).collect();
        [("t".to_owned(), Arc::new(Schema::new(fields)))].into()
    }

    fn filter(column: &str, comparison: Comparison, value: Value) -> Filter {
        Filter { column: column.to_owned(), comparison, value }
    }

    fn latest() -> Query {
        Query {
            table: "t".into(),
            columns: vec!["p".into()],
            filters: vec![
                filter("k", Comparison::Eq, Value::Text("a".into())),
                filter("p", Comparison::Gt, Value::Int(5)),
            ],
            latest_by: vec!["k".into()],
            newest: Some("at".into()),
            order: vec![Order { column: "p".into(), descending: false }],
            limit: Some(3),
            ..Query::default()
        }
    }

    #[test]
    fn queries_become_sql_with_bound_parameters() {
        let walkable =
            Shape { rowid: Some("rowid"), indexes: vec![vec!["p".into()], vec!["k".into(), "at".into()]] };
        let cases = [
            (
                Query { table: "t".into(), ..Query::default() },
                &walkable,
                r#"SELECT "k", "p", "at", "up" FROM "t""#,
                vec![],
            ),
            (
                Query { latest_by: vec![], newest: None, ..latest() },
                &walkable,
                r#"SELECT "p" FROM "t" WHERE "k" = ?1 AND "p" > ?2 ORDER BY "p" ASC NULLS LAST LIMIT ?3"#,
                vec![Cell::Text("a".into()), Cell::Integer(5), Cell::Integer(3)],
            ),
            (
                latest(),
                &Shape::default(),
                r#"SELECT "p" FROM (SELECT *, row_number() OVER (PARTITION BY "k" ORDER BY "at" DESC) AS " rank" FROM "t" WHERE "k" = ?1 AND "p" > ?2 AND "k" IS NOT NULL) WHERE " rank" = 1 ORDER BY "p" ASC NULLS LAST LIMIT ?3"#,
                vec![Cell::Text("a".into()), Cell::Integer(5), Cell::Integer(3)],
            ),
            (
                latest(),
                &walkable,
                r#"WITH RECURSIVE " groups"(r) AS (SELECT (SELECT n.rowid FROM "t" AS n WHERE n."k" = ?1 AND n."k" IS NOT NULL ORDER BY n."k" LIMIT 1) UNION ALL SELECT coalesce((SELECT n.rowid FROM "t" AS n WHERE n."k" = ?1 AND n."k" IS NOT NULL AND n."k" > c."k" ORDER BY n."k" LIMIT 1), NULL) FROM " groups" AS g JOIN "t" AS c ON c.rowid = g.r) SELECT "p" FROM "t" WHERE rowid IN (SELECT (SELECT max(n.rowid) FROM "t" AS n WHERE n."k" = c."k" AND n."p" > ?2 AND n."at" IS (SELECT n."at" FROM "t" AS n WHERE n."k" = c."k" AND n."p" > ?2 ORDER BY n."at" DESC LIMIT 1)) FROM " groups" AS g JOIN "t" AS c ON c.rowid = g.r) ORDER BY "p" ASC NULLS LAST LIMIT ?3"#,
                vec![Cell::Text("a".into()), Cell::Integer(5), Cell::Integer(3)],
            ),
        ];
        for (query, shape, sql, parameters) in cases {
            let compiled = compile(&query, &tables(), shape).ok();
            let compiled = compiled.map(|compiled| (compiled.sql, compiled.parameters));
            assert_eq!(compiled, Some((sql.to_owned(), parameters)));
        }
    }

    #[test]
    fn values_are_bound_as_cells_are_stored() {
        let far = Timestamp::MIN;
        let cases = [
            ("up", Value::Bool(true), Some(Cell::Integer(1))),
            ("up", Value::Int(1), None),
            ("p", Value::Float(0.5), Some(Cell::Real(0.5))),
            ("p", Value::Text("5".into()), None),
            ("k", Value::Int(5), None),
            (
                "at",
                Value::Time(Timestamp::UNIX_EPOCH),
                Some(Cell::Text("1970-01-01T00:00:00.000000+00:00".into())),
            ),
            ("at", Value::Time(far), Some(Cell::Text(String::new()))),
            ("at", Value::Text("1970".into()), None),
        ];
        for (column, value, expected) in cases {
            let filters = vec![filter(column, Comparison::Ge, value.clone())];
            let query = Query { table: "t".into(), filters, ..Query::default() };
            let bound = compile(&query, &tables(), &Shape::default()).ok().map(|it| it.parameters);
            assert_eq!(bound, expected.map(|cell| vec![cell]), "{column} {value:?}");
        }
    }
}
