//! A declared resource: its parameters, its rows, its errors.

use serde_json::{Map, Value, json};

use crate::declare::api::Api;
use crate::declare::config::api::Document;
use crate::declare::config::route::{ParameterType, Scalar};
use crate::declare::params::Param;
use crate::declare::resource::{Plan, Resource};
use crate::declare::totals::{Origin, TotalsPlan};
use crate::describe::openapi::parts::{common, kept, problem};
use crate::describe::openapi::schema::{cell, list, members, object};
use crate::query::format::Format;
use crate::query::history::buckets::served;

pub(super) fn path(resource: &Resource, api: &Api, guarded: bool) -> Value {
    let words = &api.document;
    let parameters: Vec<Value> = resource.params.iter().map(|param| parameter(param, words)).collect();
    let mut responses = Map::new();
    responses.insert("200".into(), answer(resource, words));
    responses.insert("304".into(), json!({"description": "The client has it already", "headers": kept()}));
    if !resource.is_list() || resource.route.exists.is_some() {
        let sentence = resource.route.not_found.as_deref().unwrap_or("no such row");
        responses.insert("404".into(), problem(sentence));
    }
    responses.insert("406".into(), problem("It is not served in the form asked for"));
    common(&mut responses, guarded);
    json!({"get": {
        "operationId": operation(&resource.path),
        "summary": resource.route.description,
        "tags": ["data"],
        "parameters": parameters,
        "responses": responses,
    }})
}

/// `get_api_things_id` of `/api/things/{id}`.
pub(super) fn operation(path: &str) -> String {
    let word = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    let words: String = path.chars().map(word).collect();
    let parts: Vec<&str> = words.split('_').filter(|part| !part.is_empty()).collect();
    format!("get_{}", parts.join("_"))
}

fn parameter(param: &Param, words: &Document) -> Value {
    let spec = &param.spec;
    let mut schema = Map::new();
    let (kind, format) = match spec.kind {
        ParameterType::Text => ("string", None),
        ParameterType::Integer => ("integer", Some("int64")),
        ParameterType::Number => ("number", Some("double")),
        ParameterType::Boolean => ("boolean", None),
        ParameterType::Time => ("string", Some("date-time")),
    };
    let bound = |bound: f64| if bound.fract() == 0.0 { json!(bound as i64) } else { json!(bound) };
    schema.insert("type".into(), json!(kind));
    let default = spec.default.as_ref().map(scalar);
    let choices = spec.one_of.as_ref().map(|known| json!(known));
    let longest = (kind == "string" && format.is_none() && choices.is_none()).then(|| json!(spec.max_length));
    let shortest = (param.in_path && longest.is_some()).then(|| json!(1));
    let more = [
        ("format", format.map(|format| json!(format))),
        ("default", default),
        ("minimum", spec.minimum.map(bound)),
        ("maximum", spec.maximum.map(bound)),
        ("enum", choices),
        ("minLength", shortest),
        ("maxLength", longest),
    ];
    schema.extend(more.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
    let mut schema = Value::Object(schema);
    if let Some(words) = param.words() {
        schema = json!({"anyOf": [schema, {"enum": words}]});
    }
    let mut described = json!({
        "name": param.name,
        "in": if param.in_path { "path" } else { "query" },
        "required": param.in_path,
        "description": spec.description,
        "schema": schema,
    });
    if let Some(example) = words.examples.get(&param.name) {
        described["example"] = example.clone();
    }
    described
}

fn scalar(scalar: &Scalar) -> Value {
    match scalar {
        Scalar::Bool(value) => json!(value),
        Scalar::Int(value) => json!(value),
        Scalar::Float(value) => json!(value),
        Scalar::Text(value) => json!(value),
    }
}

fn answer(resource: &Resource, words: &Document) -> Value {
    let schema = match (&resource.plan, &resource.totals) {
        (Some(plan), _) => rows(resource, plan, words),
        (None, Some(totals)) => sums(totals, words),
        // Without a store there is nothing but 503.
        (None, None) => json!({}),
    };
    let mut content = Map::new();
    for format in resource.formats() {
        let described = match format {
            Format::Json => json!({"schema": schema}),
            Format::Csv => json!({"schema": {"type": "string"}}),
            Format::Arrow => json!({}),
        };
        content.insert(format.media_type().to_owned(), described);
    }
    let mut headers = kept();
    if resource.route.history.is_some() {
        headers["Link"] = json!({"description": "The next page, `rel=\"next\"`, if there is one", "schema": {"type": "string"}});
    }
    json!({"description": resource.route.description, "headers": headers, "content": content})
}

fn rows(resource: &Resource, plan: &Plan, words: &Document) -> Value {
    let mut properties = Map::new();
    members(&plan.base, words, &mut properties);
    for partner in &plan.joins {
        members(&partner.selection, words, &mut properties);
    }
    for (name, partner) in &plan.nests {
        let mut nested = Map::new();
        members(&partner.selection, words, &mut nested);
        properties.insert(name.clone(), list(&object(nested)));
    }
    let row = object(properties);
    match &plan.history {
        Some(history) if !history.buckets.is_empty() => {
            let mut spans = Map::new();
            members(&served(&plan.base, history), words, &mut spans);
            json!({"anyOf": [list(&row), list(&object(spans))]})
        }
        _ if resource.is_list() => list(&row),
        _ => row,
    }
}

fn sums(totals: &TotalsPlan, words: &Document) -> Value {
    let values = totals.values.iter();
    let properties: Map<String, Value> =
        values.map(|value| (value.name.clone(), cell(&value.field, &value.name, false, words))).collect();
    let values = object(properties);
    let each =
        json!({"type": "object", "additionalProperties": values, "description": "Per source, by its name"});
    let mut all = Map::from_iter([(totals.whole.clone(), values), (totals.each.clone(), each)]);
    let of_tables = totals.values.iter().filter(|value| matches!(value.origin, Origin::Sums { .. }));
    let properties: Map<String, Value> =
        of_tables.map(|value| (value.name.clone(), cell(&value.field, &value.name, false, words))).collect();
    for (name, _) in totals.sums.iter().flat_map(|sums| &sums.more) {
        let groups = object(properties.clone());
        let groups = json!({"type": "object", "additionalProperties": groups, "description": "Per group, by its name"});
        all.insert(name.clone(), groups);
    }
    object(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operation_is_named_by_its_path() {
        assert_eq!(operation("/api/things/{id}/x-y"), "get_api_things_id_x_y");
    }
}
