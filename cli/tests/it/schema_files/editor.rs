//! YAML as an editor with a schema sees it: `!include FILE` is a text, and `${...}` too.

use std::fs;
use std::path::Path;

use jsonschema::Validator;
use serde_json::{Map, Value};

use crate::bridge::finish;

/// The kinds of files that have a schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Pipeline,
    Device,
    Tests,
}

impl Kind {
    pub(super) const ALL: [Self; 3] = [Self::Pipeline, Self::Device, Self::Tests];

    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Pipeline => "pipeline",
            Self::Device => "device",
            Self::Tests => "tests",
        }
    }

    pub(super) fn printed(self) -> String {
        let args: &[&str] = match self {
            Self::Pipeline => &["schema"],
            Self::Device => &["schema", "--device"],
            Self::Tests => &["schema", "--tests"],
        };
        let folder = tempfile::tempdir().unwrap();
        String::from_utf8(finish(args, &[], folder.path()).stdout).unwrap()
    }
}

pub(super) struct Schemas([Validator; 3]);

impl Schemas {
    pub(super) fn printed() -> Self {
        Self(Kind::ALL.map(|kind| {
            let schema: Value = serde_json::from_str(&kind.printed()).unwrap();
            assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
            jsonschema::validator_for(&schema).unwrap()
        }))
    }
}

/// What an editor would underline.
pub(super) fn complaints<'a>(
    schemas: &'a Schemas,
    kind: Kind,
    value: &'a Value,
) -> impl Iterator<Item = String> + 'a {
    let place = Kind::ALL.iter().position(|one| *one == kind).unwrap();
    schemas.0[place].iter_errors(value).map(|error| {
        let said: String = error.to_string().chars().take(300).collect();
        format!("{}: {said}", error.instance_path())
    })
}

/// What kind of file it is, by its keys; `None`: a part of one.
pub(super) fn kind_of(value: &Value) -> Option<Kind> {
    let has = |key: &str| value.get(key).is_some();
    if has("pipeline") && has("cases") {
        Some(Kind::Tests)
    } else if has("pipeline") && has("sources") && has("sinks") {
        Some(Kind::Pipeline)
    } else {
        (has("blocks") || has("points")).then_some(Kind::Device)
    }
}

pub(super) fn parsed(text: &str) -> Result<Value, serde_yaml::Error> {
    let mut value: serde_yaml::Value = serde_yaml::from_str(text)?;
    value.apply_merge()?;
    Ok(json(value, None))
}

/// The file with what it includes.
pub(super) fn expanded(path: &Path) -> Value {
    let mut value: serde_yaml::Value = serde_yaml::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    value.apply_merge().unwrap();
    json(value, path.parent())
}

/// Includes are read from the folder, if there is one.
fn json(value: serde_yaml::Value, folder: Option<&Path>) -> Value {
    use serde_yaml::Value as Yaml;
    match value {
        Yaml::Tagged(tagged) => match folder {
            Some(folder) => expanded(&folder.join(tagged.value.as_str().unwrap())),
            None => json(tagged.value, None),
        },
        Yaml::Sequence(items) => items.into_iter().map(|item| json(item, folder)).collect(),
        Yaml::Mapping(entries) => {
            let text = |key: Yaml| match key {
                Yaml::String(text) => text,
                other => json(other, None).to_string(),
            };
            Value::Object(
                entries
                    .into_iter()
                    .map(|(key, value)| (text(key), json(value, folder)))
                    .collect::<Map<_, _>>(),
            )
        }
        plain => serde_json::to_value(plain).unwrap(),
    }
}

/// The YAML examples of a document.
pub(super) fn blocks(document: &str) -> Vec<String> {
    let parts = document.split("\n```yaml\n").skip(1);
    parts.map(|part| format!("{}\n", part.split("\n```").next().unwrap_or_default())).collect()
}
