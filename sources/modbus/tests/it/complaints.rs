//! What is said of points that cannot be meant, each at its place with a remedy.

use crate::harness::plan;

/// Complaints of a device of these points as `path: message | help`.
fn said(device: &str) -> Vec<String> {
    let problems = plan("address: tcp://127.0.0.1", device).err().unwrap_or_default();
    let shown = |it: &smiles_stage::Problem| {
        format!("{}: {} | {}", it.at, it.message, it.help.as_deref().unwrap_or_default())
            .replace("device.points.", "")
    };
    problems.iter().map(shown).collect()
}

#[test]
fn each_slip_is_told_with_what_was_meant() {
    for (point, expected) in [
        (
            "register: 400083, type: u16",
            "p.register: there is no register 400083 by `numbering: zero` | with `numbering: modicon6`",
        ),
        (
            "registers: [1], type: u32",
            "p.registers: this `u32` has 2 registers, and 1 are named | the highest first",
        ),
        ("registers: [1, 2, 3], type: i32", "p.registers: this `i32` has 2 registers, and 3 are named"),
        ("register: 1, registers: [1, 2], type: i32", "p.register: `register` is the first of several"),
        ("registers: [1, 1], type: u32", "p.registers[1]: register 1 is named twice"),
        ("register: 1, type: u16, values: {0: x, 0x0: y}", "p.values: `0x0` has two words"),
        ("type: i32", "p: the point has no register | add `register:`"),
        ("register: 65535, type: u32", "p.register: this `u32` has 2 registers, and ends beyond the last"),
        ("register: 1, type: text", "p: this type needs a `length` in bytes"),
        (
            "register: 1, type: text, length: 300",
            "p: this `text` has 150 registers, and one request asks for at most 125",
        ),
        ("register: 1, type: u16, length: 2", "p.length: this type knows its own length | remove it"),
        (
            "register: 1, type: u16, unit: V, scale: 0.1",
            "p.scale: the scale of a number with a unit is part of the unit | write `unit: 0.1 V`",
        ),
        (
            "register: 1, type: u16, unit: 0.1 V, scale: 10",
            "p.scale: the scale of a number with a unit is part of the unit | write `unit: 1 V`",
        ),
        (
            "register: 1, type: u16, unit: V, scale: -0.1",
            "p.scale: the scale of a number with a unit is part of the unit | write `unit: 0.1 V` and `negate: true`",
        ),
        (
            "register: 1, type: u16, scale: -0.1",
            "p.scale: a scale is a positive number, not -0.1 | `negate: true` turns the sign",
        ),
        (
            "register: 1, type: u16, unit: -1 W",
            "p.unit: `-1` is not a positive decimal number | for the other sign write `unit: W` and `negate: true`",
        ),
        ("register: 1, type: u16, offset: 5 V", "p.offset: the offset is in V, and the value has no unit"),
        (
            "register: 1, type: u16, unit: V, offset: 5",
            "p.offset: the value has a unit, and the offset has none | write `offset: 5 V`",
        ),
        ("register: 1, type: u16, bit: 3", "p.bit: only `bool` and `bits` have a `bit`"),
        ("register: 1, type: bool, bit: 16", "p.bit: a register has bits 0 to 15"),
        ("register: 1, type: bool, bit: 32, of: u32", "p.bit: a `u32` has bits 0 to 31"),
        ("register: 1, type: bits, bit: 10, length: 7", "p.bit: a register has bits 0 to 15"),
        ("register: 1, type: u16, of: u32", "p.of: `of` says whose bits are counted"),
        ("register: 1, type: u16, encoding: utf8", "p.encoding: only a `text` has an `encoding`"),
        ("register: 1, type: u16, order: efghabcd", "p.order: `efghabcd` is an order of eight bytes"),
        (
            "registers: [1, 2, 5, 6], type: u64, order: efghabcd",
            "p.order: `efghabcd` is an order of eight bytes",
        ),
        ("register: 1, read: coils, type: u16", "p.type: coils and discrete inputs are `bool`"),
        ("register: 1, read: coils, type: bool, bit: 1", "p.bit: a coil is a single bit already"),
        ("register: 1, type: text, length: 4, unit: V", "p.unit: only a number has `unit`"),
        ("register: 1, type: u16, values: {on: x}", "p.values: `on` is no code"),
        ("register: 1, type: u16, flags: {16: x}", "p.flags: `16` is no bit of this number"),
        (
            "register: 1, type: u16, values: {1: x}, flags: {1: x}",
            "p.flags: a number is a code or a set of bits",
        ),
        ("register: 1, type: u16, values: {1: x}, unit: V", "p.unit: a code is no measurement"),
        ("register: 1, type: f32, values: {1: x}", "p.values: only a code has `values`"),
        ("register: 1, type: u16, as: word", "p.as: `as` says what becomes of words, and there are none"),
        ("register: 1, type: u16, scale_by: q", "p.scale_by: there is no column `q`"),
        ("register: 1, type: u16, scale_by: p", "p.scale_by: `p` needs a scale factor itself"),
        (
            "register: 1, type: u16, once: true, every: 5s",
            "p.every: a point that is read `once` has no period",
        ),
        ("register: 1, type: mod10k, length: 3", "p.length: a `mod10k` number has 1 to 4 registers"),
        ("register: 1, type: datetime, length: 8", "p.length: a `datetime` has a register or a byte"),
        ("register: 1, type: u16, unit: V, scale: 0", "p.scale: the scale of a number with a unit"),
        ("register: 1, type: u16, null_when: [70000]", "p.null_when[0]: `70000` never occurs"),
    ] {
        let got = said(&format!("points: {{p: {{{point}}}}}"));
        assert!(got.iter().any(|it| it.starts_with(expected)), "{point}\n  {got:#?}\n  expected {expected}");
    }
}

#[test]
fn what_points_are_together_is_looked_at_too() {
    for (device, expected) in [
        (
            "numbering: modicon5\npoints: {p: {register: 40083, read: input, type: u16}}",
            "p.read: by its number it is in `holding`, and `read` says `input`",
        ),
        (
            "numbering: modicon5\npoints: {p: {registers: [40083, 30001], type: u32}}",
            "p.registers: the registers of one value are of one table",
        ),
        (
            "numbering: one\npoints: {p: {register: 0, type: u16}}",
            "p.register: there is no register 0 by `numbering: one`",
        ),
        (
            "order: efghabcd\npoints: {p: {register: 0, type: u16}}",
            "device.order: `efghabcd` is an order of numbers of 64 bits alone",
        ),
        (
            "timezone: Berlin\npoints: {p: {register: 0, type: u16}}",
            "device.timezone: unknown time zone `Berlin` | did you mean `Europe/Berlin`?",
        ),
        (
            "units: {V: {}}\npoints: {p: {register: 0, type: u16}}",
            "device.units.V: `V` is a known unit already",
        ),
        (
            "points: {p: {register: 0, type: u16, raw: true}, raw_p: {register: 1, type: u16}}",
            "raw_p: column `raw_p` is one of the `points` already",
        ),
        (
            "points: {p: {register: 0, type: u16, scale_by: f}, f: {register: 1, type: u32}}",
            "p.scale_by: `f` is no scale factor",
        ),
        (
            "points: {p: {register: 0, type: u16, scale_by: f}, f: {register: 1, type: i16, every: 1m}}",
            "p.scale_by: `f` is not read as often as the value",
        ),
        (
            "points: {p: {register: 0, type: u16, scale_by: f}, f: {register: 1, type: i16, unit_id: 3}}",
            "p.scale_by: `f` is in another unit",
        ),
        (
            "points: {p: {register: 0, type: u16}}\nblocks: {b: {address: 0, count: 1, fields: {p: {at: 0, type: u16}}}}",
            "device.blocks.b.fields.p: column `p` is one of the `points` already",
        ),
        ("{}", "device.blocks: the device has no blocks and no points"),
    ] {
        let got = said(device);
        assert!(got.iter().any(|it| it.starts_with(expected)), "{device}\n  {got:#?}\n  expected {expected}");
    }
}
