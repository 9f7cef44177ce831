//! The rules of the tree within a crate: which room may import which, and that no two files import each other in a circle.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use crate::bridge::root;

/// The rooms of a crate, each with those it may import from.
type Rooms = &'static [(&'static str, &'static [&'static str])];

/// As ARCHITECTURE.md draws them; a room stands below those that it imports from.
const ROOMS: [(&str, Rooms); 3] = [
    (
        "core/runtime",
        &[
            ("call", &[]),
            ("time", &[]),
            ("wire", &[]),
            ("observe", &["call", "time"]),
            ("deliver", &["call", "observe"]),
            ("ingest", &["call", "observe", "time", "wire"]),
            ("lifecycle", &["call", "deliver", "ingest", "observe", "time", "wire"]),
        ],
    ),
    (
        "core/journal",
        &[
            ("api", &[]),
            ("format", &["api"]),
            ("log", &["api", "format"]),
            ("ledger", &["api", "format", "log"]),
            ("repair", &["api", "format", "ledger", "log"]),
            ("operator", &["api", "format", "ledger", "repair"]),
            ("owner", &["api", "format", "ledger", "log", "repair"]),
        ],
    ),
    (
        "sinks/http_api",
        &[
            ("text", &[]),
            ("current", &["text"]),
            ("declare", &["current", "text"]),
            ("observe", &["current", "declare", "text"]),
            ("query", &["current", "declare", "text"]),
            ("describe", &["declare", "query"]),
            ("serve", &["current", "declare", "describe", "observe", "query", "text"]),
        ],
    ),
];

/// A file of a crate by its path in the crate's tree of modules, and the files it imports from.
type Imports = BTreeMap<Vec<String>, BTreeSet<Vec<String>>>;

/// Every file below `src`, without the crate's root and without tests.
fn files(folder: &Path, module: &[String], found: &mut BTreeMap<Vec<String>, String>) {
    for entry in fs::read_dir(folder).expect("a folder of sources") {
        let path = entry.expect("an entry").path();
        let name = path.file_stem().and_then(|name| name.to_str()).expect("a name").to_owned();
        let child = || [module, std::slice::from_ref(&name)].concat();
        if path.is_dir() {
            files(&path, &child(), found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let is_root = module.is_empty() && matches!(name.as_str(), "lib" | "main");
            let at = if name == "mod" { module.to_vec() } else { child() };
            if !is_root && at.last().is_none_or(|name| name != "tests") {
                let text = fs::read_to_string(&path).expect("a source");
                let code = text.split("#[cfg(test)]").next().unwrap_or_default();
                let code = code.lines().filter(|line| !line.trim_start().starts_with("//"));
                found.insert(at, code.collect::<Vec<_>>().join("\n"));
            }
        }
    }
}

/// Every path that is written in the code, with the braces of `use` spelled out.
fn paths(code: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    let mut rest = code;
    while let Some(start) = rest.find(is_part) {
        let end = rest[start..].find(|c| !is_part(c)).map_or(rest.len(), |end| start + end);
        let (path, after) = (&rest[start..end], &rest[end..]);
        rest = match path.strip_suffix("::").filter(|_| after.starts_with('{')) {
            Some(stem) => {
                let close = matching(after);
                for below in paths(&after[1..close]) {
                    found.push(stem.split("::").map(str::to_owned).chain(below).collect());
                }
                &after[close + 1..]
            }
            None => {
                found.push(path.split("::").filter(|part| !part.is_empty()).map(str::to_owned).collect());
                after
            }
        };
    }
    found
}

/// Where the brace that opens the text is closed.
fn matching(text: &str) -> usize {
    let mut depth = 0;
    for (at, c) in text.char_indices() {
        depth += match c {
            '{' => 1,
            '}' => -1,
            _ => 0,
        };
        if depth == 0 {
            return at;
        }
    }
    text.len() - 1
}

/// The crates of the workspace, by folder.
fn crates() -> Vec<String> {
    let mut found = vec!["cli".to_owned()];
    for shelf in ["core", "sources", "transforms", "sinks", "plugins"] {
        for entry in fs::read_dir(root().join(shelf)).expect("a shelf of crates") {
            let path = entry.expect("an entry").path();
            let name = path.file_name().and_then(|name| name.to_str()).expect("a name");
            if path.join("src").is_dir() && path.join("Cargo.toml").is_file() {
                found.push(format!("{shelf}/{name}"));
            }
        }
    }
    found
}

/// What each file of a crate imports from.
fn imports(name: &str) -> Imports {
    let mut sources = BTreeMap::new();
    files(&root().join(name).join("src"), &[], &mut sources);
    let file_of = |path: &[String]| {
        (1..=path.len()).rev().map(|length| path[..length].to_vec()).find(|at| sources.contains_key(at))
    };
    let of = |(at, code): (&Vec<String>, &String)| {
        let targets = paths(code).into_iter().filter_map(|path| {
            // `pub(super)` imports nothing.
            let named = path.iter().any(|part| part != "super");
            let absolute = match path.first().map(String::as_str).filter(|_| named)? {
                "crate" => path[1..].to_vec(),
                "self" => [at, &path[1..]].concat(),
                "super" => {
                    let up = path.iter().take_while(|part| *part == "super").count();
                    [&at[..at.len().saturating_sub(up)], &path[up..]].concat()
                }
                // A module of its own.
                _ if path.len() > 1 => {
                    let below = [at.as_slice(), &path].concat();
                    if !sources.contains_key(&below[..=at.len()]) {
                        return None;
                    }
                    below
                }
                _ => return None,
            };
            file_of(&absolute).filter(|target| target != at)
        });
        (at.clone(), targets.collect())
    };
    sources.iter().map(of).collect()
}

#[test]
fn rooms_import_as_the_architecture_says() {
    for (name, rooms) in ROOMS {
        let mut seen = BTreeSet::new();
        for (at, targets) in imports(name) {
            let room = at[0].as_str();
            let (_, may) = rooms.iter().find(|(known, _)| *known == room).unwrap_or_else(|| {
                panic!("{name}/src/{room} is no room of ARCHITECTURE.md");
            });
            for target in targets.iter().filter(|target| target[0] != room) {
                seen.insert((room.to_owned(), target[0].clone()));
                let (from, to) = (at.join("/"), target.join("/"));
                assert!(may.contains(&target[0].as_str()), "{name}: {from} may not import from {to}");
            }
        }
        for (room, may) in rooms {
            for other in *may {
                let pair = ((*room).to_owned(), (*other).to_owned());
                assert!(seen.contains(&pair), "{name}: {room} imports nothing from {other} any more");
            }
        }
    }
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    let mut read = 0;
    for name in crates() {
        let imports = imports(&name);
        read += imports.len();
        let mut left: BTreeSet<&Vec<String>> = imports.keys().collect();
        // Files that import from none of those left are in no circle.
        while let Some(free) = left.iter().find(|at| imports[**at].iter().all(|to| !left.contains(to))) {
            let free = *free;
            left.remove(free);
        }
        let circle: Vec<String> = left.iter().map(|at| at.join("/")).collect();
        assert!(circle.is_empty(), "{name}: these files import each other, or from such as do: {circle:?}");
    }
    assert!(read > 300, "only {read} files were read");
}

#[test]
fn what_imports_what_is_read_from_the_code() {
    let paths: Vec<String> = paths("use crate::a::{b::C, d::{E, f}};\nfn g() { h::i(crate::j::k()) }")
        .iter()
        .map(|path| path.join("::"))
        .filter(|path| path.contains("::"))
        .collect();
    assert_eq!(paths, ["crate::a::b::C", "crate::a::d::E", "crate::a::d::f", "h::i", "crate::j::k"]);
}
