//! Both stores answer alike, and current values survive a store that is down.

use std::sync::Arc;

use serde_json::Value;
use smiles_runtime::SystemClock;
use smiles_source_simulator::{Options, Simulator};
use smiles_testkit::postgres::Server;
use tokio_util::sync::CancellationToken;

use super::client::get;
use crate::bridge::{Bridge, root};

/// A simulated DTU in this process: three inverters of two ports on a summer's noon, ten times as fast.
pub(super) struct Plant {
    runtime: tokio::runtime::Runtime,
    pub(super) stop: CancellationToken,
    port: u16,
}

impl Plant {
    pub(super) fn start() -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let text = std::fs::read_to_string(root().join("pipelines/hoymiles/device.yaml")).unwrap();
        let device = serde_yaml::from_str(&text).unwrap();
        let start = Some("2026-06-21T12:00:00Z".parse().unwrap());
        let options =
            Options { inverters: 3, ports: 2, seed: 7, start, time_scale: 10.0, ..Options::default() };
        let simulator = Simulator::new(&device, options, Arc::new(SystemClock::new())).unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let port = listener.local_addr().unwrap().port();
        let stop = CancellationToken::new();
        runtime.spawn(simulator.serve(listener, stop.clone()));
        Self { runtime, stop, port }
    }

    pub(super) fn variables(&self) -> Vec<(String, String)> {
        let port = self.port.to_string();
        let pairs = [
            ("DTU_HOST", "127.0.0.1"),
            ("DTU_PORT", &port),
            ("DTU_MIN_DELAY", "0ms"),
            ("HEALTH_HOST", "127.0.0.1"),
        ];
        let more = [("HEALTH_PORT", "0"), ("TIMEZONE", "Europe/Berlin"), ("COMM_TIMEOUT", "1")];
        pairs.into_iter().chain(more).map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }
}

impl Drop for Plant {
    fn drop(&mut self) {
        self.stop.cancel();
        _ = &self.runtime;
    }
}

/// The stock PostgreSQL file, asked once a second, and beside its store and API those of the SQLite file.
pub(super) fn both() -> String {
    let stock = std::fs::read_to_string(root().join("pipelines/hoymiles.yaml")).unwrap();
    let second = std::fs::read_to_string(root().join("pipelines/hoymiles-sqlite.yaml")).unwrap();
    let (_, sinks) = second.split_once("\nsinks:\n").expect("sinks come last");
    let sinks = sinks.replace("  store:\n", "  lite:\n").replace("  api:\n", "  second:\n");
    let sinks = sinks.replace("store: store", "store: lite");
    stock.replace("every: ${QUERY_PERIOD:-60}s", "every: 1s") + "\n" + &sinks
}

pub(super) fn start(
    file: &str,
    text: &str,
    folder: &std::path::Path,
    variables: &[(String, String)],
) -> Bridge {
    std::fs::write(folder.join(file), text).unwrap();
    let variables: Vec<(&str, &str)> =
        variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    Bridge::start(&["run", file], &variables, folder)
}

/// Without what only one database can say of a row.
fn without_ids(mut value: Value) -> Value {
    match &mut value {
        Value::Array(items) => items.iter_mut().for_each(|item| *item = without_ids(item.take())),
        Value::Object(members) => {
            members.shift_remove("id");
            members.values_mut().for_each(|member| *member = without_ids(member.take()));
        }
        _ => {}
    }
    value
}

#[test]
fn both_stores_answer_alike() {
    let (plant, folder) = (Plant::start(), tempfile::tempdir().unwrap());
    let database = Server::shared().database();
    let variables: Vec<_> = plant.variables().into_iter().chain(database.variables()).collect();
    let bridge = start("both.yaml", &both(), folder.path(), &variables);
    let address = |sink: &str| {
        let line = bridge.line(&["http api listening", &format!("sink=\"{sink}\"")]);
        line.rsplit_once("http://").unwrap().1.trim().to_owned()
    };
    let (one, two) = (address("api"), address("second"));
    let inverters =
        bridge.eventually("/api/inverters", |list| list.as_array().is_some_and(|list| list.len() == 3));
    let serial = inverters[1]["serial_number"].as_str().unwrap().to_owned();
    let long = format!("/api/inverters/{serial}/history");
    bridge.eventually(&long, |rows| rows.as_array().is_some_and(|rows| rows.len() >= 8));
    // From here on nothing new comes, and both have everything.
    plant.stop.cancel();
    bridge.line(&["cannot read the source"]);
    bridge.eventually("/health", |health| {
        ["store", "lite"].iter().all(|sink| health["sinks"][sink]["waiting"] == 0)
    });
    let port = format!("/api/inverters/{serial}/ports/2/history");
    let targets = [
        "/api/inverters".to_owned(),
        format!("/api/inverters/{serial}"),
        format!("/api/inverters/{serial}/ports"),
        "/api/ports".to_owned(),
        "/api/production/current".to_owned(),
        "/api/production/totals".to_owned(),
        long.clone(),
        format!("{long}?limit=3&order=asc"),
        format!("{long}?limit=2000"),
        format!("{long}?interval=5m"),
        format!("{long}?interval=1d&order=asc"),
        port.clone(),
        format!("{port}?interval=1h"),
        "/api/inverters/nobody/history".to_owned(),
    ];
    for target in &targets {
        let same = |reply: &super::client::Reply| (reply.status, without_ids(reply.json()));
        let (mut first, mut second) = (get(&one, target, &[]), get(&two, target, &[]));
        // What was delivered a moment ago may still be on its way into what is kept.
        for _ in 0..200 {
            if same(&first) == same(&second) {
                break;
            }
            crate::bridge::pause();
            (first, second) = (get(&one, target, &[]), get(&two, target, &[]));
        }
        assert_eq!(same(&first), same(&second), "{target}");
        assert_eq!(
            first.status,
            if target.contains("nobody") { 404 } else { 200 },
            "{target}: {}",
            first.text()
        );
        if first.body.len() < 200_000 && !target.contains("/inverters/nobody") {
            // Not only equal values: the same text, where no row numbers stand between.
            let texts = [&first, &second].map(|reply| text_without_ids(reply.text()));
            assert_eq!(texts[0], texts[1], "{target}");
        }
    }
    let csv = [("Accept", "text/csv")];
    let cut =
        |text: &str| text.lines().map(|line| line.split_once(',').unwrap().1.to_owned()).collect::<Vec<_>>();
    assert_eq!(cut(get(&one, &long, &csv).text()), cut(get(&two, &long, &csv).text()));
}

/// Every `"id":123` as `"id":0`.
fn text_without_ids(text: &str) -> String {
    let mut parts = text.split("\"id\":");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        out.push_str("\"id\":0");
        out.push_str(
            part.trim_start_matches(|c: char| c.is_ascii_digit() || c == 'n' || c == 'u' || c == 'l'),
        );
    }
    out
}

#[test]
fn current_values_are_served_while_the_store_is_down() {
    let (plant, folder) = (Plant::start(), tempfile::tempdir().unwrap());
    let mut server = Server::start(&[]);
    let database = server.database();
    let variables: Vec<_> = plant.variables().into_iter().chain(database.variables()).collect();
    let stock = std::fs::read_to_string(root().join("pipelines/hoymiles.yaml")).unwrap();
    let text = stock.replace("every: ${QUERY_PERIOD:-60}s", "every: 1s");
    let bridge = start("once.yaml", &text, folder.path(), &variables);
    let known = bridge.eventually("/api/inverters", |list| {
        list.as_array().is_some_and(|list| list.len() == 3 && list.iter().all(|one| !one["id"].is_null()))
    });
    let serial = known[0]["serial_number"].as_str().unwrap();
    server.stop();
    bridge.line(&["the sink cannot deliver"]);
    let newest = |list: &Value| list[0]["timestamp"].as_str().unwrap_or_default().to_owned();
    let before = newest(&bridge.json("/api/inverters"));
    // Readings go on, and so do current values; the store knows nothing of them.
    let fresh = bridge.eventually("/api/inverters", |list| newest(list) > before);
    assert_eq!(fresh[0]["id"], Value::Null, "a row number is the store's to give");
    assert_eq!(fresh[0]["first_seen"], known[0]["first_seen"], "what the store said stays known");
    assert_eq!(fresh[0]["ports"].as_array().map(Vec::len), Some(2));
    for path in [
        "/api/ports",
        "/api/production/current",
        "/api/production/totals",
        &format!("/api/inverters/{serial}"),
    ] {
        assert_eq!(bridge.get(path).0, 200, "{path}");
    }
    assert_eq!(bridge.get("/api/inverters/000000000000").0, 404, "who is nowhere is known to be nowhere");
    let history = get(&bridge.address(), &format!("/api/inverters/{serial}/history?limit=7"), &[]);
    assert_eq!(history.problem(503), "the store does not answer; try again later");
    assert!(history.header("retry-after").is_some());
    assert_eq!(bridge.get("/health").0, 200);
    assert_eq!(bridge.get("/ready").0, 200);
    server.run();
    bridge.eventually("/api/inverters", |list| !list[0]["id"].is_null() && newest(list) > before);
    bridge.eventually(&format!("/api/inverters/{serial}/history?limit=7"), |rows| rows.is_array());
}
