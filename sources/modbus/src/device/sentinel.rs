//! Raw values that mean something else than what they say: "not available", or which unit a record is in.

use serde_json::Number;

use crate::device::field::Field;
use crate::device::order::Order;
use crate::device::raw::{Raw, decode, halved, narrowed, pattern};
use crate::device::types::Type;
use crate::device::written::Sentinel;

impl Field {
    /// The raw value in the data of a register block; `None` where the device says that it has none.
    pub(crate) fn value_in(&self, order: Order, data: &[u8]) -> Option<Raw> {
        let raw = decode(self, order, data).ok()?;
        let null = raw == Raw::Missing || self.null_when.iter().any(|it| it.is(self, order, data, &raw));
        (!null).then_some(raw)
    }

    /// Bits of one value, where it has a number of them.
    fn bits(&self) -> u32 {
        match self.kind_of_value {
            Type::Bits => u32::from(self.length.unwrap_or(1).min(64)),
            _ => u32::from(self.width()) * 8,
        }
    }

    /// The largest number of a `bcd` or a `mod10k`.
    pub(crate) fn nines(&self) -> u64 {
        10_u64.checked_pow(u32::from(self.width()) * 2).map_or(u64::MAX, |power| power - 1)
    }
}

impl Sentinel {
    /// Whether the field holds this in these data, where it was read as `raw`.
    pub(crate) fn is(&self, field: &Field, order: Order, data: &[u8], raw: &Raw) -> bool {
        match (self, raw) {
            (Self::Bool(asked), Raw::Bool(on)) => asked == on,
            (Self::Number(number), Raw::Bool(on)) => number.as_u64() == Some((*on).into()),
            (Self::Text(text), Raw::Text(read)) => match field.kind_of_value {
                Type::Hex => text.eq_ignore_ascii_case(read),
                Type::Text => text.trim() == read,
                _ => text.trim_end() == read,
            },
            (Self::Number(number), Raw::Unsigned(read)) if field.kind_of_value != Type::Bcd => {
                low(number, field.bits()) == Some(*read)
            }
            (Self::Number(number), Raw::Signed(read)) if field.kind_of_value == Type::Mod10k => {
                number.as_i64() == Some(*read)
            }
            (Self::Number(number), Raw::Signed(read)) => {
                low(number, field.bits()) == Some(masked(read.cast_unsigned(), field.bits()))
            }
            (Self::Number(number), Raw::Unsigned(read))
                if number.as_u64().is_some_and(|it| it <= field.nines()) =>
            {
                number.as_u64() == Some(*read)
            }
            (Self::Number(number), Raw::Float(read)) if same_float(field, number, *read) => true,
            (Self::Number(number), Raw::Unsigned(_) | Raw::Float(_) | Raw::Text(_) | Raw::Clock(_)) => {
                number.as_u64().is_some() && number.as_u64() == pattern(field, order, data)
            }
            _ => false,
        }
    }

    /// The bits of a whole number that is this.
    pub(crate) fn bits(&self, field: &Field) -> Option<u64> {
        if let Self::Number(number) = self { low(number, field.bits()) } else { None }
    }

    /// Why no value of the field is ever this; `None`: one is.
    pub(crate) fn complaint(&self, field: &Field) -> Option<String> {
        let bits = field.bits();
        match (field.kind_of_value, self) {
            (Type::Bool, Self::Bool(_)) => None,
            (Type::Bool, Self::Number(number)) => (!matches!(number.as_u64(), Some(0 | 1)))
                .then(|| never(number, "a `bool` is `true` or `false`")),
            (Type::Hex, Self::Text(text)) => {
                let digits = usize::from(field.width()) * 2;
                let fits = text.len() == digits && text.bytes().all(|digit| digit.is_ascii_hexdigit());
                (!fits).then(|| never(text, &format!("this `hex` is {digits} hexadecimal digits")))
            }
            (Type::Text | Type::Ascii, Self::Text(text)) => {
                let (most, name) = (usize::from(field.width()), field.kind_of_value.name());
                (text.len() > most).then(|| never(text, &format!("this `{name}` has at most {most} bytes")))
            }
            (kind, Self::Number(number)) if kind.is_text() || kind.is_time() => {
                (bits > 64 || !fits(number, bits)).then(|| {
                    never(number, &format!("this field has {bits} bits, of which a number can give up to 64"))
                })
            }
            (kind, Self::Number(number)) => number_complaint(field, kind, number),
            (Type::Bool, other) => Some(never(&other.shown(), "a `bool` is `true` or `false`")),
            (kind, other) if kind.is_text() => {
                Some(never(&other.shown(), "raw values of this field are texts"))
            }
            (_, other) => Some(never(&other.shown(), "raw values of this field are numbers")),
        }
    }

    fn shown(&self) -> String {
        match self {
            Self::Bool(on) => on.to_string(),
            Self::Number(number) => number.to_string(),
            Self::Text(text) => text.clone(),
        }
    }
}

fn number_complaint(field: &Field, kind: Type, number: &Number) -> Option<String> {
    let bits = field.bits();
    if kind == Type::F64 {
        return None;
    }
    if kind == Type::F16 {
        let half = number.as_f64().is_some_and(|number| number.abs() <= half::f16::MAX.to_f64());
        let pattern = number.as_u64().is_some_and(|bits| bits <= u16::MAX.into());
        return (!half && !pattern).then(|| never(number, "an `f16` holds -65504 to 65504"));
    }
    if kind == Type::F32 {
        let single = number.as_f64().and_then(narrowed);
        let range = "an `f32` holds -3.4028235e38 to 3.4028235e38";
        return single.is_none().then(|| never(number, range));
    }
    if number.is_f64() {
        return Some(format!("`{number}` is not a whole number, and raw values of this field are"));
    }
    if kind == Type::Mod10k {
        let fits = number.as_i64().is_some_and(|number| number.unsigned_abs() <= field.nines());
        let range = format!("a `mod10k` of {} registers holds -{1} to {1}", field.width() / 2, field.nines());
        return (!fits).then(|| never(number, &range));
    }
    if fits(number, bits) {
        return None;
    }
    let all = if bits >= 64 { u64::MAX } else { (1 << bits) - 1 };
    let name = kind.name();
    let range = match kind {
        kind if kind.is_signed() => {
            let half = 1_i128 << (bits - 1);
            format!("an `{name}` holds {} to {}, and bit patterns up to {all:#x}", -half, half - 1)
        }
        Type::Bits => format!("`bits` of length {bits} hold 0 to {all}"),
        Type::Bcd => format!(
            "a `bcd` of {} bytes holds 0 to {}, and bit patterns up to {all:#x}",
            field.width(),
            field.nines()
        ),
        _ => format!("a `{name}` holds 0 to {all}"),
    };
    Some(never(number, &range))
}

fn never(value: &impl std::fmt::Display, range: &str) -> String {
    format!("`{value}` never occurs: {range}")
}

/// Whether a whole number fits so many bits, with a sign or without.
fn fits(number: &Number, bits: u32) -> bool {
    low(number, bits).is_some()
}

/// The bits of a whole number, with a sign or without; `None` where it needs more.
fn low(number: &Number, bits: u32) -> Option<u64> {
    if let Some(plain) = number.as_u64() {
        return (masked(plain, bits) == plain).then_some(plain);
    }
    let signed = number.as_i64()?;
    let least = -1_i128 << bits.clamp(1, 64).saturating_sub(1);
    (i128::from(signed) >= least).then(|| masked(signed.cast_unsigned(), bits))
}

fn masked(number: u64, bits: u32) -> u64 {
    number & u64::MAX.checked_shr(64_u32.saturating_sub(bits)).unwrap_or(0)
}

/// Whether a floating-point number is this one, in the precision of the field: -9999.9 as the device can say it.
fn same_float(field: &Field, number: &Number, read: f64) -> bool {
    match field.kind_of_value {
        Type::F16 => number.as_f64().is_some_and(|number| halved(number) == halved(read)),
        Type::F32 => number.to_string().parse::<f32>().is_ok_and(|single| narrowed(read) == Some(single)),
        _ => number.as_f64() == Some(read),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn field(text: &str) -> Field {
        serde_json::from_value(serde_yaml::from_str(&format!("{{at: 0, {text}}}")).unwrap()).unwrap()
    }

    const NUMBERS: [&str; 13] = [
        "u8",
        "i8",
        "u16",
        "i16",
        "u32",
        "i32",
        "u64",
        "i64",
        "f32",
        "f64",
        "bcd, length: 3",
        "bits, bit: 3, length: 7",
        "bits, length: 16",
    ];
    const ORDERS: [Order; 4] = [Order::Abcd, Order::Cdab, Order::Badc, Order::Dcba];

    /// A raw number as a device file would write it.
    fn written(raw: &Raw) -> Option<Number> {
        match raw {
            Raw::Unsigned(number) => Some((*number).into()),
            Raw::Signed(number) => Some((*number).into()),
            Raw::Float(number) => Number::from_f64(*number),
            _ => None,
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig {
        cases: 2000,
        rng_seed: proptest::test_runner::RngSeed::Fixed(7),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

        #[test]
        fn every_number_is_its_own_sentinel_and_no_others(
            kind in 0..NUMBERS.len(), order in 0_usize..4, data: [u8; 8], other: [u8; 8],
        ) {
            let (field, order) = (field(&format!("type: {}", NUMBERS[kind])), ORDERS[order]);
            // Three bytes cannot swap in pairs.
            let order = if field.width() == 3 { Order::Abcd } else { order };
            let read = |data: &[u8]| decode(&field, order, data).unwrap();
            let (raw, others) = (read(&data), read(&other));
            if let Some(number) = written(&raw) {
                let sentinel = Sentinel::Number(number);
                prop_assert_eq!(sentinel.complaint(&field), None);
                prop_assert!(sentinel.is(&field, order, &data, &raw), "{:?} {:?}", sentinel, raw);
                let pattern = pattern(&field, order, &other);
                let same_bits = matches!(&sentinel, Sentinel::Number(it) if it.as_u64() == pattern);
                let same = others == raw || same_bits && !matches!(others, Raw::Unsigned(_));
                prop_assert_eq!(sentinel.is(&field, order, &other, &others), same, "{:?} {:?}", sentinel, others);
            }
        }

        #[test]
        fn every_bit_pattern_is_a_sentinel(kind in 0_usize..10, data: [u8; 8]) {
            let field = field(&format!("type: {}", NUMBERS[kind]));
            let raw = decode(&field, Order::Abcd, &data).unwrap();
            let bits = pattern(&field, Order::Abcd, &data).unwrap();
            let sentinel = Sentinel::Number(bits.into());
            prop_assert_eq!(sentinel.complaint(&field), None);
            prop_assert!(raw == Raw::Missing || sentinel.is(&field, Order::Abcd, &data, &raw));
        }

        #[test]
        fn what_cannot_occur_is_told(kind in 0_usize..8, beyond in 1_i64..1_000_000) {
            let field = field(&format!("type: {}", NUMBERS[kind]));
            let width = field.bits();
            if width < 64 {
                for number in [(1_i64 << width) - 1 + beyond, -(1_i64 << (width - 1)) - beyond] {
                    prop_assert!(Sentinel::Number(number.into()).complaint(&field).is_some(), "{}", number);
                }
            }
        }
    }

    #[test]
    fn a_sentinel_that_cannot_occur_is_told_with_the_range() {
        let number = |text: &str| serde_yaml::from_str::<Sentinel>(text).unwrap();
        for (kind, value, told) in [
            ("u16", "70000", "`70000` never occurs: a `u16` holds 0 to 65535"),
            (
                "i16",
                "70000",
                "`70000` never occurs: an `i16` holds -32768 to 32767, and bit patterns up to 0xffff",
            ),
            ("u8", "-129", "`-129` never occurs: a `u8` holds 0 to 255"),
            ("f32", "1e39", "`1e+39` never occurs: an `f32` holds -3.4028235e38 to 3.4028235e38"),
            ("u16", "1.5", "`1.5` is not a whole number, and raw values of this field are"),
            ("bits, length: 3", "8", "`8` never occurs: `bits` of length 3 hold 0 to 7"),
            (
                "bcd, length: 1",
                "256",
                "`256` never occurs: a `bcd` of 1 bytes holds 0 to 99, and bit patterns up to 0xff",
            ),
            ("bool", "2", "`2` never occurs: a `bool` is `true` or `false`"),
            ("u16", "abc", "`abc` never occurs: raw values of this field are numbers"),
            ("hex, length: 2", "abc", "`abc` never occurs: this `hex` is 4 hexadecimal digits"),
            ("ascii, length: 2", "n/a", "`n/a` never occurs: this `ascii` has at most 2 bytes"),
            (
                "hex, length: 2",
                "70000",
                "`70000` never occurs: this field has 16 bits, of which a number can give up to 64",
            ),
        ] {
            let field = field(&format!("type: {kind}"));
            assert_eq!(number(value).complaint(&field).as_deref(), Some(told), "{kind} {value}");
        }
        assert_eq!(number("9.9e38").complaint(&field("type: f64")), None);
    }
}
