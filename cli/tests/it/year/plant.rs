//! A simulated plant on a socket, and the bridge that polls it: opened, stopped and killed by a clock that a test moves.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use smiles_config::{Environment, Folder, Layered, load};
use smiles_runtime::{Exit, Meters, RunOptions, Running, Wired, wire};
use smiles_sink_http_api::HttpApi;
use smiles_sink_sqlite::Sqlite;
use smiles_source_modbus::Modbus;
use smiles_source_modbus::device::Device;
use smiles_source_simulator::{Faults, Handle, Options, Simulator};
use smiles_stage::{Clock, Registry, prometheus};
use smiles_testkit::ManualClock;
use smiles_transform_standard::{Counter, DailyReset, Sum, UnitConversion, Validity};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::bridge::{PATIENCE, root};

/// The series that count what was believed in the end.
const BELIEVED: [&str; 2] = ["smiles_counting_accepted_total", "smiles_daily_reset_accepted_total"];

/// The plant, the folder of the bridge, and the clock of both.
pub(super) struct Plant {
    pub(super) clock: ManualClock,
    pub(super) handle: Handle,
    pub(super) folder: TempDir,
    port: u16,
    every: Duration,
    zone: &'static str,
    bridge: Option<Bridge>,
    /// What earlier bridges believed in the end, by series and event.
    believed: Vec<(String, f64)>,
    _stop: DropGuard,
}

/// A running pipeline.
struct Bridge {
    run: JoinHandle<Exit>,
    end: CancellationToken,
    meters: prometheus::Registry,
    /// When the next pass is due.
    due: Duration,
}

impl Plant {
    pub(super) async fn new(options: Options, every: Duration, zone: &'static str) -> Self {
        let clock = ManualClock::at(options.start.unwrap());
        let file = std::fs::read_to_string(root().join("pipelines/hoymiles/device.yaml")).unwrap();
        let device: Device = serde_yaml::from_str(&file).unwrap();
        let simulator = Simulator::new(&device, options, Arc::new(clock.clone())).unwrap();
        let handle = simulator.handle();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let stop = CancellationToken::new();
        tokio::spawn(simulator.serve(listener, stop.clone()));
        let _stop = stop.drop_guard();
        Self { clock, handle, folder: folder(), port, every, zone, bridge: None, believed: Vec::new(), _stop }
    }

    /// Lets a period pass, with a poll at its end if the bridge runs.
    pub(super) async fn tick(&mut self) {
        let Some(bridge) = &mut self.bridge else {
            self.clock.advance(self.every);
            return;
        };
        self.clock.advance(self.every);
        bridge.due += self.every;
        self.clock.wait_for_sleeper_until(bridge.due).await;
    }

    pub(super) fn is_up(&self) -> bool {
        self.bridge.is_some()
    }

    /// Starts the bridge; its first poll is over when this returns.
    pub(super) async fn start(&mut self) {
        let wired = self.wired();
        let clock: Arc<dyn Clock> = Arc::new(self.clock.clone());
        let meters = prometheus::Registry::new();
        let options = RunOptions {
            data_dir: PathBuf::from(self.folder.path()),
            meters: Meters::new(meters.clone(), Arc::clone(&clock)).unwrap(),
            clock,
            grace: Duration::from_secs(1),
            process: Arc::default(),
        };
        let running: Running = wired.open(options).await.unwrap();
        let end = CancellationToken::new();
        let run = tokio::spawn(running.run(end.clone(), CancellationToken::new()));
        let due = self.clock.monotonic() + self.every;
        self.clock.wait_for_sleeper_until(due).await;
        self.bridge = Some(Bridge { run, end, meters, due });
    }

    /// Ends the bridge as Ctrl-C does.
    pub(super) async fn stop(&mut self) {
        let bridge = self.bridge.take().unwrap();
        bridge.end.cancel();
        let exit = tokio::time::timeout(PATIENCE, bridge.run).await.unwrap().unwrap();
        assert_eq!(exit, Exit::Stopped);
        self.note(&bridge.meters);
    }

    /// Ends the bridge in the middle of everything, as a power cut does.
    pub(super) async fn kill(&mut self) {
        let bridge = self.bridge.take().unwrap();
        bridge.run.abort();
        assert!(bridge.run.await.is_err_and(|ended| ended.is_cancelled()));
        self.note(&bridge.meters);
    }

    /// Cuts the plant's station off, or connects it again.
    pub(super) fn cut_off(&self, off: bool) {
        self.handle.set_faults(Faults { refuse_after: off.then_some(0), ..Faults::default() });
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// How often something was believed in the end, by event.
    pub(super) fn believed(&self, event: &str) -> f64 {
        self.believed.iter().filter(|(name, _)| name.ends_with(event)).map(|(_, count)| count).sum()
    }

    fn note(&mut self, meters: &prometheus::Registry) {
        for family in meters.gather().iter().filter(|family| BELIEVED.contains(&family.name())) {
            for metric in family.get_metric() {
                let event = metric.get_label().iter().find(|label| label.name() == "event").unwrap();
                let name = format!("{} {}", family.name(), event.value());
                self.believed.push((name, metric.get_counter().get_value()));
            }
        }
    }

    fn wired(&self) -> Wired {
        let registry = Registry::new()
            .source::<Modbus>()
            .transform::<UnitConversion>()
            .transform::<Validity>()
            .transform::<Counter>()
            .transform::<DailyReset>()
            .transform::<Sum>()
            .sink::<Sqlite>()
            .sink::<HttpApi>();
        let (port, every) = (self.port.to_string(), self.every.as_secs().to_string());
        let variables = [
            ("DTU_HOST", "127.0.0.1"),
            ("DTU_PORT", &port),
            ("DTU_MIN_DELAY", "0s"),
            ("QUERY_PERIOD", &every),
            ("HEALTH_ENABLED", "false"),
            ("RESET_HOUR", "23"),
            ("TIMEZONE", self.zone),
        ];
        let environment: Environment = variables.into_iter().collect();
        // As in the binary: migrations lie beside the pipelines.
        let tree = Layered::new(Folder::new(root().join("pipelines")), Folder::new(root()));
        let mut loaded = load(Arc::new(tree), "hoymiles-sqlite.yaml", &environment, &registry);
        let pipeline = loaded.pipeline.as_ref();
        let wired =
            pipeline.and_then(|pipeline| wire(pipeline, &registry, &loaded.files, &mut loaded.diagnostics));
        wired.unwrap_or_else(|| panic!("{}", loaded.diagnostics.render(false)))
    }
}

/// In memory where there is such a place: what a disk takes to sync is not what is judged here.
fn folder() -> TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}
