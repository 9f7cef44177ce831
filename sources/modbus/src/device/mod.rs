//! The device file: what stands where in a device's registers. Plain data, checked when the source is planned;
//! everything that knows a particular device is written in one of these, nothing in Rust.

mod named;
mod raw;
mod record;
mod sentinel;

use schemars::JsonSchema;
use serde::de::Error;
use serde::{Deserialize, Deserializer};
use serde_json::{Number, Value};

pub use named::Named;
pub(crate) use raw::narrowed;
pub use raw::{Raw, RawError, decode, encode};
pub use record::{RecordError, encode_record, unit_of};
pub use sentinel::Sentinel;

/// A device: blocks of registers, and what its firmware gets wrong.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Device {
    /// What the device is, for people.
    pub description: Option<String>,
    /// Byte and word order of numbers, unless a field says otherwise.
    #[serde(default)]
    pub order: Order,
    /// Faults of the firmware that are known and harmless; anything not named here is an error.
    #[serde(default)]
    pub tolerate: Vec<Tolerance>,
    /// Lets neighbouring blocks be read in one request when at most this many registers lie between them.
    /// Unset: one request per block. Blocks that are read once or optional stay alone.
    pub gap: Option<u16>,
    /// The most registers asked for in one request (the protocol allows 125).
    #[serde(default = "max_registers")]
    pub max_registers: u16,
    /// Blocks in the order they are read. At most one of them has a `repeat`: its records are the rows, and the
    /// columns of all others stand beside each of them. Without one, a pass is a single row.
    pub blocks: Named<Block>,
}

/// The most registers one request may ask for (Modbus Application Protocol V1.1b3, 6.3).
pub const MAX_REGISTERS: u16 = 125;

/// The most coils one request may ask for (Modbus Application Protocol V1.1b3, 6.1).
pub const MAX_COILS: u16 = 2000;

fn max_registers() -> u16 {
    MAX_REGISTERS
}

/// Where the bytes of a number stand, written for a 32-bit number `0xAABBCCDD`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Order {
    /// Big-endian bytes, high word first: the Modbus standard.
    #[default]
    Abcd,
    /// Big-endian bytes, low word first.
    Cdab,
    /// Bytes swapped in each register, high word first.
    Badc,
    /// Little-endian throughout.
    Dcba,
}

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

/// One column.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-instead" = {
    "scale": "the scale is part of the unit: `unit: 0.1 V`, or `unit: 0.1 1` where there is none",
    "factor": "the scale is part of the unit: `unit: 0.1 V`, or `unit: 0.1 1` where there is none",
    "multiplier": "the scale is part of the unit: `unit: 0.1 V`, or `unit: 0.1 1` where there is none",
    "gain": "the scale is part of the unit, as what one count is worth: `unit: 0.1 V` for a gain of 10",
    "offset": "bytes from the start of the block are `at:`; nothing is added to a number",
    "register": "the block says the first `address:`, and `at:` counts bytes from there: the second register is at 2",
    "address": "the block says the first `address:`, and `at:` counts bytes from there: the second register is at 2"
}))]
pub struct Field {
    /// What the column means, for people.
    pub description: Option<String>,
    /// Bytes from the start of the block's data (the second register is at 2). In `coils` and `discrete`
    /// blocks: coils from the start.
    pub at: u16,
    /// How the bytes are read.
    #[serde(rename = "type")]
    pub kind_of_value: Type,
    /// Bytes, for `hex`, `ascii` and `bcd`; bits, for `bits`. The other types know their own.
    pub length: Option<u16>,
    /// For `bool` in registers: the bit of the byte, 0 (lowest) to 7. For `bits`: the lowest bit of the
    /// register, 0 to 15.
    pub bit: Option<u8>,
    /// Byte and word order of this field. Text (`hex`, `ascii`) stands as sent unless this is set.
    pub order: Option<Order>,
    /// Unit of the raw number, with its scale: `V`, `0.1 V`, `Wh`.
    pub unit: Option<String>,
    /// What the column measures.
    pub kind: Option<Kind>,
    /// Raw values that mean "not available", as number, bit pattern (`0x8000`), text or truth value; they become null.
    #[serde(default)]
    pub null_when: Vec<Sentinel>,
    /// Other units, by record. The column gets the finest of all units named, so that it has one.
    #[serde(default)]
    pub variants: Vec<Variant>,
    /// What holds in records that are none of the `variants`.
    #[serde(default, deserialize_with = "otherwise")]
    pub otherwise: Option<Otherwise>,
    /// What a simulated device should put here.
    #[serde(default, deserialize_with = "simulate")]
    pub simulate: Option<Simulate>,
}

/// How bytes become a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Type {
    U8,
    I8,
    U16,
    I16,
    U32,
    I32,
    U64,
    I64,
    /// IEEE 754; what is not a finite number becomes null.
    F32,
    /// IEEE 754; what is not a finite number becomes null.
    F64,
    /// A number of two decimal digits per byte; other digits become null.
    Bcd,
    /// Text of two lower-case hexadecimal digits per byte.
    Hex,
    /// Text, ASCII or UTF-8, else Latin-1; ends at the first NUL, spaces and 0xFF at the end are cut. What begins with
    /// NUL or is 0xFF throughout becomes null.
    Ascii,
    /// One bit, true or false.
    Bool,
    /// A number of a few bits of one register.
    Bits,
}

/// What a column measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A value that may go anywhere: a voltage.
    Gauge,
    /// A sum that only grows: energy.
    Counter,
    /// A code: an operating status.
    State,
}

/// Another unit for some records.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Variant {
    /// Which records.
    pub when: When,
    /// The unit of the raw number in those.
    pub unit: String,
}

/// What holds in records that are none of the variants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Otherwise {
    /// The field's own `unit`.
    Unit,
    /// Nothing: the value is null.
    Null,
}

/// `otherwise: null` says something, other than leaving it out does.
fn otherwise<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Otherwise>, D::Error> {
    Ok(Some(Option::deserialize(deserializer)?.unwrap_or(Otherwise::Null)))
}

/// A condition on another field of the same record. Exactly one of `prefix` and `equals`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct When {
    /// The field asked.
    pub field: String,
    /// Its text begins so.
    pub prefix: Option<String>,
    /// Its raw number is this, as number or bit pattern.
    pub equals: Option<Number>,
}

/// What a simulated device puts into a field.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Simulate {
    /// The serial number of the unit the record belongs to.
    Serial,
    /// As `serial`; the units' numbers begin with these in turn.
    SerialOf(Vec<String>),
    /// The serial number of the device that is asked.
    DeviceSerial,
    /// The place of the record within its unit, from 1.
    Index,
    /// This raw number.
    Constant(i64),
    /// This text.
    Text(String),
    /// Voltage on the panel side.
    DcVoltage,
    /// Current on the panel side.
    DcCurrent,
    /// Power on the panel side.
    DcPower,
    /// Voltage of the grid.
    AcVoltage,
    /// Frequency of the grid.
    Frequency,
    /// Energy since the unit woke (not since midnight), or since it restarted.
    EnergyToday,
    /// Energy since the device was made.
    EnergyTotal,
    /// Temperature of the unit.
    Temperature,
    /// Operating status: 3 producing, 0 no data.
    Status,
    /// Code of the newest alarm.
    AlarmCode,
    /// As `alarm_code`; this one while the unit is away (night, no radio link).
    AlarmWhenAway(i64),
    /// How many alarms there were.
    AlarmCount,
    /// Whether the unit is linked: 0 or 1.
    Link,
}

/// Through a JSON value: the YAML library takes `{constant: 7}` for a tag's place otherwise.
fn simulate<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Simulate>, D::Error> {
    serde_json::from_value(Value::deserialize(deserializer)?).map_err(D::Error::custom)
}

impl Table {
    /// Whether it holds single bits.
    pub fn is_bits(self) -> bool {
        matches!(self, Self::Coils | Self::Discrete)
    }
}

impl Type {
    /// Bytes of one value; `None` for types whose `length` says it.
    pub fn width(self) -> Option<u16> {
        match self {
            Self::U8 | Self::I8 | Self::Bool => Some(1),
            Self::U16 | Self::I16 | Self::Bits => Some(2),
            Self::U32 | Self::I32 | Self::F32 => Some(4),
            Self::U64 | Self::I64 | Self::F64 => Some(8),
            Self::Bcd | Self::Hex | Self::Ascii => None,
        }
    }

    /// Whether it is text rather than a number or a bit.
    pub fn is_text(self) -> bool {
        matches!(self, Self::Hex | Self::Ascii)
    }
}

impl Field {
    /// Bytes it covers in the data of a register block.
    pub fn width(&self) -> u16 {
        self.kind_of_value.width().or(self.length).unwrap_or(0)
    }

    /// The same field of this block, in bytes also where the block holds coils (eight to a byte, lowest bit first).
    #[must_use]
    pub(crate) fn located(&self, block: &Block) -> Field {
        let mut field = self.clone();
        if block.read.is_bits() {
            field.at = self.at / 8;
            field.bit = u8::try_from(self.at % 8).ok();
        }
        field
    }

    /// The byte and word order that holds for it, given the device's.
    pub fn order_within(&self, device: Order) -> Order {
        self.order.unwrap_or(if self.kind_of_value.is_text() { Order::Abcd } else { device })
    }
}

impl Block {
    /// Bytes of data that one answer holds.
    pub fn data_bytes(&self) -> usize {
        if self.read.is_bits() { usize::from(self.count).div_ceil(8) } else { usize::from(self.count) * 2 }
    }
}
