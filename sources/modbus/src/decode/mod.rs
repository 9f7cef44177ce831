//! Bytes of a poll to rows: a pure function, one Arrow column at a time.

pub(crate) mod columns;
mod meaning;
mod quick;
pub(crate) mod scaling;
pub(crate) mod value;

use std::iter::repeat_n;
use std::sync::Arc;

use arrow_array::types::{
    Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, TimestampMicrosecondType, UInt8Type,
    UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{
    ArrayRef, ArrowPrimitiveType, BooleanArray, PrimitiveArray, RecordBatch, RecordBatchOptions, StringArray,
    new_null_array,
};
use arrow_schema::{ArrowError, DataType, SchemaRef};

use crate::decode::columns::Column;
use crate::decode::value::{Scaled, value};
use crate::device::{Block, Device, Table, narrowed};
use crate::device_plan::DevicePlan;

/// Rows of recorded answers to the repeating block of a checked device, as the source would make them; the columns
/// of all other blocks are null.
///
/// # Errors
/// A record is shorter than the block.
pub fn decode_records(device: &Device, records: &[&[u8]]) -> Result<RecordBatch, ArrowError> {
    Decoder::new(device).records(records)
}

/// The decoder of a device, for many answers.
#[derive(Debug)]
pub struct Decoder(DevicePlan);

impl Decoder {
    /// The decoder of a checked device.
    pub fn new(device: &Device) -> Self {
        Self(DevicePlan::new(device.clone()))
    }

    /// Rows of answers to the repeating block, as the source would make them; the columns of all other blocks are null.
    ///
    /// # Errors
    /// A record is shorter than the block.
    pub fn records(&self, records: &[&[u8]]) -> Result<RecordBatch, ArrowError> {
        let plan = &self.0;
        let list = plan.split.blocks.iter().position(|(_, block)| block.repeat.is_some());
        let blocks = vec![None; plan.split.blocks.0.len()];
        let lists: Vec<_> = list.map(|list| (list, records.to_vec())).into_iter().collect();
        rows(&plan.schema, &plan.columns, PollData { blocks: &blocks, lists: &lists }, &mut Vec::new())
    }
}

impl Decoder {
    /// The row of a device without a list that holds these registers, as one poll would make it; blocks that are not wholly
    /// there are null, and those of coils.
    ///
    /// # Errors
    /// The columns do not make the schema, which planning rules out.
    pub fn row(&self, register: impl Fn(Table, u16) -> Option<u16>) -> Result<RecordBatch, ArrowError> {
        let plan = &self.0;
        let own = |block: &Block| -> Option<Vec<u8>> {
            let addresses = (block.address..=u16::MAX).take(block.count.into());
            let words = addresses.map(|address| register(block.read, address).map(u16::to_be_bytes));
            let readable = !block.read.is_bits() && block.repeat.is_none();
            readable.then(|| words.collect::<Option<Vec<_>>>()).flatten().map(|words| words.concat())
        };
        let mut blocks: Vec<Option<Vec<u8>>> =
            plan.split.blocks.iter().map(|(_, block)| own(block)).collect();
        for (place, shape) in plan.blocks.iter().enumerate() {
            let lent =
                shape.borrowed.iter().map(|lent| blocks.get(lent.block)?.as_ref()?.get(lent.bytes.clone()));
            let lent = lent.collect::<Option<Vec<_>>>().map(|parts| parts.concat()).unwrap_or_default();
            if let Some(Some(data)) = blocks.get_mut(place) {
                data.extend(lent);
            }
        }
        rows(&plan.schema, &plan.columns, PollData { blocks: &blocks, lists: &[] }, &mut Vec::new())
    }
}

/// The data of one poll.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PollData<'a> {
    /// Data per block of the device; `None` for a block that was not received, and for the list.
    pub(crate) blocks: &'a [Option<Vec<u8>>],
    /// Per list its block and the data of each record, a row each; without a list there is one row.
    pub(crate) lists: &'a [(usize, Vec<&'a [u8]>)],
}

impl PollData<'_> {
    fn rows(&self) -> usize {
        if self.lists.is_empty() { 1 } else { self.lists.iter().map(|(_, records)| records.len()).sum() }
    }
}

/// The rows. `refused` gets a column for each value that is not among its `valid`.
///
/// # Errors
/// The columns do not make the schema, which planning rules out.
pub(crate) fn rows<'a>(
    schema: &SchemaRef,
    columns: &'a [Column],
    data: PollData<'_>,
    refused: &mut Vec<&'a Column>,
) -> Result<RecordBatch, ArrowError> {
    let arrays = columns.iter().map(|column| array(column, data, refused)).collect();
    let options = RecordBatchOptions::new().with_row_count(Some(data.rows()));
    RecordBatch::try_new_with_options(Arc::clone(schema), arrays, &options)
}

fn array<'a>(column: &'a Column, data: PollData<'_>, refused: &mut Vec<&'a Column>) -> ArrayRef {
    if let [(block, records)] = data.lists
        && *block == column.block
    {
        return of_records(column, records.iter().map(|record| Some(*record)), refused);
    }
    if data.lists.iter().any(|(block, _)| *block == column.block) {
        // Rows of other lists have no such value.
        let records = data.lists.iter().flat_map(|(block, records)| {
            let own = *block == column.block;
            records.iter().map(move |record| own.then_some(*record))
        });
        return of_records(column, records, refused);
    }
    match data.blocks.get(column.block).and_then(Option::as_deref) {
        Some(block) if data.rows() == 1 => of_records(column, std::iter::once(Some(block)), refused),
        Some(block) => {
            let mut keep = |_: &Scaled| refused.push(column);
            build(column, repeat_n(value(column, block, &mut keep), data.rows()))
        }
        None => new_null_array(column.arrow.data_type(), data.rows()),
    }
}

fn of_records<'a, 'd>(
    column: &'a Column,
    records: impl Iterator<Item = Option<&'d [u8]>>,
    refused: &mut Vec<&'a Column>,
) -> ArrayRef {
    let Some(quick) = &column.quick else {
        let mut keep = |_: &Scaled| refused.push(column);
        return build(column, records.map(|record| value(column, record?, &mut keep)));
    };
    if column.arrow.data_type() == &DataType::Float32 {
        let numbers = records.map(|record| quick.single(record?));
        return Arc::new(numbers.collect::<PrimitiveArray<Float32Type>>());
    }
    let numbers = records.map(|record| quick.number(record?));
    match column.arrow.data_type() {
        DataType::UInt8 => numbered::<UInt8Type>(numbers),
        DataType::UInt16 => numbered::<UInt16Type>(numbers),
        DataType::UInt32 => numbered::<UInt32Type>(numbers),
        DataType::UInt64 => numbered::<UInt64Type>(numbers),
        DataType::Int8 => numbered::<Int8Type>(numbers),
        DataType::Int16 => numbered::<Int16Type>(numbers),
        DataType::Int32 => numbered::<Int32Type>(numbers),
        _ => numbered::<Int64Type>(numbers),
    }
}

/// Numbers beyond the column's type (a factor on 64 bits) become null rather than wrong.
fn numbered<T: ArrowPrimitiveType>(numbers: impl Iterator<Item = Option<i128>>) -> ArrayRef
where
    T::Native: TryFrom<i128>,
{
    let fit = |number| T::Native::try_from(number).ok();
    Arc::new(numbers.map(|number| number.and_then(fit)).collect::<PrimitiveArray<T>>())
}

fn build(column: &Column, values: impl Iterator<Item = Option<Scaled>>) -> ArrayRef {
    match column.arrow.data_type() {
        DataType::UInt8 => whole::<UInt8Type>(values),
        DataType::UInt16 => whole::<UInt16Type>(values),
        DataType::UInt32 => whole::<UInt32Type>(values),
        DataType::UInt64 => whole::<UInt64Type>(values),
        DataType::Int8 => whole::<Int8Type>(values),
        DataType::Int16 => whole::<Int16Type>(values),
        DataType::Int32 => whole::<Int32Type>(values),
        DataType::Int64 => whole::<Int64Type>(values),
        DataType::Float32 => real::<Float32Type>(values, narrowed),
        DataType::Float64 => real::<Float64Type>(values, Some),
        DataType::Boolean => {
            Arc::new(values.map(|value| value.and_then(Scaled::bool)).collect::<BooleanArray>())
        }
        DataType::Timestamp(_, zone) => {
            let values = values.map(|value| value.and_then(Scaled::instant));
            let array: PrimitiveArray<TimestampMicrosecondType> = values.collect();
            Arc::new(array.with_timezone_opt(zone.clone()))
        }
        _ => Arc::new(values.map(|value| value.and_then(Scaled::text)).collect::<StringArray>()),
    }
}

fn whole<T: ArrowPrimitiveType>(values: impl Iterator<Item = Option<Scaled>>) -> ArrayRef
where
    T::Native: TryFrom<i128>,
{
    let number = |value| if let Scaled::Whole(number) = value { Some(number) } else { None };
    numbered::<T>(values.map(|value| value.and_then(number)))
}

fn real<T: ArrowPrimitiveType>(
    values: impl Iterator<Item = Option<Scaled>>,
    fit: impl Fn(f64) -> Option<T::Native>,
) -> ArrayRef {
    let fit = |value| if let Scaled::Real(number) = value { fit(number) } else { None };
    Arc::new(values.map(|value| value.and_then(fit)).collect::<PrimitiveArray<T>>())
}

#[cfg(test)]
mod tests {
    use arrow_array::cast::AsArray;

    use super::*;
    use crate::testing::device;

    /// One row of a plain block with one field, as text.
    fn one(field: &str, data: &[u8]) -> String {
        let count = data.len() / 2;
        let device = device(&format!(
            "blocks:\n  b: {{address: 0, count: {count}, fields: {{f: {{at: 0, {field}}}}}}}"
        ));
        let plan = DevicePlan::new(device);
        let data = PollData { blocks: &[Some(data.to_vec())], lists: &[] };
        let batch = rows(&plan.schema, &plan.columns, data, &mut Vec::new()).unwrap();
        assert_eq!(batch.num_rows(), 1);
        shown(batch.column(0))
    }

    fn shown(array: &ArrayRef) -> String {
        if array.is_null(0) {
            return "null".to_owned();
        }
        macro_rules! number {
            ($($data_type:ident: $native:ident),*) => {
                match array.data_type() {
                    $(DataType::$data_type => array.as_primitive::<$native>().value(0).to_string(),)*
                    DataType::Boolean => array.as_boolean().value(0).to_string(),
                    _ => array.as_string::<i32>().value(0).to_owned(),
                }
            };
        }
        number!(
            UInt8: UInt8Type, UInt16: UInt16Type, UInt32: UInt32Type, UInt64: UInt64Type, Int8: Int8Type,
            Int16: Int16Type, Int32: Int32Type, Int64: Int64Type, Float32: Float32Type, Float64: Float64Type
        )
    }

    #[test]
    fn every_type_in_every_order() {
        let float = 1.5_f32.to_be_bytes();
        let rows: &[(&str, &[u8], &str)] = &[
            ("type: u8", &[200, 0], "200"),
            ("type: i8", &[200, 0], "-56"),
            ("type: u16", &[0x12, 0x34], "4660"),
            ("type: u16, order: badc", &[0x12, 0x34], "13330"),
            ("type: u16, order: cdab", &[0x12, 0x34], "4660"),
            ("type: i16", &[0xff, 0xc9], "-55"),
            ("type: u32", &[1, 2, 3, 4], "16909060"),
            ("type: u32, order: cdab", &[3, 4, 1, 2], "16909060"),
            ("type: u32, order: badc", &[2, 1, 4, 3], "16909060"),
            ("type: u32, order: dcba", &[4, 3, 2, 1], "16909060"),
            ("type: i32", &[0xff, 0xff, 0xff, 0xfe], "-2"),
            ("type: u64", &[0xff; 8], "18446744073709551615"),
            ("type: i64, order: cdab", &[0, 7, 0, 6, 0, 5, 0, 4], "1125921382072327"),
            ("type: f32", &float, "1.5"),
            ("type: f32, order: dcba", &[float[3], float[2], float[1], float[0]], "1.5"),
            ("type: f32", &[0x7f, 0xc0, 0, 0], "null"),
            ("type: f64", &(-0.25_f64).to_be_bytes(), "-0.25"),
            ("type: bcd, length: 2", &[0x12, 0x34], "1234"),
            ("type: bcd, length: 2", &[0x12, 0x3a], "null"),
            ("type: bcd, length: 4, order: cdab", &[0x56, 0x78, 0x12, 0x34], "12345678"),
            ("type: hex, length: 2", &[0x0a, 0xbc], "0abc"),
            ("type: hex, length: 2, order: badc", &[0x0a, 0xbc], "bc0a"),
            ("type: ascii, length: 4", b"A1 \0", "A1"),
            ("type: ascii, length: 4, order: badc", b"1AB2", "A12B"),
            ("type: ascii, length: 2", &[0x41, 0xff], "A"),
            ("type: ascii, length: 2", &[0x41, 7], "A\u{fffd}"),
            ("type: ascii, length: 2", &[0xc3, 0xbc], "ü"),
            ("type: ascii, length: 2", &[0xfc, 0x41], "üA"),
            ("type: ascii, length: 8", &[0xff; 8], "null"),
            ("type: ascii, length: 8", &[0; 8], "null"),
            ("type: ascii, length: 4", b"    ", ""),
            ("type: bool, bit: 3", &[8, 0], "true"),
            ("type: bool, bit: 2", &[8, 0], "false"),
            ("type: bits, bit: 4, length: 4", &[0x12, 0x34], "3"),
            ("type: bits, bit: 12, length: 4, order: badc", &[0x12, 0x34], "3"),
            ("type: u16, null_when: [0xffff]", &[0xff, 0xff], "null"),
            ("type: i16, null_when: [0x8000]", &[0x80, 0], "null"),
            ("type: i16, null_when: [-1]", &[0xff, 0xff], "null"),
            ("type: i64, null_when: [0x8000000000000000]", &[0x80, 0, 0, 0, 0, 0, 0, 0], "null"),
            ("type: u16, null_when: [0xffff, 0]", &[0, 1], "1"),
            ("type: u16, null_when: [-1]", &[0xff, 0xff], "null"),
            ("type: i16, null_when: [0xffff]", &[0xff, 0xff], "null"),
            ("type: i8, null_when: [0x80]", &[0x80, 0], "null"),
            ("type: u64, null_when: [-1]", &[0xff; 8], "null"),
            ("type: f32, null_when: [-9999.9]", &(-9999.9_f32).to_be_bytes(), "null"),
            ("type: f32, null_when: [-9999.9]", &(-9999.8_f32).to_be_bytes(), "-9999.8"),
            ("type: f32, null_when: [0x7f7fffff]", &f32::MAX.to_be_bytes(), "null"),
            ("type: f32, null_when: [3.4028235e38]", &f32::MAX.to_be_bytes(), "null"),
            ("type: f32, order: cdab, null_when: [0x7f7fffff]", &[0xff, 0xff, 0x7f, 0x7f], "null"),
            ("type: f64, null_when: [0x7fefffffffffffff]", &f64::MAX.to_be_bytes(), "null"),
            ("type: f64, null_when: [-0.1]", &(-0.1_f64).to_be_bytes(), "null"),
            ("type: bits, bit: 4, length: 4, null_when: [15]", &[0, 0xf0], "null"),
            ("type: bits, bit: 4, length: 4, null_when: [-1]", &[0, 0xf0], "null"),
            ("type: bool, bit: 3, null_when: [true]", &[8, 0], "null"),
            ("type: bool, bit: 3, null_when: [1]", &[0, 0], "false"),
            ("type: bcd, length: 2, null_when: [9999]", &[0x99, 0x99], "null"),
            ("type: bcd, length: 2, null_when: [0x9998]", &[0x99, 0x98], "null"),
            ("type: hex, length: 2, null_when: [\"FFFF\"]", &[0xff, 0xff], "null"),
            ("type: hex, length: 2, null_when: [0xffff]", &[0xff, 0xff], "null"),
            ("type: hex, length: 2, null_when: [\"FFFF\"]", &[0xff, 0xfe], "fffe"),
            ("type: ascii, length: 4, null_when: [\"n/a\"]", b"n/a ", "null"),
        ];
        for (field, data, expected) in rows {
            assert_eq!(one(field, data), *expected, "{field}");
        }
    }

    /// A power with its scale factor, as SunSpec has them: what is stored, in tenths of a watt.
    #[test]
    fn a_scale_that_is_not_listed_is_no_wrong_number() {
        let stored = |otherwise: &str, factor: i16, sentinel: &str| {
            let device = device(&format!(
                "blocks:\n  b: {{address: 0, count: 2, fields: {{sf: {{at: 0, type: i16{sentinel}}}, p: {{at: 2, type: i16, \
                 unit: W{otherwise}, variants: [{{when: {{field: sf, equals: -1}}, unit: 0.1 W}}, {{when: {{field: sf, \
                 equals: 1}}, unit: 10 W}}]}}}}}}"
            ));
            let plan = DevicePlan::new(device);
            let data = [factor.to_be_bytes(), 50_i16.to_be_bytes()].concat();
            let data = PollData { blocks: &[Some(data)], lists: &[] };
            shown(rows(&plan.schema, &plan.columns, data, &mut Vec::new()).unwrap().column(1))
        };
        for (otherwise, sentinel) in [("", ""), (", otherwise: unit", ""), (", otherwise: null", "")] {
            assert_eq!(stored(otherwise, -1, sentinel), "50");
            assert_eq!(stored(otherwise, 1, sentinel), "5000");
        }
        assert_eq!(stored("", 2, ""), "500");
        assert_eq!(stored(", otherwise: unit", 2, ""), "500");
        assert_eq!(stored(", otherwise: null", 2, ""), "null");
        assert_eq!(stored("", i16::MIN, ", null_when: [0x8000]"), "null", "no scale, no number");
    }

    #[test]
    fn a_block_not_heard_is_null_and_others_stand_in_every_row() {
        let device = device(
            "blocks:\n  d: {address: 0, count: 1, fields: {d: {at: 0, type: u16}}}\n  \
             e: {address: 9, count: 1, read: coils, fields: {e: {at: 0, type: bool}}}\n  \
             r: {address: 0, count: 1, repeat: {stride: 1, max: 9}, fields: {r: {at: 0, type: u16}}}",
        );
        let plan = DevicePlan::new(device);
        let blocks = [Some(vec![0, 7]), None, None];
        let lists = [(2, vec![&[0, 1][..], &[0, 2]])];
        let data = PollData { blocks: &blocks, lists: &lists };
        let batch = rows(&plan.schema, &plan.columns, data, &mut Vec::new()).unwrap();
        assert_eq!(batch.column(0).as_primitive::<UInt16Type>().values().as_ref(), &[7, 7]);
        assert_eq!(batch.column(1).null_count(), 2);
        assert_eq!(batch.column(2).as_primitive::<UInt16Type>().values().as_ref(), &[1, 2]);
        let none =
            rows(&plan.schema, &plan.columns, PollData { lists: &[(2, vec![])], ..data }, &mut Vec::new())
                .unwrap();
        assert_eq!(none.num_rows(), 0);
    }
}
