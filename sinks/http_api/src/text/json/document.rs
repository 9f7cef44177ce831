//! A JSON document as every store would give it: no spaces, members in the order PostgreSQL keeps them (short names
//! first, then by bytes). Numbers and texts stay as they are written.

use indexmap::IndexMap;
use serde::Deserialize;
use serde_json::value::RawValue;

/// Appends a document that is known to be JSON.
pub(super) fn write(out: &mut String, text: &str) {
    let text = text.trim();
    match text.as_bytes().first() {
        Some(b'{') => object(out, parsed(text)),
        Some(b'[') => list(out, parsed(text)),
        _ => out.push_str(text),
    }
}

/// Empty where it is no JSON, which was looked at before.
fn parsed<'a, T: Default + Deserialize<'a>>(text: &'a str) -> T {
    serde_json::from_str(text).unwrap_or_default()
}

fn list(out: &mut String, items: Vec<&RawValue>) {
    out.push('[');
    for (place, item) in items.into_iter().enumerate() {
        if place > 0 {
            out.push(',');
        }
        write(out, item.get());
    }
    out.push(']');
}

fn object(out: &mut String, mut members: IndexMap<String, &RawValue>) {
    members.sort_by(|one, _, two, _| (one.len(), one).cmp(&(two.len(), two)));
    out.push('{');
    for (place, (name, member)) in members.into_iter().enumerate() {
        if place > 0 {
            out.push(',');
        }
        out.push_str(&serde_json::to_string(&name).unwrap_or_default());
        out.push(':');
        write(out, member.get());
    }
    out.push('}');
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
