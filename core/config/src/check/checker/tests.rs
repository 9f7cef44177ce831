//! Values and complaints by hand-written schemas, in the dialect of people and of schemars.

use serde_json::{Value, json};

use super::check;
use crate::complaints::Complaints;
use crate::compose::compose;
use crate::document::{Document, FileId, Source};

/// The value and the complaints of a text.
fn typed(text: &str, schema: &Value) -> (Value, Vec<String>) {
    let mut document = Document::default();
    let source =
        Source { path: String::new(), shown: String::new(), text: text.to_owned(), masked: Vec::new() };
    document.sources.push(source);
    let mut out = Complaints::default();
    let root = compose(&mut document, FileId(0), text, &mut out).unwrap();
    assert!(!out.has_error(), "{text}: {:?}", out.into_parts());
    let typed = check(&document, root, schema, &[]);
    (typed.value, typed.faults.into_iter().map(|fault| fault.message).collect())
}

fn value(text: &str, schema: &Value, expected: &Value) {
    assert_eq!(typed(text, schema), (expected.clone(), vec![]), "{text} by {schema}");
}

fn complaint(text: &str, schema: &Value, expected: &str) {
    assert_eq!(typed(text, schema).1.join("; "), expected, "{text} by {schema}");
}

#[test]
fn without_a_schema_yaml_decides() {
    let text = "{a: 1, b: 0x10, c: 1.5, d: true, e: ~, f: '1', g: no, h: [1, x], i: 2026-01-01, j: 1_000}";
    let expected = json!({
        "a": 1, "b": 16, "c": 1.5, "d": true, "e": null, "f": "1", "g": "no", "h": [1, "x"],
        "i": "2026-01-01", "j": "1_000"
    });
    value(text, &json!(true), &expected);
    value(text, &json!({}), &expected);
}

#[test]
fn an_optional_reference_is_its_target_or_nothing() {
    let schema = json!({
        "$defs": { "Port": { "type": "integer", "minimum": 1, "maximum": 65535 } },
        "type": "object",
        "properties": { "port": { "anyOf": [{ "$ref": "#/$defs/Port" }, { "type": "null" }], "description": "x" } }
    });
    value("port: 80", &schema, &json!({ "port": 80 }));
    value("port:", &schema, &json!({ "port": null }));
    complaint("port: 0", &schema, "expected 1 to 65535, found `0`");
    complaint("port: [1]", &schema, "expected a whole number, found a list");
}

#[test]
fn of_several_scalar_forms_the_natural_one_is_taken() {
    let schema = json!({ "anyOf": [{ "type": "boolean" }, { "type": "number" }, { "type": "string" }] });
    for (text, expected) in
        [("0", json!(0)), ("true", json!(true)), ("yes", json!("yes")), ("'0'", json!("0"))]
    {
        value(text, &schema, &expected);
    }
    let limit = json!({ "anyOf": [
        { "type": "integer", "format": "uint64", "minimum": 0 },
        { "type": "object", "properties": { "param": { "type": "string" } }, "required": ["param"], "additionalProperties": false }
    ] });
    value("7", &limit, &json!(7));
    value("{param: x}", &limit, &json!({ "param": "x" }));
    complaint("{parm: x}", &limit, "unknown key `parm`");
    complaint("-1", &limit, "expected at least 0, found `-1`");
    complaint("x", &limit, "expected a whole number or a map, found `x`");
}

#[test]
fn the_alternative_that_is_meant_is_complained_about() {
    let tagged = json!({ "oneOf": [
        { "type": "object", "properties": { "kind": { "const": "a" }, "x": { "type": "integer" } }, "required": ["kind", "x"] },
        { "type": "object", "properties": { "kind": { "const": "b" }, "y": { "type": "string" } }, "required": ["kind"] }
    ] });
    value("{kind: b, y: 5}", &tagged, &json!({ "kind": "b", "y": "5" }));
    complaint("{kind: a, x: z}", &tagged, "expected a whole number, found `z`");
    complaint("{kind: a}", &tagged, "`x` is missing");
    complaint("{kind: c}", &tagged, "expected one of `a` or `b`, found `c`");
    let external = json!({ "oneOf": [
        { "type": "string", "enum": ["none"] },
        { "type": "object", "properties": { "append": { "type": "object" } }, "required": ["append"], "additionalProperties": false },
        { "type": "object", "properties": { "upsert": { "type": "integer" } }, "required": ["upsert"], "additionalProperties": false }
    ] });
    value("none", &external, &json!("none"));
    value("{upsert: 1}", &external, &json!({ "upsert": 1 }));
    complaint("{upsert: x}", &external, "expected a whole number, found `x`");
    complaint("{upsrt: 1}", &external, "expected one of the keys `append` or `upsert`");
    complaint("some", &external, "expected `none` or a map, found `some`");
}

#[test]
fn several_schemas_of_one_map_share_its_keys() {
    let schema = json!({
        "type": "object",
        "properties": { "name": { "type": "string" } },
        "allOf": [{ "properties": { "size": { "type": "string" } } }],
        "oneOf": [{ "type": "object", "properties": { "port": { "type": "string" } }, "required": ["port"] }],
        "unevaluatedProperties": false
    });
    value("{name: 1, size: 2, port: 3}", &schema, &json!({ "name": "1", "size": "2", "port": "3" }));
    complaint("{name: 1, port: 3, sise: 2}", &schema, "unknown key `sise`");
}

#[test]
fn maps_and_lists_have_bounds() {
    let numbers = json!({ "type": "object", "patternProperties": { "^\\d+$": { "type": "string" } }, "additionalProperties": false });
    value("{1: 2}", &numbers, &json!({ "1": "2" }));
    complaint("{x: 2}", &numbers, "unknown key `x`");
    let pair = json!({ "type": "array", "prefixItems": [{ "type": "string" }, { "type": "integer" }], "minItems": 2, "maxItems": 2 });
    value("[1, 2]", &pair, &json!(["1", 2]));
    complaint("[1]", &pair, "expected at least 2 items, found 1");
    complaint("[1, x]", &pair, "expected a whole number, found `x`");
    let set = json!({ "type": "array", "items": { "type": "string" }, "uniqueItems": true, "minItems": 1 });
    complaint("[a, b, a]", &set, "`a` is in this list twice");
    complaint("[]", &set, "expected at least one item");
    complaint("a", &set, "expected a list, found `a`");
}

#[test]
fn numbers_and_texts_have_bounds() {
    let rows = [
        ("300", json!({ "type": "integer", "format": "uint8" }), "expected 0 to 255, found `300`"),
        ("0", json!({ "type": "number", "exclusiveMinimum": 0 }), "expected more than 0, found `0`"),
        ("5", json!({ "type": "integer", "multipleOf": 2 }), "expected a multiple of 2, found `5`"),
        (
            "''",
            json!({ "type": "string", "minLength": 1 }),
            "expected a text that is not empty, found an empty text",
        ),
        ("abc", json!({ "type": "string", "maxLength": 2 }), "expected at most 2 characters, found `abc`"),
        (
            "udp://x",
            json!({ "type": "string", "pattern": "^tcp://" }),
            "expected a text that begins with `tcp://`, found `udp://x`",
        ),
        ("x", json!(false), "nothing may stand here"),
    ];
    for (text, schema, expected) in rows {
        complaint(text, &schema, expected);
    }
}

#[test]
fn a_schema_that_never_ends_is_left() {
    let schema = json!({ "$defs": { "A": { "$ref": "#/$defs/A" } }, "$ref": "#/$defs/A" });
    value("5", &schema, &json!(5));
    let nested = json!({ "type": "object", "additionalProperties": { "$ref": "#" } });
    value("{a: {b: {c: {}}}}", &nested, &json!({ "a": { "b": { "c": {} } } }));
    complaint("{a: {b: 1}}", &nested, "expected a map, found `1`");
}
