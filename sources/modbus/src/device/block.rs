//! Registers or coils that are read together, and how often they repeat.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::device::field::Field;
use crate::device::named::Named;

/// A fault of the firmware that can be mended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Tolerance {
    /// The byte count in the answer is wrong: the length of the frame is believed instead.
    WrongByteCount,
    /// More data than asked for: the first bytes count.
    SurplusData,
}

/// Registers that are read together.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Block {
    /// What the block is, for people.
    pub description: Option<String>,
    /// Which table of the device, hence which function: `holding` 3, `input` 4, `coils` 1, `discrete` 2.
    #[serde(default)]
    pub read: Table,
    /// The address in the request, from 0.
    pub address: u16,
    /// How many registers (or coils) to ask for.
    pub count: u16,
    /// Read once and remembered, and read again after the device was away. Otherwise read on every pass.
    #[serde(default)]
    pub once: bool,
    /// The device may lack it: it may answer with an exception or not at all, and the columns are null then.
    #[serde(default)]
    pub optional: bool,
    /// The block is the first of a list of records of the same layout; each is a row.
    pub repeat: Option<Repeat>,
    /// The columns it holds.
    pub fields: Named<Field>,
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

    /// Bytes of data that one answer holds.
    pub fn data_bytes(&self) -> usize {
        if self.read.is_bits() { usize::from(self.count).div_ceil(8) } else { usize::from(self.count) * 2 }
    }
}

/// Bytes of a simulated device that are no column.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Fill {
    /// Bytes from the start of the block's data.
    pub at: u16,
    /// The bytes, as hexadecimal digits.
    pub hex: String,
}

/// The four tables of a Modbus device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Table {
    /// Holding registers, function 3.
    #[default]
    Holding,
    /// Input registers, function 4.
    Input,
    /// Coils, function 1.
    Coils,
    /// Discrete inputs, function 2.
    Discrete,
}

impl Table {
    /// Whether it holds single bits.
    pub fn is_bits(self) -> bool {
        matches!(self, Self::Coils | Self::Discrete)
    }
}

/// A list of records.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Repeat {
    /// From the address of one record to that of the next, in the addresses the device counts.
    pub stride: u16,
    /// The most records there can be.
    pub max: u16,
    /// The record that ends the list and is no row itself.
    pub until: Option<Until>,
}

/// How the end of a list looks.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Until {
    /// A field of the block: the first record whose bytes there are all zero ends the list.
    pub zero: String,
}
