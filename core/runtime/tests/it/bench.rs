//! A workbench: a registry of test stages, a clock turned by hand, pipelines started from YAML text.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use smiles_config::{Environment, Tree, load};
use smiles_journal::Journal;
use smiles_runtime::{Exit, Meters, OpenError, RunOptions, Running, Wired, wire};
use smiles_stage::prometheus::{self, TextEncoder};
use smiles_stage::{Cadence, Clock, Delivery, Health, HealthView, Registry};
use smiles_testkit::{
    CollectingSink, ManualClock, MemoryTarget, Script, TargetFaults, collecting_sink, eventually,
    memory_sink, scripted,
};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub(crate) const SECOND: Duration = Duration::from_secs(1);
pub(crate) const MINUTE: Duration = Duration::from_secs(60);
const PATIENCE: Duration = Duration::from_secs(20);

/// Everything a test declares before it starts a pipeline.
pub(crate) struct Bench {
    pub(crate) clock: ManualClock,
    pub(crate) registry: Registry,
    pub(crate) folder: tempfile::TempDir,
    pub(crate) grace: Duration,
}

/// A pipeline that runs.
pub(crate) struct Started {
    pub(crate) clock: ManualClock,
    pub(crate) health: Arc<dyn HealthView>,
    pub(crate) stop: CancellationToken,
    pub(crate) force: CancellationToken,
    pub(crate) task: JoinHandle<Exit>,
    meters: prometheus::Registry,
}

struct Text(String);

impl Tree for Text {
    fn read(&self, path: &str) -> io::Result<String> {
        if path == "test.yaml" { Ok(self.0.clone()) } else { Err(io::ErrorKind::NotFound.into()) }
    }

    fn list(&self, _folder: &str) -> io::Result<Vec<String>> {
        Err(io::ErrorKind::NotFound.into())
    }

    fn shown(&self, path: &str) -> String {
        path.to_owned()
    }
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self {
            clock: ManualClock::new(),
            registry: Registry::new(),
            folder: tempfile::tempdir().unwrap(),
            grace: SECOND,
        }
    }

    /// A polled source type.
    pub(crate) fn polled(mut self, name: &str, script: &Script) -> Self {
        self.registry = self.registry.adopt_source(scripted(name, script, Cadence::Polled));
        self
    }

    /// A source type that is asked again at once.
    pub(crate) fn streamed(mut self, name: &str, script: &Script) -> Self {
        self.registry = self.registry.adopt_source(scripted(name, script, Cadence::Streamed));
        self
    }

    /// A transactional sink type.
    pub(crate) fn target(mut self, name: &str, target: &MemoryTarget, mishaps: &TargetFaults) -> Self {
        self.registry = self.registry.adopt_sink(memory_sink(name, target, mishaps));
        self
    }

    /// A sink type that collects.
    pub(crate) fn collecting(mut self, name: &str, sink: &CollectingSink, delivery: Delivery) -> Self {
        self.registry = self.registry.adopt_sink(collecting_sink(name, sink, delivery));
        self
    }

    /// Loads and wires; else everything that is wrong.
    pub(crate) fn wire(&self, yaml: &str) -> Result<Wired, Vec<String>> {
        let (wired, said) = self.check(yaml);
        wired.ok_or(said)
    }

    /// Loads and wires, with everything that was said, as messages with their help.
    pub(crate) fn check(&self, yaml: &str) -> (Option<Wired>, Vec<String>) {
        let tree = Arc::new(Text(yaml.to_owned()));
        let mut loaded = load(tree, "test.yaml", &Environment::new(), &self.registry);
        let pipeline = loaded.pipeline.as_ref();
        let wired = pipeline
            .and_then(|pipeline| wire(pipeline, &self.registry, &loaded.files, &mut loaded.diagnostics));
        let said = loaded.diagnostics.iter().map(|said| match &said.help {
            Some(help) => format!("{} ({help})", said.message),
            None => said.message.clone(),
        });
        let said = said.collect();
        (wired, said)
    }

    pub(crate) fn options(&self) -> RunOptions {
        let clock: Arc<dyn Clock> = Arc::new(self.clock.clone());
        let meters = Meters::new(prometheus::Registry::new(), Arc::clone(&clock)).unwrap();
        let data_dir = self.folder.path().to_owned();
        RunOptions { data_dir, clock, meters, grace: self.grace, process: Arc::default() }
    }

    pub(crate) async fn start(&self, yaml: &str) -> Started {
        let options = self.options();
        let meters = options.meters.registry().clone();
        let running = self.wire(yaml).unwrap_or_else(|said| panic!("{said:#?}")).open(options).await.unwrap();
        self.run(running, meters)
    }

    /// One pass of every source.
    pub(crate) async fn start_once(&self, yaml: &str) -> Started {
        let options = self.options();
        let meters = options.meters.registry().clone();
        let wired = self.wire(yaml).unwrap_or_else(|said| panic!("{said:#?}"));
        self.run(wired.open(options).await.unwrap().once(), meters)
    }

    /// Starts over the journal in another folder.
    pub(crate) async fn open_in(&self, yaml: &str, folder: &Path) -> Result<Started, OpenError> {
        let options = RunOptions { data_dir: folder.to_owned(), ..self.options() };
        let meters = options.meters.registry().clone();
        let wired = self.wire(yaml).unwrap_or_else(|said| panic!("{said:#?}"));
        Ok(self.run(wired.open(options).await?, meters))
    }

    pub(crate) async fn start_with(&self, yaml: &str, journal: Arc<dyn Journal>) -> Started {
        let options = self.options();
        let meters = options.meters.registry().clone();
        let wired = self.wire(yaml).unwrap_or_else(|said| panic!("{said:#?}"));
        self.run(wired.open_with(journal, options).await.unwrap(), meters)
    }

    fn run(&self, running: Running, meters: prometheus::Registry) -> Started {
        let (stop, force) = (CancellationToken::new(), CancellationToken::new());
        let health = running.health();
        let task = tokio::spawn(running.run(stop.clone(), force.clone()));
        Started { clock: self.clock.clone(), health, stop, force, task, meters }
    }
}

impl Started {
    pub(crate) fn health(&self) -> Health {
        self.health.health()
    }

    pub(crate) fn scrape(&self) -> String {
        TextEncoder::new().encode_to_string(&self.meters.gather()).unwrap()
    }

    /// Asks for the end and waits for it, while time passes.
    pub(crate) async fn end(self) -> Exit {
        self.stop.cancel();
        self.ended().await
    }

    /// Waits for the end, while time passes.
    pub(crate) async fn ended(self) -> Exit {
        let Self { clock, task, .. } = self;
        passing(&clock, || task.is_finished()).await;
        task.await.unwrap()
    }
}

/// Waits for a condition while time passes quickly.
#[track_caller]
pub(crate) fn passing(clock: &ManualClock, mut condition: impl FnMut() -> bool) -> impl Future<Output = ()> {
    let clock = clock.clone();
    eventually(PATIENCE, move || {
        clock.advance(Duration::from_millis(500));
        condition()
    })
}

/// Waits for a condition while time stands still.
#[track_caller]
pub(crate) fn standing(condition: impl FnMut() -> bool) -> impl Future<Output = ()> {
    eventually(PATIENCE, condition)
}

/// The ids from 1 to `last`.
pub(crate) fn up_to(last: i64) -> Vec<i64> {
    (1..=last).collect()
}
