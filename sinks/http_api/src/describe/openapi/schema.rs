//! JSON Schemas of cells, rows and problems.

use arrow_schema::{DataType, Field};
use serde_json::{Map, Value, json};
use smiles_stage::{ColumnMeta, Labels};

use crate::declare::config::api::Document;
use crate::declare::selection::{Selection, Served};

/// RFC 9457, with what ours may say beside.
pub(super) fn problem() -> Value {
    json!({
        "type": "object",
        "description": "Why there is no answer (RFC 9457)",
        "required": ["type", "title", "status", "detail"],
        "properties": {
            "type": {"type": "string", "format": "uri-reference"},
            "title": {"type": "string"},
            "status": {"type": "integer", "minimum": 400, "maximum": 599},
            "detail": {"type": "string", "description": "A sentence for people"},
            "parameter": {"type": "string", "description": "The parameter that is wrong"},
            "value": {"type": "string", "description": "Its value, as far as it is worth repeating"},
            "expected": {"type": "string", "description": "What it should have been"},
            "minimum": {"type": "number"},
            "maximum": {"type": "number"},
            "header": {"type": "string", "description": "The header that is wrong"},
            "missing": {"type": "array", "items": {"type": "string"}, "description": "What keeps it from being ready"},
        },
        "examples": [{
            "type": "about:blank",
            "title": "Bad Request",
            "status": 400,
            "detail": "parameter `limit` is `-1`; expected a whole number from 1 to 10000",
            "parameter": "limit",
            "value": "-1",
            "expected": "a whole number from 1 to 10000",
            "minimum": 1.0,
            "maximum": 10000.0,
        }],
    })
}

/// The name of the words of codes, in the index and behind `x-`.
pub(crate) fn labels_key(labels: &Labels) -> &'static str {
    match labels {
        Labels::Values(_) => "labels",
        Labels::Flags(_) => "flags",
    }
}

/// The words by their codes, or by the numbers of their bits.
pub(crate) fn labels(labels: &Labels) -> Value {
    let words = labels.words().into_iter();
    Value::Object(words.map(|(code, word)| (code.to_string(), json!(word))).collect())
}

/// A cell that is served as a word.
fn word(field: &Field, served: &Served, labels: &Labels, words: &Document) -> Value {
    let mut known: Vec<&str> = Vec::new();
    for (_, word) in labels.words() {
        if !known.contains(&word) {
            known.push(word);
        }
    }
    let number = if field.data_type().is_integer() { "integer" } else { "number" };
    let (shown, description) = match labels {
        Labels::Values(_) => {
            (json!({"enum": known}), "The word of a code; a code without one as its number".to_owned())
        }
        Labels::Flags(_) => {
            let listed = known.join(", ");
            let description = format!(
                "The flags that are set, by commas, or an empty text: {listed}; one without a word as its number"
            );
            (json!({"type": "string"}), description)
        }
    };
    let example = known.first().map_or(json!("text"), |word| json!(word));
    let example = words.examples.get(&served.name).cloned().unwrap_or(example);
    let mut schema = json!({
        "anyOf": [shown, {"type": [number, "null"]}],
        "description": description,
        "examples": [example],
    });
    schema[format!("x-{}", labels_key(labels))] = self::labels(labels);
    schema
}

/// A cell served under this name; every one may be null.
pub(super) fn cell(field: &Field, name: &str, is_json: bool, words: &Document) -> Value {
    let unit = field.shown_unit();
    let (kind, format, example) = match field.data_type() {
        _ if is_json => (None, None, json!({})),
        kind if kind.is_integer() => (Some("integer"), Some("int64"), json!(1)),
        kind if kind.is_numeric() => (Some("number"), Some("double"), json!(1.5)),
        DataType::Boolean => (Some("boolean"), None, json!(true)),
        DataType::Timestamp(_, _) => {
            (Some("string"), Some("date-time"), json!("2026-11-23T19:43:12.314023+00:00"))
        }
        _ => (Some("string"), None, json!("text")),
    };
    let mut schema = Map::new();
    match kind {
        Some(kind) => schema.insert("type".into(), json!([kind, "null"])),
        None => schema.insert(
            "description".into(),
            json!("A JSON document, or null; the text of one that is deeper than 128 levels"),
        ),
    };
    if let Some(format) = format {
        schema.insert("format".into(), json!(format));
    }
    if let Some(unit) = unit {
        schema.insert("description".into(), json!(format!("in {unit}")));
        schema.insert("x-unit".into(), json!(unit));
    }
    let example = words.examples.get(name).cloned().unwrap_or(example);
    schema.insert("examples".into(), json!([example]));
    Value::Object(schema)
}

/// The members of a row that a selection serves.
pub(super) fn members(selection: &Selection, words: &Document, properties: &mut Map<String, Value>) {
    for served in &selection.served {
        let field = &selection.columns[served.column];
        let schema = match &served.labels {
            Some(labels) => word(field, served, labels, words),
            None => cell(field, &served.name, served.json, words),
        };
        properties.insert(served.name.clone(), schema);
    }
}

/// An object that has exactly these members.
pub(super) fn object(properties: Map<String, Value>) -> Value {
    let required: Vec<&String> = properties.keys().collect();
    let required = json!(required);
    json!({"type": "object", "required": required, "properties": properties, "additionalProperties": false})
}

/// A list of such things.
pub(super) fn list(items: &Value) -> Value {
    json!({"type": "array", "items": items})
}
