//! Arrow columns of any width as the six column types of a table.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType,
    UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef, Float64Array, Int64Array, StringArray, TimestampMicrosecondArray};
use arrow_schema::{DataType, TimeUnit};

use crate::column_type::ColumnType;
use smiles_stage::widened;

/// The column as `to`. A value that does not fit (a whole number above 2^63 - 1, an instant outside of 64-bit
/// microseconds) is null there while it is not null in `from`: see [`lost`]. A number that is not finite is null
/// by intent. `None`: no value of this Arrow type can be stored as `to`.
pub(super) fn convert(from: &ArrayRef, to: ColumnType) -> Option<ArrayRef> {
    match to {
        ColumnType::Int64 => int64(from),
        ColumnType::Float64 => float64(from),
        ColumnType::Bool => (from.data_type() == &DataType::Boolean).then(|| Arc::clone(from)),
        ColumnType::Text | ColumnType::Json => text(from),
        ColumnType::Time => time(from),
    }
}

/// The rows whose value did not survive [`convert`].
pub(super) fn lost(from: &ArrayRef, converted: &ArrayRef) -> Vec<usize> {
    let by_intent = matches!(from.data_type(), DataType::Float32 | DataType::Float64);
    if by_intent || from.null_count() == converted.null_count() {
        return Vec::new();
    }
    (0..from.len()).filter(|&row| from.is_valid(row) && converted.is_null(row)).collect()
}

fn map<T: ArrowPrimitiveType, O: ArrowPrimitiveType>(
    from: &ArrayRef,
    each: impl Fn(T::Native) -> Option<O::Native>,
) -> arrow_array::PrimitiveArray<O> {
    from.as_primitive::<T>().unary_opt::<_, O>(each)
}

fn int64(from: &ArrayRef) -> Option<ArrayRef> {
    let array: Int64Array = match from.data_type() {
        DataType::Int64 => return Some(Arc::clone(from)),
        DataType::Int8 => map::<Int8Type, _>(from, |v| Some(v.into())),
        DataType::Int16 => map::<Int16Type, _>(from, |v| Some(v.into())),
        DataType::Int32 => map::<Int32Type, _>(from, |v| Some(v.into())),
        DataType::UInt8 => map::<UInt8Type, _>(from, |v| Some(v.into())),
        DataType::UInt16 => map::<UInt16Type, _>(from, |v| Some(v.into())),
        DataType::UInt32 => map::<UInt32Type, _>(from, |v| Some(v.into())),
        DataType::UInt64 => map::<UInt64Type, _>(from, |v| v.try_into().ok()),
        DataType::Boolean => from.as_boolean().iter().map(|v| v.map(i64::from)).collect(),
        _ => return None,
    };
    Some(Arc::new(array))
}

fn float64(from: &ArrayRef) -> Option<ArrayRef> {
    let array: Float64Array = match from.data_type() {
        DataType::Float64 if from.as_primitive::<Float64Type>().values().iter().all(|v| v.is_finite()) => {
            return Some(Arc::clone(from));
        }
        DataType::Float64 => map::<Float64Type, _>(from, finite),
        DataType::Float32 => map::<Float32Type, _>(from, |v| finite(widened(v))),
        // Whole numbers above 2^53 round to the nearest double, which is what `type: float64` asks for.
        _ => int64_of_number(from)?.unary(|v| v as f64),
    };
    Some(Arc::new(array))
}

fn int64_of_number(from: &ArrayRef) -> Option<Int64Array> {
    if from.data_type() == &DataType::Boolean {
        return None;
    }
    int64(from).map(|array| array.as_primitive::<Int64Type>().clone())
}

fn finite(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}

fn text(from: &ArrayRef) -> Option<ArrayRef> {
    let array: StringArray = match from.data_type() {
        DataType::Utf8 => return Some(Arc::clone(from)),
        DataType::LargeUtf8 => from.as_string::<i64>().iter().collect(),
        DataType::Utf8View => from.as_string_view().iter().collect(),
        _ => return None,
    };
    Some(Arc::new(array))
}

fn time(from: &ArrayRef) -> Option<ArrayRef> {
    let DataType::Timestamp(unit, _) = from.data_type() else { return None };
    let array: TimestampMicrosecondArray = match unit {
        TimeUnit::Second => map::<TimestampSecondType, _>(from, |v| v.checked_mul(1_000_000)),
        TimeUnit::Millisecond => map::<TimestampMillisecondType, _>(from, |v| v.checked_mul(1_000)),
        TimeUnit::Microsecond => from.as_primitive::<TimestampMicrosecondType>().clone(),
        TimeUnit::Nanosecond => map::<TimestampNanosecondType, _>(from, |v| Some(v.div_euclid(1_000))),
    };
    Some(Arc::new(array.with_timezone("UTC")))
}
