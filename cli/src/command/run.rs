//! `smiles run`: pipelines until Ctrl-C.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow};
use clap::Args;
use smiles_config::Environment;
use smiles_runtime::{Exit, Meters, RunOptions, Running, SystemClock, run_all};
use smiles_stage::{Clock, Process, prometheus};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::command::one_off::block_on;
use crate::exit::Failure;
use crate::project::{self, DataDir, Entry, Project};
use crate::{data_folder, descriptors, identity, logging, registry};

/// How long the read in flight may take once the end is asked for.
const GRACE: Duration = Duration::from_secs(1);

pub(crate) fn run(args: &RunArgs) -> Result<(), Failure> {
    let environment = Environment::from_process();
    logging::start(&environment)?;
    let entries = project::entries(&args.files, &environment)?;
    let data_dir = project::data_dir(args.data.data_dir.as_deref(), &environment);
    block_on(serve(&entries, &environment, &data_dir))
}

/// Loads, opens and runs the pipelines until they end or a signal stops them.
pub(super) async fn serve(
    entries: &[Entry],
    environment: &Environment,
    data_dir: &Path,
) -> Result<(), Failure> {
    descriptors::raise();
    let signals = Signals::watch().context("cannot listen for signals")?;
    for entry in entries {
        tracing::info!(file = entry.shown, reason = entry.reason, data_dir = %data_dir.display(), "pipeline chosen");
    }
    let mut projects = load(entries, environment)?;
    loop {
        let running = open(projects, data_dir).await?;
        let round = signals.stop.child_token();
        let mut runs = pin!(run_all(running, round.clone(), signals.force.clone()));
        projects = loop {
            tokio::select! {
                exits = &mut runs => return ended(exits),
                () = signals.reload.notified() => match load(entries, environment) {
                    Ok(projects) => break projects,
                    Err(failure) => {
                        tracing::error!("cannot reload the pipeline files; the running pipelines continue");
                        failure.report();
                    }
                }
            }
        };
        tracing::info!("reloading the pipeline files");
        round.cancel();
        ended(runs.await)?;
        if signals.stop.is_cancelled() {
            return Ok(());
        }
    }
}

fn load(entries: &[Entry], environment: &Environment) -> Result<Vec<Project>, Failure> {
    let mut projects = project::open_all(entries, environment, &registry::built_in())?;
    // Stock files share their variables; each is named once.
    let retired = projects.iter().flat_map(|project| &project.loaded.retired);
    let retired: BTreeMap<&str, &str> =
        retired.map(|retired| (retired.variable.as_str(), retired.reason.as_str())).collect();
    for (variable, reason) in retired {
        tracing::warn!(variable, reason, "this variable has no effect any more");
    }
    for project in projects.iter().filter(|project| !project.is_enabled()) {
        tracing::info!(
            file = project.shown,
            pipeline = project.wired.name(),
            "the pipeline is disabled and does not run"
        );
    }
    projects.retain(Project::is_enabled);
    if projects.is_empty() {
        return Err(Failure::configuration(
            "every pipeline is switched off (`enabled: false`): nothing to run",
        ));
    }
    Ok(projects)
}

fn ended(exits: Vec<(String, Exit)>) -> Result<(), Failure> {
    for (pipeline, exit) in exits {
        match exit {
            Exit::Failed(reason) => return Err(anyhow!("pipeline {pipeline} ended: {reason}").into()),
            Exit::Finished => {
                tracing::info!(pipeline, "finished: every source has ended and everything is delivered")
            }
            Exit::Stopped => tracing::info!(pipeline, "stopped"),
        }
    }
    Ok(())
}

async fn open(projects: Vec<Project>, data_dir: &Path) -> Result<Vec<Running>, Failure> {
    data_folder::prepare(data_dir)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let meters =
        Meters::new(prometheus::Registry::new(), Arc::clone(&clock)).context("cannot set up metrics")?;
    let pipelines = projects.iter().map(Project::configured).collect();
    let process = Arc::new(Process {
        id: identity::of(data_dir),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        built: built(),
        pipelines,
    });
    let options = RunOptions { data_dir: PathBuf::from(data_dir), clock, meters, grace: GRACE, process };
    let mut running = Vec::new();
    for project in projects {
        let opened = project.wired.open(options.clone()).await;
        running.push(opened.with_context(|| format!("cannot start {}", project.shown))?);
    }
    Ok(running)
}

/// No machine had this version before (2025-01-01): where neither the commit nor who builds it says a date.
const BEGUN: i64 = 1_735_689_600;

/// When the program was built, or a time before; the build script knows.
fn built() -> Option<jiff::Timestamp> {
    let said = option_env!("SMILES_WRITTEN").and_then(|seconds| seconds.parse().ok());
    jiff::Timestamp::from_second(said.unwrap_or(BEGUN)).ok()
}

/// What the process was told.
struct Signals {
    /// SIGINT or SIGTERM: end gracefully.
    stop: CancellationToken,
    /// The second of them: skip to what must not be lost.
    force: CancellationToken,
    /// SIGHUP: take the files anew.
    reload: Arc<Notify>,
}

impl Signals {
    fn watch() -> std::io::Result<Self> {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut hang_up = signal(SignalKind::hangup())?;
        let signals =
            Self { stop: CancellationToken::new(), force: CancellationToken::new(), reload: Arc::default() };
        let (stop, force, reload) =
            (signals.stop.clone(), signals.force.clone(), Arc::clone(&signals.reload));
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    _ = interrupt.recv() => end(&stop, &force),
                    _ = terminate.recv() => end(&stop, &force),
                    _ = hang_up.recv() => reload.notify_one(),
                }
            }
        });
        Ok(signals)
    }
}

fn end(stop: &CancellationToken, force: &CancellationToken) {
    if stop.is_cancelled() {
        tracing::warn!("stopping at once; undelivered batches stay in the journal");
        force.cancel();
    } else {
        tracing::info!("stopping; repeat the signal to stop at once");
        stop.cancel();
    }
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  DTU_HOST=192.168.1.31 smiles run             the stock pipeline, configured by variables
  smiles run my-meter.yaml                     a pipeline of your own
  smiles run roof.yaml meter.yaml              two pipelines in one process
  LOG_LEVEL=debug smiles run                   log more

Stop with Ctrl-C (twice: at once). What was read is safe in the journal either way.
SIGHUP reloads the files; if they have a mistake, it is printed and the running pipelines continue.")]
pub(crate) struct RunArgs {
    /// Pipeline files; none: the stock pipeline
    #[arg(value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) data: DataDir,
}
