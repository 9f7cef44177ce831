//! The JSON Schemas that `smiles schema` prints: the ones in the repository are those; whatever is shipped or documented is right by
//! them as an editor sees it, and what `smiles check` refuses is wrong by them, but for a list.

mod editor;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use editor::{Kind, Schemas, blocks, complaints, expanded, kind_of, parsed};

use crate::bridge::root;

/// Broken variants of the tests of `check` in which each file is right by the schema. What an editor cannot know is the
/// value of a variable, what other files say, the names of columns and stages, and what only a stage understands.
const BEYOND: &[&str] = &[
    "bad_address",
    "bad_rate",
    "column_of_the_wrong_type",
    "configs_not_json",
    "configs_of_equal_names",
    "configs_without_host",
    "missing_period",
    "no_device_configured",
    "rate_of_another_dimension",
    "reset_hour_out_of_range",
    "unclosed_reference",
    "unit_that_does_not_convert",
    "unknown_column",
    "unknown_key_column",
    "unknown_store",
    "unknown_time_zone",
    "unknown_unit",
    "unreadable_include",
    "unset_variable",
    "variable_not_boolean",
    "variable_of_the_wrong_type",
    "variable_out_of_range",
];

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<PathBuf> =
        entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect();
    found.sort();
    found
}

fn yaml_files(folder: &str) -> Vec<PathBuf> {
    let all = files(&root().join(folder));
    all.into_iter().filter(|path| path.extension().is_some_and(|own| own == "yaml")).collect()
}

#[test]
fn the_schemas_beside_the_stock_files_are_those_that_are_printed() {
    let folder = root().join("pipelines/schema");
    for kind in Kind::ALL {
        let path = folder.join(format!("{}.schema.json", kind.word()));
        let printed = kind.printed();
        if std::env::var_os("SMILES_UPDATE").is_some() {
            fs::create_dir_all(&folder).unwrap();
            fs::write(&path, &printed).unwrap();
        }
        let kept = fs::read_to_string(&path).unwrap_or_default();
        assert!(
            kept == printed,
            "{}: `SMILES_UPDATE=1 cargo test -p smiles --test it schema_files` writes it",
            path.display()
        );
    }
}

#[test]
fn every_stock_file_that_has_a_schema_names_it() {
    for path in yaml_files("pipelines") {
        let text = fs::read_to_string(&path).unwrap();
        let first = text.lines().next().unwrap_or_default();
        let named = first.strip_prefix("# yaml-language-server: $schema=").map(|name| {
            path.parent()
                .unwrap()
                .join(name)
                .canonicalize()
                .unwrap_or_else(|error| panic!("{first}: {error}"))
        });
        let expected = kind_of(&parsed(&text).unwrap()).map(|kind| {
            root().join(format!("pipelines/schema/{}.schema.json", kind.word())).canonicalize().unwrap()
        });
        assert_eq!(named, expected, "{}", path.display());
    }
}

#[test]
fn editors_accept_what_is_shipped() {
    let schemas = Schemas::printed();
    let mut held = BTreeMap::<&str, usize>::new();
    let mut wrong = Vec::new();
    for path in yaml_files("pipelines") {
        let text = fs::read_to_string(&path).unwrap();
        let value = parsed(&text).unwrap();
        let Some(kind) = kind_of(&value) else { continue };
        *held.entry(kind.word()).or_default() += 1;
        wrong.extend(complaints(&schemas, kind, &value).map(|said| format!("{}: {said}", path.display())));
        // The parts that have no schema of their own are held as parts of the whole.
        let whole = expanded(&path);
        wrong.extend(
            complaints(&schemas, kind, &whole).map(|said| format!("{}, expanded: {said}", path.display())),
        );
    }
    assert_eq!(held, BTreeMap::from([("pipeline", 5), ("device", 2), ("tests", 1)]));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn editors_accept_what_is_documented() {
    let schemas = Schemas::printed();
    let mut held = BTreeMap::<&str, usize>::new();
    let mut wrong = Vec::new();
    let documents = files(&root().join("docs")).into_iter().chain([root().join("README.md")]);
    for path in documents.filter(|path| path.extension().is_some_and(|own| own == "md")) {
        for block in blocks(&fs::read_to_string(&path).unwrap()) {
            let value = parsed(&block).unwrap_or_else(|error| panic!("{}: {error}\n{block}", path.display()));
            let Some(kind) = kind_of(&value) else { continue };
            // The types of plugins are known to their files alone.
            if value.get("plugins").is_some() {
                continue;
            }
            *held.entry(kind.word()).or_default() += 1;
            wrong
                .extend(complaints(&schemas, kind, &value).map(|said| format!("{}: {said}", path.display())));
        }
    }
    for kind in Kind::ALL {
        assert!(held.contains_key(kind.word()), "no example of a {} file: {held:?}", kind.word());
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn editors_refuse_what_check_refuses_or_it_is_beyond_them() {
    let schemas = Schemas::printed();
    let mut beyond = BTreeSet::new();
    for (name, files) in crate::check::broken() {
        let is_refused = files.iter().any(|(path, text)| {
            // An unreadable file is told by any editor.
            let Ok(value) = parsed(text) else { return true };
            let kind = match path.as_str() {
                "pipeline.yaml" => Kind::Pipeline,
                "device.yaml" => Kind::Device,
                _ => return false,
            };
            complaints(&schemas, kind, &value).next().is_some()
        });
        if !is_refused {
            beyond.insert(name);
        }
    }
    let listed: BTreeSet<&str> = BEYOND.iter().copied().collect();
    assert_eq!(beyond, listed, "left: what the schema takes; right: what is listed as beyond it");
}

#[test]
fn a_variable_or_an_include_may_stand_for_any_value_but_no_misspelt_key() {
    let schemas = Schemas::printed();
    let rows = [
        (
            Kind::Pipeline,
            "pipeline: p\nsources: !include s.yaml\ntransforms: !include t.yaml\nsinks: !include k.yaml\n",
            true,
        ),
        (
            Kind::Pipeline,
            "pipeline: p\nsources: {s: {type: modbus, every: 5s, address: '${A}', device: !include m.yaml, timeout: '${T}s'}}\n\
             sinks: {k: !include k.yaml, l: {type: sqlite, path: x.db, tables: {t: !include t.yaml}}}\n",
            true,
        ),
        (
            Kind::Pipeline,
            "pipeline: p\nsources: {s: {type: modbus, every: 5s, address: a, devise: {}}}\nsinks: {}\n",
            false,
        ),
        (
            Kind::Pipeline,
            "pipeline: p\nsources: {s: {type: modbus, every: 5s, address: a, device: meter}}\nsinks: {}\n",
            false,
        ),
        (Kind::Device, "blocks: !include blocks.yaml\n", true),
        (
            Kind::Device,
            "order: '${ORDER}'\nblocks: {b: {address: '${AT}', count: 2, fields: {f: !include f.yaml, g: {at: 0, type: '${T}'}}}}\n",
            true,
        ),
        (Kind::Device, "blocks: {b: {adress: 1, count: 2, fields: {}}}\n", false),
        (Kind::Tests, "pipeline: p.yaml\ncases:\n  - !include case.yaml\n", true),
        (Kind::Tests, "pipeline: p.yaml\ncases: '${CASES}'\n", false),
    ];
    for (kind, text, is_right) in rows {
        let said: Vec<String> = complaints(&schemas, kind, &parsed(text).unwrap()).collect();
        assert_eq!(said.is_empty(), is_right, "{text}{said:?}");
    }
}
