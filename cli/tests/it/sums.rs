//! Sums never step: the real bridge beside a simulated plant that wakes, answers in part, is updated and loses its journal.

use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use serde_json::Value;
use smiles_runtime::SystemClock;
use smiles_source_simulator::{Faults, Handle, Options, Rate, Simulator};
use tokio_util::sync::CancellationToken;

use crate::api::plant::stock;
use crate::bridge::{Bridge, clock_at, root};

const TOTALS: &str = "/api/production/totals";
/// More than any of these plants makes between two looks; the smallest port has made a thousand times as much.
const STEP: i64 = 300;

/// A simulated DTU in this process.
struct Plant {
    runtime: tokio::runtime::Runtime,
    stop: CancellationToken,
    handle: Handle,
    port: u16,
}

impl Plant {
    fn start(inverters: u16, start: &str, time_scale: f64, exception: Rate) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let text = std::fs::read_to_string(root().join("pipelines/hoymiles/device.yaml")).unwrap();
        let device = serde_yaml::from_str(&text).unwrap();
        let start = Some(start.parse().unwrap());
        let options = Options { inverters, ports: 2, start, time_scale, ..Options::default() };
        let simulator = Simulator::new(&device, options, Arc::new(SystemClock::new())).unwrap();
        let handle = simulator.handle();
        handle.set_faults(Faults { exception, ..Faults::default() });
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let port = listener.local_addr().unwrap().port();
        let stop = CancellationToken::new();
        runtime.spawn(simulator.serve(listener, stop.clone()));
        Self { runtime, stop, handle, port }
    }

    fn bridge(&self, folder: &Path) -> Bridge {
        stock(folder, self.port, &[])
    }

    /// One whose clock goes on from this time.
    fn bridge_at(&self, folder: &Path, time: &str) -> Bridge {
        stock(folder, self.port, &clock_at(time))
    }
}

impl Drop for Plant {
    fn drop(&mut self) {
        self.stop.cancel();
        _ = &self.runtime;
    }
}

/// Everything that shows the energy of the plant, looked at again and again.
#[derive(Default)]
struct Watch {
    last: Option<i64>,
}

impl Watch {
    /// Looks until the answer is as wanted; no look may show a step.
    fn until(&mut self, bridge: &Bridge, wanted: impl Fn(&Value) -> bool) -> Value {
        let last = std::cell::Cell::new(self.last);
        let answer = bridge.eventually(TOTALS, |answer| {
            let now = answer["plant"]["total_production"].as_i64();
            if let (Some(before), Some(now)) = (last.get(), now) {
                assert!((before..=before + STEP).contains(&now), "from {before} to {now}");
            }
            last.set(now.or(last.get()));
            wanted(answer)
        });
        self.last = last.get();
        answer
    }
}

fn total(answer: &Value) -> Option<i64> {
    answer["plant"]["total_production"].as_i64()
}

/// `/metrics`, the DTU, its inverters and the store say what the plant says: nobody joined or moved.
fn agree(bridge: &Bridge) {
    let power = |answer: &Value| answer["plant"]["timestamp"].clone();
    loop {
        let answer = bridge.json(TOTALS);
        let metrics = bridge.get("/metrics").1;
        let current = bridge.json("/api/production/current");
        // Only what was looked at between two polls can be compared.
        if power(&bridge.json(TOTALS)) != power(&answer) {
            continue;
        }
        let plant = total(&answer).unwrap();
        assert_eq!(answer["dtus"]["DTU"]["total_production"], plant, "{answer}");
        let inverters = answer["inverters"].as_object().unwrap().values();
        assert_eq!(inverters.map(|sum| sum["total_production"].as_i64().unwrap()).sum::<i64>(), plant);
        let ports = current.as_array().unwrap().iter();
        assert_eq!(ports.map(|port| port["total_production"].as_i64().unwrap()).sum::<i64>(), plant);
        let series = format!("hoymiles_total_production_wh{{dtu_name=\"DTU\"}} {plant}");
        assert!(metrics.lines().any(|line| line == series), "no `{series}` in {metrics}");
        return;
    }
}

#[test]
fn a_first_start_at_night_shows_no_part_of_the_plant() {
    let folder = tempfile::tempdir().unwrap();
    let plant = Plant::start(4, "2026-06-21T02:55:00Z", 120.0, Rate::Never);
    let bridge = plant.bridge(folder.path());
    let mut watch = Watch::default();
    watch.until(&bridge, |answer| answer["plant"]["power"] == 0.0);
    let answer = watch.until(&bridge, |answer| total(answer).is_some());
    assert!(answer["plant"]["power"].as_f64() > Some(0.0));
    agree(&bridge);
    // Who asked before the store's file was there has left no trace.
    assert!(!bridge.log().contains("store does not answer") && !bridge.log().contains("store rejects"));
    assert!(bridge.interrupt().0.success());
    // The journal is lost, the store is intact.
    for entry in std::fs::read_dir(folder.path().join("data")).unwrap().map(Result::unwrap) {
        if entry.file_name().to_string_lossy().contains("journal") {
            std::fs::remove_file(entry.path()).unwrap();
        }
    }
    let bridge = plant.bridge(folder.path());
    watch.until(&bridge, |answer| answer["plant"]["power"].as_f64() > Some(0.0) && total(answer).is_some());
    bridge.kill();
    let bridge = plant.bridge(folder.path());
    watch.until(&bridge, |answer| answer["plant"]["power"].as_f64() > Some(0.0) && total(answer).is_some());
    drop(bridge);
}

#[test]
fn passes_that_reach_only_a_part_show_no_part_and_take_none_away() {
    let folder = tempfile::tempdir().unwrap();
    let plant = Plant::start(4, "2026-06-21T11:00:00Z", 1.0, Rate::Chance(0.4));
    let bridge = plant.bridge(folder.path());
    let polls = |answer: &Value| answer["dtus"]["DTU"]["query_count"].as_u64().unwrap_or(0);
    let mut watch = Watch::default();
    bridge.eventually("/health", |answer| polls(answer) > 2);
    watch.until(&bridge, |answer| answer["plant"]["power"].as_f64() > Some(0.0));
    plant.handle.set_faults(Faults::default());
    let whole = watch.until(&bridge, |answer| total(answer).is_some());
    let power = whole["plant"]["power"].as_f64().unwrap();
    agree(&bridge);
    // Half of the ports go missing in every other poll; what the plant makes does not halve with it.
    plant.handle.set_faults(Faults { exception: Rate::Chance(0.4), ..Faults::default() });
    let before = polls(&bridge.json("/health"));
    bridge.eventually("/health", |answer| {
        let now = bridge.json(TOTALS)["plant"]["power"].as_f64().unwrap();
        assert!(now > power * 0.8 && now < power * 1.2, "from {power} W to {now} W");
        polls(answer) > before + 3
    });
    watch.until(&bridge, |_| true);
    drop(bridge);
}

/// What 3.0.0 left behind: a store and a journal, after four polls at 10:00 of a plant of two inverters.
#[test]
fn an_update_from_3_0_0_steps_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    std::fs::create_dir(&data).unwrap();
    for file in ["hoymiles.db", "hoymiles.journal"] {
        let packed = std::fs::File::open(root().join(format!("cli/tests/fixtures/3.0.0/{file}.gz"))).unwrap();
        let mut bytes = Vec::new();
        flate2::read::GzDecoder::new(packed).read_to_end(&mut bytes).unwrap();
        std::fs::write(data.join(file), bytes).unwrap();
    }
    // One port had never been heard, so 3.0.0 showed the sum of the others.
    let store = rusqlite::Connection::open(data.join("hoymiles.db")).unwrap();
    let forget = "UPDATE production_cache SET total_production = NULL, today_production = NULL \
                  WHERE serial_number = '116468038002' AND port_number = 2";
    assert_eq!(store.execute(forget, []).unwrap(), 1);
    let shown: i64 =
        store.query_row("SELECT sum(total_production) FROM production_cache", [], |row| row.get(0)).unwrap();
    drop(store);
    assert_eq!(shown, 1_351_834);
    let plant = Plant::start(2, "2026-06-21T10:01:00Z", 1.0, Rate::Never);
    let bridge = plant.bridge_at(folder.path(), "@2026-11-30 18:08:00");
    let mut watch = Watch { last: Some(shown) };
    let answer = watch.until(&bridge, |answer| total(answer).is_some());
    assert_eq!(answer["dtus"]["DTU"]["total_production"], answer["plant"]["total_production"]);
    watch.until(&bridge, |answer| total(answer) > Some(shown));
    let health = bridge.json("/health");
    assert_eq!(health["sinks"]["store"]["dead_lettered"], 0, "{health}");
    drop(bridge);
}
