//! `/api`: what there is to ask for. The dashboard is built from it.

use serde_json::{Map, Value, json};
use smiles_stage::ColumnMeta;

use crate::declare::api::Api;
use crate::declare::config::api::Stat;
use crate::declare::params::Param;
use crate::declare::resource::{Plan, Resource};
use crate::declare::selection::Selection;
use crate::declare::totals::TotalValue;
use crate::describe::openapi::schema;

/// The index of a pipeline.
pub(crate) fn body(pipeline: &str, api: &Api) -> Value {
    let stats: Vec<Value> = api
        .stats
        .iter()
        .map(|(name, stat)| json!({"name": name, "unit": matches!(stat, Stat::SizeBytes).then_some("B")}))
        .collect();
    json!({
        "pipeline": pipeline,
        "sources_key": api.sources_key,
        "resources": api.resources.iter().map(resource).collect::<Vec<_>>(),
        "stats": stats,
        "endpoints": ["/health", "/ready", "/metrics", "/stats", "/api", "/api/events", "/openapi.json", "/docs"],
    })
}

fn resource(resource: &Resource) -> Value {
    let (columns, nest) = match &resource.plan {
        Some(plan) => (columns(plan), nest(plan)),
        None => (Vec::new(), Map::new()),
    };
    let shape = match () {
        () if resource.route.totals.is_some() => "totals",
        () if resource.is_list() => "list",
        () => "object",
    };
    let totals = resource.totals.as_ref().map(|totals| {
        let value = |value: &TotalValue| json!({"name": value.name, "unit": value.field.shown_unit()});
        json!({
            "whole": totals.whole,
            "each": totals.each,
            "values": totals.values.iter().map(value).collect::<Vec<_>>(),
        })
    });
    json!({
        "path": resource.path,
        "description": resource.route.description,
        "shape": shape,
        "totals": totals,
        "parameters": resource.params.iter().map(parameter).collect::<Vec<_>>(),
        "columns": columns,
        "nest": nest,
    })
}

fn columns(plan: &Plan) -> Vec<Value> {
    let joined = plan.joins.iter().map(|partner| &partner.selection);
    std::iter::once(&plan.base).chain(joined).flat_map(served).collect()
}

fn nest(plan: &Plan) -> Map<String, Value> {
    plan.nests.iter().map(|(name, partner)| (name.clone(), served(&partner.selection).into())).collect()
}

fn served(selection: &Selection) -> Vec<Value> {
    let column = |served: &crate::declare::selection::Served| {
        let field = &selection.columns[served.column];
        let kind = match field.data_type() {
            _ if served.json => "json",
            kind if kind.is_integer() => "integer",
            kind if kind.is_numeric() => "number",
            arrow_schema::DataType::Boolean => "boolean",
            arrow_schema::DataType::Timestamp(_, _) => "time",
            _ => "text",
        };
        let mut described = json!({"name": served.name, "type": kind, "unit": field.shown_unit()});
        // What is compared is the number; what is shown is its word.
        if let Some(labels) = &served.labels {
            described[schema::labels_key(labels)] = schema::labels(labels);
        }
        described
    };
    selection.served.iter().map(column).collect()
}

fn parameter(param: &Param) -> Value {
    let spec = &param.spec;
    let mut value = json!({
        "name": param.name,
        "in": if param.in_path { "path" } else { "query" },
        "description": spec.description,
        "required": param.in_path,
        "type": match spec.kind {
            crate::declare::config::route::ParameterType::Text => "text",
            crate::declare::config::route::ParameterType::Integer => "integer",
            crate::declare::config::route::ParameterType::Number => "number",
            crate::declare::config::route::ParameterType::Boolean => "boolean",
            crate::declare::config::route::ParameterType::Time => "time",
        },
    });
    let default = spec.default.as_ref().map(|scalar| match scalar {
        crate::declare::config::route::Scalar::Bool(value) => json!(value),
        crate::declare::config::route::Scalar::Int(value) => json!(value),
        crate::declare::config::route::Scalar::Float(value) => json!(value),
        crate::declare::config::route::Scalar::Text(value) => json!(value),
    });
    let more = [
        ("default", default),
        ("minimum", spec.minimum.map(Value::from)),
        ("maximum", spec.maximum.map(Value::from)),
        ("one_of", spec.one_of.clone().map(Value::from)),
    ];
    if let Some(members) = value.as_object_mut() {
        members.extend(more.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
    }
    value
}
