//! `for_each`: the one way to make several sources of a list in a variable.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use smiles_stage::did_you_mean;

use crate::NodeId;
use crate::diagnostic::Diagnostic;
use crate::document::{Entry, Kind};
use crate::each::{Item, Items};
use crate::expression::{Form, Part, parse};
use crate::loader::Loader;
use crate::secret::is_secret_name;

const HELP: &str = "write `for_each: ${json:NAME:-}`, where NAME holds a JSON list such as \
    [{\"name\": \"roof\", \"host\": \"10.0.0.5\"}]";

/// It has been said what is wrong.
pub(crate) struct Refused;

impl Loader<'_> {
    /// The items of a source's `for_each`; `Ok(None)` without values, `Err` where it has been said what is wrong.
    pub(crate) fn items(&mut self, source: NodeId, for_each: &Entry) -> Result<Option<Vec<Item>>, Refused> {
        let items = match self.document.kind(for_each.value).clone() {
            Kind::Scalar(scalar) => self.items_of_variable(for_each.value, &scalar.text)?,
            Kind::List(list) => self.items_of_list(&list)?,
            Kind::Broken => return Err(Refused),
            Kind::Map(_) | Kind::Include(_) => {
                return Err(self.refuse(for_each.value, "`for_each` takes a list", Some(HELP.to_owned())));
            }
        };
        self.unused_fields(source, for_each, &items);
        Ok((!items.is_empty()).then_some(items))
    }

    fn items_of_variable(&mut self, node: NodeId, text: &str) -> Result<Vec<Item>, Refused> {
        let parts = match parse(text) {
            Ok(parts) => parts,
            Err(malformed) => {
                return Err(self.refuse(node, &malformed.message, malformed.help));
            }
        };
        let [Part::Reference(reference)] = parts.as_slice() else {
            return Err(self.refuse(node, "`for_each` takes a list in a variable", Some(HELP.to_owned())));
        };
        let Form::Json { name, optional } = &reference.form else {
            return Err(self.refuse(node, "`for_each` takes a list in a variable", Some(HELP.to_owned())));
        };
        if self.declarations.is_bad(name) {
            return Err(Refused);
        }
        match self.environment.get(name).map(str::trim) {
            Some(value) if !value.is_empty() => self.items_of_json(node, name, value),
            _ if *optional => Ok(Vec::new()),
            _ => {
                let help = format!("set {name} to a JSON list, or write `${{json:{name}:-}}` to do without");
                Err(self.refuse(node, &format!("`{name}` is not set"), Some(help)))
            }
        }
    }

    fn items_of_json(&mut self, node: NodeId, name: &str, text: &str) -> Result<Vec<Item>, Refused> {
        let example = format!("{name}='[{{\"name\": \"roof\", \"host\": \"10.0.0.5\"}}]'");
        let parsed: Value = match serde_json::from_str(text) {
            Ok(parsed) => parsed,
            Err(error) => {
                let message = format!("`{name}` is not valid JSON: {error}");
                return Err(self.refuse(node, &message, Some(format!("a JSON list looks like {example}"))));
            }
        };
        let Value::Array(list) = parsed else {
            let message = format!("`{name}` must be a JSON list, found {}", kind(&parsed));
            return Err(self.refuse(node, &message, Some(format!("put it in brackets: {example}"))));
        };
        let mut items = Vec::new();
        let mut good = true;
        for (index, value) in list.iter().enumerate() {
            let shown = format!("item {} of {name}", index + 1);
            match item(value, &shown) {
                Ok(values) => {
                    self.hide(&values);
                    items.push(Item { shown, values });
                }
                Err(message) => {
                    self.refuse(node, &message, Some(format!("an item looks like {example}")));
                    good = false;
                }
            }
        }
        if good { Ok(items) } else { Err(Refused) }
    }

    fn items_of_list(&mut self, list: &[NodeId]) -> Result<Vec<Item>, Refused> {
        let mut items = Vec::new();
        for (index, node) in list.iter().enumerate() {
            let node = self.resolve(*node, &Items::Outside, false);
            let mut values = BTreeMap::new();
            let entries = self.document.entries(node).to_vec();
            if entries.is_empty() {
                return Err(self.refuse(node, "an item of `for_each` is a map", None));
            }
            for entry in entries {
                match self.document.scalar(entry.value) {
                    Some(scalar) => values.insert(entry.key, scalar.text.clone()),
                    None => {
                        return Err(self.refuse(entry.value, "an item's values are texts and numbers", None));
                    }
                };
            }
            items.push(Item { shown: format!("item {} of for_each", index + 1), values });
        }
        Ok(items)
    }

    fn hide(&mut self, values: &BTreeMap<String, String>) {
        for (name, value) in values {
            if is_secret_name(name) {
                self.secrets.add(value);
            }
            self.secrets.add_passwords(value);
        }
    }

    /// A field of an item that the source never asks for is most likely misspelt.
    fn unused_fields(&mut self, source: NodeId, for_each: &Entry, items: &[Item]) {
        let mut known = self.item_fields(source);
        known.insert("name".to_owned());
        let mut said = BTreeSet::new();
        for item in items {
            for field in item.values.keys().filter(|field| !known.contains(*field)) {
                if said.insert(field.clone()) {
                    let message = format!("nothing uses `{field}` of {}", item.shown);
                    let help = did_you_mean(field, known.iter().map(String::as_str));
                    let span = self.document.anchor(for_each.value);
                    self.out.push(Diagnostic::warning(span, message).help(help));
                }
            }
        }
    }

    fn refuse(&mut self, node: NodeId, message: &str, help: Option<String>) -> Refused {
        self.out.push(Diagnostic::error(self.document.anchor(node), message).help(help));
        Refused
    }
}

/// The fields of one JSON item as texts; null is unset.
fn item(value: &Value, shown: &str) -> Result<BTreeMap<String, String>, String> {
    let Value::Object(fields) = value else {
        return Err(format!("{shown} must be an object, found {}", kind(value)));
    };
    let mut values = BTreeMap::new();
    for (name, value) in fields {
        let text = match value {
            Value::Null => continue,
            Value::String(text) => text.trim().to_owned(),
            Value::Bool(_) | Value::Number(_) => value.to_string(),
            Value::Array(_) | Value::Object(_) => {
                return Err(format!(
                    "`{name}` of {shown} must be a text, a number or a boolean, found {}",
                    kind(value)
                ));
            }
        };
        values.insert(name.clone(), text);
    }
    Ok(values)
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
