//! Is a device file sound? Everything wrong with it, at once, each at its place.

mod list;
mod meaning;
mod place;
mod point;
pub(crate) mod warnings;

use std::collections::BTreeMap;

use smiles_stage::unit::Unit;
use smiles_stage::{ParseError, Path, Problem, Problems, SOURCE, TIME, time_zone};

use crate::check::list::check_list;
use crate::check::meaning::check_meaning;
use crate::check::place::check_place;
use crate::check::point::{check_period, check_point};
use crate::device::block::Block;
use crate::device::named::MOST;
use crate::device::{Device, MAX_COILS, MAX_REGISTERS};
use crate::split::{extent, limit};

/// All complaints about a device that stands at `at` within the options.
pub(crate) fn check(device: &Device, at: &Path) -> Problems {
    let mut problems = Vec::new();
    let fields: usize = device.blocks.iter().map(|(_, block)| block.fields.0.len().max(1)).sum();
    let fields = fields + device.points.0.len();
    if fields > MOST {
        let message = format!("{fields} fields are more than the {MOST} that a device may have");
        let help = "divide them among several pipelines";
        let place = if device.points.0.is_empty() { "blocks" } else { "points" };
        return vec![Problem::error(at.key(place), message).help(help)];
    }
    check_device(device, at, &mut problems);
    let laid = device.with_blocks();
    for (name, point) in device.points.iter() {
        check_point((device, &laid), name, point, &at.key("points").key(name), &mut problems);
    }
    for (name, block) in device.blocks.iter() {
        check_block(&laid, block, &at.key("blocks").key(name), &mut problems);
    }
    check_names(device, at, &mut problems);
    problems
}

fn check_device(device: &Device, at: &Path, problems: &mut Problems) {
    if !(1..=MAX_REGISTERS).contains(&device.max_registers) {
        let message =
            format!("a request asks for 1 to {MAX_REGISTERS} registers, not {}", device.max_registers);
        problems.push(Problem::error(at.key("max_registers"), message));
    }
    if device.order.is_of_64_bits() {
        let message = format!("`{}` is an order of numbers of 64 bits alone", device.order.name());
        let help = "say it at the values that have it; here one of `abcd`, `cdab`, `badc` and `dcba`";
        problems.push(Problem::error(at.key("order"), message).help(help));
    }
    if let Some(name) = &device.timezone {
        problems.extend(time_zone(name, at.key("timezone")).err());
    }
    for symbol in device.units.keys() {
        if let Err(ParseError { message, help }) = Unit::is_declarable(symbol) {
            problems.push(Problem { help, ..Problem::error(at.key("units").key(symbol), message) });
        }
    }
    if device.blocks.0.is_empty() && device.points.0.is_empty() {
        let help = "name at least one register: `points: {power: {register: 0, type: u16}}`";
        problems.push(Problem::error(at.key("blocks"), "the device has no blocks and no points").help(help));
    }
}

fn check_names(device: &Device, at: &Path, problems: &mut Problems) {
    let mut seen: BTreeMap<String, Option<&str>> = BTreeMap::new();
    let points =
        device.points.iter().map(|(name, point)| (None, name, point.raw, at.key("points").key(name)));
    let fields = device.blocks.iter().flat_map(|(block, it)| {
        let at = at.key("blocks").key(block).key("fields");
        it.fields.iter().map(move |(name, field)| (Some(block), name, field.raw, at.key(name)))
    });
    for (block, name, raw, place) in points.chain(fields) {
        if [TIME, SOURCE].contains(&name) {
            let message = format!("`{name}` is a column that every row has already");
            problems.push(Problem::error(place.clone(), message).help("choose another name"));
        }
        if !is_name(name) {
            let message = format!("`{name}` is not a column name");
            let help = "use lower-case letters, digits and `_`, and begin with a letter";
            problems.push(Problem::error(place.clone(), message).help(help));
        }
        let names = std::iter::once(name.to_owned()).chain(raw.then(|| format!("raw_{name}")));
        for column in names {
            match seen.get(&column) {
                Some(Some(other)) => {
                    let message = format!("column `{column}` stands in block `{other}` already");
                    let help = "columns of all blocks stand in one row";
                    problems.push(Problem::error(place.clone(), message).help(help));
                }
                Some(None) => {
                    let message = format!("column `{column}` is one of the `points` already");
                    problems.push(Problem::error(place.clone(), message).help("choose another name"));
                }
                None => {
                    seen.insert(column, block);
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
    check_period("block", block.every, block.once, at, problems);
    if block.repeat.is_some() && block.between.is_some() {
        let message = "the records of a list are rows, and no row is repeated";
        problems.push(Problem::error(at.key("between"), message).help("remove it"));
    }
    if let Some(repeat) = &block.repeat {
        check_list(device, block, repeat, at, problems);
    }
    for (name, field) in block.fields.iter() {
        let at = at.key("fields").key(name);
        check_place(device.order, block, field, &at, problems);
        check_meaning(device, block, (name, field), &at, problems);
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
        let (first, last) = extent(block, field, limit);
        if last - first >= limit {
            let message = format!(
                "the value, with what its variants ask, takes {} registers, and one request asks for at most {limit}",
                u32::from(last - first) + 1
            );
            problems.push(Problem::error(at.key("fields").key(name), message));
        }
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
        assert_eq!(complaints("blocks: {}"), ["device.blocks: the device has no blocks and no points"]);
    }
}
