//! A file of cases, read and checked as far as a file alone can be.

use std::collections::BTreeMap;

use smiles_config::{Place, Tree, TypedFile, load_file};
use smiles_stage::{Path, Problem};

use crate::error::{CasesError, Mistakes};
use crate::file::{Case, CasesFile, schema};

/// The cases of one file.
pub struct Suite {
    /// What a person calls the file.
    pub(crate) shown: String,
    pub(crate) file: CasesFile,
    typed: TypedFile,
}

/// Reads a file of the tree; `shown` is what a person calls it.
///
/// # Errors
/// Everything wrong with it.
pub fn load(shown: &str, tree: &dyn Tree, file: &str) -> Result<Suite, CasesError> {
    let mut typed = load_file(tree, file, &schema());
    let mut file = None;
    if !typed.diagnostics.has_errors() {
        match serde_json::from_value::<CasesFile>(typed.value.clone()) {
            Ok(read) => file = Some(read),
            Err(error) => typed.diagnostics.error_at(typed.root, error.to_string(), None),
        }
    }
    if let Some(file) = &file {
        for problem in problems(file) {
            typed.diagnostics.problem(typed.root, problem);
        }
    }
    match file {
        Some(file) if !typed.diagnostics.has_errors() => Ok(Suite { shown: shown.to_owned(), file, typed }),
        _ => Err(CasesError::File(typed.diagnostics)),
    }
}

/// What no schema can say.
fn problems(file: &CasesFile) -> Vec<Problem> {
    let mut problems = Vec::new();
    let cases = Path::root().key("cases");
    if file.cases.is_empty() {
        problems.push(Problem::error(cases.clone(), "there is no case").help("declare at least one"));
    }
    let mut names: BTreeMap<&str, usize> = BTreeMap::new();
    for (place, case) in file.cases.iter().enumerate() {
        let at = cases.index(place);
        if names.insert(&case.name, place).is_some() {
            problems.push(Problem::error(at.key("name"), format!("two cases are named `{}`", case.name)));
        }
        if !case.expects_something(&at) {
            let problem = Problem::error(at.key("name"), format!("the case `{}` expects nothing", case.name));
            problems.push(problem.help("name a stage and its rows in `expect`, or what a pass `fails` with"));
        }
    }
    problems
}

impl Case {
    fn expects_something(&self, at: &Path) -> bool {
        let steps = self.steps(at);
        !self.expect.is_empty()
            || steps.iter().any(|(_, step)| !step.expect.is_empty() || step.fails.is_some())
    }
}

impl Suite {
    /// The pipeline it is about, named from the folder of its file.
    pub fn pipeline(&self) -> &str {
        &self.file.pipeline
    }

    /// The cases whose name contains the text, each with its place in the file.
    pub(crate) fn named<'a>(&'a self, text: &'a str) -> impl Iterator<Item = (Path, &'a Case)> {
        let cases = self.file.cases.iter().enumerate();
        let named = cases.filter(move |(_, case)| case.name.contains(text));
        named.map(|(place, case)| (Path::root().key("cases").index(place), case))
    }

    /// Where something stands in the file.
    pub(crate) fn place(&self, at: &Path) -> Option<Place> {
        self.typed.place(at)
    }

    /// Notes what is wrong with the file beyond its own words: columns and stages that the pipeline has not.
    pub(crate) fn blame(&mut self, mistakes: Mistakes) {
        for problem in mistakes.values {
            self.typed.diagnostics.problem(self.typed.root, problem);
        }
        for problem in mistakes.keys {
            self.typed.diagnostics.problem_of_key(self.typed.root, problem);
        }
    }

    /// The suite, unless something is wrong with it.
    ///
    /// # Errors
    /// Everything that was noted.
    pub(crate) fn sound(&self) -> Result<(), CasesError> {
        let diagnostics = &self.typed.diagnostics;
        if diagnostics.has_errors() { Err(CasesError::File(diagnostics.clone())) } else { Ok(()) }
    }
}
