//! What `check` and `run` refuse before anything runs: two pipelines that cannot both have what they ask for, and values that no
//! pipeline can work with.

use std::fs;
use std::path::Path;

use crate::bridge::finish;

/// A pipeline of this name, its sinks after those that every one has.
fn pipeline(name: &str, sinks: &str) -> String {
    format!(
        "pipeline: {name}
sources:
  made: {{type: synthetic, every: 10s, rows: 1, columns: {{value: {{type: int, pattern: counter}}}}}}
sinks:
  store: {{type: sqlite, path: {name}.db, tables: {{t: {{mode: append, create: true, columns: {{value: value}}}}}}}}
{sinks}"
    )
}

fn listening(address: &str) -> String {
    format!("  api: {{type: http_api, listen: '{address}'}}\n")
}

/// Exit code and complaints of a command about files called `a.yaml`, `b.yaml` and so on.
fn said(command: &str, files: &[String], folder: &Path) -> (Option<i32>, String) {
    let names = ["a.yaml", "b.yaml", "c.yaml"];
    for (name, text) in names.iter().zip(files) {
        fs::write(folder.join(name), text).unwrap();
    }
    let words: Vec<&str> = std::iter::once(command).chain(names.into_iter().take(files.len())).collect();
    let output = finish(&words, &[], folder);
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

/// `check` of these files; `expected` are words of the complaint, none: they are fine.
fn check(files: &[String], expected: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let (code, text) = said("check", files, folder.path());
    let code_expected = if expected.is_empty() { 0 } else { 2 };
    assert_eq!(code, Some(code_expected), "{files:?}:\n{text}");
    for words in expected {
        assert!(text.contains(words), "no `{words}` in:\n{text}");
    }
}

#[test]
fn two_pipelines_of_one_name_are_found_at_both_places() {
    let one = pipeline("one", "");
    check(&[one.clone(), one.clone()], &["two pipelines are called `one`", "b.yaml:1:", "a.yaml:1:"]);
    check(&[one.clone(), pipeline("two", ""), one.clone()], &["c.yaml:1:", "a.yaml:1:"]);
    check(&[one.clone(), pipeline("two", "")], &[]);
    let off = one.replace("pipeline: one", "pipeline: one\nenabled: false");
    check(&[one.clone(), off], &[]);
    let folder = tempfile::tempdir().unwrap();
    let (code, text) = said("run", &[one.clone(), one], folder.path());
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("two pipelines are called `one`") && text.contains("a.yaml:1:"), "{text}");
}

#[test]
fn two_sinks_of_one_address_are_found_at_both_places() {
    let both =
        |one: &str, other: &str| [pipeline("one", &listening(one)), pipeline("two", &listening(other))];
    let clash = &["two sinks listen on", "b.yaml:6:", "a.yaml:6:"];
    check(&both("127.0.0.1:8099", "127.0.0.1:8099"), clash);
    check(&both("0.0.0.0:8099", "127.0.0.1:8099"), clash);
    check(&both("localhost:8099", "127.0.0.1:8099"), clash);
    check(&both("127.0.0.1:8099", "127.0.0.1:8098"), &[]);
    check(&both("127.0.0.1:0", "127.0.0.1:0"), &[]);
    let [one, other] = both("127.0.0.1:8099", "127.0.0.1:8099");
    check(&[one.clone(), other.replace("pipeline: two", "pipeline: two\nenabled: false")], &[]);
    let again =
        listening("127.0.0.1:8099").replace("api", "more").replace("type: http_more", "type: http_api");
    check(
        &[pipeline("one", &(listening("127.0.0.1:8099") + &again))],
        &["two sinks listen on", "a.yaml:6:", "a.yaml:7:"],
    );
    let folder = tempfile::tempdir().unwrap();
    let (code, text) = said("run", &[one, other], folder.path());
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("two sinks listen on 127.0.0.1:8099"), "{text}");
}

#[test]
fn what_no_pipeline_can_work_with_is_refused() {
    let file = |from: &str, to: &str| {
        let text = pipeline("one", "");
        assert!(text.contains(from), "{from}");
        [text.replace(from, to)]
    };
    let name = |length| "n".repeat(length);
    check(&file("path: one.db", "path: one.journal"), &["the name of a journal", "a.yaml:5:"]);
    check(&file("path: one.db", "path: data/../ONE.Journal"), &["the name of a journal", "a.yaml:5:"]);
    check(&file("every: 10s", "every: 0s"), &["no time between two polls", "a.yaml:3:"]);
    check(&file("one\n", "one\njournal: {max_size: 1KiB}\n"), &["64KiB or more", "a.yaml:2:"]);
    check(&file("one\n", "one\njournal: {max_size: 64KiB}\n"), &[]);
    check(&file("pipeline: one", &format!("pipeline: {}", name(101))), &["cannot be the name of a pipeline"]);
    check(&file("pipeline: one", &format!("pipeline: {}", name(100))), &[]);
    check(&file("made:", &format!("{}:", name(101))), &["cannot be the name of a source", "a.yaml:3:"]);
    check(&file("store:", &format!("{}:", name(101))), &["cannot be the name of a sink", "a.yaml:5:"]);
    let transform = format!("transforms:\n  - {{type: unit_conversion, name: {}}}\nsinks:", name(129));
    check(&file("sinks:", &transform), &["a.yaml:5:"]);
}
