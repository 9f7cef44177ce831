//! A JSON document as every store would give it: no spaces, members in the order PostgreSQL keeps them (short names
//! first, then by bytes). Numbers and texts stay as they are written.

/// Appends a document that is known to be JSON.
pub(super) fn write(out: &mut String, text: &str) {
    value(out, text.trim());
}

fn value(out: &mut String, text: &str) {
    match text.as_bytes().first() {
        Some(b'{') => object(out, text),
        Some(b'[') => list(out, text),
        _ => out.push_str(text),
    }
}

fn list(out: &mut String, text: &str) {
    out.push('[');
    for (place, item) in parts(text).into_iter().enumerate() {
        if place > 0 {
            out.push(',');
        }
        value(out, item);
    }
    out.push(']');
}

fn object(out: &mut String, text: &str) {
    let mut members: Vec<(&str, &str)> = parts(text).into_iter().filter_map(member).collect();
    members.sort_by(|(one, _), (two, _)| (one.len(), *one).cmp(&(two.len(), *two)));
    out.push('{');
    for (place, (name, member)) in members.into_iter().enumerate() {
        if place > 0 {
            out.push(',');
        }
        out.push_str(name);
        out.push(':');
        value(out, member);
    }
    out.push('}');
}

/// Name and value of `"name": value`.
fn member(text: &str) -> Option<(&str, &str)> {
    let end = string_end(text.as_bytes())?;
    let (name, rest) = text.split_at(end);
    Some((name, rest.trim_start().strip_prefix(':')?.trim()))
}

/// What stands between the brackets and the commas of this level.
fn parts(text: &str) -> Vec<&str> {
    let inside = text.get(1..text.len().saturating_sub(1)).unwrap_or_default();
    let bytes = inside.as_bytes();
    let (mut parts, mut begin, mut depth, mut at) = (Vec::new(), 0, 0_usize, 0);
    while at < bytes.len() {
        match bytes[at] {
            b'"' => at += string_end(&bytes[at..]).unwrap_or(1) - 1,
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            b',' if depth == 0 => {
                parts.push(inside[begin..at].trim());
                begin = at + 1;
            }
            _ => {}
        }
        at += 1;
    }
    let last = inside[begin..].trim();
    if !last.is_empty() {
        parts.push(last);
    }
    parts
}

/// Where the text that begins here ends, behind its closing quote.
fn string_end(bytes: &[u8]) -> Option<usize> {
    let mut at = 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 1,
            b'"' => return Some(at + 1),
            _ => {}
        }
        at += 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_have_one_form() {
        let rows = [
            (r#"{"bb": 1, "a": 2.50, "ab" : null}"#, r#"{"a":2.50,"ab":null,"bb":1}"#),
            (r#" [ 1 , "a, b" , {"x": [ ] } ] "#, r#"[1,"a, b",{"x":[]}]"#),
            (r#"{"q\"": "}\\", "": {}}"#, r#"{"":{},"q\"":"}\\"}"#),
            ("{}", "{}"),
            ("1e300", "1e300"),
            ("\"\u{e4}\"", "\"\u{e4}\""),
            ("null", "null"),
        ];
        for (text, expected) in rows {
            let mut out = String::new();
            write(&mut out, text);
            assert_eq!(out, expected, "{text}");
            assert!(serde_json::from_str::<serde_json::Value>(&out).is_ok());
        }
    }
}
