//! A file of cases, read and checked as far as a file alone can be.

use std::collections::BTreeMap;
use std::io::IsTerminal;

use smiles_config::{Place, TypedFile, load_file};
use smiles_stage::{Path, Problem};

use super::file::{Case, CasesFile, schema};
use crate::exit::Failure;
use crate::project::Entry;

/// The cases of one file.
pub(crate) struct Suite {
    /// What a person calls the file.
    pub(crate) shown: String,
    pub(crate) file: CasesFile,
    /// The pipeline under test.
    pub(crate) pipeline: Entry,
    typed: TypedFile,
}

/// Reads the file.
///
/// # Errors
/// Everything wrong with it.
pub(crate) fn load(entry: &Entry) -> Result<Suite, Failure> {
    let mut typed = load_file(entry.tree().as_ref(), entry.file(), &schema());
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
        Some(file) if !typed.diagnostics.has_errors() => {
            let pipeline = entry.beside(&file.pipeline);
            Ok(Suite { shown: entry.shown.clone(), file, pipeline, typed })
        }
        _ => Err(failure(&typed)),
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
    pub(crate) fn blame(&mut self, problems: Vec<Problem>) {
        for problem in problems {
            self.typed.diagnostics.problem(self.typed.root, problem);
        }
    }

    /// The suite, unless something is wrong with it.
    ///
    /// # Errors
    /// Everything that was noted.
    pub(crate) fn sound(&self) -> Result<(), Failure> {
        if self.typed.diagnostics.has_errors() { Err(failure(&self.typed)) } else { Ok(()) }
    }
}

fn failure(typed: &TypedFile) -> Failure {
    Failure::Configuration(typed.diagnostics.render(std::io::stderr().is_terminal()))
}
