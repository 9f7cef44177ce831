//! Everything wrong with the stages of a pipeline, noted where each is declared.

use smiles_config::{Diagnostics, StageDecl};
use smiles_stage::{Path, Problem, Problems, did_you_mean};

/// What was complained of so far.
pub(crate) struct Complaints<'a> {
    pub(crate) diagnostics: &'a mut Diagnostics,
    pub(crate) failed: bool,
}

impl Complaints<'_> {
    pub(crate) fn warn(&mut self, stage: &StageDecl, problem: Problem) {
        self.diagnostics.problem(stage.node, problem);
    }

    pub(crate) fn fail(&mut self, stage: &StageDecl, problem: Problem) {
        self.failed = true;
        self.diagnostics.problem(stage.node, problem);
    }

    /// The value, or `None` and all problems noted.
    pub(crate) fn take<T>(&mut self, stage: &StageDecl, result: Result<T, Problems>) -> Option<T> {
        result.map_err(|problems| problems.into_iter().for_each(|problem| self.fail(stage, problem))).ok()
    }
}

/// There is no stage of this type; `known` are.
pub(crate) fn unknown<'a>(stage: &StageDecl, known: impl Iterator<Item = &'a str>) -> Problems {
    let problem = Problem::error(Path::root(), format!("there is no stage of type `{}`", stage.type_name));
    vec![Problem { help: did_you_mean(&stage.type_name, known), ..problem }]
}
