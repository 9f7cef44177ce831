//! The columns a device file stands for: types wide enough for every record, one unit each.

use std::collections::BTreeSet;

use arrow_schema::{DataType, Field as ArrowField};
use smiles_stage::ColumnMeta;
use smiles_stage::unit::Unit;

use crate::device::Device;
use crate::device::block::Block;
use crate::device::field::{Field, Kind, Order, Otherwise, Type, Variant, When};

/// One column and how its values are found.
#[derive(Clone, Debug)]
pub(crate) struct Column {
    /// The place of its block in the file.
    pub(crate) block: usize,
    /// The field, in bytes also for coils.
    pub(crate) field: Field,
    pub(crate) order: Order,
    /// What a raw number is multiplied with to be in the column's unit.
    pub(crate) factor: u32,
    /// The same in records for which a condition holds; the first wins.
    pub(crate) variants: Vec<Scale>,
    pub(crate) arrow: ArrowField,
}

/// A factor for some records.
#[derive(Clone, Debug)]
pub(crate) struct Scale {
    pub(crate) when: When,
    /// The field the condition asks, in the same record.
    pub(crate) asked: Field,
    pub(crate) factor: u32,
}

/// The columns of a checked device, in the order of the file.
pub(crate) fn columns(device: &Device) -> Vec<Column> {
    let lists = device.blocks.iter().filter(|(_, block)| block.repeat.is_some()).count();
    // A field that is asked by others stands in each piece of a block that was divided, and is one column.
    let mut seen = BTreeSet::new();
    let mut columns = Vec::new();
    for (place, (_, block)) in device.blocks.iter().enumerate() {
        for (name, field) in block.fields.iter() {
            if seen.insert(name) {
                let nullable = lists > 1 || nullable(block, field);
                columns.push(column(device.order, place, block, name, field, nullable));
            }
        }
    }
    columns
}

fn column(order: Order, place: usize, block: &Block, name: &str, field: &Field, nullable: bool) -> Column {
    let (unit, factors) = finest(field).unwrap_or_default();
    let factor_of = |index: usize| factors.get(index).copied().unwrap_or(1);
    let scale = |(index, variant): (usize, &Variant)| {
        let asked = block.located(block.fields.get(&variant.when.field)?);
        Some(Scale { when: variant.when.clone(), asked, factor: factor_of(index + 1) })
    };
    let data_type = data_type(field, factors.iter().copied().max().unwrap_or(1));
    let mut arrow = ArrowField::new(name, data_type, nullable);
    if let Some(unit) = unit {
        arrow = arrow.with_unit(&unit);
    }
    if let Some(kind) = field.kind {
        arrow = arrow.with_kind(contract(kind));
    }
    let variants = field.variants.iter().enumerate().filter_map(scale).collect();
    Column { block: place, field: block.located(field), order, factor: factor_of(0), variants, arrow }
}

/// Only a field of a repeating block is there in every row, and only if its type has no way to say "none".
fn nullable(block: &Block, field: &Field) -> bool {
    let silent = |field: &Field| {
        let by_type = matches!(field.kind_of_value, Type::F32 | Type::F64 | Type::Bcd | Type::Ascii);
        by_type || !field.null_when.is_empty()
    };
    let mut asked = field.variants.iter().filter_map(|variant| block.fields.get(&variant.when.field));
    let unknown = field.otherwise == Some(Otherwise::Null) || asked.any(silent);
    block.repeat.is_none() || silent(field) || unknown
}

fn contract(kind: Kind) -> smiles_stage::Kind {
    match kind {
        Kind::Gauge => smiles_stage::Kind::Gauge,
        Kind::Counter => smiles_stage::Kind::Counter,
        Kind::State => smiles_stage::Kind::State,
    }
}

/// The finest of a field's units, as written, and the factor of each (its own first, then the variants') to it.
/// `None` if they do not go together, or one is no unit.
pub(crate) fn finest(field: &Field) -> Option<(Option<String>, Vec<u32>)> {
    let Some(own) = &field.unit else { return Some((None, vec![1])) };
    let texts: Vec<&String> =
        std::iter::once(own).chain(field.variants.iter().map(|other| &other.unit)).collect();
    let units: Option<Vec<Unit>> = texts.iter().map(|text| text.parse().ok()).collect();
    let units = units?;
    let candidates = texts.iter().zip(&units);
    candidates.into_iter().find_map(|(text, target)| {
        let factors: Option<Vec<u32>> = units.iter().map(|unit| whole_factor(unit, target)).collect();
        factors.map(|factors| (Some((*text).clone()), factors))
    })
}

fn whole_factor(from: &Unit, to: &Unit) -> Option<u32> {
    let conversion = from.to(to).filter(smiles_stage::unit::Conversion::keeps_integers)?;
    // A whole number of type f64 prints its digits and nothing else.
    conversion.apply(1.0).to_string().parse().ok()
}

/// The smallest type that holds every raw value times `factor`.
pub(crate) fn data_type(field: &Field, factor: u32) -> DataType {
    let nines = |bytes: u16| 10_u128.saturating_pow(u32::from(bytes) * 2) - 1;
    match field.kind_of_value {
        Type::Hex | Type::Ascii => DataType::Utf8,
        Type::Bool => DataType::Boolean,
        Type::F32 if factor == 1 => DataType::Float32,
        Type::F32 | Type::F64 => DataType::Float64,
        Type::Bcd => unsigned(nines(field.width()), factor),
        Type::Bits => unsigned((1 << field.length.unwrap_or(1).min(16)) - 1, factor),
        Type::U8 | Type::U16 | Type::U32 | Type::U64 => unsigned((1 << (field.width() * 8)) - 1, factor),
        Type::I8 | Type::I16 | Type::I32 | Type::I64 => signed(1 << (field.width() * 8 - 1), factor),
    }
}

fn unsigned(largest: u128, factor: u32) -> DataType {
    match largest.saturating_mul(factor.into()) {
        0..=0xFF => DataType::UInt8,
        0x100..=0xFFFF => DataType::UInt16,
        0x1_0000..=0xFFFF_FFFF => DataType::UInt32,
        _ => DataType::UInt64,
    }
}

fn signed(lowest: u128, factor: u32) -> DataType {
    match lowest.saturating_mul(factor.into()) {
        0..=0x80 => DataType::Int8,
        0x81..=0x8000 => DataType::Int16,
        0x8001..=0x8000_0000 => DataType::Int32,
        _ => DataType::Int64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::device;

    fn check(
        field: &str,
        repeat: bool,
        data_type: DataType,
        nullable: bool,
        unit: Option<&str>,
        factors: &[u32],
    ) {
        let repeat = if repeat { "repeat: {stride: 9, max: 9}, " } else { "" };
        let text = format!(
            "blocks:\n  b: {{address: 0, count: 9, {repeat}fields: {{s: {{at: 0, type: hex, length: 2}}, f: {{at: 2, {field}}}}}}}"
        );
        let columns = columns(&device(&text));
        let column = columns.last().unwrap();
        assert_eq!(column.arrow.data_type(), &data_type, "{field}");
        assert_eq!(column.arrow.is_nullable(), nullable, "{field}");
        assert_eq!(column.arrow.unit(), unit, "{field}");
        let got: Vec<u32> =
            std::iter::once(column.factor).chain(column.variants.iter().map(|scale| scale.factor)).collect();
        assert_eq!(got, factors, "{field}");
    }

    #[test]
    fn types_are_the_smallest_that_hold_every_record() {
        let plain = [
            ("type: u8", DataType::UInt8, false),
            ("type: i8", DataType::Int8, false),
            ("type: u16", DataType::UInt16, false),
            ("type: i16, null_when: [0x8000]", DataType::Int16, true),
            ("type: u32", DataType::UInt32, false),
            ("type: i32", DataType::Int32, false),
            ("type: u64", DataType::UInt64, false),
            ("type: i64", DataType::Int64, false),
            ("type: f32", DataType::Float32, true),
            ("type: f64", DataType::Float64, true),
            ("type: bcd, length: 1", DataType::UInt8, true),
            ("type: bcd, length: 4", DataType::UInt32, true),
            ("type: bcd, length: 9", DataType::UInt64, true),
            ("type: bits, bit: 0, length: 9", DataType::UInt16, false),
            ("type: bits, bit: 3", DataType::UInt8, false),
            ("type: bool", DataType::Boolean, false),
            ("type: hex, length: 3", DataType::Utf8, false),
            ("type: ascii, length: 8", DataType::Utf8, true),
        ];
        for (field, data_type, nullable) in plain {
            check(field, true, data_type.clone(), nullable, None, &[1]);
            check(field, false, data_type, true, None, &[1]);
        }
    }

    #[test]
    fn variants_meet_in_the_finest_unit() {
        let variant = |own: &str, other: &str, of: &str| {
            format!("type: {of}, unit: {own}, variants: [{{when: {{field: s, prefix: a}}, unit: {other}}}]")
        };
        check(&variant("0.01 A", "0.1 A", "u16"), true, DataType::UInt32, false, Some("0.01 A"), &[1, 10]);
        check(&variant("0.1 A", "0.01 A", "u16"), true, DataType::UInt32, false, Some("0.01 A"), &[10, 1]);
        check(&variant("kWh", "Wh", "u32"), true, DataType::UInt64, false, Some("Wh"), &[1000, 1]);
        check(&variant("0.1 °C", "°C", "i16"), true, DataType::Int32, false, Some("0.1 °C"), &[1, 10]);
        check(&variant("W", "kW", "i16"), true, DataType::Int32, false, Some("W"), &[1, 1000]);
        check(&variant("W", "kW", "f32"), true, DataType::Float64, true, Some("W"), &[1, 1000]);
    }
}
