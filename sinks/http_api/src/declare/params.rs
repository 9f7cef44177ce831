//! Parameters of a request: text to typed values, each refusal naming parameter, value and range.

use std::borrow::Cow;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use percent_encoding::percent_decode_str;
use serde_json::json;
use smiles_stage::{Labels, Value, did_you_mean};

use crate::declare::config::route::{Case, Parameter, ParameterType, Scalar};
use crate::text::problem::Failure;

/// How much of a refused value is repeated to the client.
const ECHO_MAX: usize = 64;

/// A declared parameter.
#[derive(Clone, Debug)]
pub(crate) struct Param {
    /// Its name.
    pub name: String,
    /// Whether it is a part of the path, else of the query string.
    pub in_path: bool,
    /// As declared.
    pub spec: Parameter,
    /// The default as a value of its type.
    pub default: Option<Value>,
    /// The words of the column it is compared with: they stand for their codes.
    pub labels: Option<Labels>,
}

impl Param {
    /// The value of a text, or what the text should have been.
    pub(crate) fn parse(&self, text: &str) -> Result<Value, String> {
        let spec = &self.spec;
        if text.chars().count() > spec.max_length {
            return Err(format!("a text of at most {} characters", spec.max_length));
        }
        let value = match spec.kind {
            ParameterType::Text => Value::Text(self.cased(text)?),
            ParameterType::Integer => {
                let code = || self.labels.as_ref().and_then(|labels| labels.code(text));
                let number = text.parse::<i64>().ok().or_else(code).ok_or_else(|| self.expected())?;
                #[expect(clippy::cast_precision_loss, reason = "bounds are doubles")]
                self.in_range(number as f64)?;
                Value::Int(number)
            }
            ParameterType::Number => {
                let number = text.parse::<f64>().ok().filter(|number| number.is_finite());
                let number = number.ok_or_else(|| self.expected())?;
                self.in_range(number)?;
                Value::Float(number)
            }
            ParameterType::Boolean => Value::Bool(text.parse().map_err(|_| self.expected())?),
            ParameterType::Time => Value::Time(instant(text).ok_or_else(|| self.expected())?),
        };
        Ok(value)
    }

    /// The value of a default of the file, or what it should have been.
    pub(crate) fn parse_default(&self, scalar: &Scalar) -> Result<Value, String> {
        match scalar {
            Scalar::Bool(value) => self.parse(&value.to_string()),
            Scalar::Int(value) => self.parse(&value.to_string()),
            Scalar::Float(value) => self.parse(&value.to_string()),
            Scalar::Text(value) => self.parse(value),
        }
    }

    fn cased(&self, text: &str) -> Result<String, String> {
        let text = match self.spec.case {
            Case::Exact => text.to_owned(),
            Case::Lower => text.to_lowercase(),
            Case::Upper => text.to_uppercase(),
        };
        match &self.spec.one_of {
            Some(known) if !known.contains(&text) => Err(self.expected()),
            Some(_) | None => Ok(text),
        }
    }

    fn in_range(&self, number: f64) -> Result<(), String> {
        let low = self.spec.minimum.is_none_or(|minimum| number >= minimum);
        let high = self.spec.maximum.is_none_or(|maximum| number <= maximum);
        if low && high { Ok(()) } else { Err(self.expected()) }
    }

    fn expected(&self) -> String {
        let range = match (self.spec.minimum, self.spec.maximum) {
            (Some(low), Some(high)) => format!(" from {low} to {high}"),
            (Some(low), None) => format!(" of at least {low}"),
            (None, Some(high)) => format!(" of at most {high}"),
            (None, None) => String::new(),
        };
        match self.spec.kind {
            ParameterType::Text => match &self.spec.one_of {
                Some(known) => format!("one of {}", known.join(", ")),
                None => "a text".to_owned(),
            },
            ParameterType::Integer => match self.words() {
                Some(words) => format!("a whole number{range}, or one of {}", words.join(", ")),
                None => format!("a whole number{range}"),
            },
            ParameterType::Number => format!("a number{range}"),
            ParameterType::Boolean => "true or false".to_owned(),
            ParameterType::Time => "an RFC 3339 time such as 2026-11-23T19:43:12Z".to_owned(),
        }
    }

    /// The words that stand for a whole number here; `None`: there are none.
    pub(crate) fn words(&self) -> Option<Vec<&str>> {
        let labels = self.labels.as_ref().filter(|_| self.spec.kind == ParameterType::Integer)?;
        let words = labels.words().into_iter().map(|(_, word)| word);
        let words: Vec<&str> = words.filter(|word| labels.code(word).is_some()).collect();
        (!words.is_empty()).then_some(words)
    }

    fn refuse(&self, text: &str, expected: &str) -> Failure {
        let shown: String = text.chars().take(ECHO_MAX).collect();
        let mut failure =
            Failure::bad_request(format!("parameter `{}` is `{shown}`; expected {expected}", self.name))
                .with("parameter", self.name.as_str())
                .with("value", shown)
                .with("expected", expected);
        for (name, bound) in [("minimum", self.spec.minimum), ("maximum", self.spec.maximum)] {
            if let Some(bound) = bound {
                failure = failure.with(name, json!(bound));
            }
        }
        failure
    }
}

/// An instant, with the `+` of an offset that was not written as `%2B`. What is later than the calendar knows is as
/// late as it knows.
fn instant(text: &str) -> Option<Timestamp> {
    let text = text.replacen(' ', "+", usize::from(text.contains('T')));
    text.parse().ok().or_else(|| {
        let at: jiff::civil::DateTime = text.get(..19)?.parse().ok()?;
        let last = TimeZone::UTC.to_datetime(Timestamp::MAX).date();
        (at.date() >= last).then_some(Timestamp::MAX)
    })
}

/// The values of a request's parameters, defaults included.
///
/// # Errors
/// 400: an unknown, repeated or unfit parameter, or a query string that is not percent-encoded UTF-8.
pub(crate) fn read(
    params: &[Param],
    path: &[(String, String)],
    query: Option<&str>,
) -> Result<Values, Failure> {
    let mut values = Values::new();
    let (in_path, in_query): (Vec<&Param>, Vec<&Param>) = params.iter().partition(|param| param.in_path);
    for (name, text) in path {
        if let Some(param) = in_path.iter().find(|param| param.name == *name) {
            let value = param.parse(text).map_err(|expected| param.refuse(text, &expected))?;
            values.push((name.clone(), value));
        }
    }
    for pair in query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
        let (name, text) = pair.split_once('=').unwrap_or((pair, ""));
        let (name, text) = (decoded(name)?, decoded(text)?);
        let param =
            in_query.iter().find(|param| param.name == name).ok_or_else(|| unknown(&name, &in_query))?;
        if values.iter().any(|(known, _)| *known == name) {
            return Err(Failure::bad_request(format!("parameter `{name}` stands twice in the query string"))
                .with("parameter", name));
        }
        let value = param.parse(&text).map_err(|expected| param.refuse(&text, &expected))?;
        values.push((name, value));
    }
    for param in in_query {
        if let Some(default) = &param.default
            && !values.iter().any(|(known, _)| *known == param.name)
        {
            values.push((param.name.clone(), default.clone()));
        }
    }
    Ok(values)
}

fn unknown(name: &str, known: &[&Param]) -> Failure {
    let shown: String = name.chars().take(ECHO_MAX).collect();
    let help = did_you_mean(&shown, known.iter().map(|param| param.name.as_str()))
        .unwrap_or_else(|| "this resource takes none".to_owned());
    Failure::bad_request(format!("unknown parameter `{shown}`; {help}")).with("parameter", shown)
}

/// Percent-decoding with `+` as a space.
fn decoded(text: &str) -> Result<String, Failure> {
    let bad = || Failure::bad_request("the query string is not percent-encoded UTF-8");
    // The crate leaves a `%` that is followed by no two digits as it is.
    let is_escape =
        |rest: &str| rest.as_bytes().get(..2).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit));
    if !text.split('%').skip(1).all(is_escape) {
        return Err(bad());
    }
    let spaced = text.replace('+', " ");
    percent_decode_str(&spaced).decode_utf8().map(Cow::into_owned).map_err(|_| bad())
}

/// The values of a request's parameters by name.
pub(crate) type Values = Vec<(String, Value)>;

/// The value of a parameter, if it has one.
pub(crate) fn value<'a>(values: &'a Values, name: &str) -> Option<&'a Value> {
    values.iter().find(|(known, _)| known == name).map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn param(name: &str, spec: serde_json::Value) -> Param {
        let spec: Parameter = serde_json::from_value(spec).unwrap();
        let mut param = Param { name: name.to_owned(), in_path: false, spec, default: None, labels: None };
        param.default = param.spec.default.clone().map(|scalar| param.parse_default(&scalar).unwrap());
        param
    }

    fn params() -> Vec<Param> {
        let mut id = param("id", json!({"case": "lower", "max_length": 12}));
        id.in_path = true;
        vec![
            id,
            param("limit", json!({"type": "integer", "default": 100, "minimum": 1, "maximum": 10000})),
            param("ratio", json!({"type": "number", "minimum": 0.5})),
            param("all", json!({"type": "boolean"})),
            param("start", json!({"type": "time"})),
            param("order", json!({"one_of": ["asc", "desc"]})),
        ]
    }

    #[test]
    fn texts_become_values_and_absent_ones_defaults() {
        let path = [("id".to_owned(), "ABC".to_owned())];
        let query = "ratio=0.5&all=true&start=2026-11-23T19%3A43%3A12%2B01:00&order=desc&limit=7";
        let values = read(&params(), &path, Some(query)).unwrap();
        let expected: [(&str, Value); 6] = [
            ("id", Value::Text("abc".into())),
            ("ratio", Value::Float(0.5)),
            ("all", Value::Bool(true)),
            ("start", Value::Time("2026-11-23T18:43:12Z".parse().unwrap())),
            ("order", Value::Text("desc".into())),
            ("limit", Value::Int(7)),
        ];
        assert_eq!(values, expected.map(|(name, value)| (name.to_owned(), value)));
        assert_eq!(read(&params(), &[], None).unwrap(), [("limit".to_owned(), Value::Int(100))]);
    }

    #[test]
    fn refusals_name_parameter_value_and_range() {
        let rows = [
            ("limit=-1", "parameter `limit` is `-1`; expected a whole number from 1 to 10000"),
            ("limit=abc", "parameter `limit` is `abc`; expected a whole number from 1 to 10000"),
            ("limit=1e9", "parameter `limit` is `1e9`; expected a whole number from 1 to 10000"),
            ("limit=10001", "parameter `limit` is `10001`; expected a whole number from 1 to 10000"),
            ("limit=", "parameter `limit` is ``; expected a whole number from 1 to 10000"),
            ("limit", "parameter `limit` is ``; expected a whole number from 1 to 10000"),
            ("limit=1&limit=2", "parameter `limit` stands twice in the query string"),
            ("ratio=nan", "parameter `ratio` is `nan`; expected a number of at least 0.5"),
            ("ratio=0.4", "parameter `ratio` is `0.4`; expected a number of at least 0.5"),
            ("all=yes", "parameter `all` is `yes`; expected true or false"),
            (
                "start=now",
                "parameter `start` is `now`; expected an RFC 3339 time such as 2026-11-23T19:43:12Z",
            ),
            ("order=up", "parameter `order` is `up`; expected one of asc, desc"),
            ("limt=5", "unknown parameter `limt`; did you mean `limit`?"),
            ("id=5", "unknown parameter `id`; known here: limit, ratio, all, start, order"),
            ("limit=%f", "the query string is not percent-encoded UTF-8"),
            ("limit=%ff", "the query string is not percent-encoded UTF-8"),
        ];
        for (query, expected) in rows {
            assert_eq!(read(&params(), &[], Some(query)).unwrap_err().detail(), expected, "{query}");
        }
        let path = [("id".to_owned(), "x".repeat(13))];
        let refused = read(&params(), &path, None).unwrap_err();
        assert_eq!(
            refused.detail(),
            "parameter `id` is `xxxxxxxxxxxxx`; expected a text of at most 12 characters"
        );
    }
}
