//! `variables:` declares what a file's variables mean: type, range, secrecy, and which have no use any more.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use smiles_stage::did_you_mean;

use crate::NodeId;
use crate::check::checker::check;
use crate::declarations::{Retired, Variable, unread};
use crate::diagnostic::Diagnostic;
use crate::document::{Entry, Kind, Node, Scalar};
use crate::expression::{Form, Otherwise, parse, references};
use crate::keys::{read, schema_of};
use crate::loader::Loader;
use crate::names::LONGEST;
use crate::secret::is_secret_name;

/// what the variables of this file mean
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields)]
pub(crate) struct VariableKeys {
    #[serde(rename = "type")]
    #[schemars(extend("enum" = ["string", "integer", "number", "boolean", "duration", "size", "json"]))]
    type_name: Option<String>,
    minimum: Option<f64>,
    maximum: Option<f64>,
    #[schemars(length(min = 1))]
    one_of: Option<Vec<String>>,
    secret: bool,
    description: Option<String>,
    /// why it has no effect any more
    retired: Option<String>,
    /// other files use it, this one does not
    unused: bool,
    /// the program itself reads it
    process: bool,
}

/// A `${...}` somewhere in the file.
struct Use {
    node: NodeId,
    text: String,
    name: String,
    default: Option<String>,
    required: bool,
}

impl Loader<'_> {
    /// Reads `variables:`, checks what is set, and returns all variables and the retired ones that are set.
    pub(crate) fn variables(&mut self, root: NodeId) -> (Vec<Variable>, Vec<Retired>) {
        if let Some(entry) = self.document.entry(root, "variables").cloned() {
            self.declarations.present = true;
            self.declare(&entry);
        }
        let uses = self.uses(root);
        for used in &uses {
            if self.declarations.present && !self.declarations.known.contains_key(&used.name) {
                self.undeclared(used);
            }
        }
        self.check_set(&uses);
        self.misspelt(&uses);
        (self.listed(&uses), self.retired())
    }

    fn declare(&mut self, entry: &Entry) {
        let typed = check(&self.document, entry.value, &schema_of::<BTreeMap<String, VariableKeys>>(), &[]);
        for fault in typed.faults {
            self.out.push(fault.diagnostic(&self.document));
        }
        let entries = self.document.entries(entry.value).to_vec();
        for entry in entries {
            let declared = typed.value.get(&entry.key).unwrap_or(&Value::Null);
            let variable = variable(&entry.key, declared);
            self.declarations.known.insert(entry.key, (entry.value, variable));
        }
    }

    fn undeclared(&mut self, used: &Use) {
        let message = format!("`{}` is not declared in `variables:`", used.name);
        if self.out.is_full_of_warnings() {
            self.out.push(Diagnostic::warning(None, message));
            return;
        }
        let span = self.within(used.node, &used.text);
        let names = self.declarations.known.keys().map(String::as_str);
        let help = did_you_mean(&used.name, names).filter(|help| help.starts_with("did you"));
        let help = help.unwrap_or_else(|| format!("add `{}` to `variables:`", used.name));
        self.out.push(Diagnostic::warning(span, message).help(help));
    }

    /// Values of variables this file names, against their declarations.
    fn check_set(&mut self, uses: &[Use]) {
        let used: BTreeSet<&str> = uses.iter().map(|used| used.name.as_str()).collect();
        let known: Vec<(NodeId, Variable)> = self.declarations.known.values().cloned().collect();
        for (node, variable) in known {
            let value = self.environment.get(&variable.name).map(str::trim).filter(|value| !value.is_empty());
            let (Some(value), true) = (value, used.contains(variable.name.as_str())) else { continue };
            // As where it will stand: `null` in the environment is a text, not nothing.
            let scalar = Scalar {
                text: value.to_owned(),
                plain: true,
                secret: variable.secret,
                substituted: true,
                ..Scalar::default()
            };
            let Some(place) = self.document.get(node).cloned() else { continue };
            let id = self.document.add(Node { kind: Kind::Scalar(scalar), ..place });
            for fault in check(&self.document, id, &value_schema(&variable), &[]).faults {
                let message = format!("{}: {}", variable.name, fault.message);
                let note = "the value comes from the environment; its range is declared here";
                let span = self.document.anchor(node);
                self.out.push(Diagnostic::error(span, message).help(fault.help).note(note));
                self.declarations.bad.insert(variable.name.clone());
            }
        }
    }

    /// Variables that are set and have nearly the name of a declared one, which would be ignored in silence.
    fn misspelt(&mut self, uses: &[Use]) {
        let plain = |name: &str| name.replace('_', "").to_ascii_uppercase();
        let is_near = |set: &str, known: &str| {
            // One letter more or less, or none: others need no closer look.
            let one_off = known.len() > 5
                && known.len().abs_diff(set.len()) <= 4
                && known.len() <= LONGEST
                && strsim::damerau_levenshtein(set, known) == 1;
            one_off || plain(set) == plain(known)
        };
        let used: BTreeSet<&str> = uses.iter().map(|used| used.name.as_str()).collect();
        let ours = |name: &str| self.declarations.known.contains_key(name) || used.contains(name);
        let known: Vec<&str> = self
            .declarations
            .known
            .values()
            .filter(|(_, variable)| variable.retired.is_none())
            .map(|(_, variable)| variable.name.as_str())
            .collect();
        let strangers = self.environment.names().filter(|name| !ours(name));
        let near =
            strangers.filter_map(|name| Some((name, known.iter().find(|known| is_near(name, known))?)));
        let near: Vec<Diagnostic> = near
            .map(|(name, known)| {
                Diagnostic::warning(None, unread(name)).help(format!("did you mean `{known}`?"))
            })
            .collect();
        self.out.extend(near);
    }

    fn retired(&self) -> Vec<Retired> {
        let set = |name: &str| self.environment.get(name).is_some_and(|value| !value.trim().is_empty());
        let known = self.declarations.known.values().filter(|(_, variable)| set(&variable.name));
        known
            .filter_map(|(_, variable)| {
                Some(Retired { variable: variable.name.clone(), reason: variable.retired.clone()? })
            })
            .collect()
    }

    fn listed(&self, uses: &[Use]) -> Vec<Variable> {
        let mut all: BTreeMap<String, Variable> = self
            .declarations
            .known
            .iter()
            .map(|(name, (_, variable))| (name.clone(), variable.clone()))
            .collect();
        for used in uses {
            let variable = all.entry(used.name.clone()).or_insert_with(|| Variable {
                name: used.name.clone(),
                secret: is_secret_name(&used.name),
                ..Variable::default()
            });
            variable.named = true;
            variable.required |= used.required;
            variable.default = variable.default.take().or_else(|| used.default.clone());
        }
        all.into_values().collect()
    }

    /// Every variable named in a scalar, save in `variables:` itself; `item.*` are none.
    fn uses(&self, root: NodeId) -> Vec<Use> {
        let mut found = Vec::new();
        let mut seen = BTreeSet::new();
        let mut waiting: Vec<NodeId> = self
            .document
            .entries(root)
            .iter()
            .rev()
            .filter(|entry| entry.key != "variables")
            .map(|entry| entry.value)
            .collect();
        while let Some(id) = waiting.pop() {
            if !seen.insert(id) {
                continue;
            }
            match self.document.kind(id) {
                Kind::Scalar(scalar) => uses_in(id, &scalar.text, &mut found),
                Kind::List(items) => waiting.extend(items.iter().rev()),
                Kind::Map(entries) => waiting.extend(entries.iter().rev().map(|entry| entry.value)),
                Kind::Include(_) | Kind::Broken => {}
            }
        }
        found
    }

    /// The fields of items that scalars below a node name.
    pub(crate) fn item_fields(&self, node: NodeId) -> BTreeSet<String> {
        let mut fields = BTreeSet::new();
        let mut seen = BTreeSet::new();
        let mut waiting = vec![node];
        while let Some(id) = waiting.pop() {
            if !seen.insert(id) {
                continue;
            }
            match self.document.kind(id) {
                Kind::Scalar(scalar) => {
                    let parts = parse(&scalar.text).unwrap_or_default();
                    let mut found = Vec::new();
                    references(&parts, &mut found);
                    let names = found.iter().filter_map(|reference| match &reference.form {
                        Form::Variable { name, .. } => name.strip_prefix("item."),
                        Form::File(_) | Form::Json { .. } => None,
                    });
                    fields.extend(names.map(str::to_owned));
                }
                Kind::List(items) => waiting.extend(items),
                Kind::Map(entries) => waiting.extend(entries.iter().map(|entry| entry.value)),
                Kind::Include(_) | Kind::Broken => {}
            }
        }
        fields
    }
}

fn uses_in(node: NodeId, text: &str, found: &mut Vec<Use>) {
    let parts = parse(text).unwrap_or_default();
    let mut all = Vec::new();
    references(&parts, &mut all);
    for reference in all {
        let (name, default, required) = match &reference.form {
            Form::Variable { name, otherwise: Otherwise::Default(_, raw) } => {
                (name, Some(raw.clone()), false)
            }
            Form::Variable { name, otherwise: Otherwise::Fail | Otherwise::Message(_) } => (name, None, true),
            Form::Json { name, optional } => (name, optional.then(String::new), !optional),
            Form::File(_) => continue,
        };
        if !name.starts_with("item.") {
            let text = text.get(reference.range.clone()).unwrap_or("").to_owned();
            found.push(Use { node, text, name: name.clone(), default, required });
        }
    }
}

fn variable(name: &str, declared: &Value) -> Variable {
    let keys: VariableKeys = read(declared);
    Variable {
        name: name.to_owned(),
        type_name: keys.type_name.or_else(|| Some("string".to_owned())),
        minimum: keys.minimum,
        maximum: keys.maximum,
        one_of: keys.one_of.unwrap_or_default(),
        secret: keys.secret || is_secret_name(name),
        description: keys.description,
        retired: keys.retired,
        unused: keys.unused,
        process: keys.process,
        ..Variable::default()
    }
}

/// What a variable's value must be.
fn value_schema(variable: &Variable) -> Value {
    let mut schema = match variable.type_name.as_deref() {
        Some("duration") => json!({ "type": "string", "format": "duration" }),
        Some("size") => json!({ "type": "string", "format": "size" }),
        Some("json") | None => json!({ "type": "string" }),
        Some(plain) => json!({ "type": plain }),
    };
    for (key, bound) in [("minimum", variable.minimum), ("maximum", variable.maximum)] {
        if let Some(bound) = bound {
            schema[key] = json!(bound);
        }
    }
    if !variable.one_of.is_empty() {
        schema["enum"] = json!(variable.one_of);
    }
    schema
}
