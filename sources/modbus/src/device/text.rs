//! Texts, as devices code them.

use crate::device::types::Encoding;

/// A text that ends at the first NUL, with 0xFF and spaces at its end cut: nothing where a device without a text has NUL
/// or memory that was never written. What is no UTF-8 is Latin-1, in which every byte is a character.
pub(super) fn ascii(bytes: impl Iterator<Item = u8>) -> Option<String> {
    let mut bytes: Vec<u8> = bytes.take_while(|byte| *byte != 0).collect();
    while bytes.last() == Some(&0xFF) {
        bytes.pop();
    }
    if bytes.is_empty() {
        return None;
    }
    Some(guessed(&bytes).trim_end().to_owned())
}

/// A text that ends at the first NUL or 0xFF, with spaces around it cut; nothing where nothing is left.
pub(super) fn text(bytes: impl Iterator<Item = u8>, encoding: Option<Encoding>) -> Option<String> {
    let text = if encoding == Some(Encoding::Utf16) {
        utf16(&bytes.collect::<Vec<_>>())
    } else {
        let bytes: Vec<u8> = bytes.take_while(|byte| !matches!(byte, 0 | 0xFF)).collect();
        match encoding {
            None => guessed(&bytes),
            Some(Encoding::Latin1) => bytes.iter().map(|byte| plain(char::from(*byte))).collect(),
            Some(Encoding::Ascii) => bytes
                .iter()
                .map(
                    |byte| {
                        if byte.is_ascii() { plain(char::from(*byte)) } else { char::REPLACEMENT_CHARACTER }
                    },
                )
                .collect(),
            Some(_) => String::from_utf8_lossy(&bytes).chars().map(plain).collect(),
        }
    };
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

fn utf16(bytes: &[u8]) -> String {
    let words = bytes.chunks_exact(2).filter_map(|word| word.try_into().ok().map(u16::from_be_bytes));
    let words = words.take_while(|word| !matches!(word, 0 | 0xFFFF));
    char::decode_utf16(words).map(|letter| plain(letter.unwrap_or(char::REPLACEMENT_CHARACTER))).collect()
}

fn guessed(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.chars().map(plain).collect(),
        Err(_) => bytes.iter().map(|byte| plain(char::from(*byte))).collect(),
    }
}

fn plain(letter: char) -> char {
    if letter.is_control() { char::REPLACEMENT_CHARACTER } else { letter }
}

/// The bytes of a text that is padded with NUL; `None` where it is too long, or not of this encoding.
pub(super) fn padded(text: &str, encoding: Option<Encoding>, length: usize) -> Option<Vec<u8>> {
    let sound = text.chars().all(|letter| !letter.is_control());
    let mut bytes = match encoding {
        Some(Encoding::Utf16) => text.encode_utf16().flat_map(u16::to_be_bytes).collect(),
        Some(Encoding::Latin1) => {
            text.chars().map(|letter| u8::try_from(letter).ok()).collect::<Option<Vec<u8>>>()?
        }
        Some(Encoding::Utf8) => text.as_bytes().to_vec(),
        None | Some(Encoding::Ascii) => text.is_ascii().then(|| text.as_bytes().to_vec())?,
    };
    let fits = bytes.len() <= length;
    bytes.resize(length, 0);
    (sound && fits).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_what_its_encoding_says() {
        let read = |bytes: &[u8], encoding: &str| {
            let encoding = serde_json::from_value(serde_json::json!(encoding)).ok();
            text(bytes.iter().copied(), encoding)
        };
        for (bytes, encoding, expected) in [
            (&b"SUN2000 \0xx"[..], "", Some("SUN2000")),
            (b"  right", "", Some("right")),
            (b"M\xc3\xbcller", "", Some("Müller")),
            (b"M\xfcller", "", Some("Müller")),
            (b"M\xc3\xbcller", "utf8", Some("Müller")),
            (b"M\xfcller", "utf8", Some("M\u{fffd}ller")),
            (b"M\xfcller", "latin1", Some("Müller")),
            (b"M\xfcller", "ascii", Some("M\u{fffd}ller")),
            (b"ab\xffcd", "", Some("ab")),
            (b"\xff\xff\xff\xff", "", None),
            (b"    ", "", None),
            (b"\0\0", "", None),
            (b"\0M\0\xfc\0\0\0x", "utf16", Some("Mü")),
            (b"\0A\xff\xff\0B", "utf16", Some("A")),
            (b"\xd8\x3d\xdd\x0b", "utf16", Some("🔋")),
            (b"\xd8\x3d\0A", "utf16", Some("\u{fffd}A")),
        ] {
            assert_eq!(read(bytes, encoding).as_deref(), expected, "{bytes:?} {encoding}");
        }
    }

    #[test]
    fn a_text_that_is_put_in_comes_back() {
        for encoding in
            [None, Some(Encoding::Ascii), Some(Encoding::Utf8), Some(Encoding::Latin1), Some(Encoding::Utf16)]
        {
            let bytes = padded("AB-1", encoding, 10).unwrap();
            assert_eq!(text(bytes.into_iter(), encoding).as_deref(), Some("AB-1"), "{encoding:?}");
            assert_eq!(padded("AB\n", encoding, 10), None);
            assert_eq!(padded("ABCDEFGHIJK", encoding, 10), None);
        }
        assert_eq!(padded("ü", Some(Encoding::Latin1), 1), Some(vec![0xFC]));
        assert_eq!(padded("ü", Some(Encoding::Ascii), 2), None);
    }
}
