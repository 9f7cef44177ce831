//! What transforms remember survives an update from 3.0.0 and edits of the file, and never becomes another's.
//!
//! The device of `memory/earlier.yaml` begins again at 12000 and 500 with each start of the process: whoever remembers
//! more goes on publishing that, and whoever remembers nothing begins there.

use std::fs;
use std::io::Read;
use std::path::Path;

use flate2::read::GzDecoder;

use crate::bridge::{Bridge, PATIENCE, clock_at, finish, now, pause};

/// The day on which the journals were made: on another one `daily_reset` would rightly begin anew.
const THEN: &str = "@2026-11-30 17:50:00";
const PIPELINE: &str = include_str!("memory/earlier.yaml");
const FIRST: &str =
    "  - { type: counter, enabled: \"${FIRST:-true}\", key: [id], column: imp, max_rate: 100 MWh/h }\n";
const SECOND: &str = "  - { type: counter, key: [id], column: exp, max_rate: 100 MWh/h }\n";

/// A folder with this file and a journal of 3.0.0; what comes goes to a store of its own.
fn folder(journal: &[u8]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("data")).unwrap();
    let mut bytes = Vec::new();
    GzDecoder::new(journal).read_to_end(&mut bytes).unwrap();
    fs::write(folder.path().join("data/earlier.journal"), bytes).unwrap();
    write(folder.path(), PIPELINE);
    folder
}

/// Slow, so that what the first poll publishes is what is seen.
fn write(folder: &Path, text: &str) {
    assert!(text.contains("every: 200ms") && text.contains("  store: "), "{text}");
    let text = text.replace("every: 200ms", "every: 1h").replace("  store: ", "  fresh: ");
    fs::write(folder.join("earlier.yaml"), text).unwrap();
}

/// One poll: what is published of `imp`, `exp` and the day, and the log.
fn poll(folder: &Path, variables: &[(&str, &str)]) -> ((f64, f64), String) {
    let before = newest(folder);
    let bridge = Bridge::start(&["run", "earlier.yaml"], &[variables, &clock_at(THEN)].concat(), folder);
    let deadline = now() + PATIENCE;
    while newest(folder).0 == before.0 {
        assert!(now() < deadline, "no row:\n{}", bridge.log());
        pause();
    }
    let log = bridge.log();
    bridge.interrupt();
    (newest(folder).1, log)
}

/// The newest row of device 1: its number and its values.
fn newest(folder: &Path) -> (i64, (f64, f64)) {
    let Ok(store) = rusqlite::Connection::open(folder.join("data/earlier.db")) else {
        return Default::default();
    };
    let row = store.query_row(
        "SELECT rowid, imp, exp FROM t WHERE id = 1 ORDER BY rowid DESC LIMIT 1",
        [],
        |row| Ok((row.get(0)?, (row.get(1)?, row.get(2)?))),
    );
    row.unwrap_or_default()
}

fn check(folder: &Path) -> String {
    let output = finish(&["check", "earlier.yaml"], &[], folder);
    String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
}

#[test]
fn a_journal_of_3_0_0_keeps_all_its_memory_and_edits_lose_none_of_it() {
    let folder = folder(include_bytes!("memory/both.journal.gz"));
    let folder = folder.path();
    assert_eq!(poll(folder, &[]).0, (12014.0, 514.0));
    for (text, variables) in [
        (PIPELINE.to_owned(), [("FIRST", "false")].as_slice()),
        (PIPELINE.to_owned(), &[]),
        (PIPELINE.replace(FIRST, ""), &[]),
        (PIPELINE.replace(FIRST, "").replace(SECOND, &format!("{SECOND}{FIRST}")), &[]),
        (
            PIPELINE
                .replace("column: imp", "column: imp, name: exp")
                .replace("column: exp", "column: exp, name: imp"),
            &[],
        ),
        (PIPELINE.to_owned(), &[]),
    ] {
        write(folder, &text);
        let ((imp, exp), log) = poll(folder, variables);
        assert_eq!(exp, 514.0, "{text}\n{log}");
        // Without its counter the day's sum alone is published of it.
        assert!(imp == 12014.0, "{text}\n{log}");
        assert!(!log.contains("starts empty"), "{log}");
    }
}

#[test]
fn a_counter_that_3_0_0_had_switched_off_gets_nothing_of_the_other() {
    let folder = folder(include_bytes!("memory/first-off.journal.gz"));
    let folder = folder.path();
    let text = PIPELINE.replace("  - { type: daily_reset", "  # - { type: daily_reset");
    write(folder, &text);
    assert_eq!(poll(folder, &[("FIRST", "false")]).0.1, 514.0);
    assert_eq!(poll(folder, &[]).0, (12000.0, 514.0));
}

#[test]
fn a_change_that_cannot_be_followed_is_said_before_and_begins_afresh() {
    let folder = folder(include_bytes!("memory/both.journal.gz"));
    let folder = folder.path();
    poll(folder, &[]);
    assert!(!check(folder).contains("starts without state"));
    write(folder, &PIPELINE.replace("key: [id], column: exp", "key: [id, source], column: exp"));
    let said = check(folder);
    let words = [
        "warning:",
        "counter (column: exp, key: [id, source], unit: Wh)",
        "counter (column: exp, key: [id], unit: Wh)",
        "ok:",
    ];
    assert!(words.iter().all(|word| said.contains(word)), "{said}");
    let ((imp, exp), log) = poll(folder, &[]);
    assert_eq!((imp, exp), (12014.0, 500.0));
    assert!(log.contains("starts empty"), "{log}");
    assert!(!check(folder).contains("starts without state"), "it is said once");
    // And the way back is found.
    write(folder, PIPELINE);
    assert_eq!(poll(folder, &[]).0, (12014.0, 514.0));
}

#[test]
fn two_stages_of_one_memory_are_an_error() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &PIPELINE.replace(SECOND, &format!("{SECOND}{SECOND}")));
    let said = check(folder.path());
    assert!(
        said.contains("`counter-3` and `counter-2` would share one memory") && said.contains("`name:`"),
        "{said}"
    );
    write(
        folder.path(),
        &PIPELINE.replace(SECOND, &format!("{SECOND}{}", SECOND.replace("{ type", "{ name: own, type"))),
    );
    assert!(check(folder.path()).contains("ok:"));
}
