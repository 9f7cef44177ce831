//! Registers or coils that are read together, and how often they repeat.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Number;
use smiles_stage::option::Period;

use crate::device::between::Between;
use crate::device::borrowed::Borrowed;
use crate::device::field::Field;
use crate::device::named::Named;
use crate::device::table::Table;

/// A fault of the firmware that can be mended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Tolerance {
    /// The byte count in the answer is wrong: the length of the frame is believed instead.
    WrongByteCount,
    /// More data than asked for: the first bytes count.
    SurplusData,
    /// The answer names another transaction than the question: 0, one ahead, its bytes swapped. The next answer is taken
    /// for the question's own, and after a silence nothing is asked until no late answer can come any more.
    WrongTransaction,
    /// The answer names another unit than the question, always or now and then. Taken as with `wrong_transaction`.
    WrongUnit,
}

/// Registers that are read together.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Block {
    /// What the block is, for people.
    pub description: Option<String>,
    /// Which table of the device, hence which function: `holding` 3, `input` 4, `coils` 1, `discrete` 2.
    #[serde(default)]
    pub read: Table,
    /// The unit it is in, where the device is several. Unset: that of the source.
    pub unit_id: Option<u8>,
    /// The address in the request, from 0.
    #[schemars(extend("x-beyond" = "the address in the request counts from 0: holding register 400083 of a manual is \
                                   `address: 82`; `points:` with a `numbering` take the numbers of a manual"))]
    pub address: u16,
    /// How many registers (or coils) it has. More than one request may ask for (`max_registers`) are read in several,
    /// never through a value.
    pub count: u16,
    /// Read once and remembered, and read again after the device was away. Otherwise read on every pass.
    #[serde(default)]
    pub once: bool,
    /// The device may lack it: it may answer with an exception or not at all, and the columns are null then.
    #[serde(default)]
    pub optional: bool,
    /// How often it is read, where that is less often than `every` of the source: at the first pass at or after it.
    /// Between, its columns are null.
    pub every: Option<Period>,
    /// What its columns hold between, and where it could not be read.
    pub between: Option<Between>,
    /// The block is the first of a list of records of the same layout; each is a row.
    pub repeat: Option<Repeat>,
    /// The columns it holds.
    pub fields: Named<Field>,
    /// Whether it is made of points: it may be read with its neighbours, since nobody said where requests begin and end.
    #[serde(skip)]
    pub(crate) of_points: bool,
    /// Bytes of other blocks that its values need, which stand behind its own data.
    #[serde(skip)]
    pub(crate) borrowed: Vec<Borrowed>,
    /// Bytes that are no column but that a simulated device has in every record, also in the one that ends a list.
    #[serde(default)]
    pub fill: Vec<Fill>,
}

impl Block {
    /// One of its fields, in bytes also where the block holds coils (eight to a byte, lowest bit first).
    pub(crate) fn located(&self, field: &Field) -> Field {
        let mut located = field.clone();
        if self.read.is_bits() {
            located.at = field.at / 8;
            located.bit = u8::try_from(field.at % 8).ok();
        }
        located
    }

    /// Has these bytes of another block stand behind its own data, once; where they begin there.
    pub(crate) fn borrow(&mut self, wanted: Borrowed) -> Option<u16> {
        let known = self.borrowed.iter().position(|it| *it == wanted);
        let place = known.unwrap_or(self.borrowed.len());
        let before: usize = self.borrowed.iter().take(place).map(|it| usize::from(it.bytes)).sum();
        if known.is_none() {
            self.borrowed.push(wanted);
        }
        u16::try_from(self.data_bytes() + before).ok()
    }

    /// A field of another block, where its bytes are borrowed: as one in the data of this.
    pub(crate) fn borrowed_field(&self, block: &str, field: &Field) -> Option<Field> {
        let mut start = self.data_bytes();
        for borrowed in &self.borrowed {
            if borrowed.block == block && field.is_within(borrowed) {
                let moved = |at: u16| Some(at - borrowed.at + u16::try_from(start).ok()?);
                let words = field.words.iter().map(|at| moved(*at)).collect::<Option<_>>()?;
                return Some(Field { at: moved(field.at.max(borrowed.at))?, words, ..field.clone() });
            }
            start += usize::from(borrowed.bytes);
        }
        None
    }

    /// Bytes of other blocks that stand behind its own data, in turn: of which block, where there, and how many.
    pub fn lent(&self) -> impl Iterator<Item = (&str, u16, u16)> {
        self.borrowed.iter().map(|it| (it.block.as_str(), it.at, it.bytes))
    }

    /// Bytes of data that one answer holds.
    pub fn data_bytes(&self) -> usize {
        if self.read.is_bits() { usize::from(self.count).div_ceil(8) } else { usize::from(self.count) * 2 }
    }
}

/// Bytes of a simulated device that are no column.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Fill {
    /// Bytes from the start of the block's data.
    pub at: u16,
    /// The bytes, as hexadecimal digits.
    pub hex: String,
}

/// A list of records.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Repeat {
    /// From the address of one record to that of the next, in the addresses the device counts.
    pub stride: u16,
    /// The most records there can be.
    pub max: u16,
    /// The record that ends the list and is no row itself, or what else says how long it is.
    pub until: Option<Until>,
    /// How many neighbouring records one request asks for, as far as `max_registers` lets it. The addresses must count
    /// registers, and those between two records must be readable.
    pub records_per_request: Option<u16>,
}

/// What ends a list: exactly one of `zero`, `field` with `equals`, `exception` and `count`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Until {
    /// A field of the block: the first record whose bytes there are all zero ends the list.
    pub zero: Option<String>,
    /// A field of the block: the first record in which it is `equals` ends the list.
    pub field: Option<String>,
    /// The raw number of `field` behind the last record, as number or bit pattern.
    pub equals: Option<Number>,
    /// Exception codes: the first record that is refused with one of these ends the list.
    pub exception: Option<Vec<u8>>,
    /// A field of another block (without `repeat`): it says how many records there are.
    pub count: Option<String>,
}
