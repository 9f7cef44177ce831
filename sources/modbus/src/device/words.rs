//! Words for codes, as the device file writes them.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use smiles_stage::Labels;

/// A word for each code; codes are decimal or hexadecimal (`0x200`).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Words(pub BTreeMap<String, String>);

/// What a column with words holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ShownAs {
    /// The number; its word is carried beside it.
    Number,
    /// The word itself, as text: a code without a word as its number, `flags` joined by commas.
    Word,
}

impl Words {
    /// Words for codes.
    ///
    /// # Errors
    /// A key that is no code, or the code of another.
    pub(crate) fn values(&self) -> Result<Labels, String> {
        self.by(code).map(Labels::Values)
    }

    /// Words for bits, of which there are so many.
    ///
    /// # Errors
    /// A key that is no such bit, or the bit of another.
    pub(crate) fn flags(&self, bits: u16) -> Result<Labels, String> {
        let bit = |key: &str| match u8::try_from(code(key)?) {
            Ok(bit) if u16::from(bit) < bits => Ok(bit),
            _ => Err(format!(
                "`{key}` is no bit of this number, which has bits 0 to {}",
                bits.saturating_sub(1)
            )),
        };
        self.by(bit).map(Labels::Flags)
    }

    fn by<K: Ord>(&self, read: impl Fn(&str) -> Result<K, String>) -> Result<BTreeMap<K, String>, String> {
        let mut words = BTreeMap::new();
        for (key, word) in &self.0 {
            if let Some(other) = words.insert(read(key)?, word.clone()) {
                return Err(format!("`{key}` has two words: `{other}` and `{word}`"));
            }
        }
        Ok(words)
    }
}

fn code(key: &str) -> Result<i64, String> {
    let hexadecimal = key.strip_prefix("0x").or_else(|| key.strip_prefix("0X"));
    let code = hexadecimal.map_or_else(|| key.parse(), |digits| i64::from_str_radix(digits, 16));
    code.map_err(|_| format!("`{key}` is no code: codes are whole numbers, as in `512` or `0x200`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_decimal_or_hexadecimal() {
        let words =
            |text: &str| serde_json::from_value::<Words>(serde_yaml::from_str(text).unwrap()).unwrap();
        let known = words("{'0': off, '0x10': on, '-1': fault}");
        let Ok(Labels::Values(values)) = known.values() else { panic!("no codes") };
        assert_eq!(values.keys().copied().collect::<Vec<_>>(), [-1, 0, 16]);
        assert_eq!(words("{'16': x, '0x10': y}").values(), Err("`16` has two words: `y` and `x`".to_owned()));
        assert!(words("{'on': x}").values().unwrap_err().contains("`on` is no code"));
        assert!(words("{'15': x}").flags(16).is_ok());
        assert!(words("{'16': x}").flags(16).unwrap_err().contains("bits 0 to 15"));
    }
}
