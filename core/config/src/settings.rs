//! What a file was configured with, as it may be stored and shown: secrets are gone.

use serde_json::{Map, Value};

use crate::hidden::Hidden;
use crate::redact::{REDACTED, redact, userinfos, without};
use crate::secret::is_secret_name;
use crate::{Environment, Variable};

/// Of a value with more secrets in it there is nothing to show.
const MOST_SECRETS: usize = 100;

/// The variables that the file uses, by name.
pub(crate) fn settings(
    variables: &[Variable],
    environment: &Environment,
    secrets: &[String],
) -> Map<String, Value> {
    let hidden = Hidden::new(secrets);
    let setting = |variable: &Variable| {
        let set = environment.get(&variable.name).filter(|value| !value.trim().is_empty());
        let value = set.or(variable.default.as_deref());
        (variable.name.clone(), value.map_or(Value::Null, |value| shown(variable, value, &hidden)))
    };
    variables.iter().filter(|variable| variable.named).map(setting).collect()
}

fn shown(variable: &Variable, value: &str, hidden: &Hidden<'_>) -> Value {
    if value.is_empty() {
        return Value::from("");
    }
    let secrets = hidden.within(value);
    // Too short to be looked for in longer texts, it is a secret still.
    let is_one = secrets.iter().any(|secret| secret == value || secret == value.trim());
    if variable.secret || is_one || secrets.len() > MOST_SECRETS {
        return Value::from(REDACTED);
    }
    // A list of things may have secrets of its own.
    let text = match serde_json::from_str(value) {
        Ok(mut structure @ (Value::Array(_) | Value::Object(_))) => {
            hide(&mut structure);
            structure.to_string()
        }
        _ => value.to_owned(),
    };
    // A name before the `@` may be a token: what is stored is there for ever.
    Value::from(redact(&without(&text, &userinfos(&text)), &secrets))
}

fn hide(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(hide),
        Value::Object(fields) => {
            for (name, value) in fields {
                if is_secret_name(name) {
                    *value = Value::from(REDACTED);
                } else {
                    hide(value);
                }
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_what_is_used_without_secrets() {
        let variable = |name: &str, default: Option<&str>| Variable {
            name: name.to_owned(),
            default: default.map(str::to_owned),
            named: true,
            secret: is_secret_name(name),
            ..Variable::default()
        };
        let variables = [
            variable("HOST", Some("localhost")),
            variable("EMPTY", Some("")),
            variable("UNSET", None),
            variable("DB_PASSWORD", Some("")),
            variable("API_TOKEN", None),
            variable("LIST", None),
            variable("URL", None),
            variable("LEAK", None),
            Variable { named: false, ..variable("ELSEWHERE", Some("1")) },
        ];
        let environment = Environment::new()
            .with("HOST", "db.example")
            .with("EMPTY", " ")
            .with("DB_PASSWORD", "hunter22")
            .with("LIST", r#"[{"host": "a", "password": "p4ss", "more": {"token": 7}}]"#)
            .with("URL", "postgres://me:p4ss@db.example:5432/a?b@c")
            .with("LEAK", "with hunter22 in it")
            .with("ELSEWHERE", "set");
        let settings = settings(&variables, &environment, &["hunter22".to_owned()]);
        let expected = serde_json::json!({
            "HOST": "db.example",
            "EMPTY": "",
            "UNSET": null,
            "DB_PASSWORD": "***",
            "API_TOKEN": null,
            "LIST": r#"[{"host":"a","password":"***","more":{"token":"***"}}]"#,
            "URL": "postgres://***@db.example:5432/a?b@c",
            "LEAK": "with *** in it",
        });
        assert_eq!(Value::Object(settings), expected);
    }

    #[test]
    fn only_what_stands_before_a_host_is_taken_for_credentials() {
        for (text, expected) in [
            ("tcp://10.0.0.5:502", "tcp://10.0.0.5:502"),
            ("http://a/b@c", "http://a/b@c"),
            ("a@b", "a@b"),
            ("x://u@h", "x://***@h"),
            ("x://u:p@ss@h?q", "x://***@h?q"),
            ("x://u:p@h y://v:q@i", "x://***@h y://***@i"),
            ("host=a password=geheim", "host=a password=***"),
            ("ab", "***"),
        ] {
            let variable = Variable { name: "X".to_owned(), ..Variable::default() };
            assert_eq!(shown(&variable, text, &Hidden::new(&["ab".to_owned()])), expected);
        }
    }
}
