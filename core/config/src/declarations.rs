//! Variables as a file declares them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::NodeId;
use crate::redact::{REDACTED, without_passwords};

/// A variable the pipeline file names or declares, for the generated reference.
#[derive(Clone, Default, PartialEq)]
pub struct Variable {
    /// As in the environment.
    pub name: String,
    /// `integer`, `number`, `boolean`, `string`, `duration`, `size` or `json`; `None`: not declared.
    pub type_name: Option<String>,
    /// The default where the file names it, as written.
    pub default: Option<String>,
    /// Whether the file names it, outside of `variables:`.
    pub named: bool,
    /// Named without a default somewhere.
    pub required: bool,
    /// Smallest allowed value.
    pub minimum: Option<f64>,
    /// Largest allowed value.
    pub maximum: Option<f64>,
    /// The allowed values; empty: all.
    pub one_of: Vec<String>,
    /// Never printed.
    pub secret: bool,
    /// What it is for.
    pub description: Option<String>,
    /// Why it has no use any more.
    pub retired: Option<String>,
    /// Other files name it; this one need not.
    pub unused: bool,
    /// The program itself reads it.
    pub process: bool,
}

impl fmt::Debug for Variable {
    /// Of what people would look for; the default of a secret is one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let default = self.default.as_deref().map(|default| if self.secret { REDACTED } else { default });
        f.debug_struct("Variable")
            .field("name", &self.name)
            .field("type_name", &self.type_name)
            .field("default", &default.map(without_passwords))
            .field("secret", &self.secret)
            .finish_non_exhaustive()
    }
}

/// A variable that is set but has no use any more; to be logged once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retired {
    /// Its name.
    pub variable: String,
    /// Why it has no use.
    pub reason: String,
}

/// Everything `variables:` says, by name.
#[derive(Default)]
pub(crate) struct Declarations {
    pub(crate) known: BTreeMap<String, (NodeId, Variable)>,
    pub(crate) bad: BTreeSet<String>,
    pub(crate) present: bool,
}

impl Declarations {
    /// Its value is out of range, which has been said.
    pub(crate) fn is_bad(&self, name: &str) -> bool {
        self.bad.contains(name)
    }

    pub(crate) fn is_secret(&self, name: &str) -> bool {
        self.known.get(name).is_some_and(|(_, variable)| variable.secret)
    }

    /// Blanks around a value of the environment are an accident, save in secrets and where nothing is declared.
    pub(crate) fn trim<'v>(&self, name: &str, value: &'v str) -> &'v str {
        match self.known.get(name) {
            Some((_, variable)) if !variable.secret => value.trim(),
            _ => value,
        }
    }

    pub(crate) fn about(&self, name: &str) -> Option<&str> {
        self.known.get(name)?.1.description.as_deref()
    }
}

/// The warning about a variable that is set for nothing.
pub(crate) fn unread(name: &str) -> String {
    format!("`{name}` is set in the environment, and nothing reads it")
}
