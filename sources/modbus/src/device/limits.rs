//! Numbers with units, as people write them: what a value can be at all, and what is added to it.

use std::borrow::Cow;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{Deserializer, Error};
use serde_json::Number;

/// What a value can be at all: `0 .. 100`, `0 ..`, `.. 100`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// The least.
    pub from: f64,
    /// The most.
    pub to: f64,
}

impl Limits {
    /// Whether a value can be.
    pub(crate) fn hold(self, value: f64) -> bool {
        (self.from..=self.to).contains(&value)
    }
}

impl FromStr for Limits {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no range such as `0 .. 100`, `0 ..` or `.. 100`");
        let (from, to) = text.split_once("..").ok_or_else(wrong)?;
        let bound = |text: &str, open: f64| match text.trim() {
            "" => Ok(open),
            text => text.parse::<f64>().ok().filter(|bound| bound.is_finite()).ok_or_else(wrong),
        };
        let limits = Self { from: bound(from, f64::NEG_INFINITY)?, to: bound(to, f64::INFINITY)? };
        match (limits.from.is_finite() || limits.to.is_finite(), limits.from <= limits.to) {
            (true, true) => Ok(limits),
            (true, false) => Err(format!("`{text}` holds nothing: its end is below its beginning")),
            (false, _) => Err(wrong()),
        }
    }
}

impl<'de> Deserialize<'de> for Limits {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

impl JsonSchema for Limits {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Limits".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "A range of numbers: `0 .. 100`, `0 ..` or `.. 100`.",
            "examples": ["0 .. 100", "0 ..", ".. 100"],
        })
    }
}

/// What is added to a value: a number, or one with a unit.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Offset {
    /// For a number without a unit.
    Number(Number),
    /// `-100 °C`.
    Text(String),
}

impl Offset {
    /// Number and unit.
    ///
    /// # Errors
    /// It is no number.
    pub(crate) fn parts(&self) -> Result<(f64, Option<&str>), String> {
        let (text, unit) = match self {
            Self::Number(number) => return Ok((number.as_f64().unwrap_or_default(), None)),
            Self::Text(text) => {
                let text = text.trim();
                text.split_once(char::is_whitespace)
                    .map_or((text, None), |(number, unit)| (number, Some(unit.trim())))
            }
        };
        match text.parse::<f64>() {
            Ok(number) if number.is_finite() => Ok((number, unit)),
            _ => Err(format!("`{text}` is no number")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_has_one_end_or_two() {
        let read = |text: &str| text.parse::<Limits>().map(|limits| (limits.from, limits.to));
        assert_eq!(read("0 .. 100"), Ok((0.0, 100.0)));
        assert_eq!(read("-1.5..2e3"), Ok((-1.5, 2000.0)));
        assert_eq!(read("0 .."), Ok((0.0, f64::INFINITY)));
        assert_eq!(read(".. 9"), Ok((f64::NEG_INFINITY, 9.0)));
        for text in ["..", "5", "a .. b", "nan .. 1", "0 - 100", "inf .."] {
            assert!(read(text).unwrap_err().contains("no range"), "{text}");
        }
        assert!(read("2 .. 1").unwrap_err().contains("holds nothing"));
    }

    #[test]
    fn an_offset_has_the_unit_it_says() {
        let parts = |text: &str| {
            serde_yaml::from_str::<Offset>(text).unwrap().parts().map(|(n, u)| (n, u.map(str::to_owned)))
        };
        assert_eq!(parts("-100 °C"), Ok((-100.0, Some("°C".to_owned()))));
        assert_eq!(parts("5"), Ok((5.0, None)));
        assert_eq!(parts("-0.5"), Ok((-0.5, None)));
        assert!(parts("many °C").is_err());
    }
}
