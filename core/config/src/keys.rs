//! Keys of a file that the program itself reads: a struct declares them, and both their schema and their values come
//! from it.

use schemars::generate::SchemaSettings;
use schemars::transform::{RecursiveTransform, Transform};
use schemars::{JsonSchema, Schema};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// The schema of the keys: whole, without references; what may be left out may not be written as null.
pub(crate) fn schema_of<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    let mut schema = settings.into_generator().into_root_schema_for::<T>();
    RecursiveTransform(without_null).transform(&mut schema);
    for about_the_struct in ["title", "description"] {
        schema.remove(about_the_struct);
    }
    schema.to_value()
}

/// The values of keys that were checked. Of a key that does not fit, which has been said, the default is taken.
pub(crate) fn read<T: DeserializeOwned + Default>(checked: &Value) -> T {
    let whole = T::deserialize(checked);
    let by_key = |_| {
        let fits = |key: &String, value: &Value| {
            T::deserialize(Value::Object(Map::from_iter([(key.clone(), value.clone())]))).is_ok()
        };
        let keys = checked.as_object().into_iter().flatten();
        let sound = keys.filter(|(key, value)| fits(key, value));
        T::deserialize(sound.map(|(key, value)| (key.clone(), value.clone())).collect::<Value>())
    };
    whole.or_else(by_key).unwrap_or_default()
}

fn without_null(schema: &mut Schema) {
    if schema.get("default").is_some_and(Value::is_null) {
        schema.remove("default");
    }
    if let Some(Value::Array(types)) = schema.get_mut("type") {
        types.retain(|name| name != "null");
        if let [one] = types.as_slice() {
            let one = one.clone();
            schema.insert("type".to_owned(), one);
        }
    }
    if let Some(Value::Array(values)) = schema.get_mut("enum") {
        values.retain(|value| !value.is_null());
    }
}
