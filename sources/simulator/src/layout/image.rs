//! A recorded dump: bytes at addresses, served as they were.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_yaml::Value;
use smiles_source_modbus::device::Table;

use crate::SetupError;

/// Bytes by address, in the addresses the device counts. In YAML: `0x1000: "0c 11 61 ..."`; with a word before the address
/// of that table alone: `holding 10`, `input 10`, `coils 400`, `discrete 400`. Coils stand eight to a byte, the first lowest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Image(BTreeMap<Key, Vec<u8>>);

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
        for (key, text) in map {
            let bytes = unhex(&text).ok_or_else(|| not_hex(key.address, &text))?;
            pieces.insert(key, bytes);
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
        self.0.insert(Key { table: None, address }, bytes);
        self
    }

    /// The pieces of a table, and of those under a plain address the ones that `plain` takes.
    pub(crate) fn of(&self, table: Table, plain: &dyn Fn(u16) -> bool) -> impl Iterator<Item = (u16, &[u8])> {
        let word = word(table);
        let takes = move |key: &Key| match key.table {
            Some(own) => own == word,
            None => plain(key.address),
        };
        let pieces = self.0.iter().filter(move |(key, _)| takes(key));
        pieces.map(|(key, bytes)| (key.address, bytes.as_slice()))
    }
}

const WORDS: [&str; 4] = ["coils", "discrete", "holding", "input"];

/// As device files write it under `read:`.
fn word(table: Table) -> &'static str {
    match table {
        Table::Coils => WORDS[0],
        Table::Discrete => WORDS[1],
        Table::Holding => WORDS[2],
        Table::Input => WORDS[3],
    }
}

fn not_hex(address: u16, text: &str) -> SetupError {
    SetupError::new(format!("image at {address:#06x}: `{text}` is not pairs of hexadecimal digits"))
}

pub(crate) fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: String = text.chars().filter(|digit| !digit.is_whitespace()).collect();
    hex::decode(digits).ok().filter(|bytes| !bytes.is_empty())
}

/// An address, written `4096` or `0x1000`, as number or text, and the table it is of, if it is said.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    table: Option<&'static str>,
    address: u16,
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let read = |text: &str| match text.strip_prefix("0x") {
            Some(hex) => u64::from_str_radix(hex, 16).ok(),
            None => text.parse().ok(),
        };
        let (mut table, mut number) = (None, value.as_u64());
        if let Value::String(text) = &value {
            let word = WORDS.into_iter().find(|word| text.starts_with(&format!("{word} ")));
            table = word;
            number = read(text.get(word.map_or(0, str::len)..).unwrap_or_default().trim());
        }
        let address = number.and_then(|number| u16::try_from(number).ok());
        address.map(|address| Key { table, address }).ok_or_else(|| {
            let said = "an address is a number from 0 to 0xFFFF, perhaps behind `coils`, `discrete`, `holding` or `input`";
            serde::de::Error::custom(said)
        })
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
