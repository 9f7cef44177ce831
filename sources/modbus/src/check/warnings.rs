//! Warnings about a valid device file that hardly means what it says, each with what would be stored.

use std::collections::BTreeSet;

use smiles_stage::{Path, Problem, Problems};

use crate::device::block::Block;
use crate::device::field::Field;
use crate::device::{Device, Order, Sentinel, Type};
use crate::layout::{Placed, placed};

/// All warnings, each at its place below `at`.
pub(crate) fn device_warnings(device: &Device, at: &Path) -> Problems {
    let mut problems = Problems::new();
    shared_registers(device, &at.key("points"), &mut problems);
    for (name, point) in device.points.iter() {
        let field = point.field();
        problems.extend(all_ones(name, &field, &at.key("points").key(name)));
    }
    for (name, block) in device.blocks.iter() {
        let at = at.key("blocks").key(name).key("fields");
        overlaps(block, &at, &mut problems);
        for (name, field) in block.fields.iter() {
            let at = at.key(name);
            if !block.read.is_bits() {
                problems.extend(misaligned(field, &at));
                problems.extend(high_byte(device.order, name, field, &at));
            }
            problems.extend(all_ones(name, field, &at));
            problems.extend(unlisted(block, name, field, &at));
        }
    }
    problems
}

/// Points that share some of their registers, but for bits beside their number, and the same registers read in two ways.
fn shared_registers(device: &Device, at: &Path, problems: &mut Problems) {
    let mut known: Vec<(&str, Option<u8>, Placed)> = Vec::new();
    for (name, point) in device.points.iter() {
        if matches!(point.kind_of_value, Type::Bool | Type::Bits) {
            continue;
        }
        let Some(mut own) = placed(device, point) else { continue };
        own.addresses.sort_unstable();
        let shares = |other: &Placed| {
            let same = own.addresses == other.addresses;
            own.table == other.table && !same && own.addresses.iter().any(|it| other.addresses.contains(it))
        };
        if let Some((other, ..)) =
            known.iter().find(|(_, unit, other)| *unit == point.unit_id && shares(other))
        {
            let message =
                format!("`{name}` and `{other}` share some of their registers: two different readings");
            let help = "a `u16` has 1 register, a `u32` or `f32` 2, and a text one for each two bytes of its `length`";
            problems.push(Problem::warning(at.key(name), message).help(help));
        }
        known.push((name, point.unit_id, own));
    }
}

/// A number that begins in the middle of a register.
fn misaligned(field: &Field, at: &Path) -> Option<Problem> {
    let number = !field.kind_of_value.is_text() && field.width() > 1;
    if field.at.is_multiple_of(2) || !number {
        return None;
    }
    let (first, last) = (field.at / 2, (field.at + field.width() - 1) / 2);
    let message = format!(
        "the number begins in the middle of a register: the low byte of register {first} to the high byte of \
         register {last} would be stored as one number"
    );
    let help = format!("`at` counts bytes, not registers: register {} begins at {}", field.at, field.at * 2);
    Some(Problem::warning(at.key("at"), message).help(help))
}

/// A `bool` that says no bit and stands in the high byte, where a register of 0 or 1 has nothing.
fn high_byte(order: Order, name: &str, field: &Field, at: &Path) -> Option<Problem> {
    let swapped = matches!(field.order_within(order), Order::Badc | Order::Dcba);
    let high = field.at.is_multiple_of(2) != swapped;
    if field.kind_of_value != Type::Bool || field.bit.is_some() || field.of.is_some() || !high {
        return None;
    }
    let message = format!(
        "`{name}` is the lowest bit of the high byte of register {}: false would be stored where the register holds 1",
        field.at / 2
    );
    let low = field.at ^ 1;
    let help = format!(
        "the low byte is at {low}: `at: {low}, bit: 0`; or say `bit: 0` if the high byte is meant. `of: u16` counts \
                 the bits of the whole register"
    );
    Some(Problem::warning(at.key("type"), message).help(help))
}

/// A number of 64 bits that no table has room for.
fn all_ones(name: &str, field: &Field, at: &Path) -> Option<Problem> {
    if field.kind_of_value != Type::U64 || !field.null_when.is_empty() {
        return None;
    }
    let message = format!(
        "`{name}` can hold {0} (all ones, which often says \"not available\"): tables hold up to {1}, and the whole row \
         would be a dead letter",
        u64::MAX,
        i64::MAX
    );
    Some(Problem::warning(at.clone(), message).help("add `null_when: [0xffffffffffffffff]`"))
}

/// A scale that is chosen by numbers, of which some are not listed.
fn unlisted(block: &Block, name: &str, field: &Field, at: &Path) -> Option<Problem> {
    let asked: BTreeSet<&str> = field.variants.iter().map(|it| it.when.field.as_str()).collect();
    let listed: Vec<String> =
        field.variants.iter().filter_map(|it| it.when.equals.as_ref()).map(ToString::to_string).collect();
    if field.otherwise.is_some() || listed.is_empty() || covered(block, &asked, listed.len()) {
        return None;
    }
    let unit = field.unit.as_deref().unwrap_or_default();
    let asked = asked.into_iter().collect::<Vec<_>>().join("`, `");
    let message = format!(
        "`{name}` would be stored as if it were in {unit} where `{asked}` is none of {}",
        listed.join(", ")
    );
    let help = format!(
        "`otherwise: null` stores nothing then; `otherwise: unit` says that {unit} is right for all other values"
    );
    Some(Problem::warning(at.key("variants"), message).help(help))
}

/// Whether the values listed are all that one field can have but one, which is the field's own unit.
fn covered(block: &Block, asked: &BTreeSet<&str>, listed: usize) -> bool {
    let Some(field) = asked.first().filter(|_| asked.len() == 1).and_then(|name| block.fields.get(name))
    else {
        return false;
    };
    let values = match field.kind_of_value {
        Type::Bool => 2,
        Type::Bits => 1_usize << field.length.unwrap_or(1).min(16),
        Type::U8 | Type::I8 => 256,
        _ => return false,
    };
    listed + 1 >= values
}

/// Fields that take the same bits, but for a bit of a register beside its number, and the same bytes read in two ways.
fn overlaps(block: &Block, at: &Path, problems: &mut Problems) {
    let fields: Vec<(&str, &Field)> = block.fields.iter().collect();
    for (place, (name, field)) in fields.iter().enumerate() {
        let mut earlier = fields.iter().take(place);
        let Some((other, _)) = earlier.find(|(_, other)| collide(block, field, other)) else {
            continue;
        };
        let (bits, width) = (block.read.is_bits(), field.width());
        let (what, whose) = match (bits, width) {
            (true, _) => (format!("coil {}", field.at), "is"),
            (false, 0 | 1) => (format!("byte {}", field.at), "belongs to"),
            _ => (format!("bytes {} to {}", field.at, field.at + width - 1), "belong at least in part to"),
        };
        let message = format!(
            "{what} {whose} `{other}` already: the same bits would be stored in both, as two different readings"
        );
        let help = if bits {
            "`at` counts coils from the start of the block, from 0"
        } else {
            "`at` counts bytes: a `u16` takes 2 of them, a `u32` or `f32` 4"
        };
        problems.push(Problem::warning(at.key(*name).key("at"), message).help(help));
    }
}

fn collide(block: &Block, field: &Field, other: &Field) -> bool {
    if block.read.is_bits() {
        return field.at == other.at;
    }
    let single = |field: &Field| matches!(field.kind_of_value, Type::Bool | Type::Bits);
    if single(field) != single(other) {
        return false;
    }
    if single(field) {
        return bits(field).intersection(&bits(other)).next().is_some();
    }
    let (own, their) = (field.at..field.at + field.width(), other.at..other.at + other.width());
    let twice = own == their && (field.kind_of_value != other.kind_of_value || field.order != other.order);
    own.start < their.end && their.start < own.end && !twice
}

/// The bits of a `bool` or of `bits`, counted through the block: those of a register from its low byte, which comes
/// second.
fn bits(field: &Field) -> BTreeSet<u32> {
    let (at, bit) = (u32::from(field.at), u32::from(field.bit.unwrap_or(0)));
    let length = u32::from(field.length.unwrap_or(1));
    match field.kind_of_value {
        Type::Bool => BTreeSet::from([at * 8 + bit]),
        _ => (bit..bit + length).map(|bit| (at + 1 - (bit / 8).min(1)) * 8 + bit % 8).collect(),
    }
}

/// Sentinels that never occur.
pub(crate) fn sentinels(field: &Field, at: &Path) -> impl Iterator<Item = Problem> {
    let complaint = |(index, sentinel): (usize, &Sentinel)| {
        let message = sentinel.complaint(field)?;
        Some(Problem::error(at.key("null_when").index(index), message))
    };
    field.null_when.iter().enumerate().filter_map(complaint)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::device;

    /// Complaints about a block as `path: message`.
    fn check(block: &str, expected: &[&str]) {
        let problems = device_warnings(&device(&format!("blocks:\n  b: {{{block}}}")), &Path::root());
        let said: Vec<String> = problems
            .iter()
            .map(|it| format!("{}: {}", it.at.to_string().replace("blocks.b.fields.", ""), it.message))
            .collect();
        assert_eq!(said, expected, "{block}");
    }

    #[test]
    fn what_is_usual_is_not_doubted() {
        for fields in [
            "a: {at: 0, type: u16}, b: {at: 2, type: u32}, c: {at: 6, type: u8}, d: {at: 7, type: u8}",
            "a: {at: 0, type: u8}, serial: {at: 1, type: hex, length: 6}, name: {at: 7, type: ascii, length: 9}",
            "status: {at: 0, type: u16}, on: {at: 1, type: bool, bit: 0}, mode: {at: 0, type: bits, bit: 8, length: 2}",
            "a: {at: 0, type: u32}, digits: {at: 0, type: hex, length: 4}, b: {at: 4, type: i64}",
            "on: {at: 1, type: bool}, swapped: {at: 2, type: bool, order: dcba}, high: {at: 4, type: bool, bit: 0}",
            "all: {at: 0, type: u64, null_when: [0xffffffffffffffff]}",
            "s: {at: 0, type: hex, length: 2}, a: {at: 2, type: u16, unit: A, variants: [{when: {field: s, prefix: a}, unit: kA}]}",
            "s: {at: 1, type: bool, bit: 1}, a: {at: 2, type: u16, unit: A, variants: [{when: {field: s, equals: 1}, unit: kA}]}",
            "s: {at: 0, type: i16}, a: {at: 2, type: u16, unit: A, otherwise: null, variants: [{when: {field: s, equals: 3}, unit: kA}]}",
            "s: {at: 0, type: i16}, a: {at: 2, type: u16, unit: A, otherwise: unit, variants: [{when: {field: s, equals: 3}, unit: kA}]}",
        ] {
            check(&format!("address: 0, count: 9, fields: {{{fields}}}"), &[]);
        }
        check(
            "address: 0, count: 9, read: coils, fields: {a: {at: 0, type: bool}, b: {at: 1, type: bool}}",
            &[],
        );
    }

    #[test]
    fn each_doubt_says_what_would_be_stored() {
        let rows: &[(&str, &[&str])] = &[
            (
                "f: {at: 1, type: u16}",
                &[
                    "f.at: the number begins in the middle of a register: the low byte of register 0 to the high byte of \
                   register 1 would be stored as one number",
                ],
            ),
            (
                "alarm: {at: 0, type: bool}",
                &[
                    "alarm.type: `alarm` is the lowest bit of the high byte of register 0: false would be stored where the \
                   register holds 1",
                ],
            ),
            (
                "swapped: {at: 3, type: bool, order: badc}",
                &[
                    "swapped.type: `swapped` is the lowest bit of the high byte of register 1: false would be stored where \
                   the register holds 1",
                ],
            ),
            (
                "a: {at: 0, type: u32}, b: {at: 2, type: u16}",
                &[
                    "b.at: bytes 2 to 3 belong at least in part to `a` already: the same bits would be stored in both, as \
                   two different readings",
                ],
            ),
            (
                "a: {at: 1, type: bool, bit: 1}, b: {at: 1, type: bool, bit: 1}",
                &[
                    "b.at: byte 1 belongs to `a` already: the same bits would be stored in both, as two different readings",
                ],
            ),
            (
                "a: {at: 0, type: bits, bit: 4, length: 6}, b: {at: 0, type: bool, bit: 1}, c: {at: 1, type: bool, bit: 5}",
                &[
                    "b.at: byte 0 belongs to `a` already: the same bits would be stored in both, as two different readings",
                    "c.at: byte 1 belongs to `a` already: the same bits would be stored in both, as two different readings",
                ],
            ),
            (
                "total: {at: 0, type: u64}",
                &[
                    "total: `total` can hold 18446744073709551615 (all ones, which often says \"not available\"): tables \
                   hold up to 9223372036854775807, and the whole row would be a dead letter",
                ],
            ),
            (
                "sf: {at: 0, type: i16}, p: {at: 2, type: i16, unit: W, variants: [{when: {field: sf, equals: -1}, unit: 0.1 W}, \
                 {when: {field: sf, equals: 0x8000}, unit: kW}]}",
                &["p.variants: `p` would be stored as if it were in W where `sf` is none of -1, 32768"],
            ),
        ];
        for (fields, expected) in rows {
            check(&format!("address: 0, count: 9, fields: {{{fields}}}"), expected);
        }
        check(
            "address: 0, count: 9, read: coils, fields: {a: {at: 1, type: bool}, b: {at: 1, type: bool}}",
            &[
                "b.at: coil 1 is `a` already: the same bits would be stored in both, as two different readings",
            ],
        );
    }
}
