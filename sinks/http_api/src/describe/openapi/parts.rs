//! Pieces of the document that several operations share.

use serde_json::{Map, Value, json};

/// An answer that is a problem.
pub(crate) fn problem(description: &str) -> Value {
    json!({
        "description": description,
        "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
    })
}

/// The same with when to come back.
pub(crate) fn unavailable() -> Value {
    let mut answer = problem("Not now: the store does not answer, or the answer took too long");
    answer["headers"] = json!({
        "Retry-After": {"description": "Seconds to wait", "required": true, "schema": {"type": "integer", "minimum": 1}},
    });
    answer
}

/// What any endpoint may answer beside what it is for.
pub(crate) fn common(responses: &mut Map<String, Value>, guarded: bool) {
    responses
        .insert("400".into(), problem("A parameter is wrong; the problem names it, its value and its range"));
    if guarded {
        responses.insert("401".into(), problem("The token is missing or not the right one"));
    }
    responses.insert("405".into(), problem("The API is read-only"));
    responses.insert("414".into(), problem("Path and query are too long"));
    responses.insert("500".into(), problem("The store rejects the query; retrying does not help"));
    responses.insert("503".into(), unavailable());
    responses.insert("default".into(), problem("Anything else that went wrong"));
}

/// Validators of an answer that may be kept.
pub(crate) fn kept() -> Value {
    json!({"ETag": {"description": "Names this body; send it back as `If-None-Match`", "schema": {"type": "string"}}})
}
