//! A recorded dump: bytes at addresses, served as they were.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_yaml::Value;

use crate::SetupError;

/// Bytes by address, in the addresses the device counts. In YAML: `0x1000: "0c 11 61 ..."`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Image(BTreeMap<u16, Vec<u8>>);

impl Image {
    /// Reads a YAML map of address to hexadecimal digits; blanks between digits are free.
    ///
    /// # Errors
    /// What is wrong with it, by address.
    pub fn parse(yaml: &str) -> Result<Self, SetupError> {
        let wrong = |error: serde_yaml::Error| {
            SetupError::new(format!("an image is a map of address to hexadecimal bytes: {error}"))
        };
        let map =
            BTreeMap::<Key, String>::deserialize(serde_yaml::Deserializer::from_str(yaml)).map_err(wrong)?;
        let mut pieces = BTreeMap::new();
        for (Key(address), text) in map {
            pieces.insert(address, unhex(&text).ok_or_else(|| not_hex(address, &text))?);
        }
        if pieces.is_empty() {
            return Err(SetupError::new(
                "the image is empty; give at least one `address: hexadecimal bytes`",
            ));
        }
        Ok(Self(pieces))
    }

    /// The image of these bytes at this address.
    #[must_use]
    pub fn with(mut self, address: u16, bytes: Vec<u8>) -> Self {
        self.0.insert(address, bytes);
        self
    }

    /// Whether a byte was recorded.
    pub(crate) fn has(&self, place: u32, width: u32) -> bool {
        self.pieces(width).any(|(start, bytes)| {
            place >= start && usize::try_from(place - start).is_ok_and(|offset| offset < bytes.len())
        })
    }

    /// Puts what was recorded over the bytes that stand at place `start`.
    pub(crate) fn copy(&self, start: u32, width: u32, bytes: &mut [u8]) {
        for (at, piece) in self.pieces(width) {
            super::overlay(start, bytes, at, piece);
        }
    }

    fn pieces(&self, width: u32) -> impl Iterator<Item = (u32, &[u8])> {
        self.0.iter().map(move |(address, bytes)| (u32::from(*address) * width, bytes.as_slice()))
    }
}

fn not_hex(address: u16, text: &str) -> SetupError {
    SetupError::new(format!("image at {address:#06x}: `{text}` is not pairs of hexadecimal digits"))
}

pub(crate) fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = text
        .chars()
        .filter(|digit| !digit.is_whitespace())
        .map(|digit| u8::try_from(digit.to_digit(16)?).ok())
        .collect();
    let digits = digits.filter(|digits| digits.len() % 2 == 0 && !digits.is_empty())?;
    Some(digits.chunks(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect())
}

/// An address, written `4096` or `0x1000`, as number or text.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Key(u16);

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let number = match &value {
            Value::Number(number) => number.as_u64(),
            Value::String(text) => match text.strip_prefix("0x") {
                Some(hex) => u64::from_str_radix(hex, 16).ok(),
                None => text.parse().ok(),
            },
            _ => None,
        };
        let address = number.and_then(|number| u16::try_from(number).ok());
        address.map(Key).ok_or_else(|| serde::de::Error::custom("an address is a number from 0 to 0xFFFF"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_read_as_people_write_them() {
        let expected = Image::default().with(0x1000, vec![0x0c, 0x11]).with(2, vec![0xff]);
        for text in ["0x1000: '0c 11'\n2: FF", "'0x1000': 0c11\n'2': ff", "{4096: ' 0c1 1 ', 2: ff}"] {
            assert_eq!(Image::parse(text).unwrap(), expected, "{text}");
        }
        let rows = [
            ("", "the image is empty"),
            ("- 1", "an image is a map"),
            ("{}", "the image is empty"),
            ("0x1000: zz", "image at 0x1000: `zz` is not pairs"),
            ("0x1000: 0c1", "image at 0x1000: `0c1` is not pairs"),
            ("0x10000: 00ff", "from 0 to 0xFFFF"),
            ("x: 0c", "from 0 to 0xFFFF"),
        ];
        for (text, message) in rows {
            let error = Image::parse(text).unwrap_err().to_string();
            assert!(error.contains(message), "{text:?}: {error}");
        }
    }
}
