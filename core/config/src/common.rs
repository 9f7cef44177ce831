//! The keys that every stage of a role has beside its own options, and the keys of the file itself, as JSON Schema.

use serde_json::{Value, json};

use crate::role::Role;
use crate::{plugins, variables};

impl Role {
    pub(crate) const ALL: [Self; 3] = [Self::Source, Self::Transform, Self::Sink];

    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Transform => "transform",
            Self::Sink => "sink",
        }
    }

    /// The keys taken out of the options, `type` among them.
    pub(crate) fn keys(self) -> &'static [&'static str] {
        match self {
            Self::Source => &["type", "enabled", "every", "stretch_after", "for_each"],
            Self::Transform => &["type", "name", "enabled"],
            Self::Sink => &["type", "enabled", "from", "batch"],
        }
    }

    /// Their schemas.
    pub(crate) fn schema(self) -> Value {
        let enabled = json!({ "type": "boolean", "default": true, "description": "false: as if it were not in the file" });
        let about = json!({ "type": "string", "description": format!("which {} it is", self.word()) });
        let properties = match self {
            Self::Source => json!({
                "type": about,
                "enabled": enabled,
                "every": { "type": "string", "format": "duration", "description": "how often it is polled" },
                "stretch_after": {
                    "type": "integer", "format": "uint32", "minimum": 0, "default": 5,
                    "description": "failed polls after which it is polled less often, at least every 5 minutes; 0: never"
                },
                "for_each": { "description": "one source per item of a JSON list: `${json:NAME:-}`" }
            }),
            Self::Transform => json!({
                "type": about,
                "name": { "type": "string", "minLength": 1, "description": "its name in state and metrics; tells it from another transform of the same columns" },
                "enabled": enabled
            }),
            Self::Sink => json!({
                "type": about,
                "enabled": enabled,
                "from": {
                    "enum": ["now", "oldest"], "default": "now",
                    "description": "where a sink that is new to an existing journal begins"
                },
                "batch": {
                    "type": "object",
                    "additionalProperties": false,
                    "properties": {
                        "max_rows": {
                            "type": "integer", "format": "uint32", "minimum": 1, "default": 10_000,
                            "description": "how many rows one write may merge when the sink lags"
                        }
                    }
                }
            }),
        };
        json!({ "type": "object", "required": ["type"], "properties": properties })
    }
}

/// The keys of the file.
pub(crate) fn file_schema() -> Value {
    json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["pipeline", "sources", "sinks"],
        "properties": {
            "pipeline": {
                "type": "string", "minLength": 1, "pattern": "^[a-z][a-z0-9_-]*$",
                "description": "a name for the pipeline; its journal and its state are kept under it"
            },
            "enabled": { "type": "boolean", "default": true, "description": "false: checked, but not run" },
            "journal": journal_schema(),
            "variables": variables::schema(),
            "plugins": plugins::schema(),
            "sources": { "type": "object", "description": "where rows come from, by name" },
            "transforms": { "type": "array", "description": "what happens to every row, in order" },
            "sinks": { "type": "object", "description": "where rows go, by name" }
        }
    })
}

fn journal_schema() -> Value {
    json!({
        "description": "the durable log between the sources and the sinks",
        "oneOf": [
            { "const": "memory", "description": "for tests: nothing survives the process" },
            {
                "type": "object",
                "additionalProperties": false,
                "properties": {
                    "max_size": { "type": "string", "format": "size", "default": "1GiB" },
                    "retain": {
                        "type": "string", "format": "duration", "default": "24h",
                        "description": "how long delivered batches stay"
                    },
                    "on_full": {
                        "enum": ["block", "drop_oldest"], "default": "block",
                        "description": "block: polls pause; drop_oldest: the oldest batches go"
                    }
                }
            }
        ]
    })
}
