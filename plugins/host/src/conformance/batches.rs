//! Rows of every type and every shape that the ABI allows.

use std::sync::Arc;

use arrow_array::builder::{BinaryBuilder, BooleanBuilder, StringBuilder};
use arrow_array::{
    ArrayRef, BooleanArray, Float32Array, Float64Array, Int8Array, Int16Array, Int32Array, Int64Array,
    RecordBatch, StringArray, TimestampMicrosecondArray, UInt8Array, UInt16Array, UInt32Array, UInt64Array,
};
use arrow_buffer::{Buffer, ScalarBuffer};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use arrow_select::filter::filter_record_batch;
use smiles_stage::{ColumnMeta, Kind, source_field, time_field};

use crate::rows::copied;

/// `time`, `source`, a plain `value` and `count`, then a nullable column of every type.
pub(crate) fn schema() -> SchemaRef {
    let power = Field::new("value", DataType::Float64, true).with_unit("W").with_kind(Kind::Gauge);
    let mut fields = vec![time_field(), source_field(), power, Field::new("count", DataType::Int64, true)];
    let instant = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let types = [
        ("a_bool", DataType::Boolean),
        ("an_i8", DataType::Int8),
        ("a_u8", DataType::UInt8),
        ("an_i16", DataType::Int16),
        ("a_u16", DataType::UInt16),
        ("an_i32", DataType::Int32),
        ("a_u32", DataType::UInt32),
        ("a_u64", DataType::UInt64),
        ("an_f32", DataType::Float32),
        ("a_text", DataType::Utf8),
        ("a_binary", DataType::Binary),
        ("an_instant", instant),
    ];
    fields.extend(types.into_iter().map(|(name, data_type)| Field::new(name, data_type, true)));
    Arc::new(Schema::new(fields))
}

/// `rows` rows from `first`; a value is null where `null` says so.
pub(crate) fn rows(first: i64, rows: usize, null: impl Fn(usize) -> bool) -> RecordBatch {
    let numbers: Vec<i64> = (first..).take(rows).collect();
    let value = |row: usize| (!null(row)).then(|| numbers[row]);
    let all = || (0..rows).map(value);
    macro_rules! narrow {
        ($array:ty, $as:ty) => {
            Arc::new(
                all()
                    .map(|value| value.map(|value| <$as>::try_from(value % 100).unwrap_or(0)))
                    .collect::<$array>(),
            ) as ArrayRef
        };
    }
    let text = |value: i64| format!("row {value}, \"\u{e4}\u{20ac}\"\n");
    let (mut bools, mut texts, mut binaries) =
        (BooleanBuilder::new(), StringBuilder::new(), BinaryBuilder::new());
    for value in all() {
        bools.append_option(value.map(|value| value % 2 == 0));
        texts.append_option(value.map(text));
        binaries.append_option(value.map(i64::to_be_bytes));
    }
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    let float = |value: i64| value as f64 / 4.0;
    #[expect(clippy::cast_possible_truncation, reason = "small numbers")]
    let narrow_float = |value: i64| float(value) as f32;
    let times = numbers.iter().map(|number| 1_780_000_000_000_000 + number * 1_000_000);
    let columns: Vec<ArrayRef> = vec![
        Arc::new(TimestampMicrosecondArray::from_iter_values(times).with_timezone("UTC")),
        Arc::new(StringArray::from_iter_values(
            numbers.iter().map(|number| format!("source {}", number % 2)),
        )),
        Arc::new(all().map(|value| value.map(float)).collect::<Float64Array>()),
        Arc::new(all().collect::<Int64Array>()),
        Arc::new(bools.finish()),
        narrow!(Int8Array, i8),
        narrow!(UInt8Array, u8),
        narrow!(Int16Array, i16),
        narrow!(UInt16Array, u16),
        narrow!(Int32Array, i32),
        narrow!(UInt32Array, u32),
        narrow!(UInt64Array, u64),
        Arc::new(all().map(|value| value.map(narrow_float)).collect::<Float32Array>()),
        Arc::new(texts.finish()),
        Arc::new(binaries.finish()),
        Arc::new(all().collect::<TimestampMicrosecondArray>().with_timezone("UTC")),
    ];
    #[expect(clippy::expect_used, reason = "the columns are made for this schema")]
    RecordBatch::try_new(schema(), columns).expect("columns of the schema")
}

/// Every shape, with its name.
pub(crate) fn shapes() -> Vec<(&'static str, RecordBatch)> {
    let mixed = rows(0, 40, |row| row % 3 == 0);
    vec![
        ("no nulls, no validity bitmaps", rows(0, 10, |_| false)),
        ("nulls", mixed.clone()),
        ("nothing but nulls", rows(0, 9, |_| true)),
        ("a slice that begins at row 13", mixed.slice(13, 11)),
        ("a slice of one row", mixed.slice(39, 1)),
        ("no rows", rows(0, 0, |_| false)),
        ("no rows of a slice", mixed.slice(20, 0)),
        ("buffers aligned to 8 bytes", aligned_to_8(&rows(0, 10, |_| false))),
        ("1,000 rows", rows(0, 1000, |row| row % 7 == 0)),
    ]
}

/// Rows that stand somewhere within their memory, with the same rows in memory of their own.
pub(crate) fn offset() -> Vec<(&'static str, RecordBatch, RecordBatch)> {
    let mixed = rows(0, 40, |row| row % 3 == 0);
    let parts = [
        ("a slice that begins at row 13", mixed.slice(13, 11)),
        ("a slice of one row", mixed.slice(39, 1)),
        ("a slice that begins with a null", mixed.slice(3, 8)),
        ("a slice of rows without nulls", rows(0, 20, |_| false).slice(5, 9)),
    ];
    parts.map(|(name, part)| (name, part.clone(), copied(&part))).into()
}

/// The rows that the sink or transform did not reject. `None`: it names none that it was given.
pub(crate) fn without(batch: &RecordBatch, rejected: &[usize]) -> Option<RecordBatch> {
    let keep: BooleanArray = (0..batch.num_rows()).map(|row| Some(!rejected.contains(&row))).collect();
    if keep.true_count() == batch.num_rows() {
        return None;
    }
    filter_record_batch(batch, &keep).ok()
}

/// The same rows; the numbers of `count` begin 8 bytes into an allocation.
fn aligned_to_8(batch: &RecordBatch) -> RecordBatch {
    let numbers: Vec<i64> =
        std::iter::once(-1).chain(0..i64::try_from(batch.num_rows()).unwrap_or(0)).collect();
    let buffer = Buffer::from_vec(numbers).slice(size_of::<i64>());
    let count: ArrayRef = Arc::new(Int64Array::new(ScalarBuffer::new(buffer, 0, batch.num_rows()), None));
    let is_count = batch.schema().index_of("count").unwrap_or(0);
    let columns = batch.columns().iter().enumerate();
    let columns = columns.map(|(index, column)| Arc::clone(if index == is_count { &count } else { column }));
    #[expect(clippy::expect_used, reason = "one column was replaced by one of its type")]
    RecordBatch::try_new(batch.schema(), columns.collect()).expect("columns of the schema")
}
