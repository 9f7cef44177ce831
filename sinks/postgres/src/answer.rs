//! Rows of PostgreSQL as Arrow columns of the store's schema.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use arrow_array::builder::{
    BooleanBuilder, Float64Builder, Int64Builder, StringBuilder, TimestampMicrosecondBuilder,
};
use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_schema::{ArrowError, DataType, SchemaRef};
use postgres_types::{FromSql, Type};
use tokio_postgres::Row;

enum Builder {
    Int(Int64Builder),
    Float(Float64Builder),
    Text(StringBuilder),
    Bool(BooleanBuilder),
    Time(TimestampMicrosecondBuilder),
}

/// Collects rows into a batch.
pub(crate) struct Answer {
    schema: SchemaRef,
    columns: Vec<Builder>,
    rows: usize,
}

impl Answer {
    pub(crate) fn new(schema: SchemaRef) -> Self {
        let columns = schema
            .fields()
            .iter()
            .map(|field| match field.data_type() {
                DataType::Int64 => Builder::Int(Int64Builder::new()),
                DataType::Float64 => Builder::Float(Float64Builder::new()),
                DataType::Boolean => Builder::Bool(BooleanBuilder::new()),
                DataType::Timestamp(_, _) => {
                    Builder::Time(TimestampMicrosecondBuilder::new().with_timezone("UTC"))
                }
                _ => Builder::Text(StringBuilder::new()),
            })
            .collect();
        Self { schema, columns, rows: 0 }
    }

    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// Adds a row.
    ///
    /// # Errors
    /// The name of the column whose cell cannot be read as what the mapping says.
    pub(crate) fn push(&mut self, row: &Row) -> Result<(), String> {
        for (index, column) in self.columns.iter_mut().enumerate() {
            if column.push(row, index).is_none() {
                return Err(self.schema.field(index).name().clone());
            }
        }
        self.rows += 1;
        Ok(())
    }

    /// What was collected; empty afterwards.
    ///
    /// # Errors
    /// A null in a key column.
    pub(crate) fn take(&mut self) -> Result<RecordBatch, ArrowError> {
        let columns = self.columns.iter_mut().map(Builder::take).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(std::mem::take(&mut self.rows)));
        RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)
    }
}

impl Builder {
    fn push(&mut self, row: &Row, index: usize) -> Option<()> {
        fn cell<'a, T: FromSql<'a>>(row: &'a Row, index: usize) -> Option<Option<T>> {
            row.try_get(index).ok()
        }
        match self {
            Self::Int(column) => column.append_option(cell(row, index)?),
            Self::Float(column) if *row.columns()[index].type_() == Type::FLOAT4 => {
                column.append_option(cell::<f32>(row, index)?.and_then(shortest));
            }
            Self::Float(column) => column.append_option(cell(row, index)?),
            Self::Text(column) => column.append_option(cell::<&str>(row, index)?),
            Self::Bool(column) => column.append_option(cell(row, index)?),
            Self::Time(column) => column.append_option(match cell::<SystemTime>(row, index)? {
                Some(instant) => Some(micros(instant)?),
                None => None,
            }),
        }
        Some(())
    }

    fn take(&mut self) -> ArrayRef {
        match self {
            Self::Int(column) => Arc::new(column.finish()),
            Self::Float(column) => Arc::new(column.finish()),
            Self::Text(column) => Arc::new(column.finish()),
            Self::Bool(column) => Arc::new(column.finish()),
            Self::Time(column) => Arc::new(column.finish()),
        }
    }
}

/// The double of the fewest digits that mean this single: 230.1 stays 230.1.
fn shortest(value: f32) -> Option<f64> {
    value.to_string().parse().ok()
}

fn micros(instant: SystemTime) -> Option<i64> {
    let whole = |span: Duration| i64::try_from(span.as_micros()).ok();
    match instant.duration_since(UNIX_EPOCH) {
        Ok(after) => whole(after),
        Err(before) => whole(before.duration()).map(|micros| -micros),
    }
}
