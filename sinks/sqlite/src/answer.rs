//! Rows of SQLite as Arrow columns of the store's schema.

use std::sync::Arc;

use arrow_array::builder::{
    BooleanBuilder, Float64Builder, Int64Builder, StringBuilder, TimestampMicrosecondBuilder,
};
use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_schema::{ArrowError, DataType, SchemaRef};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;
use rusqlite::Row;
use rusqlite::types::ValueRef;

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
    /// The name of the column whose cell is of another type: somebody else wrote it.
    pub(crate) fn push(&mut self, row: &Row<'_>) -> Result<(), String> {
        for (index, column) in self.columns.iter_mut().enumerate() {
            let cell = row.get_ref(index).unwrap_or(ValueRef::Null);
            if !column.push(cell) {
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
    fn push(&mut self, cell: ValueRef<'_>) -> bool {
        match (self, cell) {
            (Self::Int(column), ValueRef::Integer(value)) => column.append_value(value),
            (Self::Int(column), ValueRef::Null) => column.append_null(),
            (Self::Float(column), ValueRef::Real(value)) => column.append_value(value),
            (Self::Float(column), ValueRef::Integer(value)) => column.append_value(value as f64),
            (Self::Float(column), ValueRef::Null) => column.append_null(),
            (Self::Text(column), ValueRef::Null) => column.append_null(),
            (Self::Text(column), ValueRef::Text(text)) => match std::str::from_utf8(text) {
                Ok(text) => column.append_value(text),
                Err(_) => return false,
            },
            (Self::Bool(column), ValueRef::Integer(value @ (0 | 1))) => column.append_value(value == 1),
            (Self::Bool(column), ValueRef::Null) => column.append_null(),
            (Self::Time(column), ValueRef::Null) => column.append_null(),
            (Self::Time(column), ValueRef::Text(text)) => match micros(text) {
                Some(micros) => column.append_value(micros),
                None => return false,
            },
            _ => return false,
        }
        true
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

/// Our own form, or what people write by hand: `2026-11-23 19:43:12`, which counts as UTC.
fn micros(text: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(text).ok()?;
    let instant = text.parse::<Timestamp>().ok().or_else(|| {
        let at: DateTime = text.parse().ok()?;
        Offset::UTC.to_timestamp(at).ok()
    });
    instant.map(|instant| instant.as_microsecond())
}
