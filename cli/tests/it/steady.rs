//! Nothing outside may stop a bridge: reloads good and bad, a terminal nobody reads, a disk that is full or a port that is
//! taken at the start, a journal that is deleted under it.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::Value;

use crate::bridge::{Bridge, PATIENCE, finish, get, now, pause, smiles};

/// A pipeline that polls often, stores in SQLite and serves an API.
fn pipeline(every: &str, listen: &str) -> String {
    format!(
        "pipeline: steady
sources:
  made: {{type: synthetic, every: {every}, rows: 2, columns: {{value: {{type: int, pattern: counter}}}}}}
sinks:
  store: {{type: sqlite, path: steady.db, tables: {{readings: {{mode: append, create: true, columns: {{value: value}}}}}}}}
  api: {{type: http_api, listen: '{listen}'}}
"
    )
}

fn write(folder: &Path, text: &str) {
    std::fs::write(folder.join("steady.yaml"), text).unwrap();
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn status(folder: &Path) -> Value {
    let output = finish(&["journal", "status", "--json"], &[], folder);
    serde_json::from_slice(&output.stdout).unwrap_or_default()
}

/// A process that does not outlive its test.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        // It has ended already, or the test fails.
        _ = self.0.kill();
        _ = self.0.wait();
    }
}

/// Waits until the condition holds.
fn until(what: &str, bridge: &Bridge, condition: impl Fn() -> bool) {
    let deadline = now() + PATIENCE;
    while !condition() {
        assert!(now() < deadline, "{what}:\n{}", bridge.log());
        pause();
    }
}

fn stored(folder: &Path) -> u64 {
    let Ok(store) = rusqlite::Connection::open(folder.join("data/steady.db")) else { return 0 };
    let rows: i64 = store.query_row("SELECT count(*) FROM readings", [], |row| row.get(0)).unwrap_or(0);
    u64::try_from(rows).unwrap_or(0)
}

/// Ends it and counts: what was accepted is stored, and nothing else.
fn end(bridge: Bridge, folder: &Path) {
    let log = bridge.log();
    let (ended, _) = bridge.interrupt();
    assert!(ended.success(), "{ended}\n{log}");
    let books = &status(folder)["sinks"][0];
    assert_eq!(books["accepted"], books["delivered"], "{books}");
    assert_eq!(books["accepted"], stored(folder), "{books}");
}

#[test]
fn sixty_reloads_good_and_bad_stop_and_lose_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    write(folder, &pipeline("20ms", "127.0.0.1:0"));
    let bridge = Bridge::start(&["run", "steady.yaml"], &[], folder);
    bridge.eventually("/health", |health| health["healthy"] == true);
    let address = bridge.address();
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let client = scope.spawn(|| asked_all_the_time(&address, &over));
        reload_sixty_times(&bridge, folder, &taken);
        over.store(true, Ordering::Relaxed);
        assert_eq!(client.join().unwrap(), [""; 0], "nobody is turned away\n{}", bridge.log());
    });
    end(bridge, folder);
}

/// What went wrong with requests until it is over.
fn asked_all_the_time(address: &str, over: &AtomicBool) -> Vec<String> {
    let mut wrong = Vec::new();
    while !over.load(Ordering::Relaxed) {
        match get(address, "/health") {
            Ok((200 | 503, _)) => {}
            Ok((status, body)) => wrong.push(format!("{status} {body}")),
            Err(error) => wrong.push(error.to_string()),
        }
    }
    wrong
}

fn reload_sixty_times(bridge: &Bridge, folder: &Path, taken: &str) {
    for round in 0..20 {
        // What is broken, what cannot be opened, and what is good.
        for (text, said) in [
            (pipeline("often", "127.0.0.1:0"), Some("expected a duration")),
            (pipeline("20ms", taken), Some("cannot listen on 127.0.0.1 port")),
            (pipeline(["15ms", "25ms"][round % 2], "127.0.0.1:0"), None),
        ] {
            write(folder, &text);
            let before = bridge.count(&["reloading the pipeline files"]);
            bridge.signal("-HUP");
            if let Some(said) = said {
                let warned = |health: &Value| health["warnings"].to_string().contains(said);
                let health = bridge.eventually("/health", warned);
                assert!(health["warnings"].to_string().contains("the last reload failed"), "{health}");
                assert_eq!(bridge.count(&["reloading the pipeline files"]), before);
            } else {
                until("it is reloaded", bridge, || bridge.count(&["reloading"]) > before);
                bridge.eventually("/health", |health| {
                    health["healthy"] == true && !health["warnings"].to_string().contains("reload")
                });
            }
            bridge.eventually("/health", |health| health["healthy"] == true);
        }
    }
}

#[test]
fn a_terminal_that_nobody_reads_stops_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let port = free_port();
    write(folder, &pipeline("2ms", &format!("127.0.0.1:{port}")));
    let mut command = smiles(&["run", "steady.yaml"], &[("LOG_LEVEL", "TRACE")]);
    let command = command.current_dir(folder).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = Process(command.spawn().unwrap());
    let address = format!("127.0.0.1:{port}");
    let deadline = now() + PATIENCE;
    let mut polls_when_full = None;
    loop {
        let metrics = get(&address, "/metrics").map(|(_, body)| body).unwrap_or_default();
        let value = |name: &str| -> f64 {
            let line = metrics.lines().find(|line| line.starts_with(name)).unwrap_or_default();
            line.rsplit(' ').next().and_then(|value| value.parse().ok()).unwrap_or_default()
        };
        let polls = value("smiles_source_passes_total{outcome=\"success\"");
        if value("smiles_log_lines_dropped_total") > 0.0 {
            // Polls go on long after nobody takes a line any more.
            match polls_when_full {
                None => polls_when_full = Some(polls),
                Some(before) if polls > before + 50.0 => break,
                Some(_) => {}
            }
        }
        assert!(now() < deadline, "{polls} polls\n{metrics}");
        pause();
    }
    let began = now();
    Command::new("kill").arg(child.0.id().to_string()).status().unwrap();
    assert!(child.0.wait().unwrap().success());
    assert!(began.elapsed() < Duration::from_secs(10));
    let books = &status(folder)["sinks"][0];
    assert_eq!(books["accepted"], stored(folder));
}

#[test]
fn a_port_that_is_taken_at_the_start_is_the_trouble_of_the_api_alone() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    write(folder, &pipeline("20ms", &address));
    let bridge = Bridge::start(&["run", "steady.yaml"], &[], folder);
    bridge.line(&["cannot open the sink", "cannot listen on 127.0.0.1"]);
    until("polls are stored", &bridge, || stored(folder) > 6);
    assert_eq!(bridge.count(&["cannot open the sink"]), 1, "once: {}", bridge.log());
    drop(taken);
    bridge.eventually("/health", |health| health["healthy"] == true);
    end(bridge, folder);
}

/// No file may grow: as on a full disk, and the kernel sends a signal that ends who does not mind it.
#[test]
fn a_disk_that_is_full_at_the_start_is_said_and_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let port = free_port();
    write(folder, &pipeline("20ms", &format!("127.0.0.1:{port}")));
    let script = "ulimit -S -f 0; exec \"$0\" run steady.yaml 2> /dev/null";
    let mut command = Command::new("/bin/sh");
    let command = command.args(["-c", script, env!("CARGO_BIN_EXE_smiles")]).current_dir(folder).env_clear();
    let mut child = Process(command.spawn().unwrap());
    let address = format!("127.0.0.1:{port}");
    let health = |accept: &dyn Fn(&Value) -> bool, what: &str| {
        let deadline = now() + PATIENCE;
        loop {
            let answer = get(&address, "/health").map(|(_, body)| body).unwrap_or_default();
            if accept(&serde_json::from_str(&answer).unwrap_or_default()) {
                return;
            }
            assert!(now() < deadline, "{what}: {answer}");
            pause();
        }
    };
    health(
        &|health| health["warnings"].to_string().contains("cannot open the journal of pipeline `steady`"),
        "it says what is wrong",
    );
    let lifted = Command::new("prlimit")
        .args(["--pid", &child.0.id().to_string(), "--fsize=unlimited:unlimited"])
        .status();
    assert!(lifted.unwrap().success());
    health(&|health| health["healthy"] == true, "and goes on by itself");
    // And full again, while it runs: nothing ends it, nothing is lost.
    let full = |limit: &str| {
        let limit = format!("--fsize={limit}:unlimited");
        Command::new("prlimit").args(["--pid", &child.0.id().to_string(), &limit]).status().unwrap()
    };
    assert!(full("1").success());
    health(
        &|health| health["warnings"].to_string().contains("the journal cannot be written"),
        "it is full again",
    );
    assert!(full("unlimited").success());
    health(
        &|health| health["healthy"] == true && health["warnings"].as_array().is_some_and(Vec::is_empty),
        "again",
    );
    Command::new("kill").arg(child.0.id().to_string()).status().unwrap();
    assert!(child.0.wait().unwrap().success());
    let books = &status(folder)["sinks"][0];
    assert_eq!(books["accepted"], stored(folder), "{books}");
}

#[test]
fn a_journal_that_is_deleted_under_a_bridge_is_saved_and_said() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write(folder, &pipeline("20ms", "127.0.0.1:0"));
    let bridge = Bridge::start(&["run", "steady.yaml"], &[], folder);
    bridge.eventually("/health", |health| health["healthy"] == true);
    for name in ["steady.journal", "steady.journal-wal", "steady.journal-shm", "steady.journal.lock"] {
        std::fs::remove_file(folder.join("data").join(name)).unwrap();
    }
    let warned = |health: &Value| {
        health["warnings"].to_string().contains("the journal was deleted while it was in use")
    };
    bridge.eventually("/health", warned);
    let before = stored(folder);
    until("polls go on", &bridge, || stored(folder) > before + 6);
    end(bridge, folder);
    let said = status(folder)["repairs"].to_string();
    assert!(said.contains("everything in it was saved"), "{said}");
}

#[test]
fn a_store_that_is_deleted_under_a_bridge_is_made_anew_and_said() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write(folder, &pipeline("20ms", "127.0.0.1:0"));
    let bridge = Bridge::start(&["run", "steady.yaml"], &[], folder);
    until("something is stored", &bridge, || stored(folder) > 6);
    for name in ["steady.db", "steady.db-wal", "steady.db-shm"] {
        // The last two may not be there at this moment.
        _ = std::fs::remove_file(folder.join("data").join(name));
    }
    let said = "`store` has another target than before";
    bridge.eventually("/health", |health| health["warnings"].to_string().contains(said));
    // What the journal retains is delivered to it once more: all of it here.
    end(bridge, folder);
}
