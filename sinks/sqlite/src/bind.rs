//! Arrow cells to statement parameters.

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{
    Array, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use arrow_schema::DataType;
use rusqlite::Statement;
use rusqlite::types::Null;
use smiles_tables::write_time;

/// Why a row was not written.
#[derive(Debug)]
pub(crate) enum RowError {
    /// SQLite said so.
    Sqlite(rusqlite::Error),
    /// An instant in a year that the text form cannot hold.
    Year,
}

impl From<rusqlite::Error> for RowError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

enum Cells<'a> {
    Int(&'a Int64Array),
    Float(&'a Float64Array),
    Text(&'a StringArray),
    Bool(&'a BooleanArray),
    Time(&'a TimestampMicrosecondArray),
}

/// The columns of a batch, ready to be bound row by row.
pub(crate) struct Binder<'a> {
    columns: Vec<Cells<'a>>,
    /// The text of the last instant: the rows of one poll share it.
    time: (Option<i64>, String),
}

impl<'a> Binder<'a> {
    /// The batch is in the schema of a table's plan.
    pub(crate) fn new(records: &'a RecordBatch) -> Self {
        let columns = records
            .columns()
            .iter()
            .map(|column| match column.data_type() {
                DataType::Int64 => Cells::Int(column.as_primitive::<Int64Type>()),
                DataType::Float64 => Cells::Float(column.as_primitive::<Float64Type>()),
                DataType::Boolean => Cells::Bool(column.as_boolean()),
                DataType::Timestamp(_, _) => Cells::Time(column.as_primitive::<TimestampMicrosecondType>()),
                _ => Cells::Text(column.as_string::<i32>()),
            })
            .collect();
        Self { columns, time: (None, String::new()) }
    }

    /// Runs the statement with this row; whether it changed the table.
    ///
    /// # Errors
    /// The row was not written; the transaction stands as it was.
    pub(crate) fn execute(&mut self, statement: &mut Statement<'_>, row: usize) -> Result<bool, RowError> {
        self.bind(statement, row)?;
        Ok(statement.raw_execute()? > 0)
    }

    /// Asks a question of yes or no about this row.
    ///
    /// # Errors
    /// It was not answered.
    pub(crate) fn ask(&mut self, statement: &mut Statement<'_>, row: usize) -> Result<bool, RowError> {
        self.bind(statement, row)?;
        let mut answer = statement.raw_query();
        Ok(answer.next()?.map_or(Ok(false), |answer| answer.get(0))?)
    }

    fn bind(&mut self, statement: &mut Statement<'_>, row: usize) -> Result<(), RowError> {
        for (index, cells) in self.columns.iter().enumerate() {
            let place = index + 1;
            match cells {
                Cells::Int(column) if column.is_valid(row) => {
                    statement.raw_bind_parameter(place, column.value(row))?;
                }
                Cells::Float(column) if column.is_valid(row) => {
                    statement.raw_bind_parameter(place, column.value(row))?;
                }
                Cells::Text(column) if column.is_valid(row) => {
                    statement.raw_bind_parameter(place, column.value(row))?;
                }
                Cells::Bool(column) if column.is_valid(row) => {
                    statement.raw_bind_parameter(place, column.value(row))?;
                }
                Cells::Time(column) if column.is_valid(row) => {
                    let text = time_text(&mut self.time, column.value(row))?;
                    statement.raw_bind_parameter(place, text)?;
                }
                _ => statement.raw_bind_parameter(place, Null)?,
            }
        }
        Ok(())
    }
}

fn time_text(last: &mut (Option<i64>, String), micros: i64) -> Result<&str, RowError> {
    if last.0 != Some(micros) {
        last.1.clear();
        last.0 = write_time(micros, &mut last.1).then_some(micros);
    }
    if last.0.is_none() { Err(RowError::Year) } else { Ok(&last.1) }
}
