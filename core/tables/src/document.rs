//! Which texts are JSON documents that may stand inside another one.

use serde::de::IgnoredAny;

/// How deep lists and objects may lie in each other: as deep as common readers of JSON go. Whoever goes through a document
/// does so by recursion, and a text that somebody stored must not end the process.
const DEPTH_MAX: usize = 128;

/// Whether the text is JSON, and no deeper than readers go; what is not stays a text.
#[must_use]
pub fn is_document(text: &str) -> bool {
    // The check itself does not recurse, and so would find nothing wrong with any depth.
    depth(text) <= DEPTH_MAX && serde_json::from_str::<IgnoredAny>(text).is_ok()
}

/// How deep the brackets outside of strings go; of JSON, the depth.
fn depth(text: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => skip_string(&mut bytes),
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

fn skip_string(bytes: &mut impl Iterator<Item = u8>) {
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => return,
            b'\\' => {
                bytes.next();
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_have_an_end_to_their_depth() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        let rows = [
            ("1".to_owned(), true),
            (r#" {"a": [1, "]"]} "#.to_owned(), true),
            ("{'a': 1}".to_owned(), false),
            (String::new(), false),
            (nested(DEPTH_MAX), true),
            (nested(DEPTH_MAX + 1), false),
            (nested(1_000_000), false),
            (format!("[{}1]", "[],".repeat(1000)), true),
            (format!(r#"["\"{}"]"#, "[".repeat(1000)), true),
            (r#"{"a":"#.repeat(200) + "1" + &"}".repeat(200), false),
        ];
        for (text, expected) in rows {
            assert_eq!(is_document(&text), expected, "{}", text.chars().take(20).collect::<String>());
        }
    }
}
