//! The rules of the tree itself: who depends on whom, which words Rust may say, which paths the documents name.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::bridge::root;

/// Every file git tracks or would track, by path from the root.
fn tracked() -> Vec<PathBuf> {
    let list = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output()
        .expect("git runs");
    assert!(list.status.success(), "{}", String::from_utf8_lossy(&list.stderr));
    let names = String::from_utf8(list.stdout).expect("names are UTF-8");
    names.lines().map(PathBuf::from).filter(|path| root().join(path).is_file()).collect()
}

fn text(path: &Path) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn rust_knows_no_device() {
    let stock = [
        "hoymiles-sqlite.yaml",
        "hoymiles.yaml",
        "hoymiles/device.yaml",
        "hoymiles/tests.yaml",
        "hoymiles/variables.yaml",
        "hoymiles/import.yaml",
    ];
    let mut read = 0;
    for path in tracked() {
        let tests =
            path.components().any(|part| part.as_os_str() == "tests" || part.as_os_str() == "benches");
        if path.extension().is_none_or(|extension| extension != "rs") || tests || path.ends_with("tests.rs") {
            continue;
        }
        read += 1;
        let text = text(&path);
        let code = text.split("#[cfg(test)]").next().expect("a split has a first part");
        for (number, line) in code.lines().enumerate() {
            let line = stock.iter().fold(line.to_ascii_lowercase(), |line, name| line.replace(name, ""));
            assert!(!line.contains("hoymiles"), "{}:{} names a device: {line}", path.display(), number + 1);
        }
    }
    assert!(read > 50, "only {read} files were read");
}

/// Which of our crates each may depend on, beside dev-dependencies.
fn allowed(crate_name: &str) -> Vec<&'static str> {
    match crate_name {
        "smiles-stage" => vec![],
        "smiles-store" => vec!["smiles-stage", "smiles-tables"],
        "smiles-sink-postgres" | "smiles-sink-sqlite" => {
            vec!["smiles-stage", "smiles-tables", "smiles-store"]
        }
        "smiles-sink-http_api" => vec!["smiles-stage", "smiles-tables"],
        "smiles-runtime" => vec!["smiles-stage", "smiles-config", "smiles-journal"],
        "smiles-cases" => vec![
            "smiles-stage",
            "smiles-config",
            "smiles-runtime",
            "smiles-source-modbus",
            "smiles-source-simulator",
        ],
        "smiles-import" => vec![
            "smiles-stage",
            "smiles-config",
            "smiles-runtime",
            "smiles-sink-postgres",
            "smiles-sink-sqlite",
        ],
        "smiles-source-simulator" => vec!["smiles-stage", "smiles-source-modbus"],
        // What plugins link knows nothing of us but the ABI.
        "smiles-plugin-abi" => vec![],
        "smiles-plugin-sdk" => vec!["smiles-plugin-abi"],
        "smiles-plugin-host" => vec!["smiles-stage", "smiles-plugin-abi"],
        _ => vec!["smiles-stage"],
    }
}

#[test]
fn crates_depend_as_the_architecture_says() {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo prints JSON");
    let packages = metadata["packages"].as_array().expect("packages are a list");
    let ours: BTreeMap<&str, &Value> =
        packages.iter().map(|package| (package["name"].as_str().expect("a name"), package)).collect();
    assert!(ours.len() >= 14, "only {} crates", ours.len());
    for (name, package) in &ours {
        let version = package["version"].as_str();
        assert_eq!(version, Some(env!("CARGO_PKG_VERSION")), "{name} has a version of its own");
        if *name == "smiles" {
            continue;
        }
        let folder = package["manifest_path"].as_str().expect("a path");
        assert!(folder.ends_with(&place(name)), "{name} lives in {folder}");
        for dependency in package["dependencies"].as_array().expect("a list") {
            let on = dependency["name"].as_str().expect("a name");
            let normal = dependency["kind"].is_null();
            let fine = !normal || !ours.contains_key(on) || allowed(name).contains(&on);
            assert!(fine, "{name} depends on {on}, which ARCHITECTURE.md does not allow");
        }
    }
}

/// Where a crate of that name has its manifest.
fn place(name: &str) -> String {
    let shelves = [
        ("smiles-source-", "sources"),
        ("smiles-transform-", "transforms"),
        ("smiles-sink-", "sinks"),
        ("smiles-plugin-", "plugins"),
    ];
    let shelf = shelves.iter().find_map(|(prefix, shelf)| name.strip_prefix(prefix).map(|dir| (*shelf, dir)));
    let (shelf, dir) = shelf.unwrap_or(("core", name.trim_start_matches("smiles-")));
    format!("/{shelf}/{dir}/Cargo.toml")
}

#[test]
fn documents_name_paths_and_tests_that_exist() {
    let sources: String = tracked()
        .iter()
        .filter(|path| path.extension().is_some_and(|ext| ext == "rs"))
        .map(|path| text(path))
        .collect();
    let folders = [
        "core/",
        "sources/",
        "transforms/",
        "sinks/",
        "plugins/",
        "cli/",
        "pipelines/",
        "migrations",
        "web/",
        "docs/",
    ];
    for document in ["ARCHITECTURE.md", "README.md", "CONTRIBUTING.md"] {
        for word in text(Path::new(document)).split('`').skip(1).step_by(2) {
            let is_path = folders.iter().any(|folder| word.starts_with(folder)) && !word.contains(['*', ' ']);
            assert!(!is_path || root().join(word).exists(), "{document} names {word}, which does not exist");
        }
    }
    let table = text(Path::new("ARCHITECTURE.md"));
    let guarantees =
        table.split("## Guarantees").nth(1).and_then(|rest| rest.split("\n## ").next()).expect("the table");
    let mut rows = 0;
    for row in guarantees.lines().filter(|line| line.starts_with("| ") && line.contains('`')) {
        let test = row.trim_end_matches([' ', '|']).rsplit('`').nth(1).expect("a test in the last column");
        assert!(
            sources.contains(&format!("fn {test}(")),
            "the guarantees name the test {test}, which does not exist"
        );
        rows += 1;
    }
    assert!(rows >= 8, "only {rows} guarantees");
}

#[test]
fn every_rust_file_says_what_it_is() {
    for path in tracked() {
        if path.extension().is_some_and(|extension| extension == "rs") {
            let first = text(&path).lines().next().unwrap_or_default().to_owned();
            assert!(first.starts_with("//! "), "{} does not begin with `//! `", path.display());
        }
    }
}

#[test]
fn no_file_names_a_registry_host() {
    // Put together here, so that this file passes its own test.
    let hosts = [["pypi", ".org"], ["npmjs", ".org"], ["deb.debian", ".org"], ["static.crates", ".io"]]
        .map(|part| part.concat());
    for path in tracked() {
        let Ok(text) = fs::read_to_string(root().join(&path)) else { continue };
        for host in &hosts {
            assert!(!text.contains(host), "{} names {host}", path.display());
        }
    }
}

#[test]
fn unsafe_code_lives_under_plugins_and_says_why() {
    for path in tracked() {
        let name = path.display().to_string();
        if name.ends_with("Cargo.toml") && !name.starts_with("plugins/") && name.contains('/') {
            assert!(
                text(&path).contains("[lints]\nworkspace = true"),
                "{name} does not inherit `unsafe_code = forbid`"
            );
        }
        let ours =
            ["plugins/abi/", "plugins/sdk/", "plugins/host/"].iter().any(|shelf| name.starts_with(shelf));
        if ours && name.ends_with("Cargo.toml") {
            assert!(
                text(&path).contains("undocumented_unsafe_blocks = \"deny\""),
                "{name} lets unsafe blocks be silent"
            );
        }
    }
}
