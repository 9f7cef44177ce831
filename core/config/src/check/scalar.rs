//! A scalar's text becomes what the schema wants: the same `0123` is text for one and a number for another.

use serde_json::{Number, Value};
use smiles_stage::did_you_mean;
use smiles_stage::option::{DURATION_FORMAT, Period, SIZE_FORMAT, Size};
use smiles_stage::unit::Unit;

use crate::NodeId;
use crate::check::checker::{Check, Typed};
use crate::check::describe::{allowed_values, bare, types};
use crate::check::natural::{boolean, float, integer, natural, whole};
use crate::check::pattern::compiled;
use crate::document::Scalar;

/// A scalar of another type than asked for is far off, but nearer than a list in place of a map.
pub(super) const WRONG_TYPE: u32 = 100;

const WRONG_VALUE: u32 = 1;

impl Check<'_> {
    pub(super) fn scalar(&self, node: NodeId, scalar: &Scalar, schema: &Value) -> Typed {
        let allowed = allowed_types(schema);
        if allowed.is_empty() {
            let typed = Typed { value: natural(scalar), faults: Vec::new(), guided: false, unsaid: 0 };
            return self.constrained(node, scalar, schema, typed);
        }
        let Some(value) = typed_value(scalar, &allowed) else {
            let expected = self.expected(schema);
            let mut fault =
                self.fault(node, WRONG_TYPE, format!("expected {expected}, found {}", self.found(node)));
            fault.help = self.advice(scalar, &allowed);
            return Typed { value: Value::Null, faults: vec![fault], guided: true, unsaid: 0 };
        };
        self.constrained(node, scalar, schema, Typed { value, faults: Vec::new(), guided: true, unsaid: 0 })
    }

    fn advice(&self, scalar: &Scalar, allowed: &[&str]) -> Option<String> {
        let nothing = scalar.text.is_empty() && scalar.plain && !scalar.substituted;
        let empty = [("string", "\"\"", "text"), ("object", "{}", "map"), ("array", "[]", "list")];
        let wanted = empty.iter().find(|(name, ..)| nothing && allowed.contains(name));
        if let Some((_, empty, word)) = wanted {
            return Some(match *word {
                "text" => format!("write `{empty}` for an empty text"),
                _ => format!("its entries stand below it, further in; an empty {word} is `{empty}`"),
            });
        }
        let number = allowed.contains(&"integer") && float(scalar.text.trim()).is_some();
        number.then(|| "it must be whole and fit in 64 bits".to_owned())
    }

    /// Values, ranges, lengths and formats.
    fn constrained(&self, node: NodeId, scalar: &Scalar, schema: &Value, mut typed: Typed) -> Typed {
        if let Some(values) = allowed_values(schema) {
            typed.guided = true;
            if !values.contains(&&typed.value) {
                let message =
                    format!("expected {}, found {}", super::describe::one_of(&values), self.found(node));
                let mut fault = self.fault(node, WRONG_VALUE, message);
                fault.help = if scalar.secret { None } else { meant(&scalar.text, schema, &values) };
                typed.faults.push(fault);
            }
            return typed;
        }
        let (message, help) = match &typed.value {
            // `x-beyond: "sentence"`: what a number that is out of range probably is.
            Value::Number(number) => {
                let beyond = schema.get("x-beyond").and_then(Value::as_str);
                (range(number, schema), beyond.map(str::to_owned))
            }
            Value::String(text) => match (length(text, schema), unmatched(text, schema)) {
                (Some(message), _) => (Some(message), None),
                (None, Some(pattern)) => (Some(format!("a text of the form `{pattern}`")), about(schema)),
                (None, None) => format(text, schema),
            },
            _ => (None, None),
        };
        if let Some(expected) = message {
            typed.guided = true;
            let message = format!("expected {expected}, found {}", self.found(node));
            let mut fault = self.fault(node, WRONG_VALUE, message);
            fault.help = help.filter(|_| !scalar.secret);
            typed.faults.push(fault);
        }
        typed
    }
}

/// `did you mean` only where one is close: the message lists all of them already. `x-meant: {word: value}` says it of what
/// other programs call so, in capitals or not; a value that is none of these is not proposed.
pub(super) fn meant(word: &str, schema: &Value, values: &[&Value]) -> Option<String> {
    let known: Vec<String> = values.iter().map(|value| bare(value)).collect();
    let meant = schema.get("x-meant").and_then(|map| map.get(word.to_ascii_lowercase()));
    if let Some(meant) = meant.filter(|meant| values.contains(meant)) {
        return Some(format!("did you mean `{}`?", bare(meant)));
    }
    let help = did_you_mean(word, known.iter().map(String::as_str))?;
    help.starts_with("did you mean").then_some(help)
}

/// The types a scalar may take; those of the allowed values where `type` is absent.
fn allowed_types(schema: &Value) -> Vec<&str> {
    let named = types(schema);
    if !named.is_empty() {
        return named;
    }
    let mut found = Vec::new();
    for value in allowed_values(schema).unwrap_or_default() {
        let name = match value {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Number(_) => "number",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        };
        if !found.contains(&name) {
            found.push(name);
        }
    }
    found
}

/// The text as one of these types; `None` if it is none of them.
fn typed_value(scalar: &Scalar, allowed: &[&str]) -> Option<Value> {
    let has = |name: &str| allowed.contains(&name);
    let text = scalar.text.as_str();
    let nothing = scalar.plain && !scalar.substituted && matches!(text, "" | "~" | "null" | "Null" | "NULL");
    if has("null") && (nothing || (text.is_empty() && scalar.substituted)) {
        return Some(Value::Null);
    }
    let own = natural(scalar);
    let fits = match &own {
        Value::Bool(_) => has("boolean"),
        Value::Number(number) => has("number") || (has("integer") && !number.is_f64()),
        Value::String(_) => has("string"),
        _ => false,
    };
    if fits {
        return Some(own);
    }
    if nothing {
        return None;
    }
    let trimmed = text.trim();
    let boolean = || has("boolean").then(|| boolean(trimmed)).flatten().map(Value::Bool);
    let whole = || has("integer").then(|| whole(trimmed)).flatten().map(Value::Number);
    let number =
        || has("number").then(|| integer(trimmed).or_else(|| float(trimmed))).flatten().map(Value::Number);
    let text = || has("string").then(|| Value::String(text.to_owned()));
    boolean().or_else(whole).or_else(number).or_else(text)
}

/// The range a number is outside of.
fn range(number: &Number, schema: &Value) -> Option<String> {
    let value = number.as_f64()?;
    let bound = |name: &str| schema.get(name).and_then(Value::as_f64);
    let (low, high) = format_bounds(schema);
    let minimum = bound("minimum").map_or(low, |own| Some(low.map_or(own, |low: f64| low.max(own))));
    let maximum = bound("maximum").map_or(high, |own| Some(high.map_or(own, |high: f64| high.min(own))));
    let above = |limit: &f64| value > *limit;
    let below = |limit: &f64| value < *limit;
    if minimum.as_ref().is_some_and(below) || maximum.as_ref().is_some_and(above) {
        return Some(match (minimum, maximum) {
            (Some(minimum), Some(maximum)) => format!("{minimum} to {maximum}"),
            (Some(minimum), None) => format!("at least {minimum}"),
            (None, Some(maximum)) => format!("at most {maximum}"),
            (None, None) => "another number".to_owned(),
        });
    }
    let more = bound("exclusiveMinimum").filter(|limit| value <= *limit);
    let less = bound("exclusiveMaximum").filter(|limit| value >= *limit);
    let step = bound("multipleOf").filter(|step| *step > 0.0 && (value / step).fract() != 0.0);
    more.map(|limit| format!("more than {limit}"))
        .or_else(|| less.map(|limit| format!("less than {limit}")))
        .or_else(|| step.map(|step| format!("a multiple of {step}")))
}

/// What fits in the Rust integer that schemars names in `format`.
fn format_bounds(schema: &Value) -> (Option<f64>, Option<f64>) {
    match schema.get("format").and_then(Value::as_str) {
        Some("uint8") => (Some(0.0), Some(255.0)),
        Some("uint16") => (Some(0.0), Some(65_535.0)),
        Some("uint32") => (Some(0.0), Some(4_294_967_295.0)),
        Some("uint64" | "uint") => (Some(0.0), None),
        Some("int8") => (Some(-128.0), Some(127.0)),
        Some("int16") => (Some(-32_768.0), Some(32_767.0)),
        Some("int32") => (Some(-2_147_483_648.0), Some(2_147_483_647.0)),
        Some("int64" | "int") => (None, Some(9_223_372_036_854_775_807.0)),
        _ => (None, None),
    }
}

fn length(text: &str, schema: &Value) -> Option<String> {
    let bound =
        |name: &str| schema.get(name).and_then(Value::as_u64).and_then(|limit| usize::try_from(limit).ok());
    if let Some(prefix) = prefix(schema).filter(|prefix| !text.starts_with(prefix)) {
        return Some(format!("a text that begins with `{prefix}`"));
    }
    let length = text.chars().count();
    let short = bound("minLength").filter(|least| length < *least);
    let long = bound("maxLength").filter(|most| length > *most);
    match (short, long) {
        (Some(1), _) => Some("a text that is not empty".to_owned()),
        (Some(least), _) => Some(format!("at least {least} characters")),
        (None, Some(most)) => Some(format!("at most {most} characters")),
        (None, None) => None,
    }
}

/// The pattern that the text is not of.
fn unmatched<'a>(text: &str, schema: &'a Value) -> Option<&'a str> {
    let pattern = schema.get("pattern")?.as_str()?;
    compiled(pattern).is_some_and(|known| !known.is_match(text)).then_some(pattern)
}

/// A `pattern` that is told in words: `^` and letters that stand for themselves.
fn prefix(schema: &Value) -> Option<&str> {
    let prefix = schema.get("pattern")?.as_str()?.strip_prefix('^')?;
    let literal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b':' | b'/' | b'-' | b'_');
    (!prefix.is_empty() && prefix.bytes().all(literal)).then_some(prefix)
}

/// The first line of what the schema says of itself.
fn about(schema: &Value) -> Option<String> {
    Some(schema.get("description")?.as_str()?.lines().next()?.to_owned())
}

/// What the format expects, and advice, if the text is not of it.
fn format(text: &str, schema: &Value) -> (Option<String>, Option<String>) {
    match schema.get("format").and_then(Value::as_str) {
        Some(DURATION_FORMAT) if text.parse::<Period>().is_err() => {
            let bare = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.is_empty();
            let help = bare.then(|| format!("a duration has a unit: `{text}s`"));
            (Some("a duration such as `500ms`, `3s`, `1m` or `24h`".to_owned()), help)
        }
        Some(SIZE_FORMAT) if text.parse::<Size>().is_err() => {
            let bare = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.is_empty();
            let help = bare.then(|| format!("a size has a unit: `{text}MiB`"));
            (Some("a size such as `64KiB`, `64MiB` or `1GiB`".to_owned()), help)
        }
        Some("unit") => match text.parse::<Unit>() {
            Ok(_) => (None, None),
            Err(error) => (Some("a unit such as `V` or `0.1 V`".to_owned()), error.help),
        },
        _ => (None, None),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn plain(text: &str) -> Scalar {
        Scalar { text: text.to_owned(), plain: true, ..Scalar::default() }
    }

    #[test]
    fn a_scalar_is_what_the_schema_asks_for() {
        let rows = [
            ("0123", &["string"][..], Some(json!("0123"))),
            ("0123", &["integer"], Some(json!(123))),
            ("0x1000", &["integer"], Some(json!(4096))),
            ("0x1000", &["string"], Some(json!("0x1000"))),
            ("-5", &["integer"], Some(json!(-5))),
            ("60.0", &["integer"], Some(json!(60))),
            ("60.5", &["integer"], None),
            ("18446744073709551615", &["integer"], Some(json!(18446744073709551615_u64))),
            ("18446744073709551616", &["integer"], None),
            ("0.1", &["number"], Some(json!(0.1))),
            ("3", &["number"], Some(json!(3))),
            (".inf", &["number"], None),
            ("YES", &["boolean"], Some(json!(true))),
            ("off", &["boolean"], Some(json!(false))),
            ("0", &["boolean"], Some(json!(false))),
            ("2", &["boolean"], None),
            ("on", &["string", "boolean"], Some(json!("on"))),
            ("true", &["string", "boolean"], Some(json!(true))),
            ("true", &["string"], Some(json!("true"))),
            ("5", &["string", "integer"], Some(json!(5))),
            ("", &["string"], None),
            ("~", &["string", "null"], Some(json!(null))),
            ("1e3", &["string"], Some(json!("1e3"))),
        ];
        for (text, allowed, expected) in rows {
            assert_eq!(typed_value(&plain(text), allowed), expected, "{text} as {allowed:?}");
        }
    }

    #[test]
    fn an_empty_variable_is_an_empty_text_or_nothing() {
        let empty = Scalar { substituted: true, ..plain("") };
        assert_eq!(typed_value(&empty, &["string"]), Some(json!("")));
        assert_eq!(typed_value(&empty, &["string", "null"]), Some(json!(null)));
        assert_eq!(typed_value(&empty, &["integer"]), None);
    }
}
