//! A recorded dump: bytes at addresses, served as they were.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_yaml::Value;
use smiles_source_modbus::device::Table;

use crate::SetupError;

/// What is recorded, in the addresses the device counts. In YAML a map of address to hexadecimal bytes (of registers,
/// holding and input alike), or of table to such a map:
///
/// ```yaml
/// holding: {0x1000: "0c 11 61"}
/// input: {10: "0007"}
/// coils: {400: true, 410: [true, false, true]}
/// discrete: {10: "05"}              # bits as on the wire: eight to a byte, the first lowest
/// ```
///
/// A word before the address says the same in one line: `coils 400: true`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Image(BTreeMap<Key, Piece>);

/// What stands from an address on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// Register bytes, or bits packed eight to a byte.
    Bytes(Vec<u8>),
    /// Coils or discrete inputs one by one, each 0 or 1.
    Bits(Vec<u8>),
}

impl Image {
    /// Reads a YAML map of address to hexadecimal digits, or of table to such a map; blanks between digits are free.
    ///
    /// # Errors
    /// What is wrong with it, by address.
    pub fn parse(yaml: &str) -> Result<Self, SetupError> {
        let wrong = |error: serde_yaml::Error| {
            SetupError::new(format!("an image is a map of address to hexadecimal bytes: {error}"))
        };
        let Written(pieces) =
            Written::deserialize(serde_yaml::Deserializer::from_str(yaml)).map_err(wrong)?;
        let mut image = Self::default();
        for (key, text) in pieces {
            let piece = match text {
                Text::Hex(text) => Piece::Bytes(unhex(&text).ok_or_else(|| not_hex(&key, &text))?),
                Text::Bits(bits) => Piece::Bits(bits.into_iter().map(u8::from).collect()),
            };
            let said = SetupError::new(format!("image at {key}: it is there twice"));
            if image.0.insert(key, piece).is_some() {
                return Err(said);
            }
        }
        if image.0.is_empty() {
            return Err(SetupError::new(
                "the image is empty; give at least one `address: hexadecimal bytes`",
            ));
        }
        Ok(image)
    }

    /// The image of these bytes at this address.
    #[must_use]
    pub fn with(mut self, address: u16, bytes: Vec<u8>) -> Self {
        self.0.insert(Key { table: None, address }, Piece::Bytes(bytes));
        self
    }

    /// The pieces of a table, and of those under a plain address the ones that `plain` takes.
    pub(crate) fn of(
        &self,
        table: Table,
        plain: &dyn Fn(u16) -> bool,
    ) -> impl Iterator<Item = (u16, &Piece)> {
        let word = word(table);
        let takes = move |key: &Key| match key.table {
            Some(own) => own == word,
            None => plain(key.address),
        };
        let pieces = self.0.iter().filter(move |(key, _)| takes(key));
        pieces.map(|(key, piece)| (key.address, piece))
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

/// Whether the table of that word holds bits.
fn is_bits(word: &str) -> bool {
    word == WORDS[0] || word == WORDS[1]
}

fn not_hex(key: &Key, text: &str) -> SetupError {
    SetupError::new(format!("image at {key}: `{text}` is not pairs of hexadecimal digits"))
}

pub(crate) fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: String = text.chars().filter(|digit| !digit.is_whitespace()).collect();
    hex::decode(digits).ok().filter(|bytes| !bytes.is_empty())
}

/// The pieces as they are written, in the order of the file.
struct Written(Vec<(Key, Text)>);

/// One piece as it is written.
enum Text {
    Hex(String),
    Bits(Vec<bool>),
}

impl<'de> Deserialize<'de> for Written {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Pieces { table: None }).map(Self)
    }
}

/// Reads a map of pieces: those of one table, or of all.
struct Pieces {
    table: Option<&'static str>,
}

impl<'de> DeserializeSeed<'de> for Pieces {
    type Value = Vec<(Key, Text)>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Pieces {
    type Value = Vec<(Key, Text)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map of address to hexadecimal bytes")
    }

    /// A file without anything in it.
    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Vec::new())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut pieces = Vec::new();
        while let Some(head) = map.next_key::<Value>()? {
            let word = head.as_str().and_then(|text| WORDS.into_iter().find(|word| *word == text));
            match word {
                Some(word) if self.table.is_none() => {
                    pieces.extend(map.next_value_seed(Self { table: Some(word) })?);
                }
                _ => {
                    let key = Key::read(&head, self.table).ok_or_else(|| A::Error::custom(ADDRESS))?;
                    // Digits of registers are taken as they stand: `1e5` is no number here.
                    let text = match key.table {
                        Some(word) if is_bits(word) => map.next_value_seed(BitsText)?,
                        _ => Text::Hex(map.next_value()?),
                    };
                    pieces.push((key, text));
                }
            }
        }
        Ok(pieces)
    }
}

/// Reads bits: one as `true` or `false`, several as a list, or bytes as on the wire.
struct BitsText;

impl<'de> DeserializeSeed<'de> for BitsText {
    type Value = Text;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Text, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for BitsText {
    type Value = Text;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("`true`, `false`, a list of these, or hexadecimal bytes in quotes")
    }

    fn visit_bool<E>(self, bit: bool) -> Result<Text, E> {
        Ok(Text::Bits(vec![bit]))
    }

    fn visit_str<E>(self, text: &str) -> Result<Text, E> {
        Ok(Text::Hex(text.to_owned()))
    }

    /// Digits without quotes.
    fn visit_u64<E>(self, number: u64) -> Result<Text, E> {
        Ok(Text::Hex(number.to_string()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Text, A::Error> {
        let mut bits = Vec::new();
        while let Some(bit) = list.next_element()? {
            bits.push(bit);
        }
        if bits.is_empty() { Err(A::Error::custom("the list has no bits")) } else { Ok(Text::Bits(bits)) }
    }
}

const ADDRESS: &str = "an address is a number from 0 to 0xFFFF, below or behind one of `coils`, `discrete`, `holding`, \
                       `input`, or alone";

/// An address, written `4096` or `0x1000`, as number or text, and the table it is of, if it is said.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    table: Option<&'static str>,
    address: u16,
}

impl Key {
    /// `table` is the one that the map of this key is of.
    fn read(value: &Value, table: Option<&'static str>) -> Option<Self> {
        let read = |text: &str| match text.strip_prefix("0x") {
            Some(hex) => u64::from_str_radix(hex, 16).ok(),
            None => text.parse().ok(),
        };
        let (mut own, mut number) = (table, value.as_u64());
        if let Value::String(text) = value {
            let word = WORDS.into_iter().find(|word| text.starts_with(&format!("{word} ")));
            if table.is_some() && word.is_some() {
                return None;
            }
            own = table.or(word);
            number = read(text.get(word.map_or(0, str::len)..).unwrap_or_default().trim());
        }
        let address = number.and_then(|number| u16::try_from(number).ok())?;
        Some(Self { table: own, address })
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(table) = self.table {
            write!(f, "{table} ")?;
        }
        write!(f, "{:#06x}", self.address)
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
        let by_table = "holding: {10: 0007}\ninput: {0x0a: '12e4'}\ncoils: {400: true, 410: [true, false]}\ndiscrete 1: 05";
        let by_word = "holding 10: 0007\ninput 10: 12 e4\ncoils 400: [true]\ncoils 410: [true, false]\ndiscrete: {1: '05'}";
        assert_eq!(Image::parse(by_table).unwrap(), Image::parse(by_word).unwrap());
        assert_eq!(Image::parse("1: 12e4").unwrap(), Image::default().with(1, vec![0x12, 0xe4]));
        let rows = [
            ("", "the image is empty"),
            ("- 1", "an image is a map"),
            ("{}", "the image is empty"),
            ("0x1000: zz", "image at 0x1000: `zz` is not pairs"),
            ("0x1000: 0c1", "image at 0x1000: `0c1` is not pairs"),
            ("0x10000: 00ff", "from 0 to 0xFFFF"),
            ("x: 0c", "from 0 to 0xFFFF"),
            ("holding: {x: 0c}", "from 0 to 0xFFFF"),
            ("holding: {input 1: 0c}", "from 0 to 0xFFFF"),
            ("holding: 0c", "a map of address"),
            ("holding: {1: zz}", "image at holding 0x0001: `zz` is not pairs"),
            ("holding: {1: '0007'}\nholding 1: '0008'", "image at holding 0x0001: it is there twice"),
            ("coils: {1: [1]}", "expected a boolean"),
            ("coils: {1: []}", "the list has no bits"),
            ("coils: {1: 1.5}", "`true`, `false`, a list of these, or hexadecimal bytes in quotes"),
        ];
        for (text, message) in rows {
            let error = Image::parse(text).unwrap_err().to_string();
            assert!(error.contains(message), "{text:?}: {error}");
        }
    }
}
