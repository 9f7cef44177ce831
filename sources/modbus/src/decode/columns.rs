//! The columns a device file stands for: types wide enough for every record, one unit each.

use std::collections::{BTreeMap, BTreeSet};

use arrow_schema::{DataType, Field as ArrowField, TimeUnit};
use jiff::tz::TimeZone;
use smiles_stage::unit::Unit;
use smiles_stage::{ColumnMeta, Labels};

use crate::decode::meaning::{Meaning, Scale};
use crate::decode::quick::Quick;
use crate::decode::scaling::{Scaling, raw_range, scaling};
use crate::device::block::Block;
use crate::device::field::{Field, Kind};
use crate::device::{Device, Limits, Order, Otherwise, ShownAs, Type, Variant};

/// What the name of a column of numbers as they were read begins with.
const RAW: &str = "raw_";

/// One column and how its values are found.
#[derive(Clone, Debug)]
pub(crate) struct Column {
    /// The place of its block in the file.
    pub(crate) block: usize,
    /// The field, in bytes also for coils.
    pub(crate) field: Field,
    pub(crate) order: Order,
    /// How a raw value becomes one of the column; `None`: it is one.
    pub(crate) meaning: Option<Meaning>,
    /// The short way to the same value, where there is one.
    pub(crate) quick: Option<Quick>,
    pub(crate) arrow: ArrowField,
}

/// The columns of a checked device whose blocks are laid out, in the order of the file that `given` is.
pub(crate) fn columns(given: &Device, device: &Device) -> Vec<Column> {
    let zone = given.timezone.as_deref().and_then(|name| TimeZone::get(name).ok()).unwrap_or(TimeZone::UTC);
    let lists = device.blocks.iter().filter(|(_, block)| block.repeat.is_some()).count();
    // A field that is asked by others stands in each piece of a block that was divided, and is one column.
    let mut seen = BTreeSet::new();
    let mut columns = Vec::new();
    for (place, (_, block)) in device.blocks.iter().enumerate() {
        for (name, field) in block.fields.iter() {
            if seen.insert(name) {
                let of =
                    Of { device, place, block, nullable: lists > 1 || nullable(block, field), zone: &zone };
                columns.extend(of.columns(name, field));
            }
        }
    }
    let fields = given.blocks.iter().flat_map(|(_, block)| block.fields.names());
    let names = given.points.names().chain(fields).enumerate();
    let places: BTreeMap<&str, usize> = names.map(|(place, name)| (name, place)).collect();
    columns.sort_by_cached_key(|column| {
        let (name, is_raw) = (column.arrow.name(), column.meaning.is_none());
        let of = if is_raw { name.strip_prefix(RAW) } else { None };
        (places.get(of.unwrap_or(name)).copied(), is_raw)
    });
    columns
}

/// What a column stands in.
struct Of<'a> {
    device: &'a Device,
    place: usize,
    block: &'a Block,
    nullable: bool,
    zone: &'a TimeZone,
}

impl Of<'_> {
    /// The column of a field, and that of its raw number where it wants one.
    fn columns(&self, name: &str, field: &Field) -> impl Iterator<Item = Column> {
        let scaling = scaling(self.device, field).unwrap_or_default();
        let labels = labels(field);
        let word = field.shown_as == Some(ShownAs::Word);
        let mut arrow = ArrowField::new(
            name,
            if word { DataType::Utf8 } else { data_type(field, &scaling) },
            self.nullable,
        );
        if let (Some(text), Some(unit)) = (&scaling.unit_text, &scaling.unit) {
            arrow = match unit.declared_symbol() {
                Some(symbol) => arrow.with_declared_unit(text, symbol),
                None => arrow.with_unit(text),
            };
        }
        // A code is a state, and says nothing while the device is away.
        let state = labels.is_some().then_some(Kind::State);
        if let Some(kind) = field.kind.or(state) {
            arrow = arrow.with_kind(contract(kind));
        }
        if let Some(labels) = labels.as_ref().filter(|_| !word) {
            arrow = arrow.with_labels(labels);
        }
        if let Some(step) = step(field, &scaling) {
            arrow = arrow.with_resolution(step);
        }
        let raw = field.raw.then(|| {
            let plain = Scaling::default();
            let arrow = ArrowField::new(format!("{RAW}{name}"), data_type(field, &plain), self.nullable)
                .copy_of(name);
            self.column(field, None, arrow)
        });
        let meaning = self.meaning(field, &scaling, labels.filter(|_| word));
        std::iter::once(self.column(field, Some(meaning), arrow)).chain(raw)
    }

    fn column(&self, field: &Field, meaning: Option<Meaning>, arrow: ArrowField) -> Column {
        let (field, order) = (self.block.located(field), self.device.order);
        let quick = Quick::of(&field, order, meaning.as_ref());
        Column { block: self.place, field, order, meaning, quick, arrow }
    }

    fn meaning(&self, field: &Field, scaling: &Scaling, words: Option<Labels>) -> Meaning {
        let factor_of = |index: usize| scaling.factors.get(index).copied().unwrap_or_default();
        let scale = |(index, variant): (usize, &Variant)| {
            let asked = self.block.located(self.block.fields.get(&variant.when.field)?);
            Some(Scale { when: variant.when.clone(), asked, factor: factor_of(index + 1) })
        };
        Meaning {
            factor: factor_of(0),
            variants: field.variants.iter().enumerate().filter_map(scale).collect(),
            offset: scaling.offset,
            whole: scaling.whole,
            power: field.scale_by.as_ref().map(|name| self.power(name)),
            valid: field.valid.map(|valid| in_unit(valid, scaling.unit.as_ref())),
            words,
            zone: self.zone.clone(),
        }
    }

    /// The field that is the scale factor, in the data of this block.
    fn power(&self, name: &str) -> Option<Field> {
        if let Some(own) = self.block.fields.get(name) {
            return Some(self.block.located(own));
        }
        let mut blocks = self.device.blocks.iter();
        let (block, field) = blocks.find_map(|(block, it)| Some((block, it.fields.get(name)?)))?;
        self.block.borrowed_field(block, field)
    }
}

/// Limits in the unit without its number, as limits in the unit.
fn in_unit(limits: Limits, unit: Option<&Unit>) -> Limits {
    let step = unit.and_then(|unit| unit.base().step_to(unit));
    let bound = |bound: f64| step.filter(|_| bound.is_finite()).map_or(bound, |step| step.apply(bound));
    Limits { from: bound(limits.from), to: bound(limits.to) }
}

/// The words of a checked field.
fn labels(field: &Field) -> Option<Labels> {
    let values = field.values.as_ref().and_then(|words| words.values().ok());
    values.or_else(|| field.flags.as_ref().and_then(|words| words.flags(64).ok()))
}

/// The smallest step of a number that its unit does not tell.
fn step(field: &Field, scaling: &Scaling) -> Option<f64> {
    let exact = field.kind_of_value.is_whole() && field.scale_by.is_none();
    let factor = scaling.factors.first().filter(|_| exact)?;
    (!scaling.whole).then_some(factor.real.abs())
}

/// Only a field of a repeating block is there in every row, and only if its type has no way to say "none".
fn nullable(block: &Block, field: &Field) -> bool {
    let silent = |field: &Field| {
        let kind = field.kind_of_value;
        let by_type = kind.is_float()
            || kind.is_time()
            || matches!(kind, Type::Bcd | Type::Mod10k | Type::Ascii | Type::Text);
        by_type || !field.null_when.is_empty()
    };
    let mut asked = field.variants.iter().filter_map(|variant| block.fields.get(&variant.when.field));
    let unknown = field.otherwise == Some(Otherwise::Null) || asked.any(silent);
    let refused = field.valid.is_some() || field.scale_by.is_some();
    block.repeat.is_none() || silent(field) || unknown || refused
}

fn contract(kind: Kind) -> smiles_stage::Kind {
    match kind {
        Kind::Gauge => smiles_stage::Kind::Gauge,
        Kind::Counter => smiles_stage::Kind::Counter,
        Kind::State => smiles_stage::Kind::State,
    }
}

/// The smallest type that holds every value of a field.
fn data_type(field: &Field, scaling: &Scaling) -> DataType {
    match field.kind_of_value {
        kind if kind.is_text() => DataType::Utf8,
        Type::Date => DataType::Utf8,
        kind if kind.is_time() => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        Type::Bool => DataType::Boolean,
        kind if kind.is_float() => {
            let plain = scaling.offset.real == 0.0
                && field.scale_by.is_none()
                && scaling.factors.iter().all(|factor| factor.real.abs() == 1.0);
            if plain && kind != Type::F64 { DataType::Float32 } else { DataType::Float64 }
        }
        _ if !scaling.whole => DataType::Float64,
        _ => whole(field, scaling),
    }
}

fn whole(field: &Field, scaling: &Scaling) -> DataType {
    let (least, most) = raw_range(field).unwrap_or_default();
    let ends = scaling.factors.iter().flat_map(|factor| {
        [least, most]
            .map(|raw| raw.saturating_mul(factor.whole.into()).saturating_add(scaling.offset.whole.into()))
    });
    let (least, most) = ends.fold((0, 0), |(least, most): (i128, i128), end| (least.min(end), most.max(end)));
    let fits = |bits: u32| least >= -(1 << (bits - 1)) && most < 1 << (bits - 1);
    match least {
        0 => match most {
            0..=0xFF => DataType::UInt8,
            0x100..=0xFFFF => DataType::UInt16,
            0x1_0000..=0xFFFF_FFFF => DataType::UInt32,
            _ => DataType::UInt64,
        },
        _ if fits(8) => DataType::Int8,
        _ if fits(16) => DataType::Int16,
        _ if fits(32) => DataType::Int32,
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
        factors: &[i64],
    ) {
        let repeat = if repeat { "repeat: {stride: 9, max: 9}, " } else { "" };
        let text = format!(
            "blocks:\n  b: {{address: 0, count: 9, {repeat}fields: {{s: {{at: 0, type: hex, length: 2}}, f: {{at: 2, {field}}}}}}}"
        );
        let device = device(&text);
        let columns = columns(&device, &device);
        let column = columns.last().unwrap();
        assert_eq!(column.arrow.data_type(), &data_type, "{field}");
        assert_eq!(column.arrow.is_nullable(), nullable, "{field}");
        assert_eq!(column.arrow.unit(), unit, "{field}");
        let meaning = column.meaning.as_ref().unwrap();
        let got: Vec<i64> = std::iter::once(meaning.factor)
            .chain(meaning.variants.iter().map(|scale| scale.factor))
            .map(|factor| factor.whole)
            .collect();
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
