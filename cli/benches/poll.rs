//! What one poll of 25 devices with 4 ports costs, and what a thousand of them leave in memory.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use smiles_runtime::SystemClock;
use smiles_source_modbus::device::Device;
use smiles_source_simulator::{Handle, Options, Simulator};
use tokio_util::sync::CancellationToken;

use crate::Row;
use crate::machine::{cpu, interrupt, memory_kib, ratio, smiles, until};

const PASSES: u64 = 1_000;
const RECORDS: u16 = 100;

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
    until("a thousand passes", || handle.counters().passes >= before.passes + PASSES);
    let (after, spent) = (handle.counters(), cpu(pid) - began);
    let (rss, anonymous) = (memory_kib(pid, "VmRSS"), memory_kib(pid, "RssAnon"));
    interrupt(bridge);
    let passes = (after.passes - before.passes) as f64;
    let ours = spent.as_secs_f64() * 1e3 / passes;
    let requests = (after.requests - before.requests) as f64 / passes;

    let bare = std::process::Command::new(std::env::current_exe().expect("this program has a path"))
        .args(["bare-exchange", &port_text, &PASSES.to_string()])
        .output()
        .expect("the bare exchange runs");
    stop.cancel();
    let bare: f64 = String::from_utf8_lossy(&bare.stdout).trim().parse().expect("it prints milliseconds");
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

fn device(runtime: &tokio::runtime::Runtime, stop: &CancellationToken) -> (Handle, u16) {
    let text =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../pipelines/hoymiles/device.yaml"));
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

/// `bare-exchange PORT PASSES`: the requests of so many polls and nothing else; prints CPU ms per poll.
pub(crate) fn bare_exchange(args: &[String]) {
    let (port, passes): (u16, u16) = (args[0].parse().expect("a port"), args[1].parse().expect("a number"));
    let before = cpu(std::process::id());
    for _ in 0..passes {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("the device listens");
        stream.set_nodelay(true).expect("a socket option");
        for record in 0..RECORDS {
            let address = (0x1000 + 40 * record).to_be_bytes();
            stream
                .write_all(&[0, 1, 0, 0, 0, 6, 1, 3, address[0], address[1], 0, 20])
                .expect("the device reads");
            let mut reply = [0_u8; 49];
            stream.read_exact(&mut reply).expect("the device answers");
        }
    }
    println!("{}", (cpu(std::process::id()) - before).as_secs_f64() * 1e3 / f64::from(passes));
}
