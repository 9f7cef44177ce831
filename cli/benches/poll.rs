//! What one poll of 25 devices with 4 ports costs, and what a thousand of them leave in memory.

use std::sync::Arc;

use smiles_runtime::SystemClock;
use smiles_source_modbus::device::Device;
use smiles_source_simulator::{Handle, Options, Simulator};
use tokio_util::sync::CancellationToken;

use crate::Row;
use crate::exchange::{RECORDS, in_own_process};
use crate::machine::{cpu, interrupt, memory_kib, ratio, smiles, until};

/// The stock device file.
pub(crate) const DEVICE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../pipelines/hoymiles/device.yaml");

const PASSES: u32 = 1_000;

pub(crate) fn cost() -> Vec<Row> {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let stop = CancellationToken::new();
    let (handle, port) = device(&runtime, &stop);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let stock =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../pipelines/hoymiles-sqlite.yaml"));
    let quick = stock.expect("the stock pipeline").replace("every: ${QUERY_PERIOD:-60}s", "every: 1ms");
    std::fs::write(folder.path().join("quick.yaml"), quick).expect("the folder can be written");
    let port_text = port.to_string();
    let variables = [
        ("DTU_HOST", "127.0.0.1"),
        ("DTU_PORT", port_text.as_str()),
        ("DTU_MIN_DELAY", "0s"),
        ("HEALTH_HOST", "127.0.0.1"),
        ("HEALTH_PORT", "0"),
    ];
    let bridge = smiles(&["run", "quick.yaml"], &variables, folder.path());
    let pid = bridge.id();
    until("the first passes", || handle.counters().passes >= 20);
    let (before, began) = (handle.counters(), cpu(pid));
    until("a thousand passes", || handle.counters().passes >= before.passes + u64::from(PASSES));
    let (after, spent) = (handle.counters(), cpu(pid) - began);
    let (rss, anonymous) = (memory_kib(pid, "VmRSS"), memory_kib(pid, "RssAnon"));
    interrupt(bridge);
    let passes = (after.passes - before.passes) as f64;
    let ours = spent.as_secs_f64() * 1e3 / passes;
    let requests = (after.requests - before.requests) as f64 / passes;

    let bare = in_own_process("bare-exchange", port, PASSES);
    stop.cancel();
    vec![
        Row {
            what: "CPU ms per poll of 25 × 4 ports (poll, transforms, durable journal, SQLite)".to_owned(),
            ours: format!("{ours:.2}"),
            beside: format!("{bare:.2} (a bare socket exchanging the same frames)"),
            ratio: ratio(ours, bare),
        },
        Row {
            what: "requests per poll of 25 × 4 ports".to_owned(),
            ours: format!("{requests:.1}"),
            beside: format!("{RECORDS} (one per record)"),
            ratio: ratio(requests, f64::from(RECORDS)),
        },
        Row {
            what: format!("memory after {PASSES} polls, MiB"),
            ours: format!(
                "{:.1} resident, {:.1} of it anonymous",
                rss as f64 / 1024.0,
                anonymous as f64 / 1024.0
            ),
            beside: "–".to_owned(),
            ratio: "–".to_owned(),
        },
    ]
}

/// Served by this process: the handle and the port.
pub(crate) fn device(runtime: &tokio::runtime::Runtime, stop: &CancellationToken) -> (Handle, u16) {
    let text = std::fs::read_to_string(DEVICE);
    let device: Device = serde_yaml::from_str(&text.expect("the stock device file")).expect("a device file");
    let start = Some("2026-06-21T12:00:00Z".parse().expect("a time"));
    let options = Options { inverters: 25, ports: 4, seed: 1, start, ..Options::default() };
    let simulator = Simulator::new(&device, options, Arc::new(SystemClock::new())).expect("a device");
    let handle = simulator.handle();
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    runtime.spawn(simulator.serve(listener, stop.clone()));
    (handle, port)
}
