//! What the documents say is so: links lead somewhere, snippets run or are checked, the reference is the program's.

mod links;
mod snippets;

use std::fs;
use std::path::PathBuf;

use crate::bridge::{finish, root};

/// A document and its text.
struct Page {
    /// Below the top of the repository.
    name: String,
    path: PathBuf,
    text: String,
}

fn pages() -> Vec<Page> {
    let mut paths: Vec<PathBuf> = ["README.md", "MIGRATION_GUIDE.md", "CONTRIBUTING.md", "ARCHITECTURE.md"]
        .map(|name| root().join(name))
        .to_vec();
    let documents =
        fs::read_dir(root().join("docs")).unwrap().filter_map(Result::ok).map(|entry| entry.path());
    paths.extend(documents.filter(|path| path.extension().is_some_and(|ending| ending == "md")));
    paths.sort();
    let page = |path: PathBuf| Page {
        name: path.strip_prefix(root()).unwrap().display().to_string(),
        text: fs::read_to_string(&path).unwrap(),
        path,
    };
    paths.into_iter().map(page).collect()
}

/// `SMILES_UPDATE=1 cargo test -p smiles --test it docs` writes it anew.
#[test]
fn the_reference_is_what_the_program_prints() {
    let folder = tempfile::tempdir().unwrap();
    let output = finish(&["schema", "--markdown"], &[], folder.path());
    let printed = String::from_utf8(output.stdout).unwrap();
    let path = root().join("docs/configuration.md");
    if std::env::var_os("SMILES_UPDATE").is_some() {
        fs::write(&path, &printed).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    let differs = committed.lines().zip(printed.lines()).find(|(ours, theirs)| ours != theirs);
    assert!(
        committed == printed,
        "docs/configuration.md is not what `smiles schema --markdown` prints; the first difference: {differs:?}. \
         SMILES_UPDATE=1 writes it anew"
    );
}
