//! Blocks that are longer than one request may be: each becomes several, and no value is cut.

use std::collections::BTreeMap;

use crate::device::block::Block;
use crate::device::field::Field;
use crate::device::{Device, MAX_COILS, Named};

/// The device with every block short enough for one request. Fields keep their order within a block.
pub(crate) fn split(device: &Device) -> Device {
    let blocks = device.blocks.iter().flat_map(|(name, block)| {
        let limit = limit(device, block);
        if block.count <= limit || block.repeat.is_some() {
            vec![(name.to_owned(), block.clone())]
        } else {
            pieces(name, block, limit)
        }
    });
    Device { blocks: Named(blocks.collect()), ..device.clone() }
}

/// The most registers (or coils) of one request for a block.
pub(crate) fn limit(device: &Device, block: &Block) -> u16 {
    if block.read.is_bits() { MAX_COILS } else { device.max_registers }
}

/// First and last register (or coil) of everything that must be read together with a field: itself, what the conditions of its
/// variants ask, and its scale factor, if that is near enough.
pub(crate) fn extent(block: &Block, field: &Field, limit: u16) -> (u16, u16) {
    let asked = field.variants.iter().filter_map(|variant| block.fields.get(&variant.when.field));
    let own = |field: &Field| extent_of(block, field);
    let wider = |(first, last): (u16, u16), (a, b): (u16, u16)| (first.min(a), last.max(b));
    let needed = asked.map(own).fold(own(field), wider);
    let factor = field.scale_by.as_ref().and_then(|name| block.fields.get(name)).map(own);
    let whole = factor.map_or(needed, |factor| wider(needed, factor));
    if whole.1 - whole.0 < limit { whole } else { needed }
}

/// First and last register (or coil) of a field alone.
fn extent_of(block: &Block, field: &Field) -> (u16, u16) {
    if block.read.is_bits() {
        return (field.at, field.at);
    }
    let last = field.at.saturating_add(field.width().max(1)) - 1;
    (field.at / 2, last / 2)
}

fn pieces(name: &str, block: &Block, limit: u16) -> Vec<(String, Block)> {
    let mut fields: Vec<(&str, &Field, (u16, u16))> =
        block.fields.iter().map(|(name, field)| (name, field, extent(block, field, limit))).collect();
    fields.sort_by_key(|(_, _, extent)| *extent);
    let mut pieces: Vec<(u16, u16, Vec<&str>)> = Vec::new();
    for (name, _, (first, last)) in fields {
        match pieces.last_mut().filter(|(from, to, _)| last.max(*to) - *from < limit) {
            Some((_, to, names)) => {
                *to = last.max(*to);
                names.push(name);
            }
            None => pieces.push((first, last, vec![name])),
        }
    }
    pieces.into_iter().map(|(from, to, names)| piece(name, block, from, to, &names)).collect()
}

fn piece(name: &str, block: &Block, from: u16, to: u16, names: &[&str]) -> (String, Block) {
    let unit = if block.read.is_bits() { 1 } else { 2 };
    let is_within = |field: &Field| {
        let (first, last) = extent_of(block, field);
        first >= from && last <= to
    };
    let moved = |field: &Field| Field { at: field.at - from * unit, ..field.clone() };
    // The conditions' fields come along for their bytes; only those of `names` become columns of this piece.
    let asked: BTreeMap<&str, &Field> = names
        .iter()
        .filter_map(|name| block.fields.get(name))
        .flat_map(|field| {
            let asked = field.variants.iter().map(|variant| variant.when.field.as_str());
            asked.chain(field.scale_by.as_deref())
        })
        .filter(|name| block.fields.get(name).is_some_and(&is_within))
        .filter_map(|name| Some((name, block.fields.get(name)?)))
        .collect();
    let fields = block.fields.iter().filter(|(name, _)| names.contains(name) || asked.contains_key(name));
    let fields = fields.map(|(name, field)| (name.to_owned(), moved(field))).collect();
    let address = block.address.saturating_add(from);
    let piece =
        Block { address, count: to - from + 1, fields: Named(fields), fill: Vec::new(), ..block.clone() };
    (format!("{name}@{address}"), piece)
}
