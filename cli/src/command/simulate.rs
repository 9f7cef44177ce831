//! `smiles simulate`: a device file served over Modbus TCP until Ctrl-C.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow};
use clap::Args;
use jiff::Timestamp;
use smiles_config::Environment;
use smiles_runtime::SystemClock;
use smiles_source_modbus::device::Device;
use smiles_source_simulator::{Image, Options, Quirk, Simulator};
use smiles_stage::{Clock, read_limited};
use tokio::net::TcpListener;

use crate::command::console::print;
use crate::command::one_off::{block_on, stopped_by_signals};
use crate::exit::Failure;
use crate::{logging, stock};

/// More than any device file or image of registers.
const MAX_FILE_BYTES: u64 = 8 << 20;

/// How often the log says what was asked.
const REPORT: Duration = Duration::from_secs(60);

pub(crate) fn run(args: &SimulateArgs) -> Result<(), Failure> {
    if args.quirk.iter().any(|quirk| quirk == "help") {
        return print(&quirks());
    }
    logging::start(&Environment::from_process())?;
    let mut options = options(args.inverters, args.ports, args.seed, args.time_scale, args.start);
    options.unit_id = args.unit_id;
    for text in &args.quirk {
        text.parse::<Quirk>()
            .map_err(|error| Failure::configuration(format!("--quirk: {error}")))?
            .apply(&mut options);
    }
    if let Some(path) = &args.image {
        let image = Image::parse(&read(path)?).map_err(|error| wrong(path, &error))?;
        options.image = Some(image);
    }
    let device = device(args.device.as_deref())?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let simulator = Simulator::new(&device, options, Arc::clone(&clock)).map_err(Failure::configuration)?;
    block_on(serve(args, simulator, clock))
}

async fn serve(args: &SimulateArgs, simulator: Simulator, clock: Arc<dyn Clock>) -> Result<(), Failure> {
    let listener = TcpListener::bind(args.listen).await.with_context(|| {
        format!("cannot listen on {}; is another device or bridge running there?", args.listen)
    })?;
    let address = listener.local_addr().context("the listener has no address")?;
    let handle = simulator.handle();
    let stop = stopped_by_signals()?;
    let served = simulator.serve(listener, stop.clone());
    tracing::info!(address = %format_args!("tcp://{address}"), inverters = args.inverters, ports = args.ports, seed = args.seed, "simulated device listening");
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
        () = &mut served => {
            let asked = stop.is_cancelled();
            return if asked { Ok(()) } else { Err(anyhow!("the simulated device stopped by itself").into()) };
        }
        () = report => {}
        () = stop.cancelled() => {}
    }
    served.await;
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

/// The device file named, else that of the stock pipeline.
pub(super) fn device(path: Option<&Path>) -> Result<Device, Failure> {
    let (path, text) = match path {
        Some(path) => (path, read(path)?),
        None => (Path::new(stock::DEFAULT_DEVICE), stock::text(stock::DEFAULT_DEVICE).to_owned()),
    };
    smiles_config::within_limits(&text, &path.display().to_string()).map_err(Failure::configuration)?;
    serde_yaml::from_str(&text).map_err(|error| wrong(path, &error))
}

fn read(path: &Path) -> Result<String, Failure> {
    read_limited(path, MAX_FILE_BYTES).map_err(|error| wrong(path, &error))
}

fn wrong(path: &Path, error: &dyn std::fmt::Display) -> Failure {
    Failure::configuration(format!("{}: {error}", path.display()))
}

fn quirks() -> String {
    let mut text = String::from("Quirks (--quirk NAME or NAME=VALUE):\n");
    for (name, takes, about) in Quirk::all() {
        let written = if takes.is_empty() { name.to_owned() } else { format!("{name}={takes}") };
        text.push_str(&format!("  {written:<34} {about}\n"));
    }
    text
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  smiles simulate --listen 127.0.0.1:5020
  smiles simulate --inverters 25 --ports 4 --listen 0.0.0.0:502 --seed 7
  smiles simulate --start 2026-06-21T12:00:00Z --time-scale 60 --quirk wrong_byte_count --quirk glitch=0.01
  smiles simulate --image dump.yaml            serve recorded registers

Then, in another terminal:  DTU_HOST=127.0.0.1 DTU_PORT=5020 QUERY_PERIOD=5 smiles run")]
pub(crate) struct SimulateArgs {
    /// Device file to serve; none: that of the stock pipeline
    #[arg(long, value_name = "FILE")]
    pub(crate) device: Option<PathBuf>,
    /// How many devices
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=99))]
    pub(crate) inverters: u16,
    /// How many ports each of them has
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=8))]
    pub(crate) ports: u8,
    /// Modbus unit id that it answers, as the source's `unit_id`
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(0..=255))]
    pub(crate) unit_id: u8,
    /// Address to serve on
    #[arg(long, default_value = "127.0.0.1:5020", value_name = "ADDR")]
    pub(crate) listen: SocketAddr,
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
    /// Serve recorded registers (YAML: address to hexadecimal bytes) in place of a simulation
    #[arg(long, value_name = "FILE")]
    pub(crate) image: Option<PathBuf>,
}
