//! `/openapi.json`: the running pipeline's API as OpenAPI 3.1, made from the same declaration that answers.

pub(crate) mod engine;
pub(crate) mod resource;
pub(crate) mod schema;

use serde_json::{Map, Value, json};

use crate::serve::plan::Api;

/// The document of a pipeline. `guarded`: requests need a token.
pub(crate) fn document(pipeline: &str, api: &Api, guarded: bool) -> Value {
    let words = &api.document;
    let title = if words.title.is_empty() { pipeline } else { &words.title };
    let mut paths = engine::paths(api, guarded);
    for declared in &api.resources {
        paths.insert(declared.path.clone(), resource::path(declared, api, guarded));
    }
    let mut components = Map::new();
    components.insert("schemas".into(), json!({"Problem": schema::problem()}));
    if guarded {
        components.insert("securitySchemes".into(), json!({"token": {"type": "http", "scheme": "bearer"}}));
    }
    let mut document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": title,
            "version": env!("CARGO_PKG_VERSION"),
            "description": words.description,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": components,
    });
    if guarded {
        document["security"] = json!([{"token": []}]);
    }
    document
}

/// An answer that is a problem.
fn problem(description: &str) -> Value {
    json!({
        "description": description,
        "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
    })
}

/// The same with when to come back.
fn unavailable() -> Value {
    let mut answer = problem("Not now: the store does not answer, or the answer took too long");
    answer["headers"] = json!({
        "Retry-After": {"description": "Seconds to wait", "required": true, "schema": {"type": "integer", "minimum": 1}},
    });
    answer
}

/// What any endpoint may answer beside what it is for.
fn common(responses: &mut Map<String, Value>, guarded: bool) {
    responses
        .insert("400".into(), problem("A parameter is wrong; the problem names it, its value and its range"));
    if guarded {
        responses.insert("401".into(), problem("The token is missing or not the right one"));
    }
    responses.insert("405".into(), problem("The API is read-only"));
    responses.insert("414".into(), problem("Path and query are too long"));
    responses.insert("500".into(), problem("The store refuses the question; asking again does not help"));
    responses.insert("503".into(), unavailable());
    responses.insert("default".into(), problem("Anything else that went wrong"));
}

/// Validators of an answer that may be kept.
fn kept() -> Value {
    json!({"ETag": {"description": "Names this body; send it back as `If-None-Match`", "schema": {"type": "string"}}})
}
