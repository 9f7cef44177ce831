//! Totals that a person corrects, beside a running bridge and without one.

use std::fs;
use std::path::Path;

use crate::bridge::{Bridge, PATIENCE, finish, now, pause};
use crate::sequence::{Device, pipeline};

const ONE: &str = "116182800001/1";
const TWO: &str = "116182800001/2";

fn say(args: &[&str], folder: &Path) -> (Option<i32>, String) {
    let output = finish(args, &[], folder);
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(said).unwrap())
}

/// What is published of a key, as `smiles total list` says.
fn published(folder: &Path, key: &str) -> Option<f64> {
    let (_, said) = say(&["total", "list"], folder);
    let line = said.lines().find(|line| line.trim_start().starts_with(key))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

fn eventually(what: &str, bridge: &Bridge, mut holds: impl FnMut() -> bool) {
    let deadline = now() + PATIENCE;
    while !holds() {
        assert!(now() < deadline, "not {what}:\n{}", bridge.log());
        pause();
    }
}

/// The highest and the last total of a port that the store has.
fn stored(folder: &Path, port: u8) -> (f64, f64) {
    let store = rusqlite::Connection::open(folder.join("data/store.db")).unwrap();
    store.busy_timeout(std::time::Duration::from_secs(10)).unwrap();
    let one = |sql: &str| store.query_row(sql, [port], |row| row.get(0)).unwrap_or(0.0);
    (
        one("SELECT max(pass) FROM readings WHERE port = ?1"),
        one("SELECT pass FROM readings WHERE port = ?1 ORDER BY rowid DESC LIMIT 1"),
    )
}

/// Several at once; how many were done.
fn at_once(commands: &[Vec<&str>], folder: &Path) -> usize {
    let say = |args: &Vec<&str>| say(args, folder).0 == Some(0);
    std::thread::scope(|scope| {
        let all: Vec<_> = commands.iter().map(|args| scope.spawn(move || say(args))).collect();
        all.into_iter().map(|one| usize::from(one.join().unwrap())).sum()
    })
}

#[test]
fn corrections_at_once_are_made_one_after_the_other() {
    let folder = tempfile::tempdir().unwrap();
    let (folder, device) = (folder.path(), Device::start());
    counted(&device, folder);
    let bridge = Bridge::start(&["run", "sequence.yaml"], &[], folder);
    eventually("heard", &bridge, || published(folder, TWO).is_some_and(|total| total > 3.0));
    let set = |value| vec!["total", "set", ONE, value, "--yes"];
    let beside = |total: f64| (4_000_001.0..4_100_000.0).contains(&total);
    assert_eq!(at_once(&[set("4000001"), set("4000002"), set("4000003")], folder), 3);
    assert!(beside(published(folder, ONE).unwrap()), "each is made of the one before");
    eventually("taken over", &bridge, || beside(stored(folder, 1).1));
    assert!(stored(folder, 1).0 < 4_100_000.0, "and nothing else was ever published");
    bridge.interrupt();
    at_once(&[set("101"), set("102"), set("103")], folder);
    assert!((101.0..=103.0).contains(&published(folder, ONE).unwrap()));
    let own = published(folder, TWO).unwrap();
    let mv = || vec!["total", "move", ONE, TWO, "--yes"];
    assert_eq!(at_once(&[mv(), mv(), mv()], folder), 1, "a history is handed on once");
    assert!((own + 101.0..=own + 103.0).contains(&published(folder, TWO).unwrap()));
    assert_eq!(say(&["total", "set", TWO, "7", "--yes"], folder).0, Some(0));
    assert_eq!(say(&mv(), folder).0, Some(0), "what was undone can be done again");
}

/// The pipeline of a device whose passes are counted.
fn counted(device: &Device, folder: &Path) {
    pipeline(device, folder, "20ms");
    let path = folder.join("sequence.yaml");
    let counter = "  - type: unit_conversion
  - type: counter
    key: [serial_number, port_number]
    column: total_production
    max_rate: 2000 Wh/h
";
    let text = fs::read_to_string(&path).unwrap().replace("  - type: unit_conversion\n", counter);
    fs::write(&path, text).unwrap();
}

#[test]
fn a_total_is_corrected_and_handed_on() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let device = Device::start();
    counted(&device, folder);
    let bridge = Bridge::start(&["run", "sequence.yaml"], &[], folder);
    eventually("heard", &bridge, || published(folder, ONE).is_some_and(|total| total > 3.0));

    let (code, said) = say(&["total", "set", ONE, "5000000"], folder);
    assert!(code == Some(2) && said.contains("say --yes"), "nobody can be asked: {said}");
    let (code, said) = say(&["total", "set", "nobody/1", "5", "--yes"], folder);
    assert!(code == Some(1) && said.contains("there is no total of `nobody/1`"), "{said}");
    let (code, said) = say(&["total", "set", ONE, "5000000", "--yes"], folder);
    assert!(code == Some(0) && said.contains("to 5000000 (set by hand); the running bridge"), "{said}");
    eventually("taken over", &bridge, || stored(folder, 1).1 > 5_000_000.0);
    assert!(bridge.log().contains("a total was corrected by an operator"), "{}", bridge.log());
    assert!(stored(folder, 1).1 < 5_100_000.0, "it goes on from there by what the device counts");
    assert!(stored(folder, 2).0 < 100_000.0, "no other key changes");
    let (code, said) = say(&["total", "set", ONE, "1e20", "--yes"], folder);
    assert!(code == Some(2) && said.contains("from 0 to 9007199254740992"), "no column holds it: {said}");
    // Two at once, before the bridge took the first over: the second is made of the first.
    assert_eq!(say(&["total", "set", ONE, "6000000", "--yes"], folder).0, Some(0));
    assert_eq!(say(&["total", "set", ONE, "5000000", "--yes"], folder).0, Some(0));
    let taken_over = || bridge.log().matches("a total was corrected by an operator").count() == 3;
    eventually("taken over both", &bridge, taken_over);
    eventually("stored", &bridge, || (5_000_000.0..5_100_000.0).contains(&stored(folder, 1).1));
    bridge.kill();
    assert!(published(folder, ONE).unwrap() >= 5_000_000.0, "it lasts, also if the bridge is killed");

    let (code, said) = say(&["total", "set", ONE, "1000", "--yes"], folder);
    assert!(code == Some(0) && !said.contains("running bridge"), "{said}");
    assert_eq!(published(folder, ONE), Some(1000.0));
    let own = published(folder, TWO).unwrap();
    assert_eq!(say(&["total", "move", ONE, TWO, "--yes"], folder).0, Some(0));
    assert_eq!(published(folder, TWO), Some(own + 1000.0));
    let (code, said) = say(&["total", "move", ONE, TWO, "--yes"], folder);
    assert!(code == Some(1) && said.contains("goes on from"), "not twice: {said}");
    let (code, said) = say(&["total", "move", TWO, ONE, "--yes"], folder);
    assert!(code == Some(1) && said.contains("smiles total set"), "nor back: {said}");
    let rows = stored(folder, 2).1;
    let bridge = Bridge::start(&["run", "sequence.yaml"], &[], folder);
    eventually("going on", &bridge, || stored(folder, 2).1 > rows + 1000.0);
    assert!(stored(folder, 1).1 < 100_000.0);
    bridge.interrupt();
    let (_, said) = say(&["total", "list"], folder);
    assert_eq!(said.matches("corrected 116182800001").count(), 5, "{said}");
}
