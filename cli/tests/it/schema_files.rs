//! Every stock pipeline and every whole example of the documents is right by the JSON Schema that `smiles schema` prints.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::bridge::{finish, root};

fn files(folder: &str, extension: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(root().join(folder)).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.extension().is_some_and(|own| own == extension)).collect()
}

#[test]
fn editors_accept_what_runs() {
    let folder = tempfile::tempdir().unwrap();
    let schema = folder.path().join("schema.json");
    fs::write(&schema, finish(&["schema"], &[], folder.path()).stdout).unwrap();
    let broken = folder.path().join("broken.yaml");
    fs::write(
        &broken,
        "pipeline: p\nsources: {s: {type: modbus, every: 5s, devise: !include meter.yaml}}\nsinks: {}\n",
    )
    .unwrap();
    let python =
        std::env::var_os("SMILES_TEST_PYTHON").map_or_else(|| root().join(".venv/bin/python"), PathBuf::from);
    let hold = |files: &[PathBuf]| {
        let script = root().join("cli/tests/it/schema_files/held.py");
        let output =
            Command::new(&python).arg(script).arg(&schema).args(files).output().expect("Python runs");
        (output.status.success(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
    };
    let all = [files("pipelines", "yaml"), files("docs", "md"), vec![root().join("README.md")]].concat();
    let (fine, said) = hold(&all);
    assert!(fine, "{said}");
    assert!(!said.starts_with("0 held"), "{said}");
    let (fine, said) = hold(&[broken]);
    assert!(!fine && said.contains("devise"), "a mistake is still one: {said}");
}
