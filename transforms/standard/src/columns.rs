//! Numbers out of columns, whatever integer or float type they have.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, TimestampMicrosecondType, UInt8Type,
    UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef, Float64Array, RecordBatch, TimestampMicrosecondArray};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use jiff::Timestamp;
use smiles_stage::{ColumnMeta, Path, Problem, StageError, TIME};

/// The column as doubles (whole numbers exact below 2^53, single precision as it was said); `None` for a type that is not a number.
pub(crate) fn numbers(column: &ArrayRef) -> Option<Float64Array> {
    macro_rules! widen {
        ($($kind:ident => $native:ident),*) => {
            match column.data_type() {
                DataType::Float64 => Some(column.as_primitive::<Float64Type>().clone()),
                DataType::Float32 => Some(column.as_primitive::<Float32Type>().unary(smiles_stage::widened)),
                $(DataType::$kind => Some(column.as_primitive::<$native>().unary(f64::from)),)*
                DataType::Int64 => Some(column.as_primitive::<Int64Type>().unary(|value| value as f64)),
                DataType::UInt64 => Some(column.as_primitive::<UInt64Type>().unary(|value| value as f64)),
                _ => None,
            }
        };
    }
    widen!(
        Int8 => Int8Type, Int16 => Int16Type, Int32 => Int32Type, UInt8 => UInt8Type, UInt16 => UInt16Type,
        UInt32 => UInt32Type
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

/// The index of a column of numbers that the stage is to change, or the problem.
pub(crate) fn find_changed(schema: &Schema, name: &str, at: Path) -> Result<usize, Problem> {
    let index = find_number(schema, name, at.clone())?;
    if schema.field(index).is_copy() {
        return Err(Problem::error(
            at,
            format!("column `{name}` is a copy of what was read and stays as it is"),
        )
        .help("name the column it was copied from"));
    }
    Ok(index)
}

/// The unit of a column, as text; `None` where it has none.
pub(crate) fn unit(schema: &Schema, name: &str) -> Option<String> {
    schema.field_with_name(name).ok().and_then(ColumnMeta::unit).map(str::to_owned)
}

/// The index of the rows' time.
pub(crate) fn find_time(schema: &Schema) -> Result<usize, Problem> {
    let index = find(schema, TIME, Path::root())?;
    match schema.field(index).data_type() {
        DataType::Timestamp(TimeUnit::Microsecond, _) => Ok(index),
        other => {
            Err(Problem::error(Path::root(), format!("column `{TIME}` holds {other}, not microseconds")))
        }
    }
}

/// The rows' times.
pub(crate) struct Times<'a>(&'a TimestampMicrosecondArray);

impl<'a> Times<'a> {
    /// Of the column that [`find_time`] found.
    pub(crate) fn of(batch: &'a RecordBatch, index: usize) -> Self {
        Self(batch.column(index).as_primitive::<TimestampMicrosecondType>())
    }

    pub(crate) fn at(&self, row: usize) -> Result<Timestamp, StageError> {
        if self.0.is_null(row) {
            return Err(StageError::halt("a row has no time"));
        }
        Timestamp::from_microsecond(self.0.value(row))
            .map_err(|error| StageError::halt("a row's time is not in the calendar").because(error))
    }
}

/// The numbers of the column that wiring accepted.
pub(crate) fn counters(batch: &RecordBatch, index: usize) -> Result<Float64Array, StageError> {
    numbers(batch.column(index)).ok_or_else(|| StageError::halt("a counter column no longer holds numbers"))
}

/// One step of the device in the unit of the column; zero where it is not known, as of a number with a fraction.
pub(crate) fn one_step(field: &Field) -> f64 {
    field.resolution().unwrap_or(if field.data_type().is_integer() { 1.0 } else { 0.0 })
}

/// The row's number; what is not finite was not said.
pub(crate) fn value(column: &Float64Array, row: usize) -> Option<f64> {
    column.is_valid(row).then(|| column.value(row)).filter(|value| value.is_finite())
}

/// The schema with one column of numbers made wide enough for sums, and nullable. A sum has no words for codes.
pub(crate) fn with_numbers(schema: &SchemaRef, index: usize) -> SchemaRef {
    let mut fields: Vec<_> = schema.fields().iter().cloned().collect();
    let field = fields[index].as_ref().clone().without_labels();
    let data_type = widened(field.data_type());
    fields[index] = Arc::new(field.with_data_type(data_type).with_nullable(true));
    Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone()))
}

/// The batch with the sums in place of one column, in the schema that [`with_numbers`] gave.
pub(crate) fn put_numbers(
    batch: &RecordBatch,
    index: usize,
    sums: &Float64Array,
    schema: &SchemaRef,
) -> Result<RecordBatch, StageError> {
    let mut columns = batch.columns().to_vec();
    columns[index] = narrowed(sums, schema.field(index).data_type());
    RecordBatch::try_new(Arc::clone(schema), columns).map_err(unexpected)
}

/// The columns no longer fit the schema that wiring accepted: a fault of the stage before.
pub(crate) fn unexpected(error: arrow_schema::ArrowError) -> StageError {
    StageError::halt("the columns do not fit the schema that was checked").because(error)
}
