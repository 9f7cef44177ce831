//! `smiles simulate`: the devices of a file served over Modbus until Ctrl-C.

mod listen;
mod named_file;
pub(crate) mod units;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow};
use clap::Args;
use jiff::Timestamp;
use smiles_config::Environment;
use smiles_runtime::SystemClock;
use smiles_source_simulator::{Framing, Handle, Image, Options, Quirk, Simulator, serial_line};
use smiles_stage::Clock;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::command::console::print;
use crate::command::one_off::{block_on, stopped_by_signals};
use crate::exit::Failure;
use crate::logging;
use listen::Listen;
use named_file::{read, wrong};

/// How often the log says what was asked.
const REPORT: Duration = Duration::from_secs(60);

pub(crate) fn run(args: &SimulateArgs) -> Result<(), Failure> {
    if args.quirk.iter().any(|quirk| quirk == "help") {
        return print(&quirks());
    }
    logging::start(&Environment::from_process())?;
    let mut options = options(args.inverters, args.ports, args.seed, args.time_scale, args.start);
    for text in &args.quirk {
        text.parse::<Quirk>()
            .map_err(|error| Failure::configuration(format!("--quirk: {error}")))?
            .apply(&mut options);
    }
    if let Some(path) = &args.image {
        let image = Image::parse(&read(path)?).map_err(|error| wrong(path, &error))?;
        options.image = Some(image);
    }
    let units = units::units(args.device.as_deref(), &args.unit_id)?;
    let devices: Vec<_> = units.iter().map(|(unit, device)| (*unit, device)).collect();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let simulator = Simulator::of(&devices, options, Arc::clone(&clock)).map_err(Failure::configuration)?;
    let ids: Vec<u8> = units.iter().map(|(unit, _)| *unit).collect();
    block_on(serve(args, &ids, simulator, clock))
}

async fn serve(
    args: &SimulateArgs,
    units: &[u8],
    simulator: Simulator,
    clock: Arc<dyn Clock>,
) -> Result<(), Failure> {
    let handle = simulator.handle();
    let stop = stopped_by_signals()?;
    let (served, place) = open(&args.listen, simulator, stop.clone()).await?;
    tracing::info!(address = %place, ?units, inverters = args.inverters, ports = args.ports, seed = args.seed, "simulated device listening");
    watch(served, &handle, clock.as_ref(), &stop).await
}

/// The device as a task to wait for, and where it is served.
async fn open(
    listen: &Listen,
    simulator: Simulator,
    stop: CancellationToken,
) -> Result<(JoinHandle<()>, Listen), Failure> {
    let bind = async |address: SocketAddr| {
        let listener = TcpListener::bind(address).await.with_context(|| {
            format!("cannot listen on {address}; is another device or bridge running there?")
        })?;
        let address = listener.local_addr().context("the listener has no address")?;
        Ok::<_, Failure>((listener, address))
    };
    Ok(match listen {
        Listen::Tcp(address) => {
            let (listener, address) = bind(*address).await?;
            (tokio::spawn(simulator.serve(listener, stop)), Listen::Tcp(address))
        }
        Listen::RtuOverTcp(address) => {
            let (listener, address) = bind(*address).await?;
            let served = simulator.serve_framed(listener, Framing::Rtu, stop);
            (tokio::spawn(served), Listen::RtuOverTcp(address))
        }
        Listen::Serial { path, baud } => {
            let line = serial_line(path, *baud)
                .with_context(|| format!("cannot open {} as a serial line", path.display()))?;
            (tokio::spawn(simulator.serve_line(line, stop)), listen.clone())
        }
    })
}

/// Waits for the end, and says now and then what is asked.
async fn watch(
    served: JoinHandle<()>,
    handle: &Handle,
    clock: &dyn Clock,
    stop: &CancellationToken,
) -> Result<(), Failure> {
    let report = async {
        let mut next = clock.monotonic();
        let mut before = 0;
        loop {
            next += REPORT;
            clock.sleep_until(next).await;
            let counters = handle.counters();
            tracing::info!(requests = counters.requests - before, passes = counters.passes, open = counters.open, time = %handle.now(), "asked");
            before = counters.requests;
        }
    };
    tokio::pin!(served);
    tokio::select! {
        _ = &mut served => {
            let asked = stop.is_cancelled();
            return if asked { Ok(()) } else { Err(anyhow!("the simulated device stopped by itself").into()) };
        }
        () = report => {}
        () = stop.cancelled() => {}
    }
    served.await.context("the simulated device failed")?;
    Ok(())
}

/// A well-behaved device.
pub(super) fn options(
    inverters: u16,
    ports: u8,
    seed: u64,
    time_scale: f64,
    start: Option<Timestamp>,
) -> Options {
    Options { inverters, ports, seed, time_scale, start, ..Options::default() }
}

fn quirks() -> String {
    let mut text = String::from("Quirks (--quirk NAME or NAME=VALUE):\n");
    for (name, takes, about) in Quirk::all() {
        if takes.is_empty() {
            text.push_str(&format!("  {name:<26}{about}\n"));
        } else {
            let written = format!("{name}=VALUE");
            text.push_str(&format!("  {written:<26}{about}\n  {:<26}VALUE: {takes}\n", ""));
        }
    }
    text
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  smiles simulate --listen 127.0.0.1:5020
  smiles simulate --inverters 25 --ports 4 --listen 0.0.0.0:502 --seed 7
  smiles simulate --start 2026-06-21T12:00:00Z --time-scale 60 --quirk wrong_byte_count --quirk glitch=0.01
  smiles simulate --image dump.yaml            serve recorded registers
  smiles simulate --device my-pipeline.yaml    every unit that its modbus sources ask
  smiles simulate --listen rtu+tcp://127.0.0.1:5020 --quirk echo

Then, in another terminal:  DTU_HOST=127.0.0.1 DTU_PORT=5020 QUERY_PERIOD=5 smiles run")]
pub(crate) struct SimulateArgs {
    /// Device file to serve, or a pipeline file: the units and devices of its modbus sources; none: the device of the
    /// stock pipeline
    #[arg(long, value_name = "FILE")]
    pub(crate) device: Option<PathBuf>,
    /// How many devices
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=99))]
    pub(crate) inverters: u16,
    /// How many ports each of them has
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=8))]
    pub(crate) ports: u8,
    /// Modbus unit id that it answers, as the source's `unit_id`; may be repeated, each is a device of its own
    /// [default: 1]
    #[arg(long, value_parser = clap::value_parser!(u8).range(0..=255))]
    pub(crate) unit_id: Vec<u8>,
    /// Where to serve: HOST:PORT, rtu+tcp://HOST:PORT (RTU frames over TCP) or serial:///dev/ttyUSB0?baud=9600
    #[arg(long, default_value = "127.0.0.1:5020", value_name = "ADDR")]
    pub(crate) listen: Listen,
    /// Seed of everything random
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// How much faster than the clock simulated time goes
    #[arg(long, default_value_t = 1.0)]
    pub(crate) time_scale: f64,
    /// Simulated time at the start [default: now]
    #[arg(long, value_name = "TIME")]
    pub(crate) start: Option<Timestamp>,
    /// A fault of real firmware, NAME or NAME=VALUE; may be repeated; `--quirk help` lists them
    #[arg(long, value_name = "NAME[=VALUE]")]
    pub(crate) quirk: Vec<String>,
    /// Serve recorded registers in place of a simulation (YAML: address to hexadecimal bytes, or by table:
    /// `holding`, `input`, `coils`, `discrete`)
    #[arg(long, value_name = "FILE")]
    pub(crate) image: Option<PathBuf>,
}
