//! Rows that a target refuses: set aside, listed, shown, replayed once, or given up; while the bridge goes on.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use proptest::prelude::Rng;
use proptest::test_runner::{RngAlgorithm, TestRng};
use serde_json::Value;

use crate::bridge::{Bridge, PATIENCE, finish, now, pause, smiles};
use crate::sequence::{Device, PORTS, pipeline, stored};

/// Makes the table of the readings anew, with or without the constraint, as a user would by hand.
fn rebuild(folder: &Path, constraint: &str) {
    let store = rusqlite::Connection::open(folder.join("data/store.db")).unwrap();
    store.busy_timeout(Duration::from_secs(10)).unwrap();
    store
        .execute_batch(&format!(
            "BEGIN IMMEDIATE;
             CREATE TABLE again (time TEXT, port INTEGER, pass INTEGER {constraint});
             INSERT INTO again SELECT * FROM readings;
             DROP TABLE readings;
             ALTER TABLE again RENAME TO readings;
             COMMIT"
        ))
        .unwrap();
}

fn say(args: &[&str], folder: &Path) -> (Option<i32>, String) {
    let output = finish(args, &[], folder);
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(said).unwrap())
}

fn listed(folder: &Path) -> Vec<Value> {
    let output = finish(&["journal", "dead-letter", "list", "--json"], &[], folder);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn until(what: &str, bridge: &Bridge, mut holds: impl FnMut() -> bool) {
    let deadline = now() + PATIENCE;
    while !holds() {
        assert!(now() < deadline, "{what}:\n{}", bridge.log());
        pause();
    }
}

/// Every pass up to the last one stored is there, each of its ports once.
fn complete(folder: &Path) {
    let mut rows = stored(folder);
    rows.sort_unstable();
    let last = rows.last().unwrap().0;
    let expected: Vec<_> = (1..=last).flat_map(|pass| (1..=PORTS).map(move |port| (pass, port))).collect();
    assert_eq!(rows, expected);
}

fn verified(folder: &Path) {
    let (code, said) = say(&["journal", "verify", "sequence.yaml"], folder);
    assert_eq!(code, Some(0), "{said}");
}

/// A bridge whose store refuses every fourth pass from some pass on, which is returned too.
fn refusing(device: &Device, folder: &Path, letters: usize) -> (Bridge, u32) {
    pipeline(device, folder, "20ms");
    let bridge = Bridge::start(&["run", "sequence.yaml"], &[], folder);
    until("nothing is stored", &bridge, || !stored(folder).is_empty());
    bridge.interrupt();
    let last = stored(folder).last().unwrap().0;
    rebuild(folder, &format!("CHECK (pass % 4 <> 0 OR pass <= {last})"));
    let bridge = Bridge::start(&["run", "sequence.yaml"], &[], folder);
    bridge.line(&["rejected rows are kept as dead letters"]);
    until("no dead letters", &bridge, || listed(folder).len() >= letters);
    (bridge, last)
}

#[test]
fn a_row_refused_by_a_constraint_is_replayed_once_after_the_repair() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let device = Device::start();
    let (bridge, _) = refusing(&device, folder, 6);

    let letters = listed(folder);
    for letter in &letters {
        assert_eq!(
            (letter["sink"].as_str(), letter["code"].as_str()),
            (Some("store"), Some("SQLITE_CONSTRAINT_CHECK"))
        );
        assert!(letter["reason"].as_str().unwrap().contains("`readings` refused the row"), "{letter}");
    }
    let (code, said) = say(&["journal", "dead-letter", "list", "--sink", "store"], folder);
    let short = |letter: &Value| {
        let id = letter["id"].as_str().unwrap();
        let (run, rest) = id.split_once('-').unwrap();
        format!("{}-{rest}", &run[..8])
    };
    let id = short(&letters[0]);
    assert!(code == Some(0) && said.contains(&id) && said.contains("CHECK constraint failed"), "{said}");
    assert!(say(&["journal", "dead-letter", "list", "--code", "none"], folder).1.contains("no dead letters"));
    let (_, said) = say(&["journal", "dead-letter", "show", &id], folder);
    assert!(said.contains("total_production") && said.contains("port_number"), "{said}");
    let (code, said) = say(&["journal", "dead-letter", "show", "0000-1-1"], folder);
    assert!(code == Some(1) && said.contains("no dead letter `0000-1-1`"), "{said}");
    let shown = finish(&["journal", "dead-letter", "show", "--json", &id], &[], folder).stdout;
    let shown: Vec<Value> = serde_json::from_slice(&shown).unwrap();
    assert_eq!(shown[0]["row_values"]["total_production"].as_u64().unwrap() % 4, 0, "{shown:?}");

    // Not repaired yet: it is refused again.
    let (code, said) = say(&["journal", "dead-letter", "replay", &id, "--file", "sequence.yaml"], folder);
    assert!(code == Some(1) && said.contains("1 refused again"), "{said}");
    rebuild(folder, "");
    let (code, said) = say(&["journal", "dead-letter", "replay", &id, "--file", "sequence.yaml"], folder);
    assert!(code == Some(0) && said.contains("1 row replayed to `store`"), "{said}");
    let (code, said) = say(&["journal", "dead-letter", "replay", "--file", "sequence.yaml"], folder);
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(listed(folder), [] as [Value; 0]);
    complete(folder);
    bridge.interrupt();
    verified(folder);
    let (_, status) = say(&["journal", "status", "--json"], folder);
    let status: Value = serde_json::from_str(&status).unwrap();
    assert_eq!(status["sinks"][0]["delivered"], status["sinks"][0]["accepted"], "{status}");
    let store = rusqlite::Connection::open(folder.join("data/store.db")).unwrap();
    let runs: i64 = store.query_row("SELECT count(*) FROM smiles_watermarks", [], |row| row.get(0)).unwrap();
    assert_eq!(
        usize::try_from(runs).unwrap(),
        status["runs"].as_array().unwrap().len(),
        "the watermarks of replays are pruned"
    );
}

/// SIGKILL at random moments of a replay, beside a bridge that goes on. The first replay ends by itself: it says how
/// long one takes here.
#[test]
fn a_replay_killed_at_any_moment_stores_every_row_once() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let device = Device::start();
    let (bridge, _) = refusing(&device, folder, 30);
    rebuild(folder, "");
    let ids: Vec<String> =
        listed(folder).iter().map(|letter| letter["id"].as_str().unwrap().to_owned()).collect();
    let mut rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut killed = 0;
    let mut whole = None;
    for id in &ids {
        let started = now();
        let args = ["journal", "dead-letter", "replay", id, "--file", "sequence.yaml"];
        let mut child = smiles(&args, &[])
            .current_dir(folder)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let Some(whole) = whole else {
            assert!(child.wait().unwrap().success());
            whole = Some(started.elapsed());
            continue;
        };
        let deadline = started + whole.mul_f64((rng.next_u64() % 1000) as f64 / 1000.0);
        while now() < deadline && child.try_wait().unwrap().is_none() {
            std::hint::spin_loop();
        }
        killed += usize::from(child.try_wait().unwrap().is_none());
        child.kill().unwrap();
        child.wait().unwrap();
    }
    assert!(killed > ids.len() / 8, "only {killed} of {} replays were killed", ids.len());
    let (code, said) = say(&["journal", "dead-letter", "replay", "--file", "sequence.yaml"], folder);
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(listed(folder), [] as [Value; 0]);
    complete(folder);
    bridge.interrupt();
    verified(folder);
}

#[test]
fn a_row_given_up_is_booked_as_dropped_and_asked_about_first() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let device = Device::start();
    let (bridge, last) = refusing(&device, folder, 3);
    let id = listed(folder)[0]["id"].as_str().unwrap().to_owned();
    let (code, said) = say(&["journal", "dead-letter", "drop", &id], folder);
    assert!(code == Some(2) && said.contains("--yes"), "{said}");
    let (code, said) = say(&["journal", "dead-letter", "drop"], folder);
    assert!(code == Some(2) && said.contains("--all"), "{said}");
    let (code, said) = say(&["journal", "dead-letter", "drop", &id, "--yes"], folder);
    assert!(code == Some(0) && said.contains("sequence: dropped 1 dead letter\n"), "{said}");
    assert!(listed(folder).iter().all(|letter| letter["id"] != id.as_str()));
    bridge.interrupt();
    let (code, said) = say(&["journal", "dead-letter", "drop", "--all", "--yes"], folder);
    assert!(code == Some(0), "{said}");
    let (_, status) = say(&["journal", "status", "--json"], folder);
    let books = &serde_json::from_str::<Value>(&status).unwrap()["sinks"][0];
    assert_eq!((books["dead_lettered"].as_u64(), &books["dropped"]), (Some(0), &books["noted"]), "{status}");
    assert!(stored(folder).iter().all(|(pass, _)| pass % 4 != 0 || *pass <= last));
    verified(folder);
}
