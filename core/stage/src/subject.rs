//! What the state of a transform is about: by this it is found again, wherever the transform stands in the file.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The options (and whatever else) that give a state its meaning, by name. A state is never read under another subject.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Subject(BTreeMap<String, Value>);

impl Subject {
    /// With one part more; a part without a value is left out.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        let value = value.into();
        if !value.is_null() {
            self.0.insert(name.to_owned(), value);
        }
        self
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, (name, value)) in self.0.iter().enumerate() {
            let comma = if place > 0 { ", " } else { "" };
            match value {
                Value::String(text) => write!(f, "{comma}{name}: {text}")?,
                Value::Array(items) => {
                    let item = |item: &Value| item.as_str().map_or_else(|| item.to_string(), str::to_owned);
                    write!(f, "{comma}{name}: [{}]", items.iter().map(item).collect::<Vec<_>>().join(", "))?;
                }
                other => write!(f, "{comma}{name}: {other}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Subject;

    #[test]
    fn it_reads_as_the_file_does() {
        let subject = Subject::default().with("column", "import").with("key", vec!["a", "b"]);
        assert_eq!(subject.clone().with("total", None::<String>).to_string(), "column: import, key: [a, b]");
        assert_eq!(serde_json::to_string(&subject).unwrap(), r#"{"column":"import","key":["a","b"]}"#);
    }
}
