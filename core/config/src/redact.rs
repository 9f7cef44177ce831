//! How secrets are kept out of texts: the values that are known for secrets, and the passwords within addresses.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ops::Range;

use crate::secret::is_secret_name;

/// What stands in a secret's place.
pub(crate) const REDACTED: &str = "***";

/// Shorter secrets are hidden only where they are quoted: hiding every `ab` would tell more than it hides.
const SHORT: usize = 4;

/// A line of a longer secret that is a secret itself.
const LONG: usize = 8;

/// What says that there is no secret, or only whether there is one: hiding these would make messages unreadable.
const COMMON: &[&str] = &["true", "false", "null", "none", "yes", "no", "on", "off"];

/// The values that must not be printed.
#[derive(Default)]
pub(crate) struct Secrets(BTreeSet<String>);

impl Secrets {
    pub(crate) fn add(&mut self, value: &str) {
        // Of a key or a certificate a single line tells enough.
        let lines = value.lines().filter(|line| line.len() >= LONG && line.len() < value.len());
        for value in [value, value.trim()].into_iter().chain(lines) {
            if !value.is_empty() && !COMMON.contains(&value.to_ascii_lowercase().as_str()) {
                self.0.insert(value.to_owned());
            }
        }
    }

    /// The passwords within a text, as they stand there and as their reader sees them.
    pub(crate) fn add_passwords(&mut self, text: &str) {
        for range in passwords(text) {
            let Some(password) = text.get(range) else { continue };
            self.add(password);
            self.add(&percent_decoded(password));
        }
    }

    /// Whether a text is one of them, and not so short that many others are the same.
    pub(crate) fn has(&self, text: &str) -> bool {
        text.len() >= SHORT && self.0.contains(text)
    }

    /// Those that begin with another one before it.
    pub(crate) fn into_list(self) -> Vec<String> {
        self.0.into_iter().rev().collect()
    }
}

/// The text with every secret in it replaced.
pub(crate) fn redact(text: &str, secrets: &[String]) -> String {
    let mut out = without_passwords(text).into_owned();
    for secret in secrets {
        if secret.chars().count() >= SHORT {
            out = out.replace(secret, REDACTED);
        } else {
            for quote in ['`', '"', '\''] {
                out = out.replace(&format!("{quote}{secret}{quote}"), &format!("{quote}{REDACTED}{quote}"));
            }
        }
    }
    out
}

/// The text with the passwords of its addresses replaced.
pub(crate) fn without_passwords(text: &str) -> Cow<'_, str> {
    without(text, &passwords(text))
}

/// The text without these parts of it, which are in order.
pub(crate) fn without<'a>(text: &'a str, parts: &[Range<usize>]) -> Cow<'a, str> {
    if parts.is_empty() {
        return Cow::Borrowed(text);
    }
    let (mut out, mut from) = (String::new(), 0);
    for part in parts {
        out.push_str(text.get(from..part.start).unwrap_or_default());
        out.push_str(REDACTED);
        from = part.end;
    }
    out.push_str(text.get(from..).unwrap_or_default());
    Cow::Owned(out)
}

/// Where passwords stand: `x://user:HERE@host`, `?token=HERE`, `host=a password=HERE`; in order.
pub(crate) fn passwords(text: &str) -> Vec<Range<usize>> {
    let of_user = |user: Range<usize>| {
        let colon = text.get(user.clone())?.find(':')?;
        (user.start + colon + 1 < user.end).then(|| user.start + colon + 1..user.end)
    };
    let mut all: Vec<_> = userinfos(text).into_iter().filter_map(of_user).chain(assigned(text)).collect();
    all.sort_by_key(|range| range.start);
    let mut found: Vec<Range<usize>> = Vec::new();
    for range in all {
        match found.last_mut() {
            Some(last) if range.start < last.end => last.end = last.end.max(range.end),
            _ => found.push(range),
        }
    }
    found
}

/// Where the addresses in a text say who asks: all before the `@`.
pub(crate) fn userinfos(text: &str) -> Vec<Range<usize>> {
    let (mut found, mut from) = (Vec::new(), 0);
    while let Some(start) = text[from..].find("://").map(|at| from + at + "://".len()) {
        let rest = &text[start..];
        let end = rest.find(|c: char| c.is_whitespace() || "\"'`<>".contains(c)).unwrap_or(rest.len());
        found.extend(userinfo(&rest[..end]).map(|length| start..start + length));
        from = start + end;
    }
    found
}

/// How long it is, of an address without its scheme.
fn userinfo(address: &str) -> Option<usize> {
    let (authority, _) = address.split_at(address.find(['/', '?', '#']).unwrap_or(address.len()));
    if let Some(at) = authority.rfind('@') {
        return Some(at);
    }
    // A password may hold a `/` that should have been escaped: then what is behind the colon is no port.
    let (host, port) = authority.split_once(':')?;
    let is_port = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    if is_port || host.starts_with('[') { None } else { address.rfind('@') }
}

/// Where values stand behind a name of a secret: `pw=HERE`, `"pw": "HERE"`.
fn assigned(text: &str) -> Vec<Range<usize>> {
    let (mut found, mut from) = (Vec::new(), 0);
    while let Some(at) = text[from..].find(['=', ':']).map(|at| from + at) {
        let behind = text[from..at].trim_end();
        let before = behind.trim_end_matches(['"', '\'']);
        // A name before a colon is one in quotes: `auth: none` in a sentence is no more than it says.
        if text[at..].starts_with(':') && before.len() == behind.len() {
            from = at + 1;
            continue;
        }
        let name = before.rfind(|c: char| !c.is_alphanumeric() && c != '_' && c != '-');
        let name = &before[name.map_or(0, |at| at + before[at..].chars().next().map_or(1, char::len_utf8))..];
        from = at + 1;
        if is_secret_name(name) {
            let range = value(text, from, text[at..].starts_with(':'));
            from = range.end;
            found.extend(Some(range).filter(|range| !range.is_empty()));
        }
    }
    found
}

/// The value that begins behind these blanks; one in quotes goes to the next such quote. In JSON there are numbers beside.
fn value(text: &str, from: usize, json: bool) -> Range<usize> {
    let rest = text[from..].trim_start_matches(' ');
    let start = text.len() - rest.len();
    let quoted = rest.starts_with(['"', '\'']).then(|| (start + 1, &rest[1..], &rest[..1]));
    let (start, rest, end) = match quoted {
        Some((start, rest, quote)) => {
            let ends = |(at, _): &(usize, &str)| !rest[..*at].ends_with('\\');
            (start, rest, rest.match_indices(quote).find(ends).map(|(at, _)| at))
        }
        None if json => (start, rest, rest.find(|c: char| !c.is_ascii_alphanumeric() && !"+-.".contains(c))),
        None => (start, rest, rest.find(|c: char| c.is_whitespace() || "&;\"'`".contains(c))),
    };
    start..start + end.unwrap_or(rest.len())
}

fn percent_decoded(text: &str) -> String {
    let hex = |byte: Option<&u8>| char::from(*byte?).to_digit(16);
    let (bytes, mut out, mut at) = (text.as_bytes(), Vec::new(), 0);
    while let Some(byte) = bytes.get(at) {
        let escaped = match (hex(bytes.get(at + 1)), hex(bytes.get(at + 2))) {
            (Some(high), Some(low)) if *byte == b'%' => u8::try_from(high << 4 | low).ok(),
            _ => None,
        };
        out.push(escaped.unwrap_or(*byte));
        at += if escaped.is_some() { 3 } else { 1 };
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_vanish_from_texts() {
        let secrets = ["hunter22".to_owned(), "ab".to_owned()];
        assert_eq!(redact("hunter22 in tables, `ab`", &secrets), "*** in tables, `***`");
    }

    #[test]
    fn passwords_vanish_from_addresses() {
        for (text, expected) in [
            ("mqtt://u:pw@h:1883", "mqtt://u:***@h:1883"),
            ("mqtt://:pw@h", "mqtt://:***@h"),
            ("found `x://u:p@ss@h?q` and a://b:c@d", "found `x://u:***@h?q` and a://b:***@d"),
            ("x://u:p/w@h/a", "x://u:***@h/a"),
            ("x://u:pw@h/a@b", "x://u:***@h/a@b"),
            ("postgres://h/db?user=a&password=x%20y&z=1", "postgres://h/db?user=a&password=***&z=1"),
            ("host=a password='x y' dbname=b", "host=a password='***' dbname=b"),
            ("Password = x;Host=y", "Password = ***;Host=y"),
            (r#"[{"pw": "x\"y", "token":7}]"#, r#"[{"pw": "***", "token":***}]"#),
            ("auth: none", "auth: none"),
            ("tcp://10.0.0.5:502", "tcp://10.0.0.5:502"),
            ("http://[::1]:80/a@b", "http://[::1]:80/a@b"),
            ("http://h:80/a@b", "http://h:80/a@b"),
            ("x://u@h, a@b, key=1, ü=2", "x://u@h, a@b, key=1, ü=2"),
        ] {
            assert_eq!(without_passwords(text), expected);
        }
    }

    #[test]
    fn a_password_is_known_as_its_reader_sees_it_and_no_common_word_is_one() {
        let mut secrets = Secrets::default();
        secrets.add_passwords("x://u:s%40cret@h");
        secrets.add("none");
        secrets.add(" blank ");
        assert_eq!(secrets.into_list(), ["s@cret", "s%40cret", "blank", " blank "]);
    }

    #[test]
    fn a_long_text_costs_one_look() {
        for piece in ["://", "password=", "x=", "://u:", "= ", "\"pw\":\""] {
            let text = piece.repeat((4 << 20) / piece.len());
            assert!(passwords(&text).len() <= text.len());
        }
    }
}
