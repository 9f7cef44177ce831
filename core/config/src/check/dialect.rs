//! What of JSON Schema (2020-12, with the older words of draft 7) is checked here: everything but what [`unchecked`]
//! names. Annotations and unknown words say nothing about a value and are passed over, as the standard has it.

use serde_json::Value;

use crate::check::pattern::compiled;

/// Keywords whose value is a schema.
const SCHEMA: &[&str] = &[
    "additionalProperties",
    "additionalItems",
    "items",
    "contains",
    "propertyNames",
    "not",
    "if",
    "then",
    "else",
];
/// Keywords whose value is a list of schemas.
const SCHEMAS: &[&str] = &["allOf", "anyOf", "oneOf", "prefixItems", "items"];
/// Keywords whose value has a schema per name.
const NAMED: &[&str] =
    &["properties", "patternProperties", "$defs", "definitions", "dependentSchemas", "dependencies"];

/// Every word of the schema that asks something of values and is not checked, with its place.
pub fn unchecked(schema: &Value) -> Vec<String> {
    let mut found = Vec::new();
    walk(schema, schema, &mut Vec::new(), &mut found);
    found
}

fn walk(schema: &Value, root: &Value, at: &mut Vec<String>, found: &mut Vec<String>) {
    let Value::Object(keywords) = schema else { return };
    for (keyword, value) in keywords {
        at.push(keyword.clone());
        if let Some(why) = why_not(keyword, value, root, at.len() == 1) {
            found.push(format!("`{keyword}` at `/{}` is not checked here{why}", at.join("/")));
        }
        let keyword = keyword.as_str();
        match value {
            Value::Object(named) if NAMED.contains(&keyword) => {
                for (name, schema) in named {
                    at.push(name.replace('~', "~0").replace('/', "~1"));
                    walk(schema, root, at, found);
                    at.pop();
                }
            }
            Value::Array(list) if SCHEMAS.contains(&keyword) => {
                for (place, schema) in list.iter().enumerate() {
                    at.push(place.to_string());
                    walk(schema, root, at, found);
                    at.pop();
                }
            }
            _ if SCHEMA.contains(&keyword) => walk(value, root, at, found),
            _ => {}
        }
        at.pop();
    }
}

/// What is to be said of a keyword that is not checked.
fn why_not(keyword: &str, value: &Value, root: &Value, at_top: bool) -> Option<&'static str> {
    match keyword {
        "unevaluatedItems" | "$dynamicRef" | "$recursiveRef" => Some(""),
        "unevaluatedProperties" if !value.is_boolean() => Some(": only `true` and `false` are"),
        "exclusiveMinimum" | "exclusiveMaximum" if !value.is_number() => {
            Some(": it is a number since draft 6")
        }
        "$id" if !at_top => Some(": a schema has one at its top alone"),
        "$ref" => {
            let target =
                value.as_str().and_then(|path| path.strip_prefix('#')).and_then(|path| root.pointer(path));
            target.is_none().then_some(": it leads to nothing in this schema")
        }
        "pattern" => {
            let is_known = value.as_str().is_some_and(|pattern| compiled(pattern).is_some());
            (!is_known).then_some(": look-around, `\\p` and references back are not known")
        }
        "patternProperties" => {
            let known = value.as_object().is_some_and(|map| map.keys().all(|key| compiled(key).is_some()));
            (!known).then_some(": look-around, `\\p` and references back are not known")
        }
        _ => None,
    }
}
