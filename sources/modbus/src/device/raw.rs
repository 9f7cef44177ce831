//! One value: bytes to a raw value and back, each the exact inverse of the other.
//!
//! Raw means before any unit: 2301 for a field of `0.1 V`.

use std::cmp::Ordering;

use half::f16;
use jiff::civil::DateTime;

use crate::device::field::Field;
use crate::device::order::Order;
use crate::device::types::Type;
use crate::device::{clock, digits, text};

/// A value as the device holds it.
#[derive(Clone, Debug, PartialEq)]
pub enum Raw {
    /// `u8` to `u64`, `bcd`, `bits`.
    Unsigned(u64),
    /// `i8` to `i64`, `mod10k`.
    Signed(i64),
    /// `f16`, `f32`, `f64`.
    Float(f64),
    /// `hex`, `text`, `ascii`.
    Text(String),
    /// `bool`.
    Bool(bool),
    /// What a clock of the device says, in its time zone; of a `date` midnight.
    Clock(DateTime),
    /// The device says it has none: digits that are none, a float that is not finite, a text of nothing, a day that is none.
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
    let needs = field.end();
    if data.len() < needs {
        return Err(RawError::Short { needs, has: data.len() });
    }
    let bytes = || field.places(order).filter_map(|place| data.get(place).copied());
    let all = || bytes().collect::<Vec<u8>>();
    let number = || unsigned(bytes());
    let known = |raw: Option<Raw>| raw.unwrap_or(Raw::Missing);
    Ok(match field.kind_of_value {
        Type::Hex => Raw::Text(hex::encode(all())),
        Type::Text => known(text::text(bytes(), field.encoding).map(Raw::Text)),
        Type::Ascii => known(text::ascii(bytes()).map(Raw::Text)),
        Type::Bcd => known(digits::bcd(bytes()).map(Raw::Unsigned)),
        Type::Mod10k => known(digits::mod10k(&all()).map(Raw::Signed)),
        Type::Bool => Raw::Bool(shifted(number(), field) & 1 == 1),
        Type::Bits => Raw::Unsigned(shifted(number(), field) & mask(field)),
        Type::F16 => float(said(f16::from_bits(low(number())))),
        Type::F32 => float(smiles_stage::widened(f32::from_bits(low_32(number())))),
        Type::F64 => float(f64::from_bits(number())),
        kind if kind.is_signed() => Raw::Signed(signed(number(), field.width())),
        kind if kind.is_time() => known(clock::clock(kind, &all()).map(Raw::Clock)),
        _ => Raw::Unsigned(number()),
    })
}

/// Puts a raw value into the data of a register block, leaving all other bits as they are.
///
/// # Errors
/// The data is too short, or the value is not one the field can hold.
pub fn encode(field: &Field, order: Order, value: &Raw, data: &mut [u8]) -> Result<(), RawError> {
    let (needs, has) = (field.end(), data.len());
    if has < needs {
        return Err(RawError::Short { needs, has });
    }
    let width = usize::from(field.width());
    let before = || unsigned(field.places(order).filter_map(|place| data.get(place).copied()));
    let big = match (field.kind_of_value, value) {
        (Type::Hex, Raw::Text(text)) => hex::decode(text).ok(),
        (Type::Text, Raw::Text(text)) => text::padded(text, field.encoding, width),
        (Type::Ascii, Raw::Text(text)) => text::padded(text, None, width),
        (Type::Bcd, Raw::Unsigned(number)) => digits::to_bcd(*number, width),
        (Type::Mod10k, Raw::Signed(number)) => digits::to_mod10k(*number, width),
        (Type::Bcd, Raw::Missing) => Some(vec![0xFF; width]),
        (Type::Mod10k, Raw::Missing) => Some([0x80, 0].repeat(width / 2)),
        (Type::Text | Type::Ascii, Raw::Missing) => Some(vec![0; width]),
        (Type::Bool, Raw::Bool(on)) => splice(before(), field, 1, u64::from(*on)),
        (Type::Bits, Raw::Unsigned(number)) => splice(before(), field, mask(field), *number),
        (Type::F16, Raw::Float(number)) => Some(f16::from_f64(*number))
            .filter(|half| half.is_finite())
            .map(|half| half.to_be_bytes().to_vec()),
        (Type::F32, Raw::Float(number)) => narrowed(*number).map(|number| number.to_be_bytes().to_vec()),
        (Type::F64, Raw::Float(number)) => Some(number.to_be_bytes().to_vec()),
        (Type::F16, Raw::Missing) => Some(f16::NAN.to_be_bytes().to_vec()),
        (Type::F32, Raw::Missing) => Some(f32::NAN.to_be_bytes().to_vec()),
        (Type::F64, Raw::Missing) => Some(f64::NAN.to_be_bytes().to_vec()),
        (kind, Raw::Unsigned(number)) if kind.is_unsigned() => big_unsigned(*number, width),
        (kind, Raw::Signed(number)) if kind.is_signed() => big_signed(*number, width),
        (kind, Raw::Clock(at)) if kind.is_time() => clock::to_clock(kind, *at, width),
        (kind, Raw::Missing) if kind.is_time() => Some(vec![0xFF; width]),
        _ => None,
    };
    let big = big.filter(|big| big.len() == width).ok_or(RawError::Unfit)?;
    for (place, byte) in field.places(order).zip(big) {
        if let Some(slot) = data.get_mut(place) {
            *slot = byte;
        }
    }
    Ok(())
}

pub(super) fn unsigned(bytes: impl Iterator<Item = u8>) -> u64 {
    bytes.fold(0, |number, byte| number << 8 | u64::from(byte))
}

fn signed(number: u64, bytes: u16) -> i64 {
    let unused = 64_u32.saturating_sub(u32::from(bytes) * 8);
    number.unbounded_shl(unused).cast_signed() >> unused.min(63)
}

fn shifted(number: u64, field: &Field) -> u64 {
    number.unbounded_shr(field.bit.unwrap_or(0).into())
}

fn low(number: u64) -> u16 {
    let [.., a, b] = number.to_be_bytes();
    u16::from_be_bytes([a, b])
}

fn low_32(number: u64) -> u32 {
    let [_, _, _, _, a, b, c, d] = number.to_be_bytes();
    u32::from_be_bytes([a, b, c, d])
}

/// The number of the fewest digits that means this half: 230.1, which is 230.125 in bits. Whole numbers are what they are.
fn said(half: f16) -> f64 {
    let exact = half.to_f64();
    let short = |places: usize| format!("{exact:.places$e}").parse().ok().filter(|it| halved(*it) == half);
    if exact.fract() == 0.0 { exact } else { (0..5).find_map(short).unwrap_or(exact) }
}

/// The nearest half; of two that are equally near the even one. (The crate's own way looks at some of the bits alone.)
pub(crate) fn halved(number: f64) -> f16 {
    let about = f16::from_f64(number).to_bits();
    let near = [about, about.wrapping_sub(1), about.wrapping_add(1)].map(f16::from_bits);
    let far = |half: &f16| ((half.to_f64() - number).abs(), half.to_bits() & 1);
    let finite = near.into_iter().filter(|half| half.is_finite());
    finite
        .min_by(|one, other| far(one).partial_cmp(&far(other)).unwrap_or(Ordering::Equal))
        .unwrap_or(f16::NAN)
}

fn float(number: f64) -> Raw {
    if number.is_finite() { Raw::Float(number) } else { Raw::Missing }
}

/// As many low bits as the field has.
pub(crate) fn mask(field: &Field) -> u64 {
    u64::MAX >> 64_u32.saturating_sub(field.length.unwrap_or(1).into()).min(63)
}

/// The bits of the field as one number, where it has up to 64.
pub(super) fn pattern(field: &Field, order: Order, data: &[u8]) -> Option<u64> {
    let fits = field.width() <= 8 && field.end() <= data.len();
    fits.then(|| unsigned(field.places(order).filter_map(|place| data.get(place).copied())))
}

fn big_unsigned(number: u64, length: usize) -> Option<Vec<u8>> {
    let bytes = number.to_be_bytes();
    let (front, kept) = bytes.split_at_checked(bytes.len().checked_sub(length)?)?;
    front.iter().all(|byte| *byte == 0).then(|| kept.to_vec())
}

fn big_signed(number: i64, length: usize) -> Option<Vec<u8>> {
    let bytes = number.to_be_bytes();
    let kept = bytes.get(bytes.len().checked_sub(length)?..)?;
    let again = signed(unsigned(kept.iter().copied()), u16::try_from(length).ok()?);
    (again == number).then(|| kept.to_vec())
}

#[expect(clippy::cast_possible_truncation, reason = "the only way from f64 to f32; the way back is compared")]
pub(crate) fn narrowed(number: f64) -> Option<f32> {
    let narrow = number as f32;
    narrow.is_finite().then_some(narrow)
}

/// A number with the bits of `mask` above the field's `bit` replaced, big-endian.
fn splice(number: u64, field: &Field, mask: u64, value: u64) -> Option<Vec<u8>> {
    let bit = u32::from(field.bit.unwrap_or(0));
    let word = number & !mask.unbounded_shl(bit) | (value & mask).unbounded_shl(bit);
    if value > mask { None } else { big_unsigned(word, field.width().into()) }
}
