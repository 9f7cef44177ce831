//! One value: bytes to a raw value and back, each the exact inverse of the other.
//!
//! Raw means before any unit: 2301 for a field of `0.1 V`.

use crate::device::field::{Field, Order, Type};

/// A value as the device holds it.
#[derive(Clone, Debug, PartialEq)]
pub enum Raw {
    /// `u8` to `u64`, `bcd`, `bits`.
    Unsigned(u64),
    /// `i8` to `i64`.
    Signed(i64),
    /// `f32`, `f64`.
    Float(f64),
    /// `hex`, `ascii`.
    Text(String),
    /// `bool`.
    Bool(bool),
    /// The device says it has none: a `bcd` with a digit above 9, a float that is not finite, a text of nothing.
    Missing,
}

/// Why a value and its bytes do not fit together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RawError {
    /// The data ends before the field does.
    Short {
        /// Bytes the field needs from the start of the data.
        needs: usize,
        /// Bytes there are.
        has: usize,
    },
    /// A value of another type than the field's, or out of its range.
    Unfit,
}

impl std::fmt::Display for RawError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Short { needs, has } => write!(f, "{has} bytes of data where {needs} are needed"),
            Self::Unfit => f.write_str("the value does not fit the field"),
        }
    }
}

impl std::error::Error for RawError {}

/// The field's raw value in the data of a register block. `order` is the device's. `null_when` is not looked at.
///
/// # Errors
/// The data is too short.
pub fn decode(field: &Field, order: Order, data: &[u8]) -> Result<Raw, RawError> {
    let start = usize::from(field.at);
    let end = start + usize::from(field.width());
    let bytes = data.get(start..end).ok_or(RawError::Short { needs: end, has: data.len() })?;
    let order = field.order_within(order);
    Ok(match field.kind_of_value {
        Type::Hex => Raw::Text(hex::encode(arranged(bytes, order).collect::<Vec<_>>())),
        Type::Ascii => text(arranged(bytes, order)).map_or(Raw::Missing, Raw::Text),
        Type::Bcd => bcd(arranged(bytes, order)).map_or(Raw::Missing, Raw::Unsigned),
        Type::Bool => Raw::Bool(unsigned(bytes, order) >> field.bit.unwrap_or(0) & 1 == 1),
        Type::Bits => Raw::Unsigned(unsigned(bytes, order) >> field.bit.unwrap_or(0) & mask(field)),
        Type::U8 | Type::U16 | Type::U32 | Type::U64 => Raw::Unsigned(unsigned(bytes, order)),
        Type::I8 | Type::I16 | Type::I32 | Type::I64 => Raw::Signed(signed(bytes, order)),
        Type::F32 => float(smiles_stage::widened(f32::from_bits(low_32(unsigned(bytes, order))))),
        Type::F64 => float(f64::from_bits(unsigned(bytes, order))),
    })
}

/// Puts a raw value into the data of a register block, leaving all other bits as they are.
///
/// # Errors
/// The data is too short, or the value is not one the field can hold.
pub fn encode(field: &Field, order: Order, value: &Raw, data: &mut [u8]) -> Result<(), RawError> {
    let start = usize::from(field.at);
    let end = start + usize::from(field.width());
    let has = data.len();
    let bytes = data.get_mut(start..end).ok_or(RawError::Short { needs: end, has })?;
    let order = field.order_within(order);
    let big = match (field.kind_of_value, value) {
        (Type::Hex, Raw::Text(text)) => hex::decode(text).ok(),
        (Type::Ascii, Raw::Text(text)) => padded(text, bytes.len()),
        (Type::Bcd, Raw::Unsigned(number)) => unbcd(*number, bytes.len()),
        (Type::Bcd, Raw::Missing) => Some(vec![0xFF; bytes.len()]),
        (Type::Ascii, Raw::Missing) => Some(vec![0; bytes.len()]),
        (Type::Bool, Raw::Bool(on)) => splice(bytes, order, field.bit, 1, u64::from(*on)),
        (Type::Bits, Raw::Unsigned(number)) => splice(bytes, order, field.bit, mask(field), *number),
        (Type::U8 | Type::U16 | Type::U32 | Type::U64, Raw::Unsigned(number)) => {
            big_unsigned(*number, bytes.len())
        }
        (Type::I8 | Type::I16 | Type::I32 | Type::I64, Raw::Signed(number)) => {
            big_signed(*number, bytes.len())
        }
        (Type::F32, Raw::Float(number)) => narrowed(*number).map(|number| number.to_be_bytes().to_vec()),
        (Type::F64, Raw::Float(number)) => Some(number.to_be_bytes().to_vec()),
        (Type::F32, Raw::Missing) => Some(f32::NAN.to_be_bytes().to_vec()),
        (Type::F64, Raw::Missing) => Some(f64::NAN.to_be_bytes().to_vec()),
        _ => None,
    };
    let big = big.filter(|big| big.len() == bytes.len()).ok_or(RawError::Unfit)?;
    for (slot, byte) in bytes.iter_mut().zip(arranged(&big, order)) {
        *slot = byte;
    }
    Ok(())
}

/// The bytes in big-endian order, whatever order they are sent in; its own inverse.
fn arranged(bytes: &[u8], order: Order) -> impl Iterator<Item = u8> {
    let last = bytes.len().saturating_sub(1);
    let place = move |index: usize| match order {
        _ if last == 0 => index,
        Order::Abcd => index,
        Order::Cdab => (last - index) ^ 1,
        Order::Badc => index ^ 1,
        Order::Dcba => last - index,
    };
    (0..bytes.len()).filter_map(move |index| bytes.get(place(index)).copied())
}

fn unsigned(bytes: &[u8], order: Order) -> u64 {
    arranged(bytes, order).fold(0, |number, byte| number << 8 | u64::from(byte))
}

fn signed(bytes: &[u8], order: Order) -> i64 {
    let unused = 64_usize.saturating_sub(bytes.len() * 8);
    let number = unsigned(bytes, order) << unused;
    i64::from_be_bytes(number.to_be_bytes()) >> unused
}

fn low_32(number: u64) -> u32 {
    let [_, _, _, _, a, b, c, d] = number.to_be_bytes();
    u32::from_be_bytes([a, b, c, d])
}

fn float(number: f64) -> Raw {
    if number.is_finite() { Raw::Float(number) } else { Raw::Missing }
}

fn mask(field: &Field) -> u64 {
    let bits = u32::from(field.length.unwrap_or(1)).min(16);
    (1_u64 << bits) - 1
}

/// Nothing where a device without a text has NUL or memory that was never written. What is no UTF-8 is Latin-1, in
/// which every byte is a character.
fn text(bytes: impl Iterator<Item = u8>) -> Option<String> {
    let mut bytes: Vec<u8> = bytes.take_while(|byte| *byte != 0).collect();
    while bytes.last() == Some(&0xFF) {
        bytes.pop();
    }
    if bytes.is_empty() {
        return None;
    }
    let plain = |letter: char| if letter.is_control() { '\u{FFFD}' } else { letter };
    let text: String = match std::str::from_utf8(&bytes) {
        Ok(text) => text.chars().map(plain).collect(),
        Err(_) => bytes.iter().map(|byte| plain(char::from(*byte))).collect(),
    };
    Some(text.trim_end().to_owned())
}

/// The bits of the field as one number, where it has up to 64.
pub(super) fn pattern(field: &Field, order: Order, data: &[u8]) -> Option<u64> {
    let start = usize::from(field.at);
    let bytes = data.get(start..start + usize::from(field.width())).filter(|bytes| bytes.len() <= 8)?;
    Some(unsigned(bytes, field.order_within(order)))
}

fn bcd(bytes: impl Iterator<Item = u8>) -> Option<u64> {
    bytes.flat_map(|byte| [byte >> 4, byte & 15]).try_fold(0_u64, |number, digit| {
        if digit > 9 { None } else { number.checked_mul(10)?.checked_add(digit.into()) }
    })
}

fn padded(text: &str, length: usize) -> Option<Vec<u8>> {
    let plain = text.len() <= length && text.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_control());
    let mut bytes = text.as_bytes().to_vec();
    bytes.resize(length, 0);
    plain.then_some(bytes)
}

fn unbcd(mut number: u64, length: usize) -> Option<Vec<u8>> {
    let mut bytes = vec![0; length];
    for slot in bytes.iter_mut().rev() {
        let pair = u8::try_from(number % 100).ok()?;
        *slot = ((pair / 10) << 4) | (pair % 10);
        number /= 100;
    }
    (number == 0).then_some(bytes)
}

fn big_unsigned(number: u64, length: usize) -> Option<Vec<u8>> {
    let bytes = number.to_be_bytes();
    let (front, kept) = bytes.split_at_checked(bytes.len().checked_sub(length)?)?;
    front.iter().all(|byte| *byte == 0).then(|| kept.to_vec())
}

fn big_signed(number: i64, length: usize) -> Option<Vec<u8>> {
    let bytes = number.to_be_bytes();
    let kept = bytes.get(bytes.len().checked_sub(length)?..)?;
    (signed(kept, Order::Abcd) == number).then(|| kept.to_vec())
}

#[expect(clippy::cast_possible_truncation, reason = "the only way from f64 to f32; the way back is compared")]
pub(crate) fn narrowed(number: f64) -> Option<f32> {
    let narrow = number as f32;
    narrow.is_finite().then_some(narrow)
}

/// The word in `bytes` with the bits of `mask` above `bit` replaced, big-endian.
fn splice(bytes: &[u8], order: Order, bit: Option<u8>, mask: u64, value: u64) -> Option<Vec<u8>> {
    let bit = bit.unwrap_or(0);
    let word = unsigned(bytes, order) & !(mask << bit) | (value & mask) << bit;
    if value > mask { None } else { big_unsigned(word, bytes.len()) }
}
