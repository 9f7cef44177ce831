//! Numbers out of columns, whatever integer or float type they have.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type, UInt32Type,
    UInt64Type,
};
use arrow_array::{Array, ArrayRef, Float64Array};
use arrow_schema::{DataType, Schema};
use smiles_stage::{Path, Problem, StageError};

/// The column as doubles (exact below 2^53); `None` for a type that is not a number.
pub(crate) fn numbers(column: &ArrayRef) -> Option<Float64Array> {
    macro_rules! widen {
        ($($kind:ident => $native:ident),*) => {
            match column.data_type() {
                DataType::Float64 => Some(column.as_primitive::<Float64Type>().clone()),
                $(DataType::$kind => Some(column.as_primitive::<$native>().unary(f64::from)),)*
                DataType::Int64 => Some(column.as_primitive::<Int64Type>().unary(|value| value as f64)),
                DataType::UInt64 => Some(column.as_primitive::<UInt64Type>().unary(|value| value as f64)),
                _ => None,
            }
        };
    }
    widen!(
        Int8 => Int8Type, Int16 => Int16Type, Int32 => Int32Type, UInt8 => UInt8Type, UInt16 => UInt16Type,
        UInt32 => UInt32Type, Float32 => Float32Type
    )
}

/// A whole-number column stays one (64 bits wide, room for sums), any other becomes doubles.
pub(crate) fn widened(data_type: &DataType) -> DataType {
    if data_type.is_integer() { DataType::Int64 } else { DataType::Float64 }
}

/// Doubles as a column of a type that [`widened`] gave.
pub(crate) fn narrowed(values: &Float64Array, data_type: &DataType) -> ArrayRef {
    match data_type {
        DataType::Int64 => Arc::new(values.unary::<_, Int64Type>(|value| value.round() as i64)),
        _ => Arc::new(values.clone()),
    }
}

/// The index of a column, or the problem that there is none.
pub(crate) fn find(schema: &Schema, name: &str, at: Path) -> Result<usize, Problem> {
    schema.index_of(name).map_err(|_| {
        Problem::error(at, format!("no column `{name}` here"))
            .suggest(name, schema.fields().iter().map(|field| field.name().as_str()))
    })
}

/// The index of a column of numbers, or the problem.
pub(crate) fn find_number(schema: &Schema, name: &str, at: Path) -> Result<usize, Problem> {
    let index = find(schema, name, at.clone())?;
    let data_type = schema.field(index).data_type();
    if data_type.is_numeric() {
        return Ok(index);
    }
    Err(Problem::error(at, format!("column `{name}` holds {data_type}, not numbers")))
}

/// The columns no longer fit the schema that wiring accepted: a fault of the stage before.
pub(crate) fn unexpected(error: arrow_schema::ArrowError) -> StageError {
    StageError::halt("the columns do not fit the schema that was checked").because(error)
}
