//! Rows of a database as Arrow columns of a store's schema.

use std::sync::Arc;

use arrow_array::builder::{
    BooleanBuilder, Float64Builder, Int64Builder, StringBuilder, TimestampMicrosecondBuilder,
};
use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_schema::{ArrowError, DataType, SchemaRef};

/// A column that grows, of one of the types a table can have.
#[derive(Debug)]
pub enum Cells {
    /// Whole numbers.
    Int(Int64Builder),
    /// Numbers.
    Float(Float64Builder),
    /// Text and JSON.
    Text(StringBuilder),
    /// Truth values.
    Bool(BooleanBuilder),
    /// Instants in microseconds, UTC.
    Time(TimestampMicrosecondBuilder),
}

/// Collects rows into batches.
#[derive(Debug)]
pub struct Answer {
    schema: SchemaRef,
    columns: Vec<Cells>,
    rows: usize,
}

impl Answer {
    /// No rows yet; the schema is that of a query's answer.
    pub fn new(schema: SchemaRef) -> Self {
        let columns = schema.fields().iter().map(|field| Cells::of(field.data_type())).collect();
        Self { schema, columns, rows: 0 }
    }

    /// Rows collected since the last [`Answer::take`].
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Adds a row: `push` appends the cell of the column with this index, or says `None` if it cannot be read as what
    /// the column holds.
    ///
    /// # Errors
    /// The name of that column: somebody else wrote the cell.
    pub fn push(&mut self, mut push: impl FnMut(usize, &mut Cells) -> Option<()>) -> Result<(), String> {
        for (index, column) in self.columns.iter_mut().enumerate() {
            push(index, column).ok_or_else(|| self.schema.field(index).name().clone())?;
        }
        self.rows += 1;
        Ok(())
    }

    /// What was collected; empty afterwards.
    ///
    /// # Errors
    /// A null in a key column.
    pub fn take(&mut self) -> Result<RecordBatch, ArrowError> {
        let columns = self.columns.iter_mut().map(Cells::take).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(std::mem::take(&mut self.rows)));
        RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)
    }
}

impl Cells {
    fn of(data_type: &DataType) -> Self {
        match data_type {
            DataType::Int64 => Self::Int(Int64Builder::new()),
            DataType::Float64 => Self::Float(Float64Builder::new()),
            DataType::Boolean => Self::Bool(BooleanBuilder::new()),
            DataType::Timestamp(_, _) => Self::Time(TimestampMicrosecondBuilder::new().with_timezone("UTC")),
            _ => Self::Text(StringBuilder::new()),
        }
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
