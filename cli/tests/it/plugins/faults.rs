//! What a plugin does wrong while it runs: others go on, the message names plugin, stage and cause, nothing is lost.

use std::fs;
use std::path::Path;

use super::{compile, numbered, numbers, run, rust_plugin};
use crate::bridge::{Bridge, finish};

/// A sink with a fault beside one without; 6 passes of 5 rows.
fn pipeline(plugin: &str, sink: &str) -> String {
    format!(
        "pipeline: p
journal: memory
plugins: [{plugin}]
sources: {{a: {}}}
sinks:
  bad: {sink}
  good: {{type: sqlite, path: good.db, tables: {{rows: {{mode: append, create: true, columns: {{id: id}}}}}}}}
",
        numbered(6, 5)
    )
}

fn good(folder: &Path) -> rusqlite::Connection {
    let path = if folder.join("data/good.db").exists() { "data/good.db" } else { "good.db" };
    rusqlite::Connection::open(folder.join(path)).unwrap()
}

fn stored(folder: &Path) -> i64 {
    good(folder).query_row("SELECT count(DISTINCT id) FROM rows", [], |row| row.get(0)).unwrap()
}

/// Every row arrives in both sinks; the log names plugin, stage, call and cause.
#[track_caller]
fn survives(fault: &str, plugin: &str, words: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    compile("plugins/testing/faulty/faulty.c", folder.path(), &[]);
    let said =
        run(folder.path(), &pipeline(plugin, &format!("{{type: faulty, fault: {fault}, into: rows}}")));
    let line = said.lines().find(|line| words.iter().all(|word| line.contains(word)));
    assert!(line.is_some(), "{fault}: no line with {words:?} in {said}");
    assert_eq!(numbers(&folder.path().join("rows")), (0..30).collect::<Vec<_>>(), "{fault}: {said}");
    assert_eq!(stored(folder.path()), 30, "{fault}: {said}");
}

const NAMED: [&str; 2] = ["plugin `faulty`", "`bad`"];

#[test]
fn a_returned_error_is_tried_again() {
    survives("retry", "libfaulty.so", &[NAMED[0], NAMED[1], "in `flush`: the disk is full (code 28)"]);
}

#[test]
fn an_unknown_status_is_tried_again() {
    survives("unknown", "libfaulty.so", &[NAMED[0], NAMED[1], "a status nobody knows"]);
}

#[test]
fn an_error_without_a_message_still_says_where_it_was() {
    survives("silent", "libfaulty.so", &[NAMED[0], NAMED[1], "in `flush`: it returned status 1"]);
}

#[test]
fn an_unterminated_message_is_cut() {
    survives("unterminated", "libfaulty.so", &[NAMED[0], NAMED[1], "xxxxxxxx"]);
}

#[test]
fn a_sink_that_says_more_than_it_was_given_is_not_believed() {
    survives("lie", "libfaulty.so", &["bad", "the position it reports is that of no batch"]);
}

#[test]
fn rejected_rows_that_were_never_given_are_no_reason_to_drop_any() {
    survives("stranger", "libfaulty.so", &[NAMED[0], NAMED[1], "some were not given to it"]);
}

#[test]
fn a_stalled_call_trips_its_limit_and_delays_nobody_else() {
    survives(
        "stall",
        "{path: libfaulty.so, timeout: 300ms}",
        &["plugin `faulty`", "stage `bad`", "`flush` has not returned within 300ms"],
    );
}

#[test]
fn a_call_that_ignores_its_cancelling_keeps_only_its_own_stage_waiting() {
    let folder = tempfile::tempdir().unwrap();
    compile("plugins/testing/faulty/faulty.c", folder.path(), &[]);
    let yaml = pipeline("{path: libfaulty.so, timeout: 200ms}", "{type: faulty, fault: hang, into: rows}");
    let yaml = yaml
        .replace("passes: 6, ", "")
        .replace("rows: 5", "rows: 1")
        .replace("sources:", "transforms: []\nsources:")
        + "  api: {type: http_api, listen: 127.0.0.1:0, store: good, resources: {}}\n";
    let yaml = yaml.replacen("{type: synthetic,", "{every: 50ms, type: synthetic,", 1);
    fs::write(folder.path().join("pipeline.yaml"), yaml).unwrap();
    let bridge = Bridge::start(&["run", "pipeline.yaml"], &[], folder.path());
    bridge.line(&["plugin `faulty`", "stage `bad`", "`flush` has not returned within 200ms"]);
    let sink = |health: &serde_json::Value, name: &str| health["sinks"][name].clone();
    let delivered = |health: &serde_json::Value| health["sinks"]["good"]["delivered"].as_u64();
    let before = bridge.eventually("/health", |health| delivered(health).is_some());
    let (status, _) = bridge.get("/ready");
    assert!(status == 200 || status == 503, "{status}");
    let after = bridge.eventually("/health", |health| delivered(health) > delivered(&before));
    assert_ne!(sink(&after, "bad"), sink(&after, "good"), "the stage is unhealthy: {after:#}");
    let (status, took) = bridge.interrupt();
    assert!(status.success() && took.as_secs() < 10, "ended with {status} after {took:?}");
}

#[test]
fn a_rejected_row_is_set_aside_and_all_others_arrive() {
    let folder = tempfile::tempdir().unwrap();
    compile("plugins/testing/faulty/faulty.c", folder.path(), &[]);
    let said = run(folder.path(), &pipeline("libfaulty.so", "{type: faulty, fault: reject, into: rows}"));
    let line = said.lines().find(|line| line.contains("kept as dead letters") && line.contains("E42"));
    assert!(line.is_some_and(|line| line.contains("the first row is odd")), "{said}");
    assert_eq!(numbers(&folder.path().join("rows")).len(), 29, "{said}");
    assert_eq!(stored(folder.path()), 30, "{said}");
}

#[test]
fn a_panic_is_an_error_of_its_instance_and_loses_nothing() {
    for call in ["write", "flush"] {
        let folder = tempfile::tempdir().unwrap();
        rust_plugin("plugins/testing/panicking", folder.path());
        let sink = format!("{{type: panicking, panics_in: {call}, into: rows}}");
        let said = run(folder.path(), &pipeline("libpanicking.so", &sink));
        let cause = format!("in `{call}`: it panicked: an invariant of `{call}` does not hold");
        let words = ["plugin `panicking`", "stage `bad`", cause.as_str()];
        assert!(said.lines().any(|line| words.iter().all(|word| line.contains(word))), "{words:?} in {said}");
        let opened =
            said.lines().filter(|line| line.contains("opened by a test") && line.contains("stage=\"bad\""));
        assert_eq!(opened.count(), 2, "closed and opened anew: {said}");
        assert_eq!(numbers(&folder.path().join("rows")), (0..30).collect::<Vec<_>>(), "{said}");
        assert_eq!(stored(folder.path()), 30);
    }
}

/// A transform and a source with a fault before a good sink: every row arrives, once.
#[test]
fn broken_answers_of_transforms_and_sources_are_tried_again() {
    let rows = [
        ("transform", "lie", "in `apply`: it succeeded and gave no rows"),
        ("transform", "few", "in `apply`: it gave 2 columns, its schema has 3"),
        ("transform", "retry", "in `apply`: the disk is full (code 28)"),
        ("transform", "stall", "`apply` has not returned within 300ms"),
        ("source", "few", "in `next`: it gave column `id` with 1 buffers"),
        ("source", "retry", "in `next`: the disk is full (code 28)"),
        ("source", "stall", "`next` has not returned within 300ms"),
    ];
    for (role, fault, cause) in rows {
        let folder = tempfile::tempdir().unwrap();
        compile("plugins/testing/faulty/faulty.c", folder.path(), &[]);
        let bad = format!("{{type: faulty, fault: {fault}}}");
        let (source, transforms, expected) = match role {
            "source" => (bad, "[]".to_owned(), 20),
            _ => (numbered(4, 5), format!("[{bad}]"), 20),
        };
        let yaml = format!(
            "pipeline: p\njournal: memory\nplugins: [{{path: libfaulty.so, timeout: 300ms}}]\nsources: {{a: {source}}}\ntransforms: {transforms}\nsinks: {{out: {{type: faulty, into: rows}}}}\n"
        );
        let said = run(folder.path(), &yaml);
        let line = said.lines().find(|line| line.contains(cause) && line.contains("plugin `faulty`"));
        assert!(line.is_some(), "{role} {fault}: no `{cause}` in {said}");
        let arrived = numbers(&folder.path().join("rows"));
        let mut distinct = arrived.clone();
        distinct.dedup();
        assert_eq!(distinct.len(), expected, "{role} {fault}: {arrived:?} {said}");
    }
}

/// Rows that a transform rejects are kept as they entered it, told of once, and after a repair go on through the
/// transforms to every sink, once.
#[test]
fn rows_that_a_transform_rejects_become_dead_letters_and_go_on_after_a_repair() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path();
    compile("plugins/testing/faulty/faulty.c", place, &[]);
    let yaml = |fault: &str| {
        let sinks = pipeline("libfaulty.so", "{type: faulty, into: rows}").replace("journal: memory\n", "");
        format!("{sinks}transforms: [{{type: faulty, name: checks, fault: {fault}}}]\n")
    };
    let smiles = |args: &[&str]| {
        let output = finish(args, &[], place);
        let said = super::said(&output);
        assert!(output.status.success(), "{args:?}: {said}");
        said
    };
    let said = run(place, &yaml("reject"));
    let told: Vec<&str> = said.lines().filter(|line| line.contains("a transform rejects rows")).collect();
    assert!(matches!(told.as_slice(), [line] if line.contains("sevens are odd")), "{said}");
    assert_eq!((stored(place), numbers(&place.join("rows")).len()), (25, 25), "{said}");
    let list = smiles(&["journal", "dead-letter", "list"]);
    assert!(list.contains("5 dead letters"), "{list}");
    assert_eq!(list.matches("transform:checks").count(), 5, "{list}");
    let listed = smiles(&["journal", "dead-letter", "list", "--json"]);
    let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
    let names: Vec<&str> =
        listed.as_array().unwrap().iter().map(|letter| letter["id"].as_str().unwrap()).collect();
    let shown = smiles(&[&["journal", "dead-letter", "show", "--json"], names.as_slice()].concat());
    let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
    let ids: Vec<i64> =
        shown.as_array().unwrap().iter().map(|letter| letter["row_values"]["id"].as_i64().unwrap()).collect();
    assert_eq!(ids, [0, 7, 14, 21, 28]);
    let verified = smiles(&["journal", "verify", "pipeline.yaml"]);
    assert!(verified.contains("transform:checks: 5 accepted = 0 delivered + 5 dead letters"), "{verified}");

    fs::write(place.join("pipeline.yaml"), yaml("none")).unwrap();
    smiles(&["journal", "dead-letter", "drop", "--yes", names[4]]);
    let said = smiles(&["journal", "dead-letter", "replay", "--file", "pipeline.yaml"]);
    assert!(said.contains("4 rows returned to the transform `checks`"), "{said}");
    assert_eq!(smiles(&["journal", "dead-letter", "list"]).matches("being replayed").count(), 4);
    let said = run(place, &yaml("none"));
    assert!(smiles(&["journal", "dead-letter", "list"]).contains("no dead letters"), "{said}");
    // The source brought all thirty once more.
    let expected: Vec<i64> = (0..30).flat_map(|id| if id == 28 { vec![id] } else { vec![id, id] }).collect();
    assert_eq!(numbers(&place.join("rows")), expected, "{said}");
    let rows: i64 = good(place).query_row("SELECT count(*) FROM rows", [], |row| row.get(0)).unwrap();
    assert_eq!(rows, 59, "{said}");
    let verified = smiles(&["journal", "verify", "pipeline.yaml"]);
    assert!(
        verified.contains("transform:checks: 5 accepted = 4 delivered + 0 dead letters + 1 dropped"),
        "{verified}"
    );
}

/// What comes with an end or an error is taken; the error is told, and the end kept.
#[test]
fn rows_that_come_with_a_status_are_taken() {
    for (fault, rows, cause) in [("last", 21, ""), ("beside", 20, "in `next`: half of the device is dark")] {
        let folder = tempfile::tempdir().unwrap();
        compile("plugins/testing/faulty/faulty.c", folder.path(), &[]);
        let yaml = format!(
            "pipeline: p\njournal: memory\nplugins: [libfaulty.so]\nsources: {{a: {{type: faulty, fault: {fault}}}}}\nsinks: {{out: {{type: faulty, into: rows}}}}\n"
        );
        let said = run(folder.path(), &yaml);
        assert!(said.contains(cause), "{fault}: {said}");
        assert_eq!(numbers(&folder.path().join("rows")), (0..rows).collect::<Vec<_>>(), "{fault}: {said}");
    }
}

#[test]
fn what_a_plugin_does_to_the_rows_it_is_given_nobody_else_sees() {
    let ids = |folder: &Path| -> Vec<i64> {
        let store = good(folder);
        let mut rows = store.prepare("SELECT id FROM rows ORDER BY id").unwrap();
        rows.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    };
    let cases = [("none", "scribble", 1), ("scale", "none", 10), ("scale", "scribble", 10)];
    for (transform, sink, factor) in cases {
        let folder = tempfile::tempdir().unwrap();
        compile("plugins/testing/faulty/faulty.c", folder.path(), &[]);
        let yaml = pipeline("libfaulty.so", &format!("{{type: faulty, fault: {sink}, into: rows}}"));
        let said = run(folder.path(), &format!("{yaml}transforms: [{{type: faulty, fault: {transform}}}]\n"));
        let expected: Vec<i64> = (0..30).map(|id| id * factor).collect();
        assert_eq!(ids(folder.path()), expected, "{transform} {sink}: {said}");
        assert_eq!(numbers(&folder.path().join("rows")), expected, "{transform} {sink}: {said}");
    }
}

/// Threads of an instance that was closed call its host until the process ends.
#[test]
fn threads_that_outlive_their_instance_may_call_the_host() {
    let folder = tempfile::tempdir().unwrap();
    compile("plugins/testing/lingering/lingering.c", folder.path(), &["-pthread"]);
    let said = run(folder.path(), &pipeline("liblingering.so", "{type: lingering}"));
    assert!(said.contains("a thread of a closed instance is told that nobody waits"), "{said}");
    assert_eq!(stored(folder.path()), 30, "{said}");
}

#[test]
fn three_plugins_that_fail_each_in_its_way_keep_nobody_waiting() {
    let folder = tempfile::tempdir().unwrap();
    compile("plugins/testing/faulty/faulty.c", folder.path(), &[]);
    let yaml = pipeline("{path: libfaulty.so, timeout: 300ms}", "{type: faulty, fault: open, into: one}")
        .replace("passes: 6, ", "")
        .replacen("{type: synthetic,", "{every: 20ms, type: synthetic,", 1)
        + "  empty: {type: faulty, fault: 'null', into: two}
  stalls: {type: faulty, fault: stall, into: three}
  api: {type: http_api, listen: 127.0.0.1:0}
";
    fs::write(folder.path().join("pipeline.yaml"), yaml).unwrap();
    let bridge = Bridge::start(&["run", "pipeline.yaml"], &[], folder.path());
    for (stage, cause) in [
        ("stage `bad`", "in `open`: the licence has run out"),
        ("stage `empty`", "in `open`: it succeeded and gave no instance"),
        ("stage `stalls`", "`flush` has not returned within 300ms"),
    ] {
        bridge.line(&[stage, cause]);
    }
    let delivered = |health: &serde_json::Value, sink: &str| health["sinks"][sink]["delivered"].as_u64();
    let before = bridge.eventually("/health", |health| {
        let warnings = health["warnings"].to_string();
        warnings.contains("the licence has run out") && warnings.contains("gave no instance")
    });
    // A reload is no other matter: what cannot be opened and stays as it is may stay so.
    bridge.signal("-HUP");
    bridge.line(&["reloading the pipeline files"]);
    let after = bridge.eventually("/health", |health| {
        delivered(health, "good") > delivered(&before, "good") && delivered(health, "stalls") > Some(0)
    });
    for sink in ["bad", "empty"] {
        assert_eq!(delivered(&after, sink), Some(0), "{after:#}");
        assert_eq!(after["sinks"][sink]["lost"], 0, "{after:#}");
    }
    let (status, _) = bridge.interrupt();
    assert!(status.success(), "{status}");
}
