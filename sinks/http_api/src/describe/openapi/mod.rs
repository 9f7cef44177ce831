//! `/openapi.json`: the running pipeline's API as OpenAPI 3.1, made from the same declaration that answers.

pub(crate) mod engine;
pub(crate) mod parts;
pub(crate) mod resource;
pub(crate) mod schema;

use serde_json::{Map, Value, json};

use crate::declare::api::Api;

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
