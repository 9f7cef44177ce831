//! What the unit tests share: devices written as YAML.

use crate::device::Device;

/// A device; panics with the complaint if the text is none.
pub(crate) fn device(text: &str) -> Device {
    let value: serde_json::Value =
        serde_yaml::from_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    serde_json::from_value(value).unwrap_or_else(|error| panic!("{error}\n{text}"))
}
