//! The value that a scalar has by YAML's core schema.

use serde_json::{Number, Value};

use crate::document::Scalar;

/// YAML's core schema: what a scalar is when nobody asks for something else.
pub(crate) fn natural(scalar: &Scalar) -> Value {
    let text = scalar.text.as_str();
    if !scalar.plain {
        return Value::String(text.to_owned());
    }
    match text {
        "" if scalar.substituted => Value::String(String::new()),
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        _ => match integer(text).or_else(|| float(text)) {
            Some(number) => Value::Number(number),
            None => Value::String(text.to_owned()),
        },
    }
}

/// The words that variables of the earlier system used, in any case.
pub(super) fn boolean(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "1" => Some(true),
        "false" | "no" | "off" | "0" => Some(false),
        _ => None,
    }
}

/// `60`, `-5`, `0x1000`, `0o17`.
pub(super) fn integer(text: &str) -> Option<Number> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    if !digits.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let radix =
        |prefix: &str, radix| digits.strip_prefix(prefix).map(|rest| u64::from_str_radix(rest, radix));
    let value = radix("0x", 16).or_else(|| radix("0o", 8)).unwrap_or_else(|| digits.parse()).ok()?;
    if negative {
        return 0_i64.checked_sub_unsigned(value).map(Number::from);
    }
    Some(Number::from(value))
}

/// A whole number, also one written as `60.0`.
pub(super) fn whole(text: &str) -> Option<Number> {
    integer(text).or_else(|| text.strip_suffix(".0").and_then(integer))
}

/// A finite decimal number.
pub(super) fn float(text: &str) -> Option<Number> {
    let plausible = text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.'))
        && text.contains(|c: char| c.is_ascii_digit())
        && text.chars().all(|c| c.is_ascii_digit() || matches!(c, '-' | '+' | '.' | 'e' | 'E'));
    if !plausible {
        return None;
    }
    Number::from_f64(text.parse().ok()?)
}
