//! `smiles demo`: the stock pipeline against a simulated device in the same process. Nothing else simulates.

use anyhow::Context;
use std::sync::Arc;

use clap::Args;
use smiles_config::Environment;
use smiles_runtime::SystemClock;
use smiles_source_simulator::Simulator;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::command::one_off::block_on;
use crate::command::simulate::{self, units};
use crate::exit::Failure;
use crate::project::DataDir;
use crate::{logging, project, stock};

pub(crate) fn run(args: &DemoArgs) -> Result<(), Failure> {
    let environment = Environment::from_process();
    logging::start(&environment)?;
    block_on(demo(args, environment))
}

async fn demo(args: &DemoArgs, environment: Environment) -> Result<(), Failure> {
    let listener =
        TcpListener::bind("127.0.0.1:0").await.context("cannot bind a port for the simulated device")?;
    let port = listener.local_addr().context("the simulated device has no address")?.port();
    let stop = CancellationToken::new();
    let device = units::device(None)?;
    let options = simulate::options(args.inverters, args.ports, args.seed, args.time_scale, midday());
    let simulator =
        Simulator::new(&device, options, Arc::new(SystemClock::new())).map_err(Failure::configuration)?;
    tracing::info!(address = %format_args!("tcp://127.0.0.1:{port}"), "simulated device listening");
    if (args.time_scale - 1.0).abs() > f64::EPSILON {
        tracing::info!(
            time_scale = args.time_scale,
            "the time scale applies to the simulated sun only; readings have the real time, so production today \
             adds up all simulated days until the real RESET_HOUR"
        );
    }
    // Readings that never were must not end up among real ones: a folder of their own.
    let data_dir = project::data_dir(args.data.data_dir.as_deref(), &environment).join("demo");
    let entries = project::with_companion(project::embedded(stock::EMBEDDED, "demo"));
    let environment = variables(environment, port);
    let bridge = async {
        let outcome = super::run::serve(&entries, &environment, &data_dir).await;
        stop.cancel();
        outcome
    };
    tokio::join!(bridge, simulator.serve(listener, stop.clone())).0
}

/// The user's variables, with the simulated device in place of a real one.
fn variables(mut environment: Environment, port: u16) -> Environment {
    for name in ["DTU_CONFIGS", "MODBUS_UNIT_ID"] {
        environment.remove(name);
    }
    // A plant that is none must not be offered to the Home Assistant of the house, unless somebody asks for it.
    let discovery = environment.get("DISCOVERY_ENABLED").unwrap_or("false").to_owned();
    let period = environment.get("QUERY_PERIOD").unwrap_or("5").to_owned();
    environment
        .with("DTU_HOST", "127.0.0.1")
        .with("DTU_PORT", port.to_string())
        .with("DTU_MIN_DELAY", "0s")
        .with("DISCOVERY_ENABLED", discovery)
        .with("QUERY_PERIOD", period)
}

/// Noon of today, so that the sun shines whenever somebody tries it.
fn midday() -> Option<jiff::Timestamp> {
    let noon = jiff::ZonedDateTime::now().with().time(jiff::civil::time(12, 0, 0, 0)).build().ok()?;
    Some(noon.timestamp())
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  smiles demo                                  http://localhost:8080, data under ./data/demo
  HEALTH_PORT=9000 smiles demo                 on another port
  smiles demo --time-scale 600                 a day of sun in under three minutes")]
pub(crate) struct DemoArgs {
    /// How many devices the simulated DTU has
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=99))]
    pub(crate) inverters: u16,
    /// How many ports each of them has
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=8))]
    pub(crate) ports: u8,
    /// Seed of everything random
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// How much faster than the clock the simulated sun moves; readings are dated by the clock, and so is today's
    /// production
    #[arg(long, default_value_t = 1.0)]
    pub(crate) time_scale: f64,
    #[command(flatten)]
    pub(crate) data: DataDir,
}
