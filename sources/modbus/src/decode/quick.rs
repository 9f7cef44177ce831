//! The short way for plain numbers, which most columns are: what can be known before the first answer is worked out once.

use crate::decode::meaning::Meaning;
use crate::device::{Field, Order, Sentinel, Type};

/// A number with a fixed place and a fixed worth: whole, or one of single precision as it stands.
#[derive(Clone, Debug)]
pub(crate) struct Quick {
    bytes: Bytes,
    /// What is left of them: bits to shift out on the right, and which to keep.
    shift: u32,
    mask: u64,
    /// Bits to shift out on the left and back, for numbers with a sign.
    sign: Option<u32>,
    /// Bit patterns that mean "not available".
    nulls: Vec<u64>,
    factor: i128,
    offset: i128,
}

/// Where the bytes of a number stand.
#[derive(Clone, Debug)]
enum Bytes {
    One(usize),
    Two(usize),
    Four(usize),
    Eight(usize),
    /// One by one, the highest first.
    Each(Vec<usize>),
}

impl Quick {
    /// The short way of a column; `None` where it needs the long one.
    pub(crate) fn of(field: &Field, order: Order, meaning: Option<&Meaning>) -> Option<Self> {
        let kind = field.kind_of_value;
        let fixed = |meaning: &&Meaning| {
            meaning.whole
                && meaning.variants.is_empty()
                && meaning.power.is_none()
                && meaning.valid.is_none()
                && meaning.words.is_none()
        };
        let plain = kind.is_unsigned() || kind.is_signed() || kind == Type::Bits;
        if !plain && !Self::is_single(field, meaning) || plain && !meaning.as_ref().is_none_or(fixed) {
            return None;
        }
        let nulls = match meaning {
            Some(_) => field.null_when.iter().filter_map(|it| Sentinel::bits(it, field)).collect(),
            None => Vec::new(),
        };
        let bits = u32::from(field.width()) * 8;
        let of_bits = kind == Type::Bits;
        Some(Self {
            bytes: Bytes::of(field.places(order).collect()),
            shift: if of_bits { field.bit.unwrap_or(0).into() } else { 0 },
            mask: if of_bits {
                crate::device::raw::mask(field)
            } else {
                u64::MAX >> 64_u32.saturating_sub(bits).min(63)
            },
            sign: kind.is_signed().then(|| 64_u32.saturating_sub(bits)),
            nulls,
            factor: meaning.map_or(1, |meaning| meaning.factor.whole.into()),
            offset: meaning.map_or(0, |meaning| meaning.offset.whole.into()),
        })
    }

    fn is_single(field: &Field, meaning: Option<&Meaning>) -> bool {
        let as_it_stands = |meaning: &Meaning| {
            meaning.factor.real == 1.0
                && meaning.offset.real == 0.0
                && meaning.variants.is_empty()
                && meaning.power.is_none()
                && meaning.valid.is_none()
        };
        field.kind_of_value == Type::F32 && field.null_when.is_empty() && meaning.is_none_or(as_it_stands)
    }

    /// The value of one of single precision; `None` where it is not finite, or the data is too short.
    #[inline]
    pub(crate) fn single(&self, data: &[u8]) -> Option<f32> {
        let bits = u32::try_from(self.bytes.read(data)?).ok()?;
        // Nobody means a zero with a sign.
        Some(f32::from_bits(bits)).filter(|number| number.is_finite()).map(|number| number + 0.0)
    }

    /// The value of a whole number; `None` where the device has none, or the data is too short.
    #[inline]
    pub(crate) fn number(&self, data: &[u8]) -> Option<i128> {
        let raw = self.bytes.read(data)?.unbounded_shr(self.shift) & self.mask;
        if self.nulls.contains(&raw) {
            return None;
        }
        let number = match self.sign {
            Some(unused) => (raw.unbounded_shl(unused).cast_signed() >> unused.min(63)).into(),
            None => i128::from(raw),
        };
        Some(number * self.factor + self.offset)
    }
}

impl Bytes {
    fn of(places: Vec<usize>) -> Self {
        let in_turn = places.windows(2).all(|pair| matches!(pair, [one, next] if one + 1 == *next));
        match (places.first(), places.len()) {
            (Some(at), 1) => Self::One(*at),
            (Some(at), 2) if in_turn => Self::Two(*at),
            (Some(at), 4) if in_turn => Self::Four(*at),
            (Some(at), 8) if in_turn => Self::Eight(*at),
            _ => Self::Each(places),
        }
    }

    #[inline]
    fn read(&self, data: &[u8]) -> Option<u64> {
        let big = match self {
            Self::One(at) => (*data.get(*at)?).into(),
            Self::Two(at) => u16::from_be_bytes(*data.get(*at..)?.first_chunk()?).into(),
            Self::Four(at) => u32::from_be_bytes(*data.get(*at..)?.first_chunk()?).into(),
            Self::Eight(at) => u64::from_be_bytes(*data.get(*at..)?.first_chunk()?),
            Self::Each(places) => {
                let mut number = 0;
                for place in places {
                    number = number << 8 | u64::from(*data.get(*place)?);
                }
                number
            }
        };
        Some(big)
    }
}
