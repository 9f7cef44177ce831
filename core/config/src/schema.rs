//! The JSON Schema (2020-12) of a whole pipeline file, stages included, for editors and for people.

use serde_json::{Map, Value, json};
use smiles_stage::Registry;

use crate::common::{SinkKeys, SourceKeys, TransformKeys};
use crate::head::FileKeys;
use crate::keys::schema_of;
use crate::role::Role;

/// The schema of every pipeline file that this registry can run.
pub fn schema(registry: &Registry) -> Value {
    let mut file = schema_of::<FileKeys>();
    let mut definitions = Map::new();
    definitions.insert(
        "substitution".to_owned(),
        json!({ "type": "string", "pattern": "\\$\\{", "description": "a value with `${...}` in it" }),
    );
    definitions.insert(
        "include".to_owned(),
        // An editor that knows the tag sees its text.
        json!({ "type": "string", "pattern": "\\.ya?ml$", "description": "`!include FILE`" }),
    );
    for role in Role::ALL {
        let stages: Vec<(String, String, Value)> = match role {
            Role::Source => registry
                .all_sources()
                .map(|stage| described(stage.name(), stage.about(), stage.schema()))
                .collect(),
            Role::Transform => registry
                .all_transforms()
                .map(|stage| described(stage.name(), stage.about(), stage.schema()))
                .collect(),
            Role::Sink => registry
                .all_sinks()
                .map(|stage| described(stage.name(), stage.about(), stage.schema()))
                .collect(),
        };
        add_role(role, stages, &mut definitions);
    }
    for key in ["enabled", "journal", "variables", "plugins", "lines"] {
        loosened(&mut file["properties"][key]);
    }
    let stage = |role: Role| {
        let own = json!({ "$ref": format!("#/$defs/{}", role.word()) });
        json!({ "anyOf": [own, { "$ref": "#/$defs/include" }] })
    };
    file["properties"]["sources"]["additionalProperties"] = stage(Role::Source);
    file["properties"]["transforms"]["items"] = stage(Role::Transform);
    file["properties"]["sinks"]["additionalProperties"] = stage(Role::Sink);
    file["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    file["title"] = json!("S-Miles pipeline");
    file["$defs"] = Value::Object(definitions);
    file
}

fn described(name: &str, about: &str, schema: Value) -> (String, String, Value) {
    (name.to_owned(), about.to_owned(), schema)
}

/// The role's common keys, and by `type` the options of each stage.
fn add_role(role: Role, stages: Vec<(String, String, Value)>, definitions: &mut Map<String, Value>) {
    let mut common = match role {
        Role::Source => schema_of::<SourceKeys>(),
        Role::Transform => schema_of::<TransformKeys>(),
        Role::Sink => schema_of::<SinkKeys>(),
    };
    loosen(&mut common);
    let names: Vec<&str> = stages.iter().map(|(name, ..)| name.as_str()).collect();
    let variable = json!({ "$ref": "#/$defs/substitution" });
    common["properties"]["type"] = json!({ "anyOf": [{ "enum": names }, variable] });
    common["unevaluatedProperties"] = json!(false);
    // Whose options they are is known when the variable is.
    let mut cases = vec![json!({
        "if": { "properties": { "type": variable }, "required": ["type"] },
        "then": { "unevaluatedProperties": true }
    })];
    for (name, about, mut schema) in stages {
        let own = format!("{}.{name}", role.word());
        if let Some(Value::Object(inner)) = schema.as_object_mut().and_then(|schema| schema.remove("$defs")) {
            for (key, mut definition) in inner {
                redirect(&mut definition, &own);
                loosen(&mut definition);
                definitions.insert(format!("{own}.{key}"), definition);
            }
        }
        redirect(&mut schema, &own);
        loosen(&mut schema);
        if let Some(schema) = schema.as_object_mut() {
            // The common keys stand beside the options; strangers to both are refused one level up.
            schema.remove("additionalProperties");
            schema.remove("unevaluatedProperties");
            schema.remove("$schema");
            schema.insert("description".to_owned(), json!(about));
        }
        cases.push(json!({
            "if": { "properties": { "type": { "const": name } }, "required": ["type"] },
            "then": { "$ref": format!("#/$defs/{own}") }
        }));
        definitions.insert(own, schema);
    }
    common["allOf"] = Value::Array(cases);
    definitions.insert(role.word().to_owned(), common);
}

/// `#/$defs/X` of one stage becomes `#/$defs/source.modbus.X` of the file.
fn redirect(schema: &mut Value, own: &str) {
    match schema {
        Value::Object(map) => {
            if let Some(Value::String(target)) = map.get_mut("$ref") {
                if let Some(name) = target.strip_prefix("#/$defs/") {
                    *target = format!("#/$defs/{own}.{name}");
                } else if target == "#" {
                    *target = format!("#/$defs/{own}");
                }
            }
            map.values_mut().for_each(|value| redirect(value, own));
        }
        Value::Array(list) => list.iter_mut().for_each(|value| redirect(value, own)),
        _ => {}
    }
}

/// Where anything but a free text stands, a `${...}` or an `!include` may stand too.
fn loosen(schema: &mut Value) {
    let Value::Object(map) = schema else { return };
    for keyword in ["properties", "patternProperties"] {
        if let Some(Value::Object(properties)) = map.get_mut(keyword) {
            properties.values_mut().for_each(loosened);
        }
    }
    for keyword in ["items", "additionalProperties"] {
        if let Some(inner) = map.get_mut(keyword) {
            loosened(inner);
        }
    }
    for keyword in ["oneOf", "anyOf", "allOf", "prefixItems"] {
        if let Some(Value::Array(parts)) = map.get_mut(keyword) {
            parts.iter_mut().for_each(loosen);
        }
    }
}

fn loosened(schema: &mut Value) {
    loosen(schema);
    let Value::Object(map) = &*schema else { return };
    let is_text = map.get("type").is_some_and(|name| name == "string");
    let is_free = ["format", "pattern", "enum", "const"].iter().all(|keyword| !map.contains_key(*keyword));
    if is_text && is_free {
        return;
    }
    let description = map.get("description").cloned();
    let others = ["substitution", "include"].map(|name| json!({ "$ref": format!("#/$defs/{name}") }));
    let [variable, include] = others;
    let mut any = json!({ "anyOf": [schema.take(), variable, include] });
    if let Some(description) = description {
        any["description"] = description;
    }
    *schema = any;
}
