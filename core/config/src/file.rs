//! A YAML file that is no pipeline, such as one of test cases: typed by a schema of its own, every complaint with its
//! place. `!include`, anchors and `<<` work as in a pipeline file; `${}` is plain text.

use std::io;
use std::sync::Arc;

use serde_json::Value;
use smiles_stage::{Path, Severity};

use crate::check::checker::check;
use crate::diagnostic::{Diagnostics, Place};
use crate::loader::{Loader, What};
use crate::{Environment, NodeId, Tree, limits};

/// What a file came to.
pub struct TypedFile {
    /// The value the schema asks for, as far as the file has it; null where it cannot be read.
    pub value: Value,
    /// Everything wrong with it; the reader adds what no schema can say.
    pub diagnostics: Diagnostics,
    /// The top of the file, for [`Diagnostics::problem`].
    pub root: NodeId,
}

/// Reads `file` of the tree with everything it includes and types it. Never fails: what is wrong is in
/// [`TypedFile::diagnostics`].
pub fn load_file(tree: &dyn Tree, file: &str, schema: &Value) -> TypedFile {
    let environment = Environment::new();
    let mut loader = Loader::new(tree, &environment, What::Other);
    let root = loader.read(file);
    let mut value = Value::Null;
    if let Some(root) = root {
        let typed = check(&loader.document, root, schema, &[]);
        value = typed.value;
        let faults = typed.faults.into_iter().map(|fault| fault.diagnostic(&loader.document));
        loader.out.extend(faults);
        loader.out.count(typed.unsaid);
    }
    let Loader { document, out, .. } = loader;
    let diagnostics = Diagnostics::new(Arc::new(document), Vec::new(), out.into_parts());
    TypedFile { value, diagnostics, root: root.unwrap_or(NodeId::NOWHERE) }
}

/// Whether a text asks for no more than a file may, to be asked before another parser is given it.
///
/// # Errors
/// What is wrong, for people; `shown` names the text.
pub fn within_limits(text: &str, shown: &str) -> Result<(), String> {
    if text.len() > limits::TEXT_BYTES {
        return Err(format!("{shown}: larger than {} MiB", limits::TEXT_BYTES >> 20));
    }
    let found = load_file(&Alone { text, shown }, "", &Value::Bool(true)).diagnostics;
    let Some(first) = found.iter().find(|one| one.severity == Severity::Error) else { return Ok(()) };
    let place = found
        .place(first)
        .map_or(shown.to_owned(), |Place { file, line, column }| format!("{file}:{line}:{column}"));
    let help = first.help.iter().map(|help| format!("; {help}")).collect::<String>();
    Err(format!("{place}: {}{help}", first.message))
}

/// One text, and no other file.
struct Alone<'a> {
    text: &'a str,
    shown: &'a str,
}

impl Tree for Alone<'_> {
    fn read(&self, path: &str) -> io::Result<String> {
        if path.is_empty() { Ok(self.text.to_owned()) } else { Err(io::ErrorKind::NotFound.into()) }
    }

    fn list(&self, _: &str) -> io::Result<Vec<String>> {
        Ok(Vec::new())
    }

    fn shown(&self, path: &str) -> String {
        if path.is_empty() { self.shown.to_owned() } else { path.to_owned() }
    }
}

impl TypedFile {
    /// Where something stands: the closest place that exists.
    pub fn place(&self, at: &Path) -> Option<Place> {
        self.diagnostics.place_at(self.root, at)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use smiles_stage::Problem;

    use super::*;
    use crate::Embedded;

    const FILES: Embedded = Embedded::new(&[
        (
            "good.yaml",
            "cases:\n  - &a {name: one, rows: [1, 2]}\n  - <<: *a\n    name: ${two}\n  - !include more.yaml\n",
        ),
        ("more.yaml", "name: three\nrows:\n  - 3\n"),
        ("bad.yaml", "cases:\n  - {nam: one, rows: [x]}\n"),
        ("empty.yaml", ""),
    ]);

    fn schema() -> Value {
        let case = json!({
            "type": "object", "additionalProperties": false, "required": ["name"],
            "properties": { "name": { "type": "string" }, "rows": { "items": { "type": "integer" } } }
        });
        json!({ "type": "object", "properties": { "cases": { "type": "array", "items": case } } })
    }

    fn said(file: &TypedFile) -> Vec<String> {
        file.diagnostics.iter().map(|diagnostic| diagnostic.message.clone()).collect()
    }

    #[test]
    fn every_value_knows_its_place() {
        let mut file = load_file(&FILES, "good.yaml", &schema());
        assert!(file.diagnostics.is_empty(), "{:?}", said(&file));
        assert_eq!(file.value["cases"][1], json!({ "name": "${two}", "rows": [1, 2] }));
        let at = |case: usize| Path::root().key("cases").index(case).key("rows");
        let line = |at: Path| file.place(&at).map(|place| (place.file, place.line)).unwrap();
        assert_eq!(
            line(at(1).index(1)),
            ("built-in:good.yaml".to_owned(), 2),
            "an alias is where its anchor is"
        );
        assert_eq!(line(at(2).index(0)), ("built-in:more.yaml".to_owned(), 3));
        assert_eq!(line(at(0).index(9)), ("built-in:good.yaml".to_owned(), 2), "the closest that exists");
        file.diagnostics.problem(file.root, Problem::error(at(2).index(0), "not this"));
        assert!(file.diagnostics.render(false).contains("more.yaml:3"), "{}", file.diagnostics.render(false));
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        let file = load_file(&FILES, "bad.yaml", &schema());
        assert_eq!(said(&file), ["unknown key `nam`", "expected a whole number, found `x`"]);
        let missing = load_file(&FILES, "goood.yaml", &schema());
        assert_eq!(said(&missing), ["cannot read built-in:goood.yaml: no such file"]);
        assert_eq!(said(&load_file(&FILES, "empty.yaml", &schema())), ["the file is empty"]);
    }
}
