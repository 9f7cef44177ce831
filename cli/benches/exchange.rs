//! What one question to a Modbus device costs: the source alone, beside a bare socket and beside pymodbus.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use smiles_runtime::SystemClock;
use smiles_source_modbus::Modbus;
use smiles_stage::{OpenContext, PlanContext, Registry, Source};
use smiles_testkit::NoFiles;
use tokio_util::sync::CancellationToken;

use crate::Row;
use crate::machine::{cpu, ratio};
use crate::poll::{DEVICE, device};

/// Questions of one poll.
pub(crate) const RECORDS: u16 = 100;
const PASSES: u32 = 1_000;
const ROUNDS: u32 = 5;
/// The interpreter needs no more to be measured.
const FEWER_PASSES: u32 = 100;

pub(crate) fn cost() -> Vec<Row> {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let stop = CancellationToken::new();
    let (_, port) = device(&runtime, &stop);
    let micros = |ms: f64| ms * 1e3 / f64::from(RECORDS);
    // Others on the machine only ever add to what is measured, so the least counts; in turns, so that a bad moment meets all.
    let measure = || {
        let each = ["source-exchange", "bare-exchange"].map(|what| in_own_process(what, port, PASSES));
        [each[0], each[1], by_pymodbus(port)].map(micros)
    };
    let least = |rounds: [f64; 3], round: [f64; 3]| std::array::from_fn(|it| rounds[it].min(round[it]));
    let [ours, bare, pymodbus] = (1..ROUNDS).fold(measure(), |rounds, _| least(rounds, measure()));
    stop.cancel();
    let row = |beside: f64, whose: &str| Row {
        what: "CPU µs per Modbus request (the source alone: asked, checked, decoded)".to_owned(),
        ours: format!("{ours:.1}"),
        beside: format!("{beside:.1} ({whose})"),
        ratio: ratio(ours, beside),
    };
    vec![
        row(bare, "a bare blocking socket exchanging the same frames"),
        row(pymodbus, "pymodbus' asynchronous client, its answers not decoded"),
    ]
}

/// CPU ms per poll, as a process of its own says.
pub(crate) fn in_own_process(what: &str, port: u16, passes: u32) -> f64 {
    let mut command = Command::new(std::env::current_exe().expect("this program has a path"));
    printed(command.args([what, &port.to_string(), &passes.to_string()]))
}

fn by_pymodbus(port: u16) -> f64 {
    let folder = env!("CARGO_MANIFEST_DIR");
    let python = std::env::var("SMILES_TEST_PYTHON").unwrap_or(format!("{folder}/../.venv/bin/python"));
    let script = format!("{folder}/benches/exchange_pymodbus.py");
    let numbers = [port.to_string(), FEWER_PASSES.to_string(), RECORDS.to_string()];
    printed(Command::new(python).arg(script).args(numbers))
}

fn printed(command: &mut Command) -> f64 {
    let output = command.output().expect("it runs (`make setup` installs the foreign peers)");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().parse().expect("it prints milliseconds")
}

fn port_and_passes(args: &[String]) -> (u16, u32) {
    (args[0].parse().expect("a port"), args[1].parse().expect("a number"))
}

/// `bare-exchange PORT PASSES`: the requests of so many polls and nothing else; prints CPU ms per poll.
pub(crate) fn bare(args: &[String]) {
    let (port, passes) = port_and_passes(args);
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

/// `source-exchange PORT PASSES`: so many passes of the `modbus` source, with the threads that the bridge has; prints
/// CPU ms per pass.
pub(crate) fn source(args: &[String]) {
    let (port, passes) = port_and_passes(args);
    let threads = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = threads.expect("a runtime");
    let polled = runtime.spawn(async move {
        let mut source = open(port).await;
        polled(source.as_mut()).await;
        let before = cpu(std::process::id());
        for _ in 0..passes {
            polled(source.as_mut()).await;
        }
        (cpu(std::process::id()) - before).as_secs_f64() * 1e3 / f64::from(passes)
    });
    println!("{}", runtime.block_on(polled).expect("the source works"));
}

async fn open(port: u16) -> Box<dyn Source> {
    let text = std::fs::read_to_string(DEVICE).expect("the stock device file");
    let options = serde_json::json!({
        "address": format!("tcp://127.0.0.1:{port}"),
        "min_delay": "0s",
        "device": serde_yaml::from_str::<serde_json::Value>(&text).expect("a device file"),
    });
    let registry = Registry::new().source::<Modbus>();
    let modbus = registry.find_source("modbus").expect("it is there");
    let context = PlanContext { stage: "dtu", files: &NoFiles };
    let plan = modbus.plan(&options, context).unwrap_or_else(|problems| panic!("{problems:?}"));
    let clock = Arc::new(SystemClock::new());
    let mut context = OpenContext::new("bench", "dtu", &std::env::temp_dir(), clock);
    context.every = Some(Duration::from_secs(60));
    plan.open(context).await.unwrap_or_else(|error| panic!("{}", error.chain()))
}

async fn polled(source: &mut dyn Source) {
    let pass = source.next().await.unwrap_or_else(|error| panic!("{}", error.chain()));
    let pass = pass.expect("a polled source never ends");
    assert!(pass.complete && pass.rows.num_rows() == usize::from(RECORDS), "{:?}", pass.faults);
}
