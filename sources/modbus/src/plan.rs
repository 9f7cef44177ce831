//! Which requests a poll makes: a pure function of the device file.

use std::time::Duration;

use serde_json::Number;

use crate::device::block::{Block, Repeat, Until};
use crate::device::field::Field;
use crate::device::table::Table;
use crate::device::{Device, MAX_COILS};

/// One read request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ReadRequest {
    pub(crate) table: Table,
    pub(crate) address: u16,
    pub(crate) count: u16,
}

impl std::fmt::Display for ReadRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (table, first) = (self.table.name(), self.address);
        match u32::from(first) + u32::from(self.count.max(1)) - 1 {
            last if last == u32::from(first) => write!(f, "{table} {first}"),
            last => write!(f, "{table} {first} to {last}"),
        }
    }
}

/// A request and the blocks its answer holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Read {
    /// The unit that is asked; `None`: that of the source.
    pub(crate) unit: Option<u8>,
    pub(crate) request: ReadRequest,
    pub(crate) parts: Vec<Part>,
    pub(crate) once: bool,
    pub(crate) optional: bool,
    /// How often it is asked; `None`: at every pass.
    pub(crate) every: Option<Duration>,
    /// How many registers may lie between it and another that it is joined with; `None`: it stays alone.
    gap: Option<u16>,
    /// Whether it is of points.
    of_points: bool,
    /// Places among `reads` of the two halves it falls into, where it joins many blocks and the device refuses it.
    pub(crate) halves: Option<(usize, usize)>,
}

/// Where a block lies in an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    /// Its place among the blocks of the device.
    pub(crate) block: usize,
    /// Registers (or coils) in front of it.
    pub(crate) skip: u16,
    /// Registers (or coils) it has.
    count: u16,
}

/// A repeating block.
#[derive(Clone, Debug)]
pub(crate) struct List {
    pub(crate) block: usize,
    pub(crate) name: String,
    pub(crate) unit: Option<u8>,
    first: ReadRequest,
    stride: u16,
    pub(crate) max: u16,
    pub(crate) every: Option<Duration>,
    /// How many records one request may ask for.
    pub(crate) together: u16,
    pub(crate) end: ListEnd,
}

/// What ends a list.
#[derive(Clone, Debug, Default)]
pub(crate) struct ListEnd {
    /// A field and what it holds behind the last record; `None`: zero throughout.
    pub(crate) mark: Option<(Field, Option<Number>)>,
    /// Exceptions that end it, whatever comes behind.
    pub(crate) exceptions: Vec<u8>,
    /// The block and the field that say how many records there are.
    pub(crate) count: Option<(usize, Field)>,
}

/// All requests of a poll: first the reads, then the lists.
#[derive(Clone, Debug)]
pub(crate) struct RequestPlan {
    /// What is asked, and behind `top` the halves of what joins many blocks.
    pub(crate) reads: Vec<Read>,
    /// How many of them are asked as long as the device refuses none.
    pub(crate) top: usize,
    /// The same, a block each: what is asked in place of a read that joins blocks and is refused.
    pub(crate) alone: Vec<Read>,
    pub(crate) lists: Vec<List>,
}

impl List {
    /// The request for so many records from `index` on; `None` beyond the address space (a checked file has no such
    /// record).
    pub(crate) fn request(&self, index: u16, records: u16) -> Option<ReadRequest> {
        let address = index.checked_mul(self.stride)?.checked_add(self.first.address)?;
        let count = records.saturating_sub(1).checked_mul(self.stride)?.checked_add(self.first.count)?;
        Some(ReadRequest { address, count, ..self.first })
    }

    /// The bytes of one of several records in an answer.
    pub(crate) fn record<'a>(&self, data: &'a [u8], number: u16) -> &'a [u8] {
        let start = usize::from(number) * usize::from(self.stride) * 2;
        let end = start + usize::from(self.first.count) * 2;
        data.get(start..end.min(data.len())).unwrap_or_default()
    }
}

/// Plans the requests of a checked device whose blocks fit one request each.
pub(crate) fn request_plan(device: &Device) -> RequestPlan {
    let blocks = || device.blocks.iter().enumerate();
    let reads = blocks().filter(|(_, (_, block))| block.repeat.is_none());
    let alone: Vec<Read> = reads.map(|(place, (_, block))| read(device, place, block)).collect();
    let lists = blocks().filter_map(|(place, (name, block))| {
        block.repeat.as_ref().map(|repeat| list(device, place, name, block, repeat))
    });
    let mut reads = merged(device, alone.clone());
    let top = reads.len();
    halve(&mut reads);
    RequestPlan { reads, top, alone, lists: lists.collect() }
}

/// Joined reads of more blocks than this fall into halves where the device refuses them, and not into single blocks at once.
const FEW: usize = 4;

/// Adds the halves of joined reads, and theirs.
fn halve(reads: &mut Vec<Read>) {
    let mut place = 0;
    while let Some(read) = reads.get(place) {
        if read.parts.len() > FEW {
            let (front, back) = read.parts.split_at(read.parts.len() / 2);
            let halves = [front, back].map(|parts| part_of(read, parts));
            let first = reads.len();
            reads.extend(halves);
            if let Some(read) = reads.get_mut(place) {
                read.halves = Some((first, first + 1));
            }
        }
        place += 1;
    }
}

/// A read of some of the blocks of another.
fn part_of(read: &Read, parts: &[Part]) -> Read {
    let from = parts.iter().map(|part| part.skip).min().unwrap_or_default();
    let to = parts.iter().map(|part| part.skip + part.count).max().unwrap_or_default();
    let parts = parts.iter().map(|part| Part { skip: part.skip - from, ..*part }).collect();
    let request = ReadRequest { address: read.request.address + from, count: to - from, ..read.request };
    Read { request, parts, ..read.clone() }
}

fn request(block: &Block) -> ReadRequest {
    ReadRequest { table: block.read, address: block.address, count: block.count }
}

fn read(device: &Device, block: usize, from: &Block) -> Read {
    Read {
        unit: from.unit_id,
        request: request(from),
        parts: vec![Part { block, skip: 0, count: from.count }],
        once: from.once,
        optional: from.optional,
        every: from.every.map(|every| every.0),
        gap: if from.of_points { device.gap.or(Some(0)) } else { device.gap },
        of_points: from.of_points,
        halves: None,
    }
}

fn list(device: &Device, block: usize, name: &str, from: &Block, repeat: &Repeat) -> List {
    let fit = device.max_registers.saturating_sub(from.count) / repeat.stride.max(1) + 1;
    let together = match repeat.records_per_request {
        Some(records) if !from.read.is_bits() && repeat.stride >= from.count => records.min(fit).max(1),
        _ => 1,
    };
    List {
        block,
        name: name.to_owned(),
        unit: from.unit_id,
        first: request(from),
        stride: repeat.stride,
        max: repeat.max,
        every: from.every.map(|every| every.0),
        together,
        end: list_end(device, from, repeat.until.as_ref()),
    }
}

fn list_end(device: &Device, block: &Block, until: Option<&Until>) -> ListEnd {
    let Some(until) = until else {
        // Most devices that have no end of their own refuse what is behind it.
        return ListEnd { exceptions: vec![2, 3], ..ListEnd::default() };
    };
    let located = |name: &String| block.fields.get(name).map(|field| block.located(field));
    let zero = until.zero.as_ref().and_then(located).map(|field| (field, None));
    let equals = until.field.as_ref().and_then(located).map(|field| (field, until.equals.clone()));
    let count = until.count.as_ref().and_then(|name| {
        let mut blocks = device.blocks.iter().enumerate();
        blocks.find_map(|(place, (_, block))| Some((place, block.located(block.fields.get(name)?))))
    });
    ListEnd { mark: zero.or(equals), exceptions: until.exception.clone().unwrap_or_default(), count }
}

/// Neighbours joined, and what needs each other; a joined request stands where its first block stood in the file.
fn merged(device: &Device, reads: Vec<Read>) -> Vec<Read> {
    let mut order: Vec<(usize, Read)> = reads.into_iter().enumerate().collect();
    order.sort_by_key(|(_, read)| (read.unit, read.request.table, read.request.address));
    let mut joined: Vec<(usize, Read)> = Vec::new();
    for (place, read) in order {
        let limit = if read.request.table.is_bits() { MAX_COILS } else { device.max_registers };
        let fits = |open: &Read| open.reach(&read).is_some_and(|end| end <= limit);
        let mut open = joined.iter_mut().filter(|(_, open)| open.goes_with(&read));
        let home = open
            .rfind(|(_, open)| fits(open) && (open.is_near(&read) || need_each_other(device, open, &read)));
        match home {
            Some((first, open)) => {
                open.take(&read);
                *first = place.min(*first);
            }
            None => joined.push((place, read)),
        }
    }
    joined.sort_by_key(|(place, _)| *place);
    joined.into_iter().map(|(_, read)| read).collect()
}

/// Whether values of one need registers of the other: in one answer they are of the same moment.
fn need_each_other(device: &Device, one: &Read, other: &Read) -> bool {
    let borrows = |from: &Read, of: &Read| {
        let blocks = from.parts.iter().filter_map(|part| device.blocks.0.get(part.block));
        let mut borrowed = blocks.flat_map(|(_, block)| &block.borrowed);
        let mut lenders = of.parts.iter().filter_map(|part| device.blocks.0.get(part.block));
        borrowed.any(|borrowed| lenders.any(|(name, _)| *name == borrowed.block))
    };
    borrows(one, other) || borrows(other, one)
}

impl Read {
    /// Whether both may share a request, but for where they are: a device that refuses an optional one must not take others
    /// with it, and what is read once is not read with what is read always.
    fn goes_with(&self, other: &Self) -> bool {
        let place = |read: &Self| (read.unit, read.request.table, read.every, read.once);
        let once = !self.once || self.of_points && other.of_points;
        !self.optional && !other.optional && once && place(self) == place(other)
    }

    /// Whether no more registers lie between both than either allows.
    fn is_near(&self, next: &Self) -> bool {
        let skip = next.request.address.saturating_sub(self.request.address);
        let gap = self.gap.zip(next.gap).map(|(one, other)| one.min(other));
        gap.is_some_and(|gap| skip <= self.request.count.saturating_add(gap))
    }

    /// How long a request for both is, of which the other does not begin before this.
    fn reach(&self, next: &Self) -> Option<u16> {
        let skip = next.request.address.checked_sub(self.request.address)?;
        Some(skip.checked_add(next.request.count)?.max(self.request.count))
    }

    /// Asks for the other, too.
    fn take(&mut self, next: &Self) {
        let skip = next.request.address.saturating_sub(self.request.address);
        self.request.count = self.reach(next).unwrap_or(self.request.count);
        self.parts.extend(next.parts.iter().map(|part| Part { skip: part.skip + skip, ..*part }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::device;

    /// `(table, address, count, [(block, skip)])` per request.
    type Row = (Table, u16, u16, Vec<(usize, u16)>);

    fn check(head: &str, blocks: &[&str], expected: Vec<Row>) {
        let body: String = blocks
            .iter()
            .enumerate()
            .map(|(place, block)| {
                format!("  b{place}: {{{block}, fields: {{f{place}: {{at: 0, type: FIT}}}}}}\n")
            })
            .map(|line| line.replace("FIT", if line.contains("coils") { "bool" } else { "u16" }))
            .collect();
        let plan = request_plan(&device(&format!("{head}\nblocks:\n{body}")));
        let got: Vec<Row> = plan
            .reads
            .iter()
            .map(|read| {
                let parts = read.parts.iter().map(|part| (part.block, part.skip)).collect();
                (read.request.table, read.request.address, read.request.count, parts)
            })
            .collect();
        assert_eq!(got, expected, "{head}\n{body}");
    }

    #[test]
    fn blocks_are_read_alone_unless_a_gap_is_allowed() {
        use Table::{Coils, Holding, Input};
        let two = ["address: 10, count: 2", "address: 12, count: 4"];
        check("", &two, vec![(Holding, 10, 2, vec![(0, 0)]), (Holding, 12, 4, vec![(1, 0)])]);
        check("gap: 0", &two, vec![(Holding, 10, 6, vec![(0, 0), (1, 2)])]);
        let apart = ["address: 20, count: 2", "address: 10, count: 2"];
        check("gap: 7", &apart, vec![(Holding, 20, 2, vec![(0, 0)]), (Holding, 10, 2, vec![(1, 0)])]);
        check("gap: 8", &apart, vec![(Holding, 10, 12, vec![(1, 0), (0, 10)])]);
        let wide = ["address: 0, count: 100", "address: 100, count: 25", "address: 125, count: 1"];
        let expected = vec![(Holding, 0, 125, vec![(0, 0), (1, 100)]), (Holding, 125, 1, vec![(2, 0)])];
        check("gap: 0", &wide, expected);
        let expected = vec![(Holding, 0, 100, vec![(0, 0)]), (Holding, 100, 26, vec![(1, 0), (2, 25)])];
        check("gap: 0\nmax_registers: 100", &wide, expected);
        let overlap = ["address: 10, count: 10", "address: 12, count: 2", "address: 20, count: 1"];
        check("gap: 0", &overlap, vec![(Holding, 10, 11, vec![(0, 0), (1, 2), (2, 10)])]);
        let kinds = [
            "address: 0, count: 2",
            "address: 2, count: 2, read: input",
            "address: 0, count: 9, read: coils",
            "address: 4, count: 1, once: true",
            "address: 2, count: 1, optional: true",
            "address: 2, count: 2",
        ];
        let expected = vec![
            (Holding, 0, 4, vec![(0, 0), (5, 2)]),
            (Input, 2, 2, vec![(1, 0)]),
            (Coils, 0, 9, vec![(2, 0)]),
            (Holding, 4, 1, vec![(3, 0)]),
            (Holding, 2, 1, vec![(4, 0)]),
        ];
        check("gap: 4", &kinds, expected);
    }

    #[test]
    fn records_follow_each_other_by_the_stride() {
        let text = "blocks:\n  r: {address: 0x1000, count: 20, repeat: {stride: 40, max: 99}, \
                    fields: {f: {at: 0, type: u8}}}";
        let list = request_plan(&device(text)).lists.remove(0);
        let at = |index| list.request(index, 1).map(|request| (request.address, request.count));
        assert_eq!(at(0), Some((0x1000, 20)));
        assert_eq!(at(5), Some((0x10c8, 20)));
        assert_eq!(at(98), Some((0x1f50, 20)));
        assert_eq!(at(u16::MAX), None);
    }
}
