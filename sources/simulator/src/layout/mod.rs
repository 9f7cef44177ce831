//! The address space of a simulated device: which bytes stand at which address, by its device file. Pure.

mod fill;
mod image;

use smiles_source_modbus::device::{Block, Device, MAX_COILS, MAX_REGISTERS, Simulate, Table, Type};

pub use image::Image;

use crate::SetupError;
use crate::world::{Reading, SerialStyle};
use fill::Filler;
use image::Piece;

/// The exceptions a device answers with (Modbus Application Protocol V1.1b3, 7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exception {
    /// Illegal function.
    Function,
    /// Illegal data address.
    Address,
    /// Illegal data value.
    Value,
    /// Gateway target failed to respond.
    NoUnit,
}

/// What was asked for, as data of the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Data {
    /// Register bytes, or coils packed eight to a byte.
    pub(crate) bytes: Vec<u8>,
    /// Part of the list was asked for.
    pub(crate) in_list: bool,
    /// The answer begins with a record behind the last: the list has ended.
    pub(crate) past_end: bool,
}

/// The blocks of a device file as places in its address space.
#[derive(Debug)]
pub(crate) struct Layout {
    segments: Vec<Segment>,
    /// Bytes per address: 2, or 1 for a device that counts bytes.
    width: u32,
}

/// One block, repeated or not. Places are bytes in register tables and coils in the others, counted from address 0.
#[derive(Debug)]
struct Segment {
    table: Table,
    start: u32,
    /// From record to record; also the length of a block that is not repeated.
    stride: u32,
    records: u32,
    repeats: bool,
    filler: Filler,
    /// Bytes of its values that stand elsewhere: where in its data, where in the table, and how many.
    elsewhere: Vec<(usize, u32, usize)>,
}

impl Layout {
    /// Lays the blocks out.
    ///
    /// # Errors
    /// A field that cannot be simulated as the file says, by name.
    pub(crate) fn new(device: &Device) -> Result<Self, SetupError> {
        let counts_bytes = device.blocks.iter().any(|(_, block)| counts_bytes(block));
        let width = if counts_bytes { 1 } else { 2 };
        let segments = device
            .blocks
            .iter()
            .map(|(name, block)| Segment::new(name, block, device, width))
            .collect::<Result<_, _>>()?;
        Ok(Self { segments, width })
    }

    /// Most records that fit into the list with the record that ends it; `None` for a device without a list.
    pub(crate) fn room(&self) -> Option<usize> {
        let list = self.segments.iter().find(|segment| segment.repeats)?;
        usize::try_from(list.records).ok()
    }

    /// The answer to a request. `record` says what is known of a record, `None` past the end of the list; what is
    /// recorded in an image stands over it.
    ///
    /// # Errors
    /// The exception to answer with.
    pub(crate) fn read(
        &self,
        function: u8,
        address: u16,
        count: u16,
        image: Option<&Image>,
        record: &dyn Fn(usize) -> Option<Reading>,
    ) -> Result<Data, Exception> {
        let table = table_of(function).ok_or(Exception::Function)?;
        let most = if table.is_bits() { MAX_COILS } else { MAX_REGISTERS };
        if count == 0 || count > most {
            return Err(Exception::Value);
        }
        let (start, length) = self.range(table, address, count);
        let pieces = image.map_or_else(Vec::new, |image| self.pieces(table, image));
        if !self.has(table, start, &pieces) || !self.has(table, start + length - 1, &pieces) {
            return Err(Exception::Address);
        }
        let mut data = Data { bytes: vec![0; size(length)], in_list: false, past_end: false };
        for segment in self.segments.iter().filter(|segment| segment.table == table) {
            segment.copy(start, &mut data, record);
        }
        for segment in self.segments.iter().filter(|segment| segment.table == table) {
            segment.copy_elsewhere(start, &mut data.bytes, record);
        }
        for (at, piece) in &pieces {
            overlay(start, &mut data.bytes, *at, piece);
        }
        data.past_end &= !is_recorded(&pieces, start);
        if table.is_bits() {
            data.bytes = packed(&data.bytes);
        }
        Ok(data)
    }

    /// Whether such a request begins a pass: it reaches the first record of the list, or the first block of a
    /// device without one.
    pub(crate) fn begins_pass(&self, function: u8, address: u16, count: u16) -> bool {
        let list = self.segments.iter().find(|segment| segment.repeats);
        list.or(self.segments.first()).is_some_and(|segment| {
            let (start, length) = self.range(segment.table, address, count);
            table_of(function) == Some(segment.table) && (start..start + length).contains(&segment.start)
        })
    }

    /// Whether a request reaches one of the addresses from `first` to `last`.
    pub(crate) fn reaches(&self, function: u8, address: u16, count: u16, (first, last): (u16, u16)) -> bool {
        let Some(table) = table_of(function) else { return false };
        let (start, length) = self.range(table, address, count);
        let width = if table.is_bits() { 1 } else { self.width };
        start < (u32::from(last) + 1) * width && start + length > u32::from(first) * width
    }

    fn range(&self, table: Table, address: u16, count: u16) -> (u32, u32) {
        if table.is_bits() {
            (address.into(), count.into())
        } else {
            (u32::from(address) * self.width, u32::from(count) * 2)
        }
    }

    fn has(&self, table: Table, place: u32, pieces: &[(u32, Vec<u8>)]) -> bool {
        self.segments.iter().any(|segment| segment.table == table && segment.has(place))
            || is_recorded(pieces, place)
    }

    /// What an image has of a table. A plain address is one of registers, of both kinds; of coils, too, where the device
    /// has no register.
    fn pieces(&self, table: Table, image: &Image) -> Vec<(u32, Vec<u8>)> {
        let is_register = |address: u16| {
            let mut registers = self.segments.iter().filter(|segment| !segment.table.is_bits());
            registers.any(|segment| segment.has(u32::from(address) * self.width))
        };
        let plain = |address| !table.is_bits() || !is_register(address);
        let width = if table.is_bits() { 1 } else { self.width };
        image
            .of(table, &plain)
            .map(|(address, piece)| {
                let bytes = match piece {
                    Piece::Bytes(bytes) if table.is_bits() => unpacked(bytes),
                    Piece::Bytes(bytes) | Piece::Bits(bytes) => bytes.clone(),
                };
                (u32::from(address) * width, bytes)
            })
            .collect()
    }
}

fn is_recorded(pieces: &[(u32, Vec<u8>)], place: u32) -> bool {
    pieces.iter().any(|(start, bytes)| place >= *start && size(place - start) < bytes.len())
}

/// How serial numbers look in this device: as long as their field, beginning as its hint says.
pub(crate) fn serial_style(device: &Device) -> SerialStyle {
    let fields = device.blocks.iter().flat_map(|(_, block)| block.fields.iter());
    let styled = fields.filter_map(|(_, field)| {
        let prefixes = match field.simulate.as_ref()? {
            Simulate::Serial => Vec::new(),
            Simulate::SerialOf(prefixes) => prefixes.clone(),
            _ => return None,
        };
        let digits = match field.kind_of_value {
            Type::Ascii => usize::from(field.width()),
            Type::U8 | Type::I8 => 2,
            Type::U16 | Type::I16 => 4,
            Type::U32 | Type::I32 => 9,
            Type::U64 | Type::I64 => 18,
            _ => usize::from(field.width()) * 2,
        };
        Some(SerialStyle { digits, prefixes })
    });
    styled.max_by_key(|style| style.prefixes.len()).unwrap_or_default()
}

/// Whether the addresses of the device count bytes: its records lie as many addresses apart as they have bytes.
fn counts_bytes(block: &Block) -> bool {
    let apart = block.repeat.as_ref().map_or(0, |repeat| u32::from(repeat.stride));
    !block.read.is_bits() && apart >= 2 * u32::from(block.count)
}

fn table_of(function: u8) -> Option<Table> {
    match function {
        1 => Some(Table::Coils),
        2 => Some(Table::Discrete),
        3 => Some(Table::Holding),
        4 => Some(Table::Input),
        _ => None,
    }
}

impl Segment {
    fn new(name: &str, block: &Block, device: &Device, width: u32) -> Result<Self, SetupError> {
        let bits = block.read.is_bits();
        let scale = if bits { 1 } else { width };
        let length = if bits { block.count.into() } else { u32::from(block.count) * 2 };
        let (stride, records) = match &block.repeat {
            Some(repeat) => ((u32::from(repeat.stride) * scale).max(1), repeat.max.into()),
            None => (length.max(1), 1),
        };
        Ok(Self {
            table: block.read,
            start: u32::from(block.address) * scale,
            stride,
            records,
            repeats: block.repeat.is_some(),
            filler: Filler::new(name, block, device)?,
            elsewhere: elsewhere(block, device, scale),
        })
    }

    /// Copies what values of its own have in other blocks.
    fn copy_elsewhere(&self, start: u32, bytes: &mut [u8], record: &dyn Fn(usize) -> Option<Reading>) {
        if self.elsewhere.is_empty() || self.repeats {
            return;
        }
        let data = self.filler.record(record(0).as_ref(), false);
        for (at, place, length) in &self.elsewhere {
            overlay(start, bytes, *place, data.get(*at..at + length).unwrap_or_default());
        }
    }

    fn has(&self, place: u32) -> bool {
        place >= self.start && place < self.start + self.stride * self.records
    }

    /// Copies what it has of the range that begins at `start`.
    fn copy(&self, start: u32, data: &mut Data, record: &dyn Fn(usize) -> Option<Reading>) {
        let end = start + u32::try_from(data.bytes.len()).unwrap_or(u32::MAX - start);
        let list_end = self.start + self.stride * self.records;
        if end <= self.start || start >= list_end {
            return;
        }
        let first = start.saturating_sub(self.start) / self.stride;
        let last = (end.min(list_end) - 1 - self.start) / self.stride;
        for number in first..=last {
            let known = record(size(if self.repeats { number } else { 0 }));
            if self.repeats {
                data.in_list = true;
                data.past_end |= number == first && known.is_none() && start >= self.start;
            }
            let bytes = self.filler.record(known.as_ref(), self.repeats);
            let own = bytes.get(..self.filler.own()).unwrap_or(&bytes);
            overlay(start, &mut data.bytes, self.start + number * self.stride, own);
        }
    }
}

/// Where the bytes stand that values of a block have in others of the same table.
fn elsewhere(block: &Block, device: &Device, scale: u32) -> Vec<(usize, u32, usize)> {
    let mut at = block.data_bytes();
    let mut found = Vec::new();
    for (name, skip, length) in block.lent() {
        if let Some(lender) = device.blocks.get(name).filter(|lender| lender.read == block.read) {
            let place = u32::from(lender.address) * scale + u32::from(skip);
            found.push((at, place, usize::from(length)));
        }
        at += usize::from(length);
    }
    found
}

/// Puts `piece`, which stands at place `at`, over the bytes that stand at place `start`.
fn overlay(start: u32, bytes: &mut [u8], at: u32, piece: &[u8]) {
    let skip = size(start.saturating_sub(at));
    let to = size(at.saturating_sub(start));
    let piece = piece.get(skip..).unwrap_or_default();
    for (slot, byte) in bytes.iter_mut().skip(to).zip(piece) {
        *slot = *byte;
    }
}

/// The coils of bytes, one per byte.
fn unpacked(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().flat_map(|byte| (0..8).map(move |bit| byte >> bit & 1)).collect()
}

/// Coils, one per byte, as the protocol packs them: eight to a byte, the first lowest.
fn packed(coils: &[u8]) -> Vec<u8> {
    coils.chunks(8).map(|eight| eight.iter().rev().fold(0, |byte, coil| byte << 1 | coil & 1)).collect()
}

fn size(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests;
