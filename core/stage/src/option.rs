//! Values that stages have in their options: [`Period`] (`500ms`, `1m30s`) and [`Size`] (`64MiB`).
//!
//! In JSON Schema they are texts of `format: duration` and `format: size`, so that a bad one is placed in the file
//! before a stage ever sees it.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, Serialize, Serializer};

use crate::ParseError;

/// The `format` of a [`Period`] in JSON Schema.
pub const DURATION_FORMAT: &str = "duration";
/// The `format` of a [`Size`] in JSON Schema.
pub const SIZE_FORMAT: &str = "size";

/// A span of time: `500ms`, `3s`, `1m`, `24h`, `7d`, or several parts as in `1h30m`; `0` needs no unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Period(pub Duration);

/// A number of bytes: `512B`, `64KiB`, `64MiB`, `1GiB`; also decimal `kB`, `MB`, `GB`; `0` needs no unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Size(pub u64);

const TIMES: &[(&str, u64)] =
    &[("ms", 1), ("s", 1_000), ("m", 60_000), ("min", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

const SIZES: &[(&str, u64)] = &[
    ("B", 1),
    ("kB", 1_000),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
];

impl FromStr for Period {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        total(text.trim(), TIMES).map(|millis| Self(Duration::from_millis(millis))).ok_or_else(|| {
            ParseError::new(format!("`{text}` is not a duration such as `500ms`, `3s`, `1m` or `24h`"))
        })
    }
}

impl FromStr for Size {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        total(text.trim(), SIZES).map(Self).ok_or_else(|| {
            ParseError::new(format!("`{text}` is not a size such as `64KiB`, `64MiB` or `1GiB`"))
        })
    }
}

/// The sum of `number unit` parts in the table's smallest unit; `None` if it is not one or does not fit.
fn total(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    if text == "0" {
        return Some(0);
    }
    let mut rest = text;
    let mut sum = 0_u64;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, tail) = rest.split_at(digits);
        let end = tail.find(|c: char| !c.is_ascii_alphabetic() && c != ' ').unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(end);
        let factor = units.iter().find(|(name, _)| *name == unit.trim()).map(|(_, factor)| *factor)?;
        sum = sum.checked_add(times(number, factor)?)?;
        rest = tail;
    }
    (!text.is_empty()).then_some(sum)
}

/// `1.5` times 60,000 in whole numbers; `None` if the result is not whole.
fn times(number: &str, factor: u64) -> Option<u64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let scale = 10_u64.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let digits: u64 = format!("{whole}{fraction}").parse().ok()?;
    let scaled = digits.checked_mul(factor)?;
    (scaled % scale == 0).then_some(scaled / scale)
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0.as_millis();
        if rest == 0 {
            return f.write_str("0s");
        }
        for (unit, factor) in [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)] {
            if rest >= factor {
                write!(f, "{}{unit}", rest / factor)?;
                rest %= factor;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fits = |factor: &u64| self.0 >= *factor && self.0.is_multiple_of(*factor);
        match [("TiB", 1_u64 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)]
            .into_iter()
            .find(|(_, factor)| fits(factor))
        {
            Some((unit, factor)) => write!(f, "{}{unit}", self.0 / factor),
            None => write!(f, "{}B", self.0),
        }
    }
}

macro_rules! text_option {
    ($type:ident, $name:literal, $format:expr, $expecting:literal, $examples:expr) => {
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Text;
                impl Visitor<'_> for Text {
                    type Value = $type;
                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str($expecting)
                    }
                    fn visit_str<E: de::Error>(self, text: &str) -> Result<$type, E> {
                        text.parse().map_err(E::custom)
                    }
                }
                deserializer.deserialize_str(Text)
            }
        }

        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl JsonSchema for $type {
            fn inline_schema() -> bool {
                true
            }
            fn schema_name() -> Cow<'static, str> {
                $name.into()
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "format": $format, "examples": $examples })
            }
        }
    };
}

text_option!(
    Period,
    "Period",
    DURATION_FORMAT,
    "a duration such as `500ms`, `3s`, `1m` or `24h`",
    ["500ms", "3s", "1m", "24h"]
);
text_option!(
    Size,
    "Size",
    SIZE_FORMAT,
    "a size such as `64KiB`, `64MiB` or `1GiB`",
    ["64KiB", "64MiB", "1GiB"]
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_people_write_them() {
        let rows = [
            ("500ms", Some(500)),
            ("3s", Some(3_000)),
            ("1m", Some(60_000)),
            ("1m30s", Some(90_000)),
            ("1h 30m", Some(5_400_000)),
            ("0.5s", Some(500)),
            ("24h", Some(86_400_000)),
            ("7d", Some(604_800_000)),
            ("0", Some(0)),
            ("0s", Some(0)),
            ("", None),
            ("60", None),
            ("s", None),
            ("-1s", None),
            ("1x", None),
            ("0.0001s", None),
            ("99999999999999999999d", None),
        ];
        for (text, expected) in rows {
            let got = text.parse::<Period>().ok().map(|period| period.0.as_millis());
            assert_eq!(got, expected, "{text:?}");
        }
    }

    #[test]
    fn sizes_read_as_people_write_them() {
        let rows = [
            ("512B", Some(512)),
            ("64KiB", Some(65_536)),
            ("1.5 GiB", Some(1_610_612_736)),
            ("1GB", Some(1_000_000_000)),
            ("0", Some(0)),
            ("64", None),
            ("64mib", None),
            ("9999999999TiB", None),
        ];
        for (text, expected) in rows {
            assert_eq!(text.parse::<Size>().ok().map(|size| size.0), expected, "{text:?}");
        }
    }

    #[test]
    fn both_survive_their_own_text() {
        for text in ["500ms", "1m30s", "1d", "0s"] {
            assert_eq!(text.parse::<Period>().unwrap().to_string(), text);
        }
        for text in ["1B", "64KiB", "3MiB", "1GiB"] {
            assert_eq!(text.parse::<Size>().unwrap().to_string(), text);
        }
        let period: Period = serde_json::from_str("\"90s\"").unwrap();
        assert_eq!(serde_json::to_string(&period).unwrap(), "\"1m30s\"");
    }
}
