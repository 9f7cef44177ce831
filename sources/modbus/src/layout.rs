//! Points become blocks: one for the registers of each, or of those that share registers. Which of them one request reads is
//! for the planner to say.

use std::collections::BTreeMap;

use smiles_stage::option::Period;

use crate::device::borrowed::Borrowed;
use crate::device::{Between, Block, Device, Field, Named, Point, Table, Type, Word};
use crate::split::split;

/// A device of blocks alone, each short enough for one request, with what they need of each other.
pub(crate) fn laid_out(device: &Device) -> Device {
    tied(split(&device.with_blocks()))
}

/// Where a point is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Placed {
    pub(crate) table: Table,
    /// The address of each register, the highest of a number first; of a coil one.
    pub(crate) addresses: Vec<u16>,
}

/// A point by its name, as a field, and the address of each of its registers.
type PointAt<'a> = (&'a str, Field, Vec<u16>);

/// What points must have in common to be read by one request.
#[derive(Clone, Debug, PartialEq)]
struct Group {
    unit_id: Option<u8>,
    table: Table,
    every: Option<Period>,
    between: Option<Between>,
    once: bool,
    optional: bool,
}

impl Device {
    /// The same device with its points as blocks, where it has any.
    #[must_use]
    pub fn with_blocks(&self) -> Device {
        let mut groups: Vec<(Group, Vec<PointAt<'_>>)> = Vec::new();
        for (name, point) in self.points.iter() {
            let Some(Placed { table, addresses }) = placed(self, point) else { continue };
            let group = Group {
                unit_id: point.unit_id,
                table,
                every: point.every,
                between: point.between,
                once: point.once,
                optional: point.optional,
            };
            let entry = (name, field(point, table), addresses);
            match groups.iter_mut().find(|(known, _)| *known == group) {
                Some((_, points)) => points.push(entry),
                None => groups.push((group, vec![entry])),
            }
        }
        let mut blocks = Vec::new();
        let mut names = BTreeMap::new();
        for (group, points) in groups {
            blocks.extend(blocks_of(&group, points, &mut names));
        }
        blocks.extend(self.blocks.0.iter().cloned());
        Device { points: Named::default(), blocks: Named(blocks), ..self.clone() }
    }
}

impl Device {
    /// The same device by the units it is in, `unit` where it does not say: one for each, of blocks alone.
    pub fn by_unit(&self, unit: u8) -> Vec<(u8, Device)> {
        let laid = self.with_blocks();
        let mut units: Vec<(u8, Device)> = Vec::new();
        for (name, block) in laid.blocks.0 {
            let unit = block.unit_id.unwrap_or(unit);
            let entry = (name, block);
            match units.iter_mut().find(|(known, _)| *known == unit) {
                Some((_, device)) => device.blocks.0.push(entry),
                None => {
                    let blocks = Named(vec![entry]);
                    units.push((unit, Device { blocks, points: Named::default(), ..self.clone() }));
                }
            }
        }
        if units.is_empty() { vec![(unit, self.clone())] } else { units }
    }
}

/// Where a checked point is; `None` where its numbers are none.
pub(crate) fn placed(device: &Device, point: &Point) -> Option<Placed> {
    let first = point.register.or_else(|| point.registers.first().copied())?;
    let (said, address) = device.numbering.address(first)?;
    let table = said.or(point.read).or(device.read).unwrap_or_default();
    if !point.registers.is_empty() {
        let addresses = point.registers.iter().map(|it| Some(device.numbering.address(*it)?.1));
        return Some(Placed { table, addresses: addresses.collect::<Option<_>>()? });
    }
    if table.is_bits() {
        return Some(Placed { table, addresses: vec![address] });
    }
    let field = field(point, table);
    let words = usize::from(field.width().div_ceil(2).max(1));
    let order = field.order_within(device.order);
    let in_turn = |word: usize| order.place(word * 2, words * 2) / 2;
    let addresses = (0..words).map(|word| address.checked_add(u16::try_from(in_turn(word)).ok()?));
    Some(Placed { table, addresses: addresses.collect::<Option<_>>()? })
}

/// The point as a field at the start of a block.
pub(crate) fn field(point: &Point, table: Table) -> Field {
    let mut field = point.field();
    if !table.is_bits() && matches!(point.kind_of_value, Type::Bool | Type::Bits) {
        field.of = Some(point.of.unwrap_or(Word::U16));
    }
    field
}

/// The blocks of a group: registers that points share are in one.
fn blocks_of(
    group: &Group,
    points: Vec<PointAt<'_>>,
    names: &mut BTreeMap<String, usize>,
) -> Vec<(String, Block)> {
    let mut runs: Vec<(u16, u16)> = points.iter().flat_map(|(.., addresses)| runs(addresses)).collect();
    runs.sort_unstable();
    let mut shared: Vec<(u16, u16)> = Vec::new();
    for (first, last) in runs {
        match shared.last_mut().filter(|(_, end)| first <= *end) {
            Some((_, end)) => *end = last.max(*end),
            None => shared.push((first, last)),
        }
    }
    let mut blocks: Vec<(String, Block)> = shared
        .iter()
        .map(|(first, last)| (named(group, *first, names), block(group, *first, *last)))
        .collect();
    let of = |address: u16| shared.partition_point(|(first, _)| *first <= address).saturating_sub(1);
    for (name, mut field, addresses) in points {
        let Some(home) = addresses.first().map(|first| of(*first)) else { continue };
        if !group.table.is_bits() {
            field.words = addresses
                .iter()
                .filter_map(|address| {
                    let place = of(*address);
                    let at = (address - shared.get(place)?.0) * 2;
                    if place == home { Some(at) } else { borrow(&mut blocks, home, place, at) }
                })
                .collect();
        }
        if let Some((_, block)) = blocks.get_mut(home) {
            block.fields.0.push((name.to_owned(), field));
        }
    }
    blocks
}

/// Registers in a row, as first and last.
fn runs(addresses: &[u16]) -> Vec<(u16, u16)> {
    let mut sorted = addresses.to_vec();
    sorted.sort_unstable();
    let mut runs: Vec<(u16, u16)> = Vec::new();
    for address in sorted {
        match runs.last_mut().filter(|(_, last)| address - *last <= 1) {
            Some((_, last)) => *last = address,
            None => runs.push((address, address)),
        }
    }
    runs
}

/// Where a register of another block stands behind the data of the one at `home`.
fn borrow(blocks: &mut [(String, Block)], home: usize, lender: usize, at: u16) -> Option<u16> {
    let borrowed = Borrowed { block: blocks.get(lender)?.0.clone(), at, bytes: 2 };
    blocks.get_mut(home)?.1.borrow(borrowed)
}

fn named(group: &Group, first: u16, names: &mut BTreeMap<String, usize>) -> String {
    let unit = group.unit_id.map(|unit| format!("unit {unit} ")).unwrap_or_default();
    let name = format!("{unit}{} {first}", group.table.name());
    let known = names.entry(name.clone()).or_default();
    *known += 1;
    if *known == 1 { name } else { format!("{name} ({known})") }
}

fn block(group: &Group, first: u16, last: u16) -> Block {
    Block {
        description: None,
        read: group.table,
        unit_id: group.unit_id,
        address: first,
        count: last - first + 1,
        once: group.once,
        optional: group.optional,
        every: group.every,
        between: group.between,
        repeat: None,
        fields: Named::default(),
        of_points: true,
        borrowed: Vec::new(),
        fill: Vec::new(),
    }
}

/// Every block borrows the scale factors that it needs and has not.
fn tied(device: Device) -> Device {
    let mut tied = device.clone();
    for (_, block) in &mut tied.blocks.0 {
        let needs: Vec<&str> =
            block.fields.iter().filter_map(|(_, field)| field.scale_by.as_deref()).collect();
        let mut borrowed = Vec::new();
        for name in needs {
            if block.fields.get(name).is_some() {
                continue;
            }
            let mut others = device.blocks.iter().filter(|(_, other)| other.repeat.is_none());
            if let Some((lender, field)) =
                others.find_map(|(lender, it)| Some((lender, it.fields.get(name)?)))
            {
                let bytes = u16::try_from(field.end()).unwrap_or(u16::MAX) - field.start();
                borrowed.push(Borrowed { block: lender.to_owned(), at: field.start(), bytes });
            }
        }
        for one in borrowed {
            block.borrow(one);
        }
    }
    tied
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::{Raw, decode};
    use crate::testing::device;

    #[test]
    fn a_point_is_read_in_its_order_wherever_its_registers_are() {
        let data = |registers: &[(u16, u16)]| -> BTreeMap<u16, u16> { registers.iter().copied().collect() };
        let map =
            data(&[(10, 0x1122), (11, 0x3344), (12, 0x5566), (13, 0x7788), (690, 0x0001), (625, 0x0002)]);
        for (point, expected) in [
            ("register: 10, type: u16", Raw::Unsigned(0x1122)),
            ("register: 10, type: u16, order: badc", Raw::Unsigned(0x2211)),
            ("register: 10, type: u8", Raw::Unsigned(0x22)),
            ("register: 10, type: u32", Raw::Unsigned(0x1122_3344)),
            ("register: 10, type: u32, order: cdab", Raw::Unsigned(0x3344_1122)),
            ("register: 10, type: u32, order: badc", Raw::Unsigned(0x2211_4433)),
            ("register: 10, type: u32, order: dcba", Raw::Unsigned(0x4433_2211)),
            ("register: 10, type: u24", Raw::Unsigned(0x22_3344)),
            ("register: 10, type: u24, order: cdab", Raw::Unsigned(0x44_1122)),
            ("register: 10, type: u48", Raw::Unsigned(0x1122_3344_5566)),
            ("register: 10, type: u48, order: cdab", Raw::Unsigned(0x5566_3344_1122)),
            ("register: 10, type: u64, order: efghabcd", Raw::Unsigned(0x5566_7788_1122_3344)),
            ("register: 10, type: u64, order: cdabghef", Raw::Unsigned(0x3344_1122_7788_5566)),
            ("registers: [690, 625], type: u32", Raw::Unsigned(0x0001_0002)),
            ("registers: [690, 625], type: u32, order: cdab", Raw::Unsigned(0x0001_0002)),
            ("registers: [690, 625], type: u32, order: badc", Raw::Unsigned(0x0100_0200)),
            ("registers: [12, 11, 10], type: u48", Raw::Unsigned(0x5566_3344_1122)),
            ("register: 10, type: text, length: 3", Raw::Text("\u{11}\"3".replace('\u{11}', "\u{fffd}"))),
            ("register: 10, type: hex, length: 3", Raw::Text("112233".to_owned())),
            ("register: 10, type: bool, bit: 5", Raw::Bool(true)),
            ("register: 10, type: bool, bit: 0", Raw::Bool(false)),
            ("register: 10, type: bool, of: u32, bit: 2", Raw::Bool(true)),
            ("register: 10, type: bits, of: u32, bit: 12, length: 8", Raw::Unsigned(0x23)),
        ] {
            let device = device(&format!("points: {{p: {{{point}}}}}"));
            let laid = laid_out(&device);
            let (_, block) = laid.blocks.iter().find(|(_, block)| !block.fields.0.is_empty()).unwrap();
            let bytes = |block: &Block| -> Vec<u8> {
                let registers = block.address..block.address + block.count;
                registers.flat_map(|it| map.get(&it).copied().unwrap_or_default().to_be_bytes()).collect()
            };
            let mut read = bytes(block);
            for borrowed in &block.borrowed {
                let lender = bytes(laid.blocks.get(&borrowed.block).unwrap());
                let at = usize::from(borrowed.at);
                read.extend(&lender[at..at + usize::from(borrowed.bytes)]);
            }
            let field = block.fields.get("p").unwrap();
            assert_eq!(decode(field, laid.order, &read), Ok(expected), "{point}: {laid:?}");
        }
    }

    #[test]
    fn points_that_share_registers_share_a_block_and_others_do_not() {
        let laid = laid_out(&device(
            "points: {a: {register: 10, type: u32}, high: {register: 10, type: bool, bit: 3}, b: {register: 12, type: u16}, \
             c: {register: 12, type: u16, every: 1m}, d: {register: 3, read: coils, type: bool}, e: {register: 12, type: u16, unit_id: 9}}",
        ));
        let blocks: Vec<(&str, u16, u16, Vec<&str>)> = laid
            .blocks
            .iter()
            .map(|(name, block)| (name, block.address, block.count, block.fields.names().collect()))
            .collect();
        assert_eq!(
            blocks,
            [
                ("holding 10", 10, 2, vec!["a", "high"]),
                ("holding 12", 12, 1, vec!["b"]),
                ("holding 12 (2)", 12, 1, vec!["c"]),
                ("coils 3", 3, 1, vec!["d"]),
                ("unit 9 holding 12", 12, 1, vec!["e"]),
            ]
        );
    }

    #[test]
    fn a_scale_factor_of_another_block_is_borrowed_once() {
        let laid = laid_out(&device(
            "points: {v: {register: 80, type: u16, unit: V, scale_by: sf}, w: {register: 80, type: i16, unit: V, scale_by: sf}, \
             sf: {register: 83, type: i16}}\nblocks: {b: {address: 0, count: 2, fields: {x: {at: 0, type: u16, scale_by: sf}, \
             y: {at: 2, type: u16, scale_by: x}}}}",
        ));
        let borrowed: Vec<(&str, usize)> =
            laid.blocks.iter().map(|(name, it)| (name, it.borrowed.len())).collect();
        assert_eq!(borrowed, [("holding 80", 1), ("holding 83", 0), ("b", 1)]);
    }
}
