//! Which series are meant: names with `*` for any letters.

/// A name, perhaps with stars.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pattern(String);

impl Pattern {
    /// `None`: no series can have such a name.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b':' | b'*');
        (!text.is_empty() && text.bytes().all(fits)).then(|| Self(text.to_owned()))
    }

    /// Whether the series is meant.
    pub(crate) fn matches(&self, name: &str) -> bool {
        let Some((head, rest)) = self.0.split_once('*') else { return self.0 == name };
        let Some(mut name) = name.strip_prefix(head) else { return false };
        let mut pieces = rest.split('*').peekable();
        // Each piece as early as it can be; the last one at the end.
        while let Some(piece) = pieces.next() {
            if pieces.peek().is_none() {
                return name.ends_with(piece);
            }
            let Some(at) = name.find(piece) else { return false };
            name = &name[at + piece.len()..];
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::Pattern;

    #[test]
    fn a_star_stands_for_any_letters() {
        let rows = [
            ("a", "a", true),
            ("a", "ab", false),
            ("*", "", true),
            ("*", "abc", true),
            ("a*", "abc", true),
            ("a*", "ba", false),
            ("*c", "abc", true),
            ("*c", "abcd", false),
            ("a*c", "ac", true),
            ("a*c", "a", false),
            ("ab*b", "ab", false),
            ("a*b*c", "a1b2c", true),
            ("a*b*c", "a1c2b", false),
            ("a**c", "abc", true),
            ("*_total", "smiles_source_passes_total", true),
        ];
        for (pattern, name, expected) in rows {
            assert_eq!(Pattern::parse(pattern).unwrap().matches(name), expected, "{pattern} and {name}");
        }
        for bad in ["", "a b", "a-b", "a{b}", "ä"] {
            assert_eq!(Pattern::parse(bad), None, "{bad}");
        }
    }
}
