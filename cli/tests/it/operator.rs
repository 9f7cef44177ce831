//! What else an operator says: losses are known, a sink has a new name.

use std::fs;
use std::path::Path;

use serde_json::Value;
use smiles_journal::{Cursor, Entry, From, Journal, OnFull, Options, RejectedRows, SqliteJournal};
use smiles_stage::{Seq, TargetId};
use smiles_testkit::numbered;

use crate::bridge::{Bridge, PATIENCE, finish, now, pause};
use crate::sequence::{Device, PORTS, ascends, pipeline, stored};

fn wait(bridge: &Bridge, folder: &Path, rows: usize) {
    let deadline = now() + PATIENCE;
    while stored(folder).len() < rows {
        assert!(now() < deadline, "not {rows} rows:\n{}", bridge.log());
        pause();
    }
}

fn edit(folder: &Path, from: &str, to: &str) {
    let path = folder.join("sequence.yaml");
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{text}");
    fs::write(path, text.replace(from, to)).unwrap();
}

fn say(args: &[&str], folder: &Path) -> (Option<i32>, String) {
    let output = finish(args, &[], folder);
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(said).unwrap())
}

fn status(folder: &Path) -> Value {
    let (code, said) = say(&["journal", "status", "--json"], folder);
    assert_eq!(code, Some(0), "{said}");
    serde_json::from_str(&said).unwrap()
}

/// The store is restored from a backup older than what the journal retains.
#[test]
fn a_loss_is_on_health_until_it_is_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let device = Device::start();
    pipeline(&device, folder, "20ms");
    edit(folder, "pipeline: sequence\n", "pipeline: sequence\njournal: {max_size: 256KiB}\n");
    edit(folder, "sinks:\n", "sinks:\n  api: {type: http_api, listen: '127.0.0.1:0'}\n");
    let bridge = Bridge::start(&["run", "sequence.yaml"], &[], folder);
    wait(&bridge, folder, 3);
    bridge.interrupt();
    let (store, backup) = (folder.join("data/store.db"), folder.join("backup.db"));
    fs::copy(&store, &backup).unwrap();
    let bridge = Bridge::start(&["run", "sequence.yaml"], &[], folder);
    let deadline = now() + PATIENCE;
    // Room for new batches is made by deleting what is delivered.
    while status(folder)["batches"].as_u64().unwrap() + 20 > stored(folder).len() as u64 / u64::from(PORTS) {
        assert!(now() < deadline, "nothing was deleted: {}", status(folder));
        pause();
    }
    bridge.interrupt();
    fs::copy(&backup, &store).unwrap();
    let bridge = Bridge::start(&["run", "sequence.yaml"], &[], folder);
    let lost = |health: &Value| health["warnings"].to_string().contains("journal ack");
    bridge.eventually("/health", lost);
    let (code, said) = say(&["journal", "ack"], folder);
    assert!(code == Some(0) && said.contains("sequence: acknowledged 1 loss\n"), "{said}");
    let health = bridge.eventually("/health", |health| !lost(health));
    assert!(health["sinks"]["store"]["lost"].as_u64().unwrap() > 0, "the books keep it: {health}");
    let (_, said) = say(&["journal", "ack", "--json", "sequence"], folder);
    assert_eq!(said.trim(), r#"{"pipeline":"sequence","losses":0,"dropped_rows":0,"repairs":0}"#);
    bridge.interrupt();
    assert_eq!(say(&["journal", "verify", "sequence.yaml"], folder).0, Some(0));
    assert_eq!(say(&["journal", "ack", "nobody"], folder).0, Some(2));
}

#[test]
fn a_renamed_sink_goes_on_where_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let device = Device::start();
    pipeline(&device, folder, "20ms");
    let bridge = Bridge::start(&["run", "sequence.yaml"], &[], folder);
    wait(&bridge, folder, 9);
    let rename = ["journal", "rename-sink", "store", "archive", "sequence.yaml"];
    let (code, said) = say(&rename, folder);
    assert!(code == Some(2) && said.contains("rename it in the file first"), "{said}");
    let check = |folder: &Path| say(&["check", "sequence.yaml"], folder).1;
    assert!(!check(folder).contains("rename-sink"));
    edit(folder, "  store:\n", "  archive:\n");
    let said = check(folder);
    assert!(
        said.contains("journal rename-sink store archive sequence.yaml") && said.contains("ok:"),
        "{said}"
    );
    let (code, said) = say(&rename, folder);
    assert!(code == Some(1) && said.contains("stop it first"), "{said}");
    bridge.kill();
    for said in ["`store` is `archive` now", "nothing to do: the journal has no cursor of `store`"] {
        let (code, told) = say(&rename, folder);
        assert!(code == Some(0) && told.contains(said), "{told}");
    }
    assert!(!check(folder).contains("rename-sink"));
    assert_eq!(say(&["journal", "verify", "sequence.yaml"], folder).0, Some(0));
    let rows = stored(folder).len();
    let bridge = Bridge::start(&["run", "sequence.yaml"], &[], folder);
    wait(&bridge, folder, rows + 9);
    bridge.interrupt();
    ascends(&stored(folder));
    let status = status(folder);
    assert_eq!(status["sinks"].as_array().unwrap().len(), 1, "{status}");
    assert_eq!(status["sinks"][0]["sink"], "archive");
    let (code, said) = say(&["journal", "rename-sink", "attic", "archive", "sequence.yaml"], folder);
    assert!(code == Some(0) && said.contains("nothing to do"), "{said}");
    let (code, said) = say(&["journal", "rename-sink", "store", "archiv", "sequence.yaml"], folder);
    assert!(code == Some(2) && said.contains("did you mean `archive`"), "{said}");
}

/// A journal that looks like an old copy: what is held back is listed, and goes on as a person says.
#[test]
fn what_an_old_copy_holds_back_is_a_persons_decision() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let file = folder.join("data/solar.journal");
    fs::create_dir(folder.join("data")).unwrap();
    let options = Options {
        path: Some(file),
        pipeline: "solar".to_owned(),
        max_size: 1 << 30,
        retain: std::time::Duration::from_secs(86_400),
        on_full: OnFull::Block,
    };
    let at = |second| jiff::Timestamp::from_second(second).unwrap();
    let (then, today) = (at(1_700_000_000), at(1_790_000_000));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let held = |decided: &str| {
        runtime.block_on(async {
            let journal = SqliteJournal::open(options.clone(), then).await.unwrap();
            let cursor = Cursor { sink: "store".to_owned(), from: From::Now };
            journal.enlist(&[cursor]).await.unwrap();
            let (target, mut marks) = (TargetId([1; 16]), vec![(journal.run(), Seq::ZERO)]);
            journal.reconcile("store", target, &marks).await.unwrap();
            let entry = |now| Entry {
                records: numbered([1, 2]),
                state: Vec::new(),
                complete: true,
                aside: RejectedRows::default(),
                now,
            };
            journal.append(entry(then)).await.unwrap();
            journal.close().await.unwrap();
            let journal = SqliteJournal::open(options.clone(), today).await.unwrap();
            journal.append(entry(today)).await.unwrap();
            marks.push((journal.run(), Seq::ZERO));
            let refused = journal.reconcile("store", target, &marks).await.unwrap().refused;
            assert!(refused.unwrap().contains(&format!("smiles journal old {decided} store")));
            journal.close().await.unwrap();
        });
    };
    for (decision, done) in
        [("deliver", "will be delivered to `store`"), ("forget", "are booked as lost to `store`")]
    {
        drop(fs::remove_file(folder.join("data/solar.journal")));
        assert_eq!(
            say(&["journal", "old", "list", "--pipeline", "solar"], folder).0,
            Some(2),
            "no journal yet"
        );
        held(decision);
        let what = "solar: 1 batch (2 rows) of up to 2023-11-14T22:13:20Z";
        let listed = format!("solar: `store` holds back {}\n", what.trim_start_matches("solar: "));
        assert_eq!(say(&["journal", "old", "list"], folder), (Some(0), listed));
        let (code, said) = say(&["journal", "old", decision, "shop"], folder);
        assert!(code == Some(1) && said.contains("nothing is held back for `shop`"), "{said}");
        assert_eq!(say(&["journal", "old", decision], folder).0, Some(2), "a decision needs a sink");
        assert_eq!(
            say(&["journal", "old", decision, "store"], folder),
            (Some(0), format!("{what} {done}\n"))
        );
        assert_eq!(say(&["journal", "old", "list"], folder), (Some(0), "nothing is held back\n".to_owned()));
    }
}
