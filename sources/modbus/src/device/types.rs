//! How bytes become a value.

use schemars::JsonSchema;
use serde::Deserialize;

/// How bytes become a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(extend("x-meant" = {
    "uint8": "u8", "uint16": "u16", "uint32": "u32", "uint64": "u64", "uint": "u16", "word": "u16", "dword": "u32",
    "int8": "i8", "int16": "i16", "int32": "i32", "int64": "i64",
    "sint8": "i8", "sint16": "i16", "sint32": "i32", "sint64": "i64",
    "float": "f32", "float16": "f16", "float32": "f32", "real": "f32", "double": "f64", "float64": "f64",
    "string": "text", "str": "text", "char": "text", "boolean": "bool", "bitfield": "bits",
    "unixtime": "unix_seconds", "timestamp": "unix_seconds", "time": "datetime"
}))]
#[expect(missing_docs, reason = "the names say it")]
pub enum Type {
    U8,
    I8,
    U16,
    I16,
    /// Three bytes; by register, the lower three of two registers.
    U24,
    /// As `u24`, with a sign.
    I24,
    U32,
    I32,
    /// Three registers.
    U48,
    /// Three registers.
    I48,
    U64,
    I64,
    /// IEEE 754 of half precision, in one register; what is not a finite number becomes null.
    F16,
    /// IEEE 754; what is not a finite number becomes null.
    F32,
    /// IEEE 754; what is not a finite number becomes null.
    F64,
    /// A number of two decimal digits per byte; other digits become null.
    Bcd,
    /// A number of four decimal digits per register, each register a number of -9,999 to 9,999, the highest first (modulo
    /// 10,000); other words become null.
    Mod10k,
    /// Text of two lower-case hexadecimal digits per byte.
    Hex,
    /// Text; ends at the first NUL or 0xFF, spaces around it are cut. A text of nothing becomes null. `encoding` says how its
    /// characters are coded.
    Text,
    /// Text, ASCII or UTF-8, else Latin-1; ends at the first NUL, spaces and 0xFF at the end are cut. What begins with
    /// NUL or is 0xFF throughout becomes null.
    Ascii,
    /// One bit, true or false.
    Bool,
    /// A number of a few bits.
    Bits,
    /// An instant: seconds since 1970 (4 bytes, or a `length` of 8).
    #[serde(rename = "unix_seconds")]
    UnixSeconds,
    /// An instant: seconds since 2000 (4 bytes, or a `length` of 8).
    #[serde(rename = "seconds_since_2000")]
    SecondsSince2000,
    /// An instant: year, month, day, hour, minute, second, a register each, or with `length: 6` a byte each. A year below 100
    /// is one of this century. What is no time becomes null.
    Datetime,
    /// A day, as text (`2026-12-01`): year, month, day, a register each, or with `length: 3` a byte each. What is no day
    /// becomes null.
    Date,
}

impl Type {
    /// Bytes of one value; `None` for types whose `length` says it.
    pub fn width(self) -> Option<u16> {
        match self {
            Self::U8 | Self::I8 | Self::Bool => Some(1),
            Self::U16 | Self::I16 | Self::F16 | Self::Bits => Some(2),
            Self::U24 | Self::I24 => Some(3),
            Self::U32 | Self::I32 | Self::F32 => Some(4),
            Self::U48 | Self::I48 => Some(6),
            Self::U64 | Self::I64 | Self::F64 => Some(8),
            _ => None,
        }
    }

    /// The `length` that holds unless said.
    pub(crate) fn usual_length(self) -> Option<u16> {
        match self {
            Self::UnixSeconds | Self::SecondsSince2000 => Some(4),
            Self::Datetime => Some(12),
            Self::Date => Some(6),
            _ => None,
        }
    }

    /// Whether its values are whole numbers.
    pub fn is_whole(self) -> bool {
        self.is_number() && !self.is_float()
    }

    /// Whether its values are numbers.
    pub fn is_number(self) -> bool {
        !self.is_text() && !self.is_time() && self != Self::Bool
    }

    /// Whether it is text rather than a number or a bit.
    pub fn is_text(self) -> bool {
        matches!(self, Self::Hex | Self::Text | Self::Ascii)
    }

    /// Whether it is an instant or a day.
    pub fn is_time(self) -> bool {
        matches!(self, Self::UnixSeconds | Self::SecondsSince2000 | Self::Datetime | Self::Date)
    }

    pub(crate) fn is_float(self) -> bool {
        matches!(self, Self::F16 | Self::F32 | Self::F64)
    }

    /// Whether it is a number of two's complement.
    pub(crate) fn is_signed(self) -> bool {
        matches!(self, Self::I8 | Self::I16 | Self::I24 | Self::I32 | Self::I48 | Self::I64)
    }

    /// Whether it is a plain number without a sign.
    pub(crate) fn is_unsigned(self) -> bool {
        matches!(self, Self::U8 | Self::U16 | Self::U24 | Self::U32 | Self::U48 | Self::U64)
    }

    /// Whether its first bytes count where its registers have more: a text begins at the left, a number ends at the right.
    pub(crate) fn begins_left(self) -> bool {
        self.is_text() || self.is_time() || self == Self::Mod10k
    }

    /// As the device file writes it.
    pub(crate) fn name(self) -> String {
        match self {
            Self::UnixSeconds => "unix_seconds".to_owned(),
            Self::SecondsSince2000 => "seconds_since_2000".to_owned(),
            other => format!("{other:?}").to_lowercase(),
        }
    }
}

/// A number whose bits are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Word {
    U8,
    U16,
    U32,
    U48,
    U64,
}

impl Word {
    /// Bytes it has.
    pub(crate) fn width(self) -> u16 {
        match self {
            Self::U8 => 1,
            Self::U16 => 2,
            Self::U32 => 4,
            Self::U48 => 6,
            Self::U64 => 8,
        }
    }
}

/// How the characters of a text are coded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Encoding {
    /// A byte each, up to 0x7F.
    Ascii,
    /// One to four bytes each.
    Utf8,
    /// A byte each: Western European.
    Latin1,
    /// A register each (two for rare ones).
    Utf16,
}
