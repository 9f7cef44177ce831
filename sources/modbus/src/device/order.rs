//! Where the bytes of a number stand in its registers.

use schemars::JsonSchema;
use serde::Deserialize;

/// Where the bytes of a number stand, written for a 32-bit number `0xAABBCCDD`. Those of eight letters are for numbers of
/// 64 bits alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Order {
    /// Big-endian bytes, high word first: the Modbus standard.
    #[default]
    Abcd,
    /// Big-endian bytes, low word first.
    Cdab,
    /// Bytes swapped in each register, high word first.
    Badc,
    /// Little-endian throughout.
    Dcba,
    /// As `abcd`.
    Abcdefgh,
    /// As `cdab`: low word first.
    Ghefcdab,
    /// As `badc`: bytes swapped in each register.
    Badcfehg,
    /// As `dcba`: little-endian throughout.
    Hgfedcba,
    /// Low half first, in each half the high word first.
    Efghabcd,
    /// High half first, in each half the low word first.
    Cdabghef,
    /// Low half first, in each half the high word first, bytes swapped in each register.
    Fehgbadc,
    /// High half first, in each half little-endian.
    Dcbahgfe,
}

impl Order {
    /// Where the byte of this place in a big-endian number of so many bytes stands.
    pub(crate) fn place(self, index: usize, bytes: usize) -> usize {
        let last = bytes.saturating_sub(1);
        match self {
            _ if last == 0 => index,
            Self::Abcd | Self::Abcdefgh => index,
            Self::Cdab | Self::Ghefcdab => (last - index) ^ 1,
            Self::Badc | Self::Badcfehg => index ^ 1,
            Self::Dcba | Self::Hgfedcba => last - index,
            Self::Efghabcd => index ^ 4,
            Self::Cdabghef => index ^ 2,
            Self::Fehgbadc => index ^ 5,
            Self::Dcbahgfe => index ^ 3,
        }
    }

    /// Whether it swaps the bytes of each register.
    pub(crate) fn swaps_bytes(self) -> bool {
        matches!(
            self,
            Self::Badc | Self::Dcba | Self::Badcfehg | Self::Hgfedcba | Self::Fehgbadc | Self::Dcbahgfe
        )
    }

    /// Whether it is for numbers of 64 bits alone.
    pub(crate) fn is_of_64_bits(self) -> bool {
        !matches!(self, Self::Abcd | Self::Cdab | Self::Badc | Self::Dcba)
    }

    /// What is left of it where the words of a number are named one by one.
    pub(crate) fn within_words(self) -> Self {
        if self.swaps_bytes() { Self::Badc } else { Self::Abcd }
    }

    /// As the device file writes it.
    pub(crate) fn name(self) -> String {
        format!("{self:?}").to_lowercase()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An order says by its name where each byte stands.
    #[test]
    fn each_order_is_what_its_letters_say() {
        let four = [Order::Abcd, Order::Cdab, Order::Badc, Order::Dcba];
        let eight = [
            Order::Abcdefgh,
            Order::Ghefcdab,
            Order::Badcfehg,
            Order::Hgfedcba,
            Order::Efghabcd,
            Order::Cdabghef,
            Order::Fehgbadc,
            Order::Dcbahgfe,
        ];
        for order in four.into_iter().chain(eight) {
            let name = order.name();
            for (index, letter) in ('a'..='h').take(name.len()).enumerate() {
                assert_eq!(order.place(index, name.len()), name.find(letter).unwrap(), "{name} {letter}");
            }
            let swapped = name.as_bytes().chunks(2).all(|word| word[0] > word[1]);
            assert_eq!((order.swaps_bytes(), order.is_of_64_bits()), (swapped, name.len() == 8), "{name}");
        }
    }
}
