//! `plugins:` before any stage is typed: where a library is looked for, what it adds, where a refusal is shown.

use std::cell::RefCell;
use std::fs;
use std::sync::Arc;
use std::time::Duration;

use smiles_config::{Embedded, Environment, Folder, Loaded, PluginDecl, Plugins, load, load_with};
use smiles_stage::{Path, Problem, Registry};

use crate::stages::registry;

/// Gives the stages of the tests for `good.so` and refuses all else.
#[derive(Default)]
struct Shelf(RefCell<Vec<PluginDecl>>);

impl Plugins for Shelf {
    fn adopt(&self, plugin: &PluginDecl, _: Registry, _: &mut Vec<Problem>) -> Result<Registry, Problem> {
        self.0.borrow_mut().push(plugin.clone());
        if plugin.path.ends_with("good.so") {
            return Ok(registry());
        }
        let key = if plugin.sha256.is_some() { "sha256" } else { "path" };
        Err(Problem::error(Path::root().key(key), "not a plugin"))
    }
}

const REST: &str = "sources: {a: {type: no_such_source}}\nsinks: {b: {type: no_such_sink}}\n";

#[expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
fn loaded(folder: &std::path::Path, plugins: &str, shelf: &Shelf, registry: &Registry) -> Loaded {
    fs::write(folder.join("main.yaml"), format!("pipeline: p\n{plugins}\n{REST}")).unwrap();
    let environment: Environment = [("LIB", "good")].into_iter().collect();
    load_with(Arc::new(Folder::new(folder)), "main.yaml", &environment, registry, shelf)
}

#[test]
fn a_library_is_looked_for_beside_the_file_that_names_it() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("sub")).unwrap();
    fs::write(folder.path().join("sub/list.yaml"), "- ${LIB}.so\n- {path: /opt/good.so, timeout: 2s}\n")
        .unwrap();
    let shelf = Shelf::default();
    let loaded = loaded(folder.path(), "plugins: !include sub/list.yaml", &shelf, &Registry::new());
    let said = loaded.diagnostics.render(false);
    let named = shelf.0.take();
    assert_eq!(named[0].path, folder.path().join("sub/good.so"), "{said}");
    assert_eq!(
        (named[1].path.to_str(), named[1].timeout),
        (Some("/opt/good.so"), Some(Duration::from_secs(2)))
    );
    assert!(loaded.registry.find_source("no_such_source").is_none());
    assert!(loaded.registry.all_sinks().count() > 0, "its stages have joined the registry");
    assert!(said.contains("there is no source of type `no_such_source`"), "{said}");
}

#[test]
fn a_refusal_is_the_only_complaint_and_stands_where_the_library_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let sum = "0".repeat(64);
    let pinned = format!("plugins: [{{path: bad.so, sha256: \"{sum}\"}}]");
    for (plugins, place) in [
        ("plugins: [bad.so]", "main.yaml:2:11"),
        ("plugins:\n  - {path: bad.so}", "main.yaml:3:12"),
        (pinned.as_str(), "main.yaml:2:34"),
    ] {
        let loaded = loaded(folder.path(), plugins, &Shelf::default(), &Registry::new());
        let said = loaded.diagnostics.render(false);
        assert_eq!(
            loaded.diagnostics.len(),
            1,
            "types that a missing plugin may have are not its fault: {said}"
        );
        assert!(said.contains("not a plugin") && said.contains(place), "{said}");
        assert!(loaded.pipeline.is_none());
    }
}

#[test]
fn the_list_itself_is_checked() {
    let folder = tempfile::tempdir().unwrap();
    for (plugins, expected) in [
        ("plugins: good.so", "expected a list"),
        ("plugins: [{sha256: abc}]", "`path` is missing"),
        ("plugins: [{path: good.so, sha256: abc}]", "64 characters"),
        ("plugins: [{path: good.so, timeout: soon}]", "duration"),
        ("plugins: [{path: good.so, tiemout: 1s}]", "did you mean `timeout`?"),
    ] {
        let shelf = Shelf::default();
        let said = loaded(folder.path(), plugins, &shelf, &registry()).diagnostics.render(false);
        assert!(said.contains(expected), "{plugins}: {said}");
        assert!(shelf.0.take().is_empty(), "{plugins}: nothing is loaded");
    }
}

#[test]
fn where_plugins_cannot_be_loaded_that_is_said() {
    const FILE: &[(&str, &str)] =
        &[("main.yaml", "pipeline: p\nplugins: [good.so]\nsources: {}\nsinks: {}\n")];
    let environment = Environment::default();
    let tree = || Arc::new(Embedded::new(FILE));
    let said = load(tree(), "main.yaml", &environment, &registry()).diagnostics.render(false);
    assert!(said.contains("a built-in file cannot name a plugin by a relative path"), "{said}");
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("main.yaml"), FILE[0].1).unwrap();
    let tree = Arc::new(Folder::new(folder.path()));
    let said = load(tree, "main.yaml", &environment, &registry()).diagnostics.render(false);
    assert!(said.contains("plugins cannot be loaded here"), "{said}");
}
