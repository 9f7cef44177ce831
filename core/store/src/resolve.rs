//! A query held against the tables of a store, before any store compiles it.

use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema, SchemaRef};

use smiles_stage::{Aggregate, Buckets, ColumnMeta, Function, Query, StageError, StoreSchema, did_you_mean};

/// A query all of whose names are known.
#[derive(Clone, Debug)]
pub struct Resolved<'a> {
    query: &'a Query,
    table: &'a Schema,
    /// The columns of the answer: those asked for, or all.
    pub columns: Vec<String>,
    /// The schema of the answer.
    pub answer: SchemaRef,
}

/// Looks up every name of a query.
///
/// # Errors
/// Halt: it does not fit the tables; says what is known instead.
pub fn resolve<'a>(query: &'a Query, tables: &'a StoreSchema) -> Result<Resolved<'a>, StageError> {
    let table = tables
        .get(&query.table)
        .ok_or_else(|| unknown("table", &query.table, tables.keys().map(String::as_str)))?;
    let columns = if query.columns.is_empty() {
        table.fields().iter().map(|field| field.name().clone()).collect()
    } else {
        query.columns.clone()
    };
    let mut resolved = Resolved { query, table, columns, answer: Arc::new(Schema::empty()) };
    let fields = resolved.columns.iter().map(|name| Ok(resolved.field(name)?.clone()));
    let fields: Vec<Field> = fields.collect::<Result<_, StageError>>()?;
    let order = query.order.iter().map(|order| &order.column);
    for name in query.latest_by.iter().chain(&query.newest).chain(order) {
        resolved.field(name)?;
    }
    if !query.latest_by.is_empty() && query.newest.is_none() {
        return Err(StageError::halt("a query with `latest_by` needs `newest`"));
    }
    resolved.check()?;
    let answer = match &query.buckets {
        Some(buckets) => resolved.summary(buckets)?,
        None => Schema::new(fields),
    };
    resolved.answer = Arc::new(answer);
    Ok(resolved)
}

impl Resolved<'_> {
    /// The column of the table.
    ///
    /// # Errors
    /// Halt: there is none of that name; says which there are.
    pub fn field(&self, name: &str) -> Result<&Field, StageError> {
        self.table.field_with_name(name).map_err(|_| self.missing(name))
    }

    fn missing(&self, name: &str) -> StageError {
        let known = self.table.fields().iter().map(|field| field.name().as_str());
        unknown(&format!("column of `{}`", self.query.table), name, known)
    }

    /// What comes back of spans of time: the start of each under the name of the time column, then `<column>_<function>`.
    fn summary(&self, buckets: &Buckets) -> Result<Schema, StageError> {
        let mut fields = vec![self.field(&buckets.time)?.clone()];
        for Aggregate { column, function } in &buckets.aggregates {
            // A mean of codes is none, so no aggregate has words.
            let field = self.field(column)?.clone().with_nullable(true).without_labels();
            let field = field.with_name(format!("{column}_{}", function.name()));
            let is_mean = *function == Function::Avg;
            fields.push(if is_mean { field.with_data_type(DataType::Float64) } else { field });
        }
        Ok(Schema::new(fields))
    }

    /// What cannot be asked together.
    fn check(&self) -> Result<(), StageError> {
        let Query { within, order, latest_by, buckets, columns, skip, .. } = self.query;
        if within.iter().any(|edge| edge.place.len() != order.len() || order.is_empty()) {
            return Err(StageError::halt("a place in an order needs a value for each of its columns"));
        }
        if !within.is_empty() && !latest_by.is_empty() {
            return Err(StageError::halt("a query with `latest_by` has no place to go on from"));
        }
        let Some(buckets) = buckets else { return Ok(()) };
        let rows = !(within.is_empty() && order.is_empty() && latest_by.is_empty() && columns.is_empty());
        if rows || *skip > 0 {
            return Err(StageError::halt("a query asks for rows and for spans of time at once"));
        }
        if buckets.bounds.len() < 2 || !buckets.bounds.is_sorted() {
            return Err(StageError::halt("spans of time need two or more bounds, ascending"));
        }
        for aggregate in &buckets.aggregates {
            if !self.field(&aggregate.column)?.data_type().is_numeric() {
                let column = &aggregate.column;
                return Err(StageError::halt(format!("a query aggregates `{column}`, which is no number")));
            }
        }
        Ok(())
    }

    /// What to say of a condition whose value is of another type than its column.
    pub fn incomparable(&self, column: &str) -> StageError {
        let table = &self.query.table;
        StageError::halt(format!("a query compares `{column}` of `{table}` with a value of another type"))
    }
}

fn unknown<'a>(what: &str, name: &str, known: impl Iterator<Item = &'a str>) -> StageError {
    let help = did_you_mean(name, known).map_or(String::new(), |help| format!("; {help}"));
    StageError::halt(format!("a query asks for `{name}`, which is no {what}{help}"))
}
