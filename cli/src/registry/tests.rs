//! Our dialect of JSON Schema against the crate `jsonschema`: what the standard takes is taken here and is the same
//! value, and what is taken here is, as typed, what the standard takes. The dialect differs on purpose in this:
//!
//! - A text is the number or truth value that is asked for, and a number is the text: YAML has no types. So values are
//!   held against the standard as they were typed.
//! - `oneOf` takes the alternative that fits best; that a second one fits as well is no mistake of the file.
//! - `unevaluatedProperties: false` knows the keys of every alternative, chosen or not: the message is about the key.
//! - `format` is asserted for `duration` (ours, not of ISO 8601), `size`, `unit` and the integers of schemars alone.

mod samples;

use std::io;

use jsonschema::{Draft, Validator};
use serde_json::{Value, json};
use smiles_config::{Tree, load_file, unchecked};
use smiles_stage::option::{Period, Size};
use smiles_stage::unit::Unit;

use super::built_in;
use samples::Samples;

/// A file system of one file.
struct Text(String);

impl Tree for Text {
    fn read(&self, _: &str) -> io::Result<String> {
        Ok(self.0.clone())
    }
    fn list(&self, _: &str) -> io::Result<Vec<String>> {
        Ok(Vec::new())
    }
    fn shown(&self, path: &str) -> String {
        path.to_owned()
    }
}

fn standard(schema: &Value, draft: Draft) -> Validator {
    let options = jsonschema::options().with_draft(draft).should_validate_formats(true);
    let options = options
        .with_format("duration", |text: &str| text.parse::<Period>().is_ok())
        .with_format("size", |text: &str| text.parse::<Size>().is_ok())
        .with_format("unit", |text: &str| text.parse::<Unit>().is_ok());
    options.build(schema).unwrap_or_else(|error| panic!("{schema}: {error}"))
}

/// Whether both take the value.
fn alike(value: &Value, schema: &Value, validator: &Validator) -> bool {
    let ours = load_file(&Text(value.to_string()), "values.yaml", schema);
    let said: Vec<&str> = ours.diagnostics.iter().map(|diagnostic| diagnostic.message.as_str()).collect();
    if validator.is_valid(value) {
        assert!(said.is_empty(), "{value} is good by {schema}, and here: {said:?}");
        assert_eq!(ours.value, *value, "by {schema}");
    } else if said.is_empty() {
        assert!(validator.is_valid(&ours.value), "{value}, as {}, is not good by {schema}", ours.value);
    }
    said.is_empty()
}

#[test]
fn the_schemas_of_all_stages_mean_the_same_here_and_by_the_standard() {
    let registry = built_in();
    let sources = registry.all_sources().map(|stage| (stage.name(), stage.schema()));
    let transforms = registry.all_transforms().map(|stage| (stage.name(), stage.schema()));
    let sinks = registry.all_sinks().map(|stage| (stage.name(), stage.schema()));
    for (name, schema) in sources.chain(transforms).chain(sinks) {
        assert_eq!(unchecked(&schema), Vec::<String>::new(), "{name}");
        let validator = standard(&schema, Draft::Draft202012);
        let mut samples = Samples::new(&schema);
        let good = (0..1_500).filter(|_| alike(&samples.next(), &schema, &validator)).count();
        assert!((15..1_500).contains(&good), "{name}: {good} of 1500 samples are good");
    }
}

#[test]
fn every_keyword_means_the_same_here_and_by_the_standard() {
    let of_2020 = [
        json!(true),
        json!(false),
        json!({ "type": ["integer", "null"] }),
        json!({ "type": "number", "exclusiveMinimum": 1, "maximum": 7 }),
        json!({ "type": "integer", "multipleOf": 3, "exclusiveMaximum": 9 }),
        json!({ "type": "string", "minLength": 2, "maxLength": 3 }),
        json!({ "type": "string", "pattern": "^[a-c]+$" }),
        json!({ "type": "string", "pattern": "b" }),
        json!({ "const": [1, 2] }),
        json!({ "enum": [1, "abc", null, { "a": 1 }] }),
        json!({ "type": "array", "minItems": 1, "maxItems": 2, "items": { "type": "integer" } }),
        json!({ "type": "array", "uniqueItems": true }),
        json!({ "type": "array", "prefixItems": [{ "type": "integer" }], "items": { "type": "string" } }),
        json!({ "type": "array", "prefixItems": [{ "type": "integer" }], "items": false }),
        json!({ "type": "array", "contains": { "type": "object" } }),
        json!({ "type": "array", "contains": { "const": 1 }, "minContains": 0, "maxContains": 1 }),
        json!({ "type": "array", "contains": { "const": 2 }, "minContains": 2 }),
        json!({ "type": "object", "required": ["a"], "additionalProperties": false, "properties": { "a": {} } }),
        json!({ "type": "object", "additionalProperties": { "type": "integer" }, "properties": { "b": true } }),
        json!({ "type": "object", "patternProperties": { "^a": { "type": "integer" }, "b$": { "maximum": 5 } } }),
        json!({ "type": "object", "minProperties": 1, "maxProperties": 2 }),
        json!({ "type": "object", "propertyNames": { "pattern": "^[ab]$" } }),
        json!({ "type": "object", "propertyNames": { "maxLength": 1 } }),
        json!({ "type": "object", "dependentRequired": { "a": ["b"] } }),
        json!({ "type": "object", "dependentSchemas": { "a": { "required": ["b"], "properties": { "b": { "type": "array" } } } } }),
        json!({ "type": "object", "properties": { "b": false } }),
        json!({ "not": { "type": ["array", "null"] } }),
        json!({ "type": "object", "not": { "required": ["a"] } }),
        json!({ "if": { "type": "object" }, "then": { "required": ["b"] }, "else": { "type": "array" } }),
        json!({ "if": { "required": ["a"], "type": "object" }, "then": { "properties": { "a": { "const": 1 } } } }),
        json!({ "allOf": [{ "type": "object" }, { "required": ["a"] }, { "properties": { "a": { "minimum": 2 } } }] }),
        json!({ "anyOf": [{ "type": "array" }, { "type": "object", "required": ["b"] }, { "const": 5 }] }),
        json!({ "oneOf": [{ "type": "integer", "minimum": 3 }, { "type": "string" }, { "type": "null" }] }),
        json!({ "$ref": "#/$defs/list", "$defs": { "list": { "type": "array", "items": { "$ref": "#" } } } }),
        json!({
            "type": "object", "unevaluatedProperties": false,
            "allOf": [{ "properties": { "a": true } }], "properties": { "b": true }
        }),
        json!({ "$comment": "x", "title": "t", "default": 1, "examples": [], "deprecated": true, "readOnly": true, "x-a": 1 }),
    ];
    let of_draft_7 = [
        json!({ "type": "array", "items": [{ "type": "integer" }], "additionalItems": { "type": "string" } }),
        json!({ "type": "array", "items": [{ "type": "integer" }, true], "additionalItems": false }),
        json!({ "type": "object", "dependencies": { "a": ["b"], "b": { "required": ["a"] } } }),
        json!({ "$ref": "#/definitions/one", "definitions": { "one": { "const": 1 } } }),
    ];
    let all = of_2020.iter().map(|schema| (schema, Draft::Draft202012));
    for (schema, draft) in all.chain(of_draft_7.iter().map(|schema| (schema, Draft::Draft7))) {
        assert_eq!(unchecked(schema), Vec::<String>::new(), "{schema}");
        let validator = standard(schema, draft);
        values().iter().for_each(|value| _ = alike(value, schema, &validator));
    }
}

/// One of each kind, and those that the schemas above speak of.
fn values() -> Vec<Value> {
    let plain = [0, 1, 2, 3, 5, 6, 7, 9].map(Value::from).into_iter();
    let others = json!([
        null, true, false, 1.5, -1, "", "a", "abc", "abcd", "b", "xbx", "5", "true", [], [1], [1, 2], [2, 1],
        [1, 1], [2, 2, 3], ["a", 1], [1, "a"], [1, "a", "b"], [1, [2]], [{}, {}], [[], [[]]], [null], {},
        { "a": 1 }, { "a": 2 }, { "b": 1 }, { "b": [] }, { "a": 1, "b": 2 }, { "a": 1, "b": [] },
        { "ab": 9 }, { "ab": "x" }, { "c": 1 }, { "a": 1, "b": 2, "c": 3 }, { "a": null }, { "xb": 7 }
    ]);
    plain.chain(others.as_array().unwrap().iter().cloned()).collect()
}

#[test]
fn what_is_not_checked_is_named_with_its_place() {
    let cases = [
        (
            json!({ "unevaluatedItems": false }),
            "`unevaluatedItems` at `/unevaluatedItems` is not checked here",
        ),
        (
            json!({ "properties": { "a": { "items": [{ "$dynamicRef": "#x" }] } } }),
            "`$dynamicRef` at `/properties/a/items/0/$dynamicRef` is not checked here",
        ),
        (
            json!({ "anyOf": [{ "$ref": "https://example.org/x" }] }),
            "`$ref` at `/anyOf/0/$ref` is not checked here: it leads to nothing in this schema",
        ),
        (
            json!({ "dependentSchemas": { "a/b": { "pattern": "(?=x)" } } }),
            "`pattern` at `/dependentSchemas/a~1b/pattern` is not checked here: look-around, `\\p` and references back are not known",
        ),
        (
            json!({ "minimum": 1, "exclusiveMinimum": true }),
            "`exclusiveMinimum` at `/exclusiveMinimum` is not checked here: it is a number since draft 6",
        ),
        (
            json!({ "unevaluatedProperties": { "type": "string" } }),
            "`unevaluatedProperties` at `/unevaluatedProperties` is not checked here: only `true` and `false` are",
        ),
        (json!({ "properties": { "unevaluatedItems": { "const": { "$ref": "x" } } } }), ""),
    ];
    for (schema, expected) in cases {
        assert_eq!(unchecked(&schema).join("; "), expected, "{schema}");
    }
}
