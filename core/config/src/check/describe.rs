//! What a schema expects and what stands there instead, in words.

use serde_json::Value;

use smiles_stage::option::{DURATION_FORMAT, SIZE_FORMAT};

use crate::NodeId;
use crate::check::checker::Check;
use crate::document::Kind;
use crate::redact::without_passwords;

impl Check<'_> {
    /// `a whole number`, `one of ...`, `a list or text`.
    pub(super) fn expected(&self, schema: &Value) -> String {
        let mut words = Vec::new();
        self.words(schema, &mut words, 0);
        joined(&words)
    }

    fn words(&self, schema: &Value, words: &mut Vec<String>, depth: usize) {
        let schema = self.followed(schema);
        let mut add = |word: String| {
            if !word.is_empty() && !words.contains(&word) {
                words.push(word);
            }
        };
        if let Some(values) = allowed_values(schema) {
            add(one_of(&values));
            return;
        }
        for name in types(schema) {
            add(self.word(name, schema).to_owned());
        }
        if depth < 8 {
            for keyword in ["oneOf", "anyOf", "allOf"] {
                for part in schema.get(keyword).and_then(Value::as_array).into_iter().flatten() {
                    self.words(part, words, depth + 1);
                }
            }
        }
    }

    fn word(&self, name: &str, schema: &Value) -> &'static str {
        match (name, schema.get("format").and_then(Value::as_str)) {
            ("string", Some(DURATION_FORMAT)) => "a duration such as `500ms`, `3s`, `1m` or `24h`",
            ("string", Some(SIZE_FORMAT)) => "a size such as `64KiB`, `64MiB` or `1GiB`",
            ("string", Some("unit")) => "a unit such as `V` or `0.1 V`",
            ("string", _) => "text",
            ("integer", _) => "a whole number",
            ("number", _) => "a number",
            ("boolean", _) => "`true` or `false`",
            ("array", _) => "a list",
            ("object", _) => "a map",
            _ => "",
        }
    }

    /// What stands there.
    pub(super) fn found(&self, node: NodeId) -> String {
        match self.document.kind(node) {
            Kind::Map(_) => "a map".to_owned(),
            Kind::List(_) => "a list".to_owned(),
            Kind::Scalar(scalar) if scalar.secret => "a hidden value".to_owned(),
            Kind::Scalar(scalar) if scalar.text.is_empty() && scalar.plain && !scalar.substituted => {
                "nothing".to_owned()
            }
            Kind::Scalar(scalar) if scalar.text.is_empty() => "an empty text".to_owned(),
            // Before it is cut: of a part nobody could tell where its password is.
            Kind::Scalar(scalar) => quoted(&without_passwords(&scalar.text)),
            Kind::Include(_) | Kind::Broken => "nothing".to_owned(),
        }
    }
}

/// The values `const` and `enum` allow, where they are used.
pub(super) fn allowed_values(schema: &Value) -> Option<Vec<&Value>> {
    if let Some(value) = schema.get("const") {
        return Some(vec![value]);
    }
    Some(schema.get("enum")?.as_array()?.iter().collect())
}

/// The `type` keyword as a list; empty where it is absent.
pub(crate) fn types(schema: &Value) -> Vec<&str> {
    match schema.get("type") {
        Some(Value::String(one)) => vec![one.as_str()],
        Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

/// ``one of `a`, `b` or `c` ``; a single one is just named.
pub(super) fn one_of(values: &[&Value]) -> String {
    let words: Vec<String> =
        values.iter().filter(|value| !value.is_null()).map(|value| format!("`{}`", bare(value))).collect();
    match words.as_slice() {
        [] => String::new(),
        [one] => one.clone(),
        _ => format!("one of {}", joined(&words)),
    }
}

/// A value without the quotes of JSON.
pub(super) fn bare(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// `a`, `a or b`, `a, b or c`.
pub(super) fn joined(words: &[String]) -> String {
    match words {
        [] => "something else".to_owned(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}

/// A text in backticks, cut where it is long.
fn quoted(text: &str) -> String {
    let shown: String = text.chars().take(60).collect();
    let dots = if shown.len() < text.len() { "..." } else { "" };
    format!("`{}{dots}`", shown.escape_debug())
}
