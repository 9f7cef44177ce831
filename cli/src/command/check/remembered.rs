//! Transforms that would begin afresh although the journal remembers something of their type: a changed `column` or
//! `key` cannot be followed.

use std::path::Path;

use smiles_journal::kept_state;
use smiles_runtime::OrphanedState;

use crate::command::journal;
use crate::project::Project;

/// A warning for each, where there is a journal.
pub(super) fn warnings(project: &Project, data_dir: &Path) -> Vec<String> {
    let path = journal::files::file(data_dir, project.wired.name());
    if !path.is_file() {
        return Vec::new();
    }
    // What is wrong with a journal is for `journal verify` to say.
    let forgotten = kept_state(&path).map(|state| project.wired.forgotten(&state)).unwrap_or_default();
    forgotten.iter().map(|one| sentence(&path, &project.shown, one)).collect()
}

fn sentence(journal: &Path, file: &str, OrphanedState { transform, is, left }: &OrphanedState) -> String {
    format!(
        "warning: transform `{transform}` of {file} starts without state: {} has none of {is}\n  \
         help: it has state of {}, which no transform of the file uses; state stays with a transform whose `name` or \
         position changes, and not with one whose type, key or column changes\n",
        journal.display(),
        left.join("; "),
    )
}
