//! Is a device file sound? Everything wrong with it, at once, each at its place.

use std::collections::BTreeMap;

use smiles_stage::unit::Unit;
use smiles_stage::{ParseError, Path, Problem, Problems, SOURCE, TIME};

use crate::check_list::check_list;
use crate::columns::finest;
use crate::device::block::Block;
use crate::device::field::{Field, Order, Type, Variant};
use crate::device::{Device, MAX_COILS, MAX_REGISTERS, Sentinel};
use crate::device_warnings::sentinels;
use crate::split::{extent, limit};

/// The most bytes a `bcd` number may have: its digits must fit 64 bits.
const BCD_MAX: u16 = 9;

/// More columns than any database takes; comparing all fields with each other takes the square of their number.
const MOST_FIELDS: usize = 5_000;

/// All complaints about a device that stands at `at` within the options.
pub(crate) fn check(device: &Device, at: &Path) -> Problems {
    let mut problems = Vec::new();
    let fields: usize = device.blocks.iter().map(|(_, block)| block.fields.0.len().max(1)).sum();
    if fields > MOST_FIELDS {
        let message = format!("{fields} fields are more than the {MOST_FIELDS} that a device may have");
        let help = "divide them among several pipelines";
        return vec![Problem::error(at.key("blocks"), message).help(help)];
    }
    if !(1..=MAX_REGISTERS).contains(&device.max_registers) {
        let message =
            format!("a request asks for 1 to {MAX_REGISTERS} registers, not {}", device.max_registers);
        problems.push(Problem::error(at.key("max_registers"), message));
    }
    let blocks = at.key("blocks");
    if device.blocks.0.is_empty() {
        problems
            .push(Problem::error(blocks.clone(), "the device has no blocks").help("add at least one block"));
    }
    for (name, block) in device.blocks.iter() {
        check_block(device, block, &blocks.key(name), &mut problems);
    }
    check_names(device, &blocks, &mut problems);
    problems
}

fn check_names(device: &Device, at: &Path, problems: &mut Problems) {
    let mut seen: BTreeMap<&str, &str> = BTreeMap::new();
    for (block, fields) in device.blocks.iter().map(|(name, block)| (name, &block.fields)) {
        for name in fields.names() {
            let place = at.key(block).key("fields").key(name);
            if [TIME, SOURCE].contains(&name) {
                let message = format!("`{name}` is a column that every row has already");
                problems.push(Problem::error(place.clone(), message).help("choose another name"));
            }
            if !is_name(name) {
                let message = format!("`{name}` is not a column name");
                let help = "use lower-case letters, digits and `_`, and begin with a letter";
                problems.push(Problem::error(place.clone(), message).help(help));
            }
            match seen.get(name) {
                Some(other) => {
                    let message = format!("column `{name}` stands in block `{other}` already");
                    problems
                        .push(Problem::error(place, message).help("columns of all blocks stand in one row"));
                }
                None => {
                    seen.insert(name, block);
                }
            }
        }
    }
}

fn is_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    name.bytes().all(plain)
        && name.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase())
        && name.len() <= 63
}

fn check_block(device: &Device, block: &Block, at: &Path, problems: &mut Problems) {
    check_size(device, block, at, problems);
    if block.fields.0.is_empty() {
        problems.push(
            Problem::error(at.key("fields"), "the block has no fields").help("name at least one column"),
        );
    }
    check_periods(block, at, problems);
    if let Some(repeat) = &block.repeat {
        check_list(device, block, repeat, at, problems);
    }
    for (name, field) in block.fields.iter() {
        check_field(device.order, block, field, &at.key("fields").key(name), problems);
    }
}

/// A block may be longer than a request, if each value fits one; a record of a list may not.
fn check_size(device: &Device, block: &Block, at: &Path, problems: &mut Problems) {
    let limit = limit(device, block).clamp(1, if block.read.is_bits() { MAX_COILS } else { MAX_REGISTERS });
    if block.count == 0 {
        problems.push(Problem::error(at.key("count"), "a block has at least 1 register (or coil), not 0"));
    } else if block.count > limit && block.repeat.is_some() {
        let message = format!("one request asks for 1 to {limit}, not {}", block.count);
        problems.push(Problem::error(at.key("count"), message).help("a record of a list is read in one"));
    }
    if u32::from(block.address) + u32::from(block.count) > 0x1_0000 {
        let message = format!("the block ends beyond address 65535 ({} + {})", block.address, block.count);
        problems.push(Problem::error(at.key("count"), message));
    }
    for (name, field) in block.fields.iter().filter(|_| block.count > limit && block.repeat.is_none()) {
        let (first, last) = extent(block, field);
        if last - first >= limit {
            let message = format!(
                "the value, with what its variants ask, takes {} registers, and one request asks for at most {limit}",
                u32::from(last - first) + 1
            );
            problems.push(Problem::error(at.key("fields").key(name), message));
        }
    }
}

fn check_periods(block: &Block, at: &Path, problems: &mut Problems) {
    if block.every.is_some_and(|every| every.0.is_zero()) {
        let message = "a period of 0 is none";
        problems
            .push(Problem::error(at.key("every"), message).help("leave `every` out to read at every pass"));
    }
    if block.once && block.every.is_some() {
        let message = "a block that is read `once` has no period";
        problems.push(Problem::error(at.key("every"), message).help("remove one of them"));
    }
    if block.repeat.is_some() && block.between.is_some() {
        let message = "the records of a list are rows, and no row is repeated";
        problems.push(Problem::error(at.key("between"), message).help("remove it"));
    }
}

fn check_field(order: Order, block: &Block, field: &Field, at: &Path, problems: &mut Problems) {
    check_place(order, block, field, at, problems);
    check_bit(block, field, at, problems);
    problems.extend(sentinels(field, at));
    if field.variants.is_empty() && field.otherwise.is_some() {
        let message = "`otherwise` is for records that are none of the `variants`, and there are none";
        problems.push(Problem::error(at.key("otherwise"), message).help("remove it"));
    }
    let number = !field.kind_of_value.is_text() && field.kind_of_value != Type::Bool;
    if !number {
        let extras = [(field.unit.is_some(), "unit"), (!field.variants.is_empty(), "variants")];
        for (_, key) in extras.iter().filter(|(set, _)| *set) {
            problems.push(Problem::error(at.key(*key), format!("only a number has `{key}`")));
        }
        return;
    }
    check_units(field, at, problems);
    for (index, variant) in field.variants.iter().enumerate() {
        check_when(block, variant, &at.key("variants").index(index).key("when"), problems);
    }
}

/// Length, and whether the field lies within the block.
fn check_place(order: Order, block: &Block, field: &Field, at: &Path, problems: &mut Problems) {
    let sized = field.kind_of_value.width().is_none();
    match field.length {
        None if sized => {
            let message = "this type needs a `length` in bytes";
            return problems.push(Problem::error(at.clone(), message).help("add `length:`"));
        }
        Some(_) if !sized && field.kind_of_value != Type::Bits => {
            problems
                .push(Problem::error(at.key("length"), "this type knows its own length").help("remove it"));
        }
        Some(0) => problems.push(Problem::error(at.key("length"), "`length` is at least 1")),
        Some(length) if field.kind_of_value == Type::Bcd && length > BCD_MAX => {
            let message = format!("a `bcd` number has at most {BCD_MAX} bytes");
            problems.push(Problem::error(at.key("length"), message).help("`hex` gives the digits as text"));
        }
        _ => {}
    }
    let (end, size, what) = if block.read.is_bits() {
        (usize::from(field.at) + 1, usize::from(block.count), "coils")
    } else {
        (usize::from(field.at) + usize::from(field.width()), block.data_bytes(), "bytes")
    };
    if end > size {
        let message = format!("the field ends at {end} and the block has {size} {what}");
        problems.push(
            Problem::error(at.key("at"), message).help("`at` counts from the start of the block, from 0"),
        );
    }
    if field.order_within(order) != Order::Abcd && field.width() > 1 && field.width() % 2 == 1 {
        let message = "bytes swap in pairs, and the field has an odd number of them";
        problems.push(Problem::error(at.clone(), message).help("set `order: abcd` for this field"));
    }
}

fn check_bit(block: &Block, field: &Field, at: &Path, problems: &mut Problems) {
    let problem = match (field.kind_of_value, field.bit) {
        (Type::Bool, Some(_)) if block.read.is_bits() => {
            Some("a coil is a single bit already: `at` counts coils")
        }
        (Type::Bool, Some(8..)) => Some("a byte has bits 0 to 7"),
        (Type::Bits, bit) if u16::from(bit.unwrap_or(0)) + field.length.unwrap_or(1) > 16 => {
            Some("a register has bits 0 to 15")
        }
        (Type::Bool | Type::Bits, _) | (_, None) => None,
        (_, Some(_)) => Some("only `bool` and `bits` have a `bit`"),
    };
    problems.extend(problem.map(|message| Problem::error(at.key("bit"), message)));
    if block.read.is_bits() && field.kind_of_value != Type::Bool {
        problems.push(Problem::error(at.key("type"), "coils and discrete inputs are `bool`"));
    }
}

fn check_units(field: &Field, at: &Path, problems: &mut Problems) {
    let before = problems.len();
    let own = field.unit.as_ref().map(|unit| (at.key("unit"), unit));
    let others = field.variants.iter().enumerate();
    let others = others.map(|(index, other)| (at.key("variants").index(index).key("unit"), &other.unit));
    for (place, text) in own.into_iter().chain(others) {
        if let Err(ParseError { message, help }) = text.parse::<Unit>() {
            problems.push(Problem { help, ..Problem::error(place, message) });
        }
    }
    if field.unit.is_none() && !field.variants.is_empty() {
        let message = "variants differ from the field's own unit, and it has none";
        problems.push(Problem::error(at.key("variants"), message).help("add `unit:`"));
    } else if problems.len() == before && finest(field).is_none() {
        let message = "the units of the variants do not go together";
        let help = "all must measure the same and be whole multiples of the finest: `0.1 A` and `0.01 A`";
        problems.push(Problem::error(at.key("variants"), message).help(help));
    }
}

fn check_when(block: &Block, variant: &Variant, at: &Path, problems: &mut Problems) {
    let when = &variant.when;
    let Some(asked) = block.fields.get(&when.field) else {
        let message = format!("the block has no field `{}`", when.field);
        return problems
            .push(Problem::error(at.key("field"), message).suggest(&when.field, block.fields.names()));
    };
    let text = asked.kind_of_value.is_text();
    match (&when.prefix, &when.equals) {
        (Some(_), Some(_)) | (None, None) => {
            problems.push(Problem::error(at.clone(), "give exactly one of `prefix` and `equals`"));
        }
        (Some(_), None) if !text => {
            let message = format!("`{}` is a number, and only text has a prefix", when.field);
            problems.push(Problem::error(at.key("prefix"), message).help("use `equals`"));
        }
        (None, Some(_)) if text => {
            let message = format!("`{}` is text, and `equals` compares numbers", when.field);
            problems.push(Problem::error(at.key("equals"), message).help("use `prefix`"));
        }
        (None, Some(number)) => {
            let never = Sentinel::Number(number.clone()).complaint(asked);
            problems.extend(never.map(|message| Problem::error(at.key("equals"), message)));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::device;

    /// Complaints as `path: message`.
    fn complaints(text: &str) -> Vec<String> {
        let problems = check(&device(text), &Path::root().key("device"));
        problems.iter().map(|problem| format!("{}: {}", problem.at, problem.message)).collect()
    }

    fn check_one(block: &str, expected: &str) {
        let expected: Vec<String> =
            expected.split('\n').filter(|line| !line.is_empty()).map(str::to_owned).collect();
        assert_eq!(complaints(&format!("blocks:\n  b: {{{block}}}")), expected, "{block}");
    }

    #[test]
    fn a_sound_device_has_no_complaints() {
        check_one("address: 65535, count: 1, fields: {f: {at: 0, type: u16, unit: 0.1 V}}", "");
        check_one("address: 0, count: 9, read: coils, fields: {f: {at: 8, type: bool}}", "");
        check_one("address: 0, count: 1, fields: {f: {at: 0, type: bits, bit: 12, length: 4}}", "");
        check_one("address: 0, count: 1, fields: {f: {at: 1, type: bool, bit: 7}}", "");
    }

    #[test]
    fn every_complaint_names_its_place() {
        let field = |field: &str| {
            format!("address: 0, count: 4, fields: {{s: {{at: 0, type: hex, length: 2}}, f: {{{field}}}}}")
        };
        let rows = [
            ("address: 0, count: 0, fields: {f: {at: 0, type: u8}}".to_owned(),
             "device.blocks.b.count: a block has at least 1 register (or coil), not 0\n\
              device.blocks.b.fields.f.at: the field ends at 1 and the block has 0 bytes"),
            ("address: 65535, count: 2, fields: {}".to_owned(),
             "device.blocks.b.count: the block ends beyond address 65535 (65535 + 2)\n\
              device.blocks.b.fields: the block has no fields"),
            ("address: 0, count: 2001, read: discrete, fields: {f: {at: 0, type: u8}}".to_owned(),
             "device.blocks.b.fields.f.type: coils and discrete inputs are `bool`"),
            ("address: 0, count: 4, once: true, optional: true, repeat: {stride: 0, max: 0, until: {zero: g}}, fields: {f: {at: 0, type: u8}}".to_owned(),
             "device.blocks.b.once: a block that repeats cannot be `once`: its records are the rows\n\
              device.blocks.b.optional: a block that repeats cannot be `optional`: its records are the rows\n\
              device.blocks.b.repeat.stride: `stride` is at least 1\n\
              device.blocks.b.repeat.max: `max` is at least 1\n\
              device.blocks.b.repeat.until.zero: the block has no field `g`"),
            ("address: 1, count: 4, repeat: {stride: 65535, max: 2}, fields: {f: {at: 0, type: u8}}".to_owned(),
             "device.blocks.b.repeat.max: record 1 would be beyond address 65535"),
            ("address: 0, count: 4, fields: {time: {at: 0, type: u8}, Bad: {at: 0, type: u8}}".to_owned(),
             "device.blocks.b.fields.time: `time` is a column that every row has already\n\
              device.blocks.b.fields.Bad: `Bad` is not a column name"),
            (field("at: 2, type: hex"), "device.blocks.b.fields.f: this type needs a `length` in bytes"),
            (field("at: 7, type: u16"), "device.blocks.b.fields.f.at: the field ends at 9 and the block has 8 bytes"),
            (field("at: 2, type: u16, length: 2"), "device.blocks.b.fields.f.length: this type knows its own length"),
            (field("at: 2, type: ascii, length: 0"), "device.blocks.b.fields.f.length: `length` is at least 1"),
            (field("at: 2, type: hex, length: 3, order: badc"),
             "device.blocks.b.fields.f: bytes swap in pairs, and the field has an odd number of them"),
            (field("at: 2, type: u16, bit: 3"), "device.blocks.b.fields.f.bit: only `bool` and `bits` have a `bit`"),
            (field("at: 2, type: bool, bit: 8"), "device.blocks.b.fields.f.bit: a byte has bits 0 to 7"),
            (field("at: 2, type: bits, bit: 9, length: 8"), "device.blocks.b.fields.f.bit: a register has bits 0 to 15"),
            (field("at: 2, type: u16, unit: 0.1 Vx"), "device.blocks.b.fields.f.unit: unknown unit `Vx`"),
            (field("at: 2, type: u16, unit: x V"), "device.blocks.b.fields.f.unit: `x` is not a positive decimal number"),
            (field("at: 2, type: hex, length: 2, unit: V"), "device.blocks.b.fields.f.unit: only a number has `unit`"),
            (field("at: 2, type: u16, otherwise: null"),
             "device.blocks.b.fields.f.otherwise: `otherwise` is for records that are none of the `variants`, and there are none"),
            (field("at: 2, type: u16, null_when: [0xffff, 1.5]"),
             "device.blocks.b.fields.f.null_when[1]: `1.5` is not a whole number, and raw values of this field are"),
            (field("at: 2, type: u16, variants: [{when: {field: s, prefix: a}, unit: V}]"),
             "device.blocks.b.fields.f.variants: variants differ from the field's own unit, and it has none"),
            (field("at: 2, type: u16, unit: V, variants: [{when: {field: s, prefix: a}, unit: A}]"),
             "device.blocks.b.fields.f.variants: the units of the variants do not go together"),
            (field("at: 2, type: u16, unit: K, variants: [{when: {field: s, prefix: a}, unit: °C}]"),
             "device.blocks.b.fields.f.variants: the units of the variants do not go together"),
            (field("at: 2, type: u16, unit: V, variants: [{when: {field: t, prefix: a}, unit: kV}, {when: {field: s}, unit: kV}, {when: {field: s, equals: 1}, unit: kV}, {when: {field: f, prefix: a}, unit: kV}]"),
             "device.blocks.b.fields.f.variants[0].when.field: the block has no field `t`\n\
              device.blocks.b.fields.f.variants[1].when: give exactly one of `prefix` and `equals`\n\
              device.blocks.b.fields.f.variants[2].when.equals: `s` is text, and `equals` compares numbers\n\
              device.blocks.b.fields.f.variants[3].when.prefix: `f` is a number, and only text has a prefix"),
        ];
        for (block, expected) in rows {
            check_one(&block, expected);
        }
    }

    #[test]
    fn blocks_must_go_together() {
        let block = |name: &str, more: &str| {
            format!("  {name}: {{address: 0, count: 1, {more}fields: {{f: {{at: 0, type: u8}}}}}}\n")
        };
        let repeat = "repeat: {stride: 1, max: 2}, ";
        let text = format!("max_registers: 126\nblocks:\n{}{}", block("a", repeat), block("b", repeat));
        let expected = [
            "device.max_registers: a request asks for 1 to 125 registers, not 126",
            "device.blocks.b.fields.f: column `f` stands in block `a` already",
        ];
        assert_eq!(complaints(&text), expected);
        assert_eq!(complaints("blocks: {}"), ["device.blocks: the device has no blocks"]);
    }
}
