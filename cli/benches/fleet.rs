//! A thousand devices on a thousand lines, each polled every ten seconds: a share of a core, memory, lateness.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::Row;
use crate::machine::{cpu, interrupt, memory_kib, ratio, smiles};

pub(crate) const DEVICES: u16 = 1_000;
/// Four inverters with four ports each.
pub(crate) const RECORDS: u16 = 16;
const EVERY_US: i64 = 10_000_000;
/// The first passes fall on each other, and the first state is written.
const WARM_UP: Duration = Duration::from_secs(15);
const MEASURED: Duration = Duration::from_secs(40);

/// When a pass began, by the device: microseconds since 1970 and the number of the device.
type Passes = Arc<Mutex<Vec<(i64, u16)>>>;

/// One table of its own in place of the stock ones, which need the sums.
const TABLE: &str = "sinks:
  store:
    type: sqlite
    path: hoymiles.db
    tables:
      readings:
        mode: append
        create: true
        columns: {time: time, source: source, serial_number: serial_number, port_number: port_number,
          pv_voltage: pv_voltage, pv_current: pv_current, pv_power: pv_power, total_production: total_production}
";

/// What is measured: a name for people, the pipeline, and what says when each device was first heard.
struct Variant {
    name: &'static str,
    pipeline: String,
    first: &'static str,
}

pub(crate) fn cost() -> Vec<Row> {
    let stock = concat!(env!("CARGO_MANIFEST_DIR"), "/../pipelines/hoymiles-sqlite.yaml");
    let stock = std::fs::read_to_string(stock).expect("the stock pipeline");
    let (before, _) = stock.split_once("  - type: sum").expect("it sums");
    let without = Variant {
        name: "stock transforms but `sum`, one table",
        pipeline: format!("{before}\n{TABLE}"),
        first: "SELECT source, min(time) FROM readings GROUP BY 1",
    };
    let whole = Variant {
        name: "the stock pipeline",
        pipeline: stock,
        first: "SELECT dtu_name, min(timestamp) FROM inverter_data JOIN inverters USING (serial_number) GROUP BY 1",
    };
    [without, whole].iter().flat_map(rows).collect()
}

/// What a run of a variant said.
struct Measured {
    /// Shares of a core: of the bridge, and of the devices.
    cores: [f64; 2],
    /// Resident, and the anonymous part of it.
    mib: [f64; 2],
    /// Milliseconds, from the least.
    late: Vec<f64>,
    /// Passes that were due.
    due: f64,
}

fn measured(variant: &Variant) -> Measured {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (mut devices, port, passes) = devices();
    let bridge = bridge(folder.path(), &variant.pipeline, port);
    let pids = [bridge.id(), devices.id()];
    std::thread::sleep(WARM_UP);
    let (began, begun, before) = (Instant::now(), now(), pids.map(cpu));
    std::thread::sleep(MEASURED);
    let (seconds, ended, after) = (began.elapsed().as_secs_f64(), now(), pids.map(cpu));
    let mib = ["VmRSS", "RssAnon"].map(|name| memory_kib(pids[0], name) as f64 / 1024.0);
    interrupt(bridge);
    devices.kill().expect("the devices end");
    devices.wait().expect("the devices ended");
    let passes = passes.lock().unwrap_or_else(PoisonError::into_inner);
    let seen = passes.iter().filter(|(at, _)| (begun..ended).contains(at));
    let grids = grids(&folder.path().join("data/hoymiles.db"), variant.first);
    let mut late: Vec<f64> =
        seen.filter_map(|(at, device)| Some(lateness_ms(*at, *grids.get(device)?))).collect();
    late.sort_by(f64::total_cmp);
    Measured {
        cores: std::array::from_fn(|it| (after[it] - before[it]).as_secs_f64() / seconds),
        mib,
        late,
        due: (ended - begun) as f64 / EVERY_US as f64 * f64::from(DEVICES),
    }
}

fn rows(variant: &Variant) -> Vec<Row> {
    let Measured { cores: [ours, theirs], mib: [resident, anonymous], late, due } = measured(variant);
    let centile = |share: f64| late[((late.len() - 1) as f64 * share) as usize];
    let what = format!("1,000 DTUs of 16 ports on 1,000 lines every 10 s ({}, SQLite)", variant.name);
    vec![
        Row {
            what: format!("{what}: share of a core"),
            ours: format!("{ours:.2}"),
            beside: format!("{theirs:.2} (the devices themselves, one process that answers from memory)"),
            ratio: ratio(ours, theirs),
        },
        Row {
            what: format!("{what}: memory, MiB"),
            ours: format!("{resident:.1} resident, {anonymous:.1} of it anonymous"),
            beside: "–".to_owned(),
            ratio: "–".to_owned(),
        },
        Row {
            what: format!("{what}: ms from when a pass is due to its first question at the device"),
            ours: format!("{:.1} (p50), {:.1} (p99)", centile(0.5), centile(0.99)),
            beside: format!("{} passes of {due:.0} due", late.len()),
            ratio: ratio(late.len() as f64, due),
        },
    ]
}

/// The devices in a process of their own.
fn devices() -> (Child, u16, Passes) {
    let mut command = Command::new(std::env::current_exe().expect("this program has a path"));
    command.arg("fleet-devices").stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = command.spawn().expect("the devices start");
    let mut said = BufReader::new(child.stdout.take().expect("it is piped")).lines();
    let port = said.next().expect("a line").expect("text").parse().expect("a port");
    let passes = Passes::default();
    let heard = Arc::clone(&passes);
    std::thread::spawn(move || {
        for line in said.map_while(Result::ok) {
            let (at, device) = line.split_once(' ').expect("a time and a number");
            let pass = (at.parse().expect("a time"), device.parse().expect("a number"));
            heard.lock().unwrap_or_else(PoisonError::into_inner).push(pass);
        }
    });
    (child, port, passes)
}

fn bridge(folder: &Path, pipeline: &str, port: u16) -> Child {
    std::fs::write(folder.join("fleet.yaml"), pipeline).expect("the folder can be written");
    let host = |device: u16| format!("127.1.{}.{}", device / 250, device % 250 + 1);
    let config = |device| serde_json::json!({"name": name(device), "host": host(device), "port": port});
    let configs = serde_json::Value::from_iter((0..DEVICES).map(config)).to_string();
    let variables = [("DTU_CONFIGS", configs.as_str()), ("QUERY_PERIOD", "10"), ("HEALTH_ENABLED", "false")];
    smiles(&["run", "fleet.yaml"], &variables, folder)
}

fn name(device: u16) -> String {
    format!("d{device:04}")
}

pub(crate) fn now() -> i64 {
    let since = std::time::SystemTime::UNIX_EPOCH.elapsed().expect("after 1970");
    i64::try_from(since.as_micros()).expect("before the year 200000")
}

/// When each device was first asked, by the bridge: the grid of its passes begins there.
fn grids(database: &Path, first: &str) -> BTreeMap<u16, i64> {
    let database = rusqlite::Connection::open(database).expect("the store");
    let mut first = database.prepare(first).expect("its tables");
    let rows = first.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)));
    let grid = |row: rusqlite::Result<(String, String)>| {
        let (name, time) = row.expect("a row");
        let time: jiff::Timestamp = time.parse().expect("a time");
        (name[1..].parse().expect("a number"), time.as_microsecond())
    };
    rows.expect("rows").map(grid).collect()
}

/// How long after the point of the grid before it. One later than a period would look early, so the passes are counted
/// too.
fn lateness_ms(at: i64, grid: i64) -> f64 {
    (at - grid).rem_euclid(EVERY_US) as f64 / 1e3
}
