//! A device that misbehaves in every way known from the field: one clear line per change of state, health says so,
//! the other device is unaffected, recovery is automatic, and it is never asked faster than configured.

use std::sync::Arc;
use std::time::Duration;

use smiles_runtime::SystemClock;
use smiles_source_modbus::device::Device;
use smiles_source_simulator::{Faults, Handle, Options, Rate, Simulator};
use tokio_util::sync::CancellationToken;

use crate::bridge::{Bridge, root};

const MIN_DELAY: Duration = Duration::from_millis(60);

/// Two simulated devices in this process, stopped when dropped.
struct Devices {
    runtime: tokio::runtime::Runtime,
    stop: CancellationToken,
}

impl Devices {
    fn new() -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        Self { runtime, stop: CancellationToken::new() }
    }

    fn start(&self, seed: u64) -> (Handle, u16) {
        let text = std::fs::read_to_string(root().join("pipelines/hoymiles/device.yaml")).unwrap();
        let device: Device = serde_yaml::from_str(&text).unwrap();
        let start = Some("2026-06-21T12:00:00Z".parse().unwrap());
        let options = Options { inverters: 2, ports: 2, seed, start, ..Options::default() };
        let simulator = Simulator::new(&device, options, Arc::new(SystemClock::new())).unwrap();
        let handle = simulator.handle();
        let listener = self.runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let port = listener.local_addr().unwrap().port();
        self.runtime.spawn(simulator.serve(listener, self.stop.clone()));
        (handle, port)
    }
}

impl Drop for Devices {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// What is wrong, and a word the log line must have to be of use.
fn misbehaviours() -> Vec<(&'static str, Faults, &'static str)> {
    let none = Faults::default;
    vec![
        ("hangs", Faults { silent: Rate::Always, ..none() }, "timed out"),
        ("garbage", Faults { garbage: Rate::Always, ..none() }, ""),
        ("truncates", Faults { truncate: Rate::Always, ..none() }, ""),
        ("exception", Faults { exception: Rate::Always, exception_code: 1, ..none() }, "illegal function"),
        ("other unit", Faults { wrong_unit: Rate::Always, ..none() }, "unit"),
        ("other transaction", Faults { wrong_transaction: Rate::Always, ..none() }, "transaction"),
        ("closes", Faults { refuse_after: Some(0), ..none() }, ""),
        ("no data", Faults { no_data: true, ..none() }, "the list ended early"),
    ]
}

#[test]
fn a_broken_device_is_named_once_and_harms_no_other() {
    let devices = Devices::new();
    let (roof, roof_port) = devices.start(1);
    let (barn, barn_port) = devices.start(2);
    let folder = tempfile::tempdir().unwrap();
    let configs = format!(
        r#"[{{"name":"roof","host":"127.0.0.1","port":{roof_port}}},{{"name":"barn","host":"127.0.0.1","port":{barn_port}}}]"#
    );
    // The stock file, asked more often than it allows so that the test takes seconds.
    let stock = std::fs::read_to_string(root().join("pipelines/hoymiles-sqlite.yaml")).unwrap();
    let quick =
        stock.replace("every: ${QUERY_PERIOD:-60}s", "every: 100ms").replace("${COMM_TIMEOUT:-3}s", "500ms");
    assert_ne!(stock, quick);
    std::fs::write(folder.path().join("quick.yaml"), quick).unwrap();
    let variables = [
        ("DTU_CONFIGS", configs.as_str()),
        ("HEALTH_HOST", "127.0.0.1"),
        ("HEALTH_PORT", "0"),
        ("DTU_MIN_DELAY", "60ms"),
        ("CIRCUIT_BREAKER_THRESHOLD", "0"),
    ];
    let bridge = Bridge::start(&["run", "quick.yaml"], &variables, folder.path());
    let online =
        |name: &'static str| move |health: &serde_json::Value| health["dtus"][name]["status"] == "online";
    bridge.eventually("/health", online("roof"));
    bridge.eventually("/health", online("barn"));

    for (number, (what, faults, cause)) in misbehaviours().into_iter().enumerate() {
        roof.set_faults(faults);
        let health = bridge.eventually("/health", |health| health["dtus"]["roof"]["status"] == "error");
        let said = health["dtus"]["roof"]["last_error"].as_str().unwrap_or_default().to_owned();
        assert!(said.contains(cause) && said.contains(&roof_port.to_string()), "{what}: {said}");
        assert_eq!(health["healthy"], true, "{what}: one of two devices is enough");
        assert_eq!(health["dtus"]["barn"]["status"], "online", "{what}");
        // Several more failures, and the other one goes on.
        let errors = health["dtus"]["roof"]["error_count"].as_u64().unwrap();
        let others = health["dtus"]["barn"]["query_count"].as_u64().unwrap();
        bridge.eventually("/health", |health| {
            health["dtus"]["roof"]["error_count"].as_u64().unwrap() >= errors + 2
                && health["dtus"]["barn"]["query_count"].as_u64().unwrap() > others + 2
        });
        let lines = bridge.count(&["cannot read the source", "roof", &roof_port.to_string()]);
        assert_eq!(lines, number + 1, "{what}: not one line per change of state:\n{}", bridge.log());
        roof.set_faults(Faults::default());
        bridge.eventually("/health", online("roof"));
    }
    assert_eq!(bridge.count(&["cannot read the source", "barn"]), 0, "{}", bridge.log());
    for (name, handle) in [("roof", &roof), ("barn", &barn)] {
        let counters = handle.counters();
        assert_eq!((counters.open_max, counters.in_flight_max), (1, 1), "{name}");
        let pause = counters.pause_min.unwrap();
        // The device books its answer a moment after sending it; on a busy machine that is milliseconds.
        assert!(pause * 2 >= MIN_DELAY, "{name} was asked {pause:?} after an answer");
    }
    let (status, took) = bridge.interrupt();
    assert!(status.success() && took < Duration::from_secs(2), "{status} after {took:?}");
}
