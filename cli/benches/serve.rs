//! What the API answers per second, beside a bare hyper server that returns the same bytes; and what a long history
//! behind it changes.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::Full;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use smiles_runtime::SystemClock;
use smiles_source_modbus::device::Device;
use smiles_source_simulator::{Options, Simulator};
use smiles_testkit::postgres::{Database, Server};
use tokio_util::sync::CancellationToken;

use crate::Row;
use crate::machine::{free_port, get, interrupt, memory_kib, ratio, smiles, until};

const CONNECTIONS: usize = 16;
const FOR: Duration = Duration::from_secs(5);
const SERIAL: &str = "116182800001";

/// Requests per second, and the time under which 99 of 100 were answered.
struct Pace {
    per_second: f64,
    p99_ms: f64,
}

/// Asks on so many kept connections; `target` makes the next request's target.
fn pace(port: u16, connections: usize, target: impl Fn(usize) -> String + Send + Sync + 'static) -> Pace {
    let target = Arc::new(target);
    let began = Instant::now();
    let threads: Vec<_> = (0..connections)
        .map(|place| {
            let target = Arc::clone(&target);
            std::thread::spawn(move || {
                let mut times = Vec::new();
                let stream = TcpStream::connect(("127.0.0.1", port)).expect("it listens");
                stream.set_nodelay(true).expect("a socket");
                let mut reader = BufReader::new(stream.try_clone().expect("a socket"));
                let mut stream = stream;
                let mut turn = place;
                while began.elapsed() < FOR {
                    let asked = Instant::now();
                    write!(stream, "GET {} HTTP/1.1\r\nHost: x\r\n\r\n", target(turn)).expect("it reads");
                    read_answer(&mut reader);
                    times.push(asked.elapsed());
                    turn += connections;
                }
                times
            })
        })
        .collect();
    let mut times: Vec<Duration> =
        threads.into_iter().flat_map(|it| it.join().expect("no thread panics")).collect();
    let took = began.elapsed().as_secs_f64();
    times.sort();
    let p99 = times[times.len() * 99 / 100];
    Pace { per_second: times.len() as f64 / took, p99_ms: p99.as_secs_f64() * 1e3 }
}

fn read_answer(reader: &mut impl BufRead) {
    let (mut line, mut length) = (String::new(), 0_usize);
    reader.read_line(&mut line).expect("an answer");
    assert!(line.starts_with("HTTP/1.1 200"), "{line}");
    loop {
        line.clear();
        reader.read_line(&mut line).expect("a head");
        if line == "\r\n" {
            break;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().expect("a number");
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).expect("a body");
}

/// The bare counterpart, as a process of its own: a file's bytes to whoever asks.
pub(crate) fn bare_server(args: &[String]) {
    let body = Bytes::from(std::fs::read(&args[0]).expect("the body"));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        println!("{}", listener.local_addr().expect("an address").port());
        loop {
            let (stream, _) = listener.accept().await.expect("a connection");
            let body = body.clone();
            tokio::spawn(async move {
                let answer = service_fn(move |_| {
                    let body = body.clone();
                    async move { Ok::<_, std::convert::Infallible>(hyper::Response::new(Full::new(body))) }
                });
                let served = hyper::server::conn::http1::Builder::new();
                let _ = served.serve_connection(TokioIo::new(stream), answer).await;
            });
        }
    });
}

fn bare(body: &[u8], folder: &std::path::Path) -> (Child, u16) {
    let path = folder.join("body");
    std::fs::write(&path, body).expect("a file");
    let program = std::env::current_exe().expect("this program has a path");
    let mut child = Command::new(program)
        .args(["bare-server", path.to_str().expect("a path")])
        .stdout(Stdio::piped())
        .spawn()
        .expect("the bare server starts");
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("stdout is piped"))
        .read_line(&mut line)
        .expect("it says its port");
    (child, line.trim().parse().expect("a port"))
}

/// A simulated DTU of 25 inverters with 4 ports.
fn device(runtime: &tokio::runtime::Runtime, stop: &CancellationToken) -> u16 {
    let text =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../pipelines/hoymiles/device.yaml"));
    let device: Device = serde_yaml::from_str(&text.expect("the device file")).expect("it is one");
    let start = Some("2026-06-21T12:00:00Z".parse().expect("a time"));
    let options = Options { inverters: 25, ports: 4, start, ..Options::default() };
    let simulator = Simulator::new(&device, options, Arc::new(SystemClock::new())).expect("a simulator");
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    runtime.spawn(simulator.serve(listener, stop.clone()));
    port
}

fn variables(dtu: u16, port: u16, database: Option<&Database>) -> Vec<(String, String)> {
    let own = [
        ("DTU_HOST", "127.0.0.1".to_owned()),
        ("DTU_PORT", dtu.to_string()),
        ("DTU_MIN_DELAY", "0s".to_owned()),
        ("HEALTH_HOST", "127.0.0.1".to_owned()),
        ("HEALTH_PORT", port.to_string()),
    ];
    let own = own.map(|(name, value)| (name.to_owned(), value));
    own.into_iter().chain(database.map(Database::variables).unwrap_or_default()).collect()
}

fn start(file: &str, variables: &[(String, String)], folder: &std::path::Path) -> Child {
    let pairs: Vec<(&str, &str)> =
        variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    smiles(&["run", file], &pairs, folder)
}

/// /api/inverters of 25 × 4 ports beside a bare server.
pub(crate) fn current() -> Vec<Row> {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let (stop, folder, port) =
        (CancellationToken::new(), tempfile::tempdir().expect("a folder"), free_port());
    let dtu = device(&runtime, &stop);
    let bridge = start("hoymiles-sqlite.yaml", &variables(dtu, port, None), folder.path());
    let known = || get(port, "/api/inverters").filter(|answer| !answer.contains("\"id\":null"));
    until("25 inverters", || known().is_some_and(|answer| answer.matches("\"ports\":[{").count() == 25));
    let answer = known().expect("an answer");
    let body = answer.split_once("\r\n\r\n").expect("a body").1.as_bytes().to_vec();
    let ours = pace(port, CONNECTIONS, |_| "/api/inverters".to_owned());
    let memory = memory_kib(bridge.id(), "RssAnon");
    interrupt(bridge);
    stop.cancel();
    let (mut child, port) = bare(&body, folder.path());
    let beside = pace(port, CONNECTIONS, |_| "/".to_owned());
    child.kill().expect("it can be killed");
    child.wait().expect("it ends");
    let what = format!("/api/inverters, 25 × 4 ports, {} bytes", body.len());
    vec![
        Row {
            what: format!("{what}: requests/s"),
            ours: format!("{:.0}", ours.per_second),
            beside: format!("{:.0} (a bare hyper server, the same bytes)", beside.per_second),
            ratio: ratio(ours.per_second, beside.per_second),
        },
        Row {
            what: format!("{what}: p99, ms"),
            ours: format!("{:.2}", ours.p99_ms),
            beside: format!("{:.2}", beside.p99_ms),
            ratio: ratio(ours.p99_ms, beside.p99_ms),
        },
        Row {
            what: "RssAnon under that load, MiB".to_owned(),
            ours: format!("{:.1}", memory as f64 / 1024.0),
            beside: "–".to_owned(),
            ratio: "–".to_owned(),
        },
    ]
}

/// So many readings of 25 inverters a minute apart, as the bridge itself would have stored them.
fn fill(database: &Database, rows: u64) {
    database.sql(&format!(
        "INSERT INTO inverters (serial_number, dtu_name) SELECT '1161828000' || lpad(n::text, 2, '0'), 'DTU'
           FROM generate_series(1, 25) AS n ON CONFLICT DO NOTHING;
         INSERT INTO inverter_data (serial_number, timestamp, grid_voltage, grid_frequency, temperature,
             operating_status, alarm_code, alarm_count, link_status, raw_data)
           SELECT '1161828000' || lpad((n % 25 + 1)::text, 2, '0'),
                  timestamp '2026-11-01' - interval '1 minute' * (n / 25), 230.1, 50.01, 43, 3, 0, 0, 1,
                  '{{\"grid_voltage\": 230.1}}'
             FROM generate_series(1, {rows}) AS n;
         ANALYZE inverter_data;"
    ));
}

/// The uncached path into PostgreSQL: no two requests are the same.
pub(crate) fn long_history() -> Vec<Row> {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let stop = CancellationToken::new();
    let dtu = device(&runtime, &stop);
    let server = Server::start(&["fsync=off", "max_wal_size=8GB"]);
    let mut paces = Vec::new();
    let mut memory = 0;
    for rows in [100_000_u64, 10_000_000] {
        let (folder, port, database) =
            (tempfile::tempdir().expect("a folder"), free_port(), server.database());
        // Tables first, by a bridge of its own.
        let bridge = start("hoymiles.yaml", &variables(dtu, port, Some(&database)), folder.path());
        until("the tables", || {
            get(port, "/api/inverters").is_some_and(|answer| !answer.contains("\"id\":null"))
        });
        interrupt(bridge);
        fill(&database, rows);
        let bridge = start("hoymiles.yaml", &variables(dtu, port, Some(&database)), folder.path());
        until("the API", || get(port, &format!("/api/inverters/{SERIAL}")).is_some());
        let history = pace(port, 2, |turn| {
            let end = 1_793_491_200 + i64::try_from(turn).unwrap_or(0) % 3000;
            format!(
                "/api/inverters/{SERIAL}/history?limit=100&end={}",
                jiff::Timestamp::from_second(end).expect("a time")
            )
        });
        // A parameter nobody minds makes every request another one.
        let one = pace(port, 2, |turn| format!("/api/inverters/{SERIAL}?{}", "&".repeat(turn % 2000)));
        memory = memory_kib(bridge.id(), "RssAnon");
        paces.push((history, one));
        interrupt(bridge);
    }
    stop.cancel();
    let (few, many) = (&paces[0], &paces[1]);
    let row = |what: &str, few: &Pace, many: &Pace| Row {
        what: format!("{what}: p99 with 1e7 rows behind it, ms (PostgreSQL, uncached)"),
        ours: format!("{:.2}", many.p99_ms),
        beside: format!("{:.2} (with 1e5 rows)", few.p99_ms),
        ratio: ratio(many.p99_ms, few.p99_ms),
    };
    vec![
        row("/history?limit=100", &few.0, &many.0),
        row("/api/inverters/{serial}", &few.1, &many.1),
        Row {
            what: "RssAnon with 1e7 rows behind it and under that load, MiB".to_owned(),
            ours: format!("{:.1}", memory as f64 / 1024.0),
            beside: "–".to_owned(),
            ratio: "–".to_owned(),
        },
    ]
}
