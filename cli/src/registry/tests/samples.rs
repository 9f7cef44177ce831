//! Values near what a schema asks for: most parts as it says, some not.

use serde_json::{Map, Value, json};

/// A stream of values, the same in every run.
pub(super) struct Samples<'a> {
    root: &'a Value,
    state: u64,
}

impl<'a> Samples<'a> {
    pub(super) fn new(root: &'a Value) -> Self {
        Self { root, state: 0x9E37_79B9_7F4A_7C15 }
    }

    pub(super) fn next(&mut self) -> Value {
        self.of(self.root, 0)
    }

    /// Xorshift.
    fn below(&mut self, limit: usize) -> usize {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        usize::try_from(self.state >> 33).unwrap() % limit
    }

    fn of(&mut self, schema: &'a Value, depth: usize) -> Value {
        if self.below(60) == 0 {
            return self.stray();
        }
        if let Some(path) = schema.get("$ref").and_then(Value::as_str) {
            return self.of(self.root.pointer(path.strip_prefix('#').unwrap()).unwrap(), depth);
        }
        if let Some(value) = schema.get("const") {
            return value.clone();
        }
        if let Some(values) = schema.get("enum").and_then(Value::as_array) {
            return values[self.below(values.len())].clone();
        }
        for keyword in ["oneOf", "anyOf"] {
            if let Some(branches) = schema.get(keyword).and_then(Value::as_array) {
                let branch = self.below(branches.len());
                let chosen = self.of(&branches[branch], depth);
                return match (chosen, schema.get("properties")) {
                    (Value::Object(mut own), Some(_)) => {
                        own.extend(self.map(schema, depth));
                        Value::Object(own)
                    }
                    (chosen, _) => chosen,
                };
            }
        }
        match self.type_of(schema) {
            "object" => Value::Object(self.map(schema, depth)),
            "array" => {
                let least = schema.get("minItems").and_then(Value::as_u64).unwrap_or(0);
                let count = if depth > 6 { 0 } else { self.below(3) } + usize::try_from(least).unwrap();
                let items = schema.get("items").unwrap_or(&Value::Bool(true));
                (0..count).map(|_| self.of(items, depth + 1)).collect()
            }
            "string" => self.text(schema),
            "integer" => json!(self.whole(schema)),
            "number" => json!(self.whole(schema) as f64 + 0.5),
            "boolean" => json!(self.below(2) == 0),
            "null" => Value::Null,
            _ => self.stray(),
        }
    }

    fn type_of(&mut self, schema: &'a Value) -> &'a str {
        match schema.get("type") {
            Some(Value::String(one)) => one,
            Some(Value::Array(several)) => several[self.below(several.len())].as_str().unwrap(),
            _ if schema.get("properties").is_some() => "object",
            _ => "",
        }
    }

    fn map(&mut self, schema: &'a Value, depth: usize) -> Map<String, Value> {
        let required: Vec<&str> = schema
            .get("required")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let mut map = Map::new();
        for (key, value) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
            let chance = if required.contains(&key.as_str()) { 100 } else { 12 / (depth + 1) };
            if self.below(100) < chance {
                map.insert(key.clone(), self.of(value, depth + 1));
            }
        }
        if let Some(other) = schema.get("additionalProperties").filter(|other| other.is_object() && depth < 7)
        {
            for key in ["a", "b_c"].into_iter().take(self.below(3)) {
                map.insert(key.to_owned(), self.of(other, depth + 1));
            }
        }
        if self.below(60) == 0 {
            map.insert("stranger".to_owned(), self.stray());
        }
        map
    }

    fn text(&mut self, schema: &Value) -> Value {
        let texts: &[&str] = match schema.get("format").and_then(Value::as_str) {
            Some("duration") => &["5s", "1h30m", "5"],
            Some("size") => &["1GiB", "64KiB", "x"],
            Some("unit") => &["V", "0.1 V", "furlong"],
            _ => &["abc", "V", "_x._tcp", "", "5"],
        };
        json!(texts[self.below(texts.len())])
    }

    /// Near both bounds, and within what any integer of Rust holds.
    fn whole(&mut self, schema: &Value) -> i64 {
        let bound = |name: &str| schema.get(name).and_then(Value::as_f64).map(|bound| bound as i64);
        let least = bound("minimum").unwrap_or(0);
        let most = bound("maximum").unwrap_or(least + 100);
        [least, least + 1, most, (least + most) / 2, least - 1, most + 1][self.below(6)].clamp(-128, 65_536)
    }

    fn stray(&mut self) -> Value {
        let strays = [
            json!(null),
            json!(true),
            json!(7),
            json!("x"),
            json!([]),
            json!({}),
            json!([1]),
            json!({ "y": 1 }),
        ];
        strays[self.below(strays.len())].clone()
    }
}
