//! The JSON Schema (2020-12) of a whole pipeline file, stages included, for editors and for people.

use serde_json::{Map, Value, json};
use smiles_stage::Registry;
use smiles_stage::option::{DURATION_FORMAT, SIZE_FORMAT};

use crate::check::describe::types;
use crate::common::{SinkKeys, SourceKeys, TransformKeys};
use crate::head::FileKeys;
use crate::keys::schema_of;
use crate::role::Role;

/// The dialect that editors are told.
const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

/// What may stand in a file in place of a value, by the name of its definition.
const IN_PIPELINES: &[&str] = &["substitution", "include"];
const ELSEWHERE: &[&str] = &["include"];

/// What durations and sizes (`smiles_stage::option`) and switches may look like, for editors, which do not know our formats.
const DURATION: &str = r"^\s*(0|([0-9.]+ *(ms|s|m|min|h|d) *)+)\s*$";
const BOOLEAN: &str = r"^(?:[Tt]rue|TRUE|[Ff]alse|FALSE|[Yy]es|YES|[Nn]o|NO|[Oo]n|ON|[Oo]ff|OFF)$";
const SIZE: &str = r"^\s*(0|([0-9.]+ *(B|[kKMG]B|[KMGT]iB) *)+)\s*$";

/// The schema of every pipeline file that this registry can run.
pub fn schema(registry: &Registry) -> Value {
    let mut file = schema_of::<FileKeys>();
    let mut definitions = stand_ins(IN_PIPELINES);
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
        loosened(&mut file["properties"][key], IN_PIPELINES);
    }
    let stage = |role: Role| {
        let own = json!({ "$ref": format!("#/$defs/{}", role.word()) });
        json!({ "anyOf": [own, { "$ref": "#/$defs/include" }] })
    };
    file["properties"]["sources"]["additionalProperties"] = stage(Role::Source);
    file["properties"]["transforms"]["items"] = stage(Role::Transform);
    file["properties"]["sinks"]["additionalProperties"] = stage(Role::Sink);
    for key in ["sources", "transforms", "sinks"] {
        file["properties"][key] = or(file["properties"][key].take(), ELSEWHERE);
    }
    finished(file, definitions, "S-Miles pipeline")
}

/// The schema of files that an option of a stage takes by `!include`, from the schema of the stage; `None`: it has no such
/// option.
pub fn included(stage: &Value, option: &str, title: &str) -> Option<Value> {
    let mut file = stage.pointer("/properties")?.get(option)?.clone();
    let definitions = stage.get("$defs").and_then(Value::as_object).cloned().unwrap_or_default();
    if let Some(Value::Array(parts)) = file.get_mut("anyOf") {
        // The option may be left out, and a file that says nothing is an error.
        parts.retain(|part| part["type"] != "null");
        if let [one] = parts.as_mut_slice() {
            file = one.take();
        }
    }
    // Editors show what stands at the top better than what is referred to from there.
    let target = file.get("$ref").and_then(Value::as_str).and_then(|path| path.strip_prefix("#/$defs/"));
    if let Some(target) = target.and_then(|name| definitions.get(name)) {
        file = target.clone();
    }
    Some(loose(file, definitions, IN_PIPELINES, title))
}

/// The schema of another kind of file, in which `!include` may stand and `${...}` is text.
pub fn with_includes(mut file: Value, title: &str) -> Value {
    let definitions = file.as_object_mut().and_then(|file| file.remove("$defs"));
    let definitions = definitions.and_then(|inner| inner.as_object().cloned()).unwrap_or_default();
    loose(file, definitions, ELSEWHERE, title)
}

fn loose(mut file: Value, mut definitions: Map<String, Value>, others: &[&str], title: &str) -> Value {
    loosen(&mut file, others);
    definitions.values_mut().for_each(|definition| loosen(definition, others));
    definitions.extend(stand_ins(others));
    finished(file, definitions, title)
}

fn finished(mut file: Value, definitions: Map<String, Value>, title: &str) -> Value {
    file["$schema"] = json!(DIALECT);
    file["title"] = json!(title);
    file["$defs"] = Value::Object(definitions);
    file
}

fn stand_ins(names: &[&str]) -> Map<String, Value> {
    let substitution =
        json!({ "type": "string", "pattern": "\\$\\{", "description": "a value with `${...}` in it" });
    // An editor that knows the tag sees its text.
    let include = json!({ "type": "string", "pattern": "\\.ya?ml$", "description": "`!include FILE`" });
    let all = [("substitution", substitution), ("include", include)];
    all.into_iter()
        .filter(|(name, _)| names.contains(name))
        .map(|(name, schema)| (name.to_owned(), schema))
        .collect()
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
    loosen(&mut common, IN_PIPELINES);
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
                loosen(&mut definition, IN_PIPELINES);
                definitions.insert(format!("{own}.{key}"), definition);
            }
        }
        redirect(&mut schema, &own);
        loosen(&mut schema, IN_PIPELINES);
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

/// Where anything but a free text stands, the others may stand too.
fn loosen(schema: &mut Value, others: &[&str]) {
    let Value::Object(map) = schema else { return };
    for keyword in ["properties", "patternProperties"] {
        if let Some(Value::Object(properties)) = map.get_mut(keyword) {
            properties.values_mut().for_each(|property| loosened(property, others));
        }
    }
    for keyword in ["items", "additionalProperties", "additionalItems"] {
        if let Some(inner) = map.get_mut(keyword) {
            loosened(inner, others);
        }
    }
    for keyword in ["then", "else"] {
        if let Some(inner) = map.get_mut(keyword) {
            loosen(inner, others);
        }
    }
    if let Some(Value::Array(parts)) = map.get_mut("prefixItems") {
        parts.iter_mut().for_each(|part| loosened(part, others));
    }
    for keyword in ["oneOf", "anyOf", "allOf"] {
        if let Some(Value::Array(parts)) = map.get_mut(keyword) {
            parts.iter_mut().for_each(|part| loosen(part, others));
        }
    }
    // A variable may stand for what tells alternatives apart: then several fit.
    if !map.contains_key("anyOf")
        && let Some(parts) = map.remove("oneOf")
    {
        map.insert("anyOf".to_owned(), parts);
    }
}

fn loosened(schema: &mut Value, others: &[&str]) {
    loosen(schema, others);
    let own: Vec<String> = types(schema).into_iter().map(str::to_owned).collect();
    let Value::Object(map) = schema else { return };
    let is = |word: &str| {
        own.iter().any(|name| name == word) && own.iter().all(|name| name == word || name == "null")
    };
    let limits = ["format", "pattern", "enum", "const", "maxLength"];
    if is("string") && limits.iter().all(|keyword| !map.contains_key(*keyword)) {
        // A text needs no quotes here, and an editor sees a number.
        let more = own.iter().map(String::as_str).chain(["number", "boolean"]);
        map.insert("type".to_owned(), more.collect());
        return;
    }
    match map.get("format").and_then(Value::as_str) {
        Some(DURATION_FORMAT) if is("string") => map.extend(or_digits(&own, DURATION, 0)),
        Some(SIZE_FORMAT) if is("string") => map.extend(or_digits(&own, SIZE, 0)),
        _ if is("boolean") => map.extend(or_digits(&own, BOOLEAN, 1)),
        _ => {}
    }
    *schema = or(schema.take(), others);
}

/// A value as it may be written beside its own types: as a text of this pattern, or as a number up to `most`.
fn or_digits(own: &[String], pattern: &str, most: u8) -> Map<String, Value> {
    let more = ["string", "integer"].into_iter().filter(|name| !own.iter().any(|known| known == name));
    let types: Value = own.iter().map(String::as_str).chain(more).collect();
    let keywords =
        [("type", types), ("pattern", json!(pattern)), ("minimum", json!(0)), ("maximum", json!(most))];
    keywords.into_iter().map(|(keyword, value)| (keyword.to_owned(), value)).collect()
}

/// The schema, or one of these definitions.
fn or(schema: Value, others: &[&str]) -> Value {
    let description = schema.get("description").cloned();
    let mut all = vec![schema];
    all.extend(others.iter().map(|name| json!({ "$ref": format!("#/$defs/{name}") })));
    let mut any = json!({ "anyOf": all });
    if let Some(description) = description {
        any["description"] = description;
    }
    any
}

#[cfg(test)]
mod tests {
    use smiles_stage::option::{Period, Size};

    use super::*;
    use crate::check::pattern::compiled;

    #[test]
    fn editors_know_durations_and_sizes() {
        let fits = |pattern: &str, text: &str| compiled(pattern).unwrap().is_match(text);
        for text in [
            "0",
            " 5s ",
            "1h30m",
            "1.5 h",
            ".5s",
            "2min",
            "500ms",
            "1h 30m",
            "7d",
            "5",
            "",
            "5 minutes",
            "-1s",
        ] {
            assert_eq!(fits(DURATION, text), text.parse::<Period>().is_ok(), "{text:?}");
        }
        for text in ["0", "64KiB", "1 GB", "1.5MiB", "10kB", "1TiB", "512B", "64", "64mib", "", "1 TB"] {
            assert_eq!(fits(SIZE, text), text.parse::<Size>().is_ok(), "{text:?}");
        }
    }
}
