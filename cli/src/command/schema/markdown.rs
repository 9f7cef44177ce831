//! The same as a reference for people: every variable of the stock pipelines, every option of every stage.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde_json::{Map, Value};
use smiles_stage::Registry;

use crate::stock;

const HEAD: &str = "# Configuration

Printed by `smiles schema --markdown`; a test holds it against the program.

- [Variables](#variables) configure the stock pipelines.
- [Sources](#sources), [transforms](#transforms) and [sinks](#sinks): the options of every `type:` in a pipeline file, beside those
  that every stage has ([pipelines.md](pipelines.md)).

A duration is written `500ms`, `3s`, `1m30s`, `24h` or `7d`, a size `64KiB`, `16MiB` or `1GiB`. An option without a default in a row
marked *required* must be given.
";

/// The whole page.
pub(super) fn reference(registry: &Registry) -> String {
    let mut page = HEAD.to_owned();
    page.push_str(&variables());
    let sources =
        registry.all_sources().map(|stage| stage_section(stage.name(), stage.about(), &stage.schema()));
    _ = writeln!(page, "\n## Sources\n{}", sources.collect::<String>());
    let transforms =
        registry.all_transforms().map(|stage| stage_section(stage.name(), stage.about(), &stage.schema()));
    _ = writeln!(page, "## Transforms\n{}", transforms.collect::<String>());
    let sinks = registry.all_sinks().map(|stage| stage_section(stage.name(), stage.about(), &stage.schema()));
    _ = write!(page, "## Sinks\n{}", sinks.collect::<String>());
    page
}

fn stage_section(name: &str, about: &str, schema: &Value) -> String {
    format!("\n### `type: {name}`\n{}.\n{}", capital(about), options(schema))
}

/// The variables that the stock files declare, and those that have no use any more.
fn variables() -> String {
    let declared: Map<String, Value> =
        serde_yaml::from_str(stock::text(stock::VARIABLES)).unwrap_or_default();
    let defaults = defaults();
    let mut page =
        "\n## Variables\n\n| variable | type | default | meaning |\n|---|---|---|---|\n".to_owned();
    let (retired, used): (Vec<_>, Vec<_>) =
        declared.iter().partition(|(_, variable)| variable.get("retired").is_some());
    for (name, variable) in used {
        let default = defaults.get(name.as_str()).map_or("–".to_owned(), |default| format!("`{default}`"));
        let secret = if variable.get("secret").is_some() { " Never shown." } else { "" };
        let kind = if variable.get("type").is_some() { kind(variable) } else { "text".to_owned() };
        _ = writeln!(page, "| `{name}` | {kind} | {default} | {}{secret} |", meaning(variable));
    }
    page.push_str(
        "\nVariables of earlier versions without a use any more are accepted and named once in the log:\n\n",
    );
    page.push_str("| variable | why |\n|---|---|\n");
    for (name, variable) in retired {
        let why = variable.get("retired").and_then(Value::as_str).unwrap_or_default();
        _ = writeln!(page, "| `{name}` | {why} |");
    }
    page
}

/// `${NAME:-default}` of the stock files: where several differ, the one of the server.
fn defaults() -> BTreeMap<&'static str, &'static str> {
    let mut found = BTreeMap::new();
    let first = [stock::SERVER, stock::EMBEDDED].map(stock::text);
    let others = stock::FILES.iter().filter(|(name, _)| name.ends_with(".yaml")).map(|(_, text)| *text);
    for text in first.into_iter().chain(others) {
        for reference in text.split("${").skip(1) {
            let reference = reference.split('}').next().unwrap_or_default();
            let Some((name, default)) = reference.split_once(":-") else { continue };
            if !default.is_empty() && !default.contains("${") {
                found.entry(name).or_insert(default);
            }
        }
    }
    found
}

/// A table per object: the stage's own options, then those of the objects in them.
fn options(schema: &Value) -> String {
    let defined = schema.get("$defs").and_then(Value::as_object);
    let mut page = table(schema);
    let (mut waiting, mut done) = (named_in(schema), BTreeSet::new());
    while let Some(name) = waiting.pop_first() {
        let Some(object) = defined.and_then(|defined| defined.get(&name)) else { continue };
        if !done.insert(name.clone()) {
            continue;
        }
        let text = table(object);
        if !text.is_empty() {
            let about =
                object.get("description").and_then(Value::as_str).map(first_sentence).unwrap_or_default();
            _ = writeln!(page, "\n**{name}**: {about}");
            page.push_str(&text);
        }
        waiting.extend(named_in(object));
    }
    page
}

/// Every `$ref` in it, `$defs` left out.
fn named_in(schema: &Value) -> BTreeSet<String> {
    match schema {
        Value::Object(members) => {
            let own = members.get("$ref").and_then(Value::as_str).and_then(|path| path.rsplit('/').next());
            let inner =
                members.iter().filter(|(name, _)| *name != "$defs").flat_map(|(_, value)| named_in(value));
            inner.chain(own.map(str::to_owned)).collect()
        }
        Value::Array(items) => items.iter().flat_map(named_in).collect(),
        _ => BTreeSet::new(),
    }
}

fn table(schema: &Value) -> String {
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return String::new() };
    let required: Vec<&str> = schema
        .get("required")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let mut page = "\n| option | type | default | meaning |\n|---|---|---|---|\n".to_owned();
    for (name, option) in properties {
        let default = match option.get("default") {
            _ if required.contains(&name.as_str()) => "*required*".to_owned(),
            None | Some(Value::Null) => "–".to_owned(),
            Some(Value::String(text)) if text.is_empty() => "–".to_owned(),
            Some(Value::Object(members)) if members.is_empty() => "–".to_owned(),
            Some(Value::String(text)) => format!("`{text}`"),
            Some(Value::Object(map)) if map.is_empty() => "–".to_owned(),
            Some(Value::Array(list)) if list.is_empty() => "–".to_owned(),
            Some(Value::Object(_) | Value::Array(_)) => "as below".to_owned(),
            Some(value) => format!("`{value}`"),
        };
        _ = writeln!(page, "| `{name}` | {} | {default} | {} |", kind(option), meaning(option));
    }
    page
}

fn meaning(schema: &Value) -> String {
    let text = schema.get("description").and_then(Value::as_str).unwrap_or_default();
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}

fn first_sentence(text: &str) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    text.split_once(". ").map_or(text.clone(), |(first, _)| format!("{first}."))
}

fn capital(text: &str) -> String {
    let mut dead_letters = text.chars();
    dead_letters.next().map_or(String::new(), |first| first.to_uppercase().chain(dead_letters).collect())
}

/// What a value may be, in few words.
fn kind(schema: &Value) -> String {
    let text = |name: &str| schema.get(name).and_then(Value::as_str);
    if let Some(name) = text("$ref").and_then(|path| path.rsplit('/').next()) {
        return name.to_owned();
    }
    if let Some(value) = schema.get("const") {
        return format!("`{}`", value.as_str().map_or_else(|| value.to_string(), str::to_owned));
    }
    let choices = schema.get("enum").or_else(|| schema.get("one_of")).and_then(Value::as_array);
    if let Some(choices) = choices {
        let choices: Vec<String> =
            choices.iter().map(|choice| format!("`{}`", choice.as_str().unwrap_or("null"))).collect();
        return choices.join(", ");
    }
    for name in ["anyOf", "oneOf"] {
        if let Some(choices) = schema.get(name).and_then(Value::as_array) {
            let kinds: BTreeSet<String> = choices.iter().map(kind).filter(|kind| kind != "null").collect();
            return kinds.into_iter().collect::<Vec<_>>().join(" or ");
        }
    }
    let name = match schema.get("type") {
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).find(|name| *name != "null"),
        other => other.and_then(Value::as_str),
    };
    match (name, text("format")) {
        (_, Some(format @ ("duration" | "size"))) => format.to_owned(),
        (Some("string"), _) => "text".to_owned(),
        (Some("boolean"), _) => "true or false".to_owned(),
        (Some("integer" | "number"), _) => number(schema, name == Some("integer")),
        (Some("array"), _) => format!("list of {}", schema.get("items").map_or("anything".to_owned(), kind)),
        (Some("object"), _) => match schema.get("additionalProperties") {
            Some(values @ Value::Object(_)) => format!("names with {}", kind(values)),
            _ => "object".to_owned(),
        },
        (Some(other), _) => other.to_owned(),
        (None, _) => "anything".to_owned(),
    }
}

fn number(schema: &Value, whole: bool) -> String {
    let bound = |name: &str| schema.get(name).and_then(Value::as_f64);
    let word = if whole { "whole number" } else { "number" };
    match (bound("minimum"), bound("maximum")) {
        (Some(least), Some(most)) => format!("{word}, {least} to {most}"),
        (Some(least), None) => format!("{word}, at least {least}"),
        (None, Some(most)) => format!("{word}, at most {most}"),
        (None, None) => word.to_owned(),
    }
}
