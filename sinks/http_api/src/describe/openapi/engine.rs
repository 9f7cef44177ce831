//! The engine's own endpoints.

use serde_json::{Map, Value, json};

use crate::declare::api::Api;
use crate::declare::config::api::Stat;
use crate::describe::openapi::parts::{common, kept, problem, unavailable};
use crate::describe::openapi::resource::operation;
use crate::describe::openapi::schema::object;

/// Path, tag, summary, and what it answers by status.
type Endpoint<'a> = (&'a str, &'a str, &'a str, Vec<(&'a str, Value)>);

/// Their paths.
pub(super) fn paths(api: &Api, guarded: bool) -> Map<String, Value> {
    let ok = |description: &str, kind: &str, schema: Value| json!({"description": description, "content": {kind: {"schema": schema}}});
    let validated = |description: &str, schema: Value| json!({"description": description, "headers": kept(), "content": {"application/json": {"schema": schema}}});
    let text = || json!({"type": "string"});
    let health = || ok("How sources, sinks and journal are", "application/json", health(api, guarded));
    let mut health_503 = health();
    health_503["description"] = json!("The same, while no source can be read");
    let index = json!({"type": "object", "required": ["pipeline", "resources", "stats", "endpoints"]});
    let rows: [Endpoint<'_>; 7] = [
        (
            "/health",
            "monitoring",
            "State of every source and sink",
            vec![("200", health()), ("503", health_503)],
        ),
        (
            "/ready",
            "monitoring",
            "Whether readings arrive and can be kept",
            vec![("200", ok("It is ready", "text/plain", json!({"const": "OK"}))), ("503", unavailable())],
        ),
        (
            "/metrics",
            "monitoring",
            "Series for Prometheus",
            vec![
                ("200", ok("Prometheus text format", "text/plain", text())),
                ("404", problem("Metrics are switched off")),
            ],
        ),
        (
            "/stats",
            "monitoring",
            "Size and row counts of the store",
            vec![("200", validated("Counts", stats(api)))],
        ),
        ("/api", "description", "The data routes in short", vec![("200", validated("An index", index))]),
        (
            "/openapi.json",
            "description",
            "This document",
            vec![(
                "200",
                validated("OpenAPI 3.1", json!({"type": "object", "required": ["openapi", "paths"]})),
            )],
        ),
        (
            "/api/events",
            "data",
            "One server-sent event per accepted batch",
            vec![(
                "200",
                ok(
                    "Events `batch` with the id `RUN-SEQ`; `gap` where some were missed",
                    "text/event-stream",
                    text(),
                ),
            )],
        ),
    ];
    rows.into_iter().map(|row| path(row, guarded)).collect()
}

fn path((path, tag, summary, answers): Endpoint<'_>, guarded: bool) -> (String, Value) {
    let open = ["/health", "/ready"].contains(&path);
    let mut responses = Map::new();
    common(&mut responses, guarded && !open);
    if answers.iter().any(|(_, answer)| answer.get("headers").is_some()) && path != "/ready" {
        responses
            .insert("304".into(), json!({"description": "The client has it already", "headers": kept()}));
    }
    responses.extend(answers.into_iter().map(|(status, answer)| (status.to_owned(), answer)));
    let mut get = json!({
        "operationId": operation(path),
        "summary": summary,
        "tags": [tag],
        "responses": responses,
    });
    if open && guarded {
        // Whoever sends the token is told more.
        get["security"] = json!([{}, {"token": []}]);
    }
    if path == "/api/events" {
        let last = "The id of the last event seen: those behind it come first";
        get["parameters"] = json!([{
            "name": "Last-Event-ID", "in": "header", "required": false, "description": last,
            "schema": {"type": "string", "pattern": "^[0-9a-f]{32}-[0-9]+$"},
        }]);
    }
    (path.to_owned(), json!({"get": get}))
}

fn stats(api: &Api) -> Value {
    let field = |stat: &Stat| match stat {
        Stat::Kind => json!({"type": "string"}),
        Stat::SizeBytes => json!({"type": "integer", "minimum": 0, "x-unit": "B", "description": "in B"}),
        Stat::Rows(_) => json!({"type": "integer", "minimum": 0}),
    };
    object(api.stats.iter().map(|(name, stat)| (name.to_owned(), field(stat))).collect())
}

fn health(api: &Api, guarded: bool) -> Value {
    let moment = || json!({"type": ["string", "null"], "format": "date-time"});
    let words = || json!({"type": ["string", "null"]});
    let count = || json!({"type": "integer", "minimum": 0});
    let source = json!({
        "status": {"enum": ["unknown", "online", "error"]},
        "last_successful_query": moment(),
        "seconds_since_last_success": {"type": ["integer", "null"], "minimum": 0, "x-unit": "s"},
        "query_count": count(),
        "error_count": count(),
        "last_error": words(),
        "last_error_time": moment(),
        "address": {"type": "string"},
        "every_seconds": {"type": ["number", "null"], "x-unit": "s"},
        "stretched": {"type": "boolean"},
    });
    let sink = json!({
        "state": {"enum": ["starting", "delivering", "retrying", "halted"]},
        "type": {"type": "string"},
        "last_error": words(),
        "last_error_time": moment(),
        "accepted": count(),
        "delivered": count(),
        "dead_lettered": count(),
        "dropped": count(),
        "lost": count(),
        "waiting": count(),
    });
    let journal = json!({
        "writable": {"type": "boolean"},
        "size_bytes": count(),
        "max_size_bytes": count(),
        "full": {"type": "boolean"},
    });
    let bridge = json!({
        "id": {"type": "string", "description": "names this installation for as long as its data folder lives"},
        "version": {"type": "string"},
    });
    let members = |schema: Value| schema.as_object().cloned().unwrap_or_default();
    let named = |schema: Value| json!({"type": "object", "additionalProperties": object(members(schema))});
    let whole = [
        ("healthy", json!({"type": "boolean"})),
        ("uptime_seconds", count()),
        ("start_time", json!({"type": "string", "format": "date-time"})),
        (api.sources_key.as_str(), named(source)),
        ("pipeline", json!({"type": "string"})),
        ("sinks", named(sink)),
        ("journal", object(members(journal))),
        ("warnings", json!({"type": "array", "items": {"type": "string"}})),
        ("bridge", object(members(bridge))),
    ];
    let whole = object(whole.into_iter().map(|(name, schema)| (name.to_owned(), schema)).collect());
    if guarded { json!({"anyOf": [whole, in_short(api)]}) } else { whole }
}

/// What `/health` tells whoever does not send the token.
fn in_short(api: &Api) -> Value {
    let bridge = json!({"version": {"type": "string"}, "auth": {"const": "bearer"}});
    let members = json!({
        "healthy": {"type": "boolean"},
        "uptime_seconds": {"type": "integer", "minimum": 0},
        api.sources_key.as_str(): {"type": "object", "maxProperties": 0},
        "bridge": object(bridge.as_object().cloned().unwrap_or_default()),
    });
    object(members.as_object().cloned().unwrap_or_default())
}
