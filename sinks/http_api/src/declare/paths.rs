//! `resources:` as it stands in a file: a map of paths, three of which name what the engine itself answers.

use std::borrow::Cow;
use std::fmt;

use indexmap::IndexMap;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};

use crate::declare::config::api::{Document, HealthNames, Resources, Stat};
use crate::declare::config::route::Route;

const HEALTH: &str = "/health";
const STATS: &str = "/stats";
const DOCUMENT: &str = "/openapi.json";

impl<'de> Deserialize<'de> for Resources {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Paths)
    }
}

struct Paths;

impl<'de> Visitor<'de> for Paths {
    type Value = Resources;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map of paths")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Resources, A::Error> {
        let (mut health, mut stats) = (None::<HealthNames>, None::<IndexMap<String, Stat>>);
        let mut document = None::<Document>;
        let mut routes = IndexMap::<String, Route>::new();
        while let Some(path) = map.next_key::<String>()? {
            let again = match path.as_str() {
                HEALTH => health.replace(map.next_value()?).is_some(),
                STATS => stats.replace(map.next_value()?).is_some(),
                DOCUMENT => document.replace(map.next_value()?).is_some(),
                _ => routes.insert(path.clone(), map.next_value()?).is_some(),
            };
            if again {
                return Err(A::Error::custom(format!("`{path}` stands here twice")));
            }
        }
        Ok(Resources {
            health: health.unwrap_or_default(),
            stats: stats.unwrap_or_default(),
            document: document.unwrap_or_default(),
            routes,
        })
    }
}

impl JsonSchema for Resources {
    fn schema_name() -> Cow<'static, str> {
        "Resources".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Routes by path (`/api/things/{id}`), and names inside the engine's own answers",
            "type": "object",
            "properties": {
                HEALTH: generator.subschema_for::<HealthNames>(),
                STATS: generator.subschema_for::<IndexMap<String, Stat>>(),
                DOCUMENT: generator.subschema_for::<Document>(),
            },
            "additionalProperties": generator.subschema_for::<Route>(),
        })
    }
}
