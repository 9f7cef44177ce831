//! A value within a block: where it is, how it is coded, what it means.

use schemars::JsonSchema;
use serde::de::Error;
use serde::{Deserialize, Deserializer};
use serde_json::{Number, Value};

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

/// One column.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
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

impl Field {
    /// Bytes it covers in the data of a register block.
    pub fn width(&self) -> u16 {
        self.kind_of_value.width().or(self.length).unwrap_or(0)
    }

    /// The byte and word order that holds for it, given the device's.
    pub fn order_within(&self, device: Order) -> Order {
        self.order.unwrap_or(if self.kind_of_value.is_text() { Order::Abcd } else { device })
    }
}

/// How bytes become a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(extend("x-meant" = {
    "uint8": "u8", "uint16": "u16", "uint32": "u32", "uint64": "u64", "uint": "u16", "word": "u16", "dword": "u32",
    "int8": "i8", "int16": "i16", "int32": "i32", "int64": "i64",
    "sint8": "i8", "sint16": "i16", "sint32": "i32", "sint64": "i64",
    "float": "f32", "float32": "f32", "real": "f32", "double": "f64", "float64": "f64",
    "string": "text", "str": "text", "char": "text", "boolean": "bool", "bitfield": "bits"
}))]
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

    /// Whether its values are whole numbers.
    pub fn is_whole(self) -> bool {
        !self.is_text() && !matches!(self, Self::F32 | Self::F64 | Self::Bool)
    }

    /// Whether it is text rather than a number or a bit.
    pub fn is_text(self) -> bool {
        matches!(self, Self::Hex | Self::Ascii)
    }
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
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
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

/// A condition on another field of the same record. Exactly one of `prefix` and `equals`.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
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

/// `otherwise: null` says something, other than leaving it out does.
fn otherwise<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Otherwise>, D::Error> {
    Ok(Some(Option::deserialize(deserializer)?.unwrap_or(Otherwise::Null)))
}

/// Through a JSON value: the YAML library takes `{constant: 7}` for a tag's place otherwise.
fn simulate<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Simulate>, D::Error> {
    serde_json::from_value(Value::deserialize(deserializer)?).map_err(D::Error::custom)
}

/// A raw value, as the device file writes it.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Sentinel {
    /// That of a bit.
    Bool(bool),
    /// A number, or the bits of one (`0x8000`).
    Number(Number),
    /// A text, as it would be read.
    Text(String),
}
