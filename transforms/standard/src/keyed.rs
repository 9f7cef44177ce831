//! The key of a row: the texts of some columns, as bytes under which state is kept.

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::{
    Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_schema::{DataType, Schema};
use smiles_stage::{Path, Problem, Problems};

use crate::columns;

/// The columns that make a key, by index.
#[derive(Clone, Debug)]
pub(crate) struct Key(Vec<usize>);

impl Key {
    /// Finds the columns; `at` is the path of the option that lists them.
    pub(crate) fn resolve(schema: &Schema, names: &[String], at: &Path) -> Result<Self, Problems> {
        let mut problems = Problems::new();
        if names.is_empty() {
            problems.push(
                Problem::error(at.clone(), "no column is named")
                    .help("list the columns that tell one device from another"),
            );
        }
        let mut indices = Vec::new();
        for (place, name) in names.iter().enumerate() {
            match columns::find(schema, name, at.index(place)) {
                Ok(index)
                    if matches!(schema.field(index).data_type(), DataType::Utf8)
                        || schema.field(index).data_type().is_integer() =>
                {
                    indices.push(index);
                }
                Ok(index) => problems.push(Problem::error(
                    at.index(place),
                    format!(
                        "column `{name}` holds {}; a key is text or whole numbers",
                        schema.field(index).data_type()
                    ),
                )),
                Err(problem) => problems.push(problem),
            }
        }
        if problems.is_empty() { Ok(Self(indices)) } else { Err(problems) }
    }

    /// The row's key: the values as text, joined by a zero byte; `None` where any of them is null.
    pub(crate) fn of(&self, batch: &RecordBatch, row: usize) -> Option<Vec<u8>> {
        let mut key = Vec::with_capacity(24);
        for (place, index) in self.0.iter().enumerate() {
            if place > 0 {
                key.push(0);
            }
            let column = batch.column(*index);
            if column.is_null(row) {
                return None;
            }
            macro_rules! whole {
                ($($kind:ident => $native:ident),*) => {
                    match column.data_type() {
                        DataType::Utf8 => key.extend_from_slice(column.as_string::<i32>().value(row).as_bytes()),
                        $(DataType::$kind => {
                            key.extend_from_slice(column.as_primitive::<$native>().value(row).to_string().as_bytes());
                        })*
                        _ => return None,
                    }
                };
            }
            whole!(
                Int8 => Int8Type, Int16 => Int16Type, Int32 => Int32Type, Int64 => Int64Type, UInt8 => UInt8Type,
                UInt16 => UInt16Type, UInt32 => UInt32Type, UInt64 => UInt64Type
            );
        }
        Some(key)
    }
}

/// A key for a log line.
pub(crate) fn shown(key: &[u8]) -> String {
    String::from_utf8_lossy(key).replace('\0', "/")
}
