//! The API is a view of its store: it notices what others do there, and waits for nobody who hangs.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use smiles_testkit::postgres::{Database, Server};

use super::client::{eventually, get};
use super::stores::{Plant, both, start};
use crate::bridge::{Bridge, now, root};

/// The two databases of a bridge that keeps everything twice, and the API of each.
struct Twice<'a> {
    bridge: Bridge,
    database: &'a Database,
    folder: &'a Path,
}

impl Twice<'_> {
    fn write(&self, sql: &str) {
        write(self.database, self.folder, sql);
    }

    /// What both APIs come to answer.
    fn answers(&self, target: &str, accept: impl Fn(&Value) -> bool) {
        for sink in ["api", "second"] {
            let line = self.bridge.line(&["http api listening", &format!("sink=\"{sink}\"")]);
            let address = line.rsplit_once("http://").unwrap().1.trim().to_owned();
            eventually(&address, target, &[], |reply| reply.status == 200 && accept(&reply.json()));
        }
    }

    /// Until nothing is owed to either.
    fn settles(&self) {
        let owed =
            |health: &Value| ["store", "lite"].iter().any(|sink| health["sinks"][sink]["waiting"] != 0);
        self.bridge.eventually("/health", |health| !owed(health));
    }
}

/// Another program writes the same into both.
fn write(database: &Database, folder: &Path, sql: &str) {
    database.sql(sql);
    let lite = rusqlite::Connection::open(folder.join("data/hoymiles.db")).unwrap();
    lite.busy_timeout(Duration::from_secs(20)).unwrap();
    lite.execute_batch(sql).unwrap();
}

fn count(list: &Value) -> usize {
    list.as_array().map_or(usize::MAX, Vec::len)
}

#[test]
fn what_others_change_or_delete_is_changed_or_gone_also_after_a_restart() {
    let (plant, folder) = (Plant::start(), tempfile::tempdir().unwrap());
    let mut server = Server::start(&[]);
    let database = server.database();
    let variables: Vec<_> = plant.variables().into_iter().chain(database.variables()).collect();
    let open = || Twice {
        bridge: start("both.yaml", &both(), folder.path(), &variables),
        database: &database,
        folder: folder.path(),
    };
    let twice = open();
    twice.answers("/api/inverters", |list| count(list) == 3 && !list[0]["id"].is_null());
    // One of the stores is away for a while, and gets what it missed.
    server.stop();
    twice.bridge.line(&["the sink cannot deliver"]);
    twice.bridge.eventually("/health", |health| health["sinks"]["store"]["waiting"].as_u64() > Some(12));
    server.run();
    plant.stop.cancel();
    twice.bridge.line(&["cannot read the source"]);
    twice.settles();

    let serial = twice.bridge.json("/api/inverters")[1]["serial_number"].as_str().unwrap().to_owned();
    twice.write(&format!(
        "UPDATE inverters SET inverter_type = 'told by hand' WHERE serial_number <> '{serial}'"
    ));
    twice.answers("/api/inverters", |list| list[0]["inverter_type"] == "told by hand");
    let tables = ["port_data", "inverter_data", "production_cache", "inverters"];
    for table in tables {
        twice.write(&format!("DELETE FROM {table} WHERE serial_number = '{serial}'"));
    }
    let gone = |twice: &Twice<'_>| {
        twice.answers("/api/inverters", |list| count(list) == 2 && !list.to_string().contains(&serial));
        twice.answers("/api/ports", |list| count(list) == 4);
        twice.answers("/api/production/current", |list| count(list) == 4);
    };
    gone(&twice);
    assert!(twice.bridge.interrupt().0.success());

    // Accepted batches are kept for a day, and those had the inverter in them.
    let twice = open();
    twice.settles();
    gone(&twice);
    let other = twice.bridge.json("/api/inverters")[0]["serial_number"].as_str().unwrap().to_owned();
    assert!(twice.bridge.interrupt().0.success());

    // Deleted while no bridge runs, and then no reading comes that would tell.
    for table in tables {
        let sql = format!("DELETE FROM {table} WHERE serial_number = '{other}'");
        write(&database, folder.path(), &sql);
    }
    let twice = open();
    twice.answers("/api/inverters", |list| count(list) == 1 && !list.to_string().contains(&other));
    twice.answers("/api/ports", |list| count(list) == 2);
    twice.answers("/api/production/current", |list| count(list) == 2);
    for table in tables {
        twice.write(&format!("DELETE FROM {table}"));
    }
    twice.answers("/api/inverters", |list| count(list) == 0);
    twice.answers("/api/production/current", |list| count(list) == 0);
    assert!(twice.bridge.interrupt().0.success());
}

/// A server whose processes stand still until this is dropped.
struct Still(Vec<String>);

impl Still {
    fn new(server: &Server) -> Self {
        let file = std::fs::read_to_string(server.data().join("postmaster.pid")).unwrap();
        let first = file.lines().next().unwrap().to_owned();
        let children = std::fs::read_to_string(format!("/proc/{first}/task/{first}/children")).unwrap();
        let all = std::iter::once(first).chain(children.split_whitespace().map(str::to_owned)).collect();
        signal("-STOP", &all);
        Self(all)
    }
}

impl Drop for Still {
    fn drop(&mut self) {
        signal("-CONT", &self.0);
    }
}

/// A session that ends meanwhile needs none.
fn signal(name: &str, processes: &Vec<String>) {
    _ = Command::new("kill").arg(name).args(processes).status();
}

#[test]
fn a_database_that_hangs_makes_no_current_value_late_and_no_answer_empty() {
    let (plant, folder) = (Plant::start(), tempfile::tempdir().unwrap());
    let server = Server::start(&[]);
    let database = server.database();
    let variables: Vec<_> = plant.variables().into_iter().chain(database.variables()).collect();
    let stock = std::fs::read_to_string(root().join("pipelines/hoymiles.yaml")).unwrap();
    let text = stock.replace("every: ${QUERY_PERIOD:-60}s", "every: 1s");
    let bridge = start("once.yaml", &text, folder.path(), &variables);
    bridge.eventually("/api/inverters", |list| count(list) == 3 && !list[0]["id"].is_null());
    bridge.eventually("/stats", |stats| {
        stats["inverters_count"] == 3 && stats["port_data_entries"].as_u64() >= Some(6)
    });
    let still = Still::new(&server);
    let newest = |list: &Value| list[0]["timestamp"].as_str().unwrap_or_default().to_owned();
    let before = newest(&bridge.json("/api/inverters"));
    for _ in 0..2 {
        let fresh = bridge.eventually("/api/inverters", |list| newest(list) > before);
        assert_eq!(count(&fresh), 3);
        for path in [
            "/api/ports",
            "/api/production/current",
            "/api/production/totals",
            "/stats",
            "/health",
            "/metrics",
        ] {
            let asked = now();
            let answer = get(&bridge.address(), path, &[]);
            let took = asked.elapsed();
            assert_eq!(answer.status, 200, "{path}: {}", answer.text());
            assert!(took < Duration::from_secs(5), "{path} took {took:?}");
        }
    }
    assert_eq!(bridge.json("/stats")["inverters_count"], 3);
    drop(still);
    bridge.eventually("/health", |health| health["sinks"]["store"]["waiting"] == 0);
    assert!(bridge.interrupt().0.success());
}
