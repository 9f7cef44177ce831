//! `smiles run`: pipelines until Ctrl-C.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow};
use smiles_config::Environment;
use smiles_runtime::{Exit, Meters, RunOptions, Running, SystemClock, run_all};
use smiles_stage::{Clock, prometheus};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::args::RunArgs;
use crate::exit::Failure;
use crate::project::{self, Entry, Project};
use crate::{logging, registry};

/// How long the read in flight may take once the end is asked for.
const GRACE: Duration = Duration::from_secs(1);

pub(super) fn run(args: &RunArgs) -> Result<(), Failure> {
    let environment = Environment::from_process();
    logging::start(&environment)?;
    let entries = project::entries(&args.files)?;
    let data_dir = project::data_dir(args.data.data_dir.as_deref(), &environment);
    super::tokio()?.block_on(serve(&entries, &environment, &data_dir))
}

/// Loads, opens and runs the pipelines until they end or a signal stops them.
pub(super) async fn serve(
    entries: &[Entry],
    environment: &Environment,
    data_dir: &Path,
) -> Result<(), Failure> {
    let (stop, force) = (CancellationToken::new(), CancellationToken::new());
    watch_signals(&stop, &force).context("cannot listen for signals")?;
    for entry in entries {
        tracing::info!(file = entry.shown, reason = entry.reason, data_dir = %data_dir.display(), "pipeline chosen");
    }
    let projects = project::open_all(entries, environment, &registry::built_in())?;
    for retired in projects.iter().flat_map(|project| &project.loaded.retired) {
        tracing::warn!(variable = retired.variable, reason = retired.reason, "variable has no use any more");
    }
    let running = open(projects, data_dir).await?;
    for (pipeline, exit) in run_all(running, stop, force).await {
        match exit {
            Exit::Failed(reason) => return Err(anyhow!("pipeline {pipeline} ended: {reason}").into()),
            Exit::Finished => {
                tracing::info!(pipeline, "finished: every source has ended and all is delivered")
            }
            Exit::Stopped => tracing::info!(pipeline, "stopped"),
        }
    }
    Ok(())
}

async fn open(projects: Vec<Project>, data_dir: &Path) -> Result<Vec<Running>, Failure> {
    std::fs::create_dir_all(data_dir)
        .with_context(|| format!("cannot create the data folder {} (DATA_DIR)", data_dir.display()))?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let meters =
        Meters::new(prometheus::Registry::new(), Arc::clone(&clock)).context("cannot set up metrics")?;
    let options = RunOptions { data_dir: PathBuf::from(data_dir), clock, meters, grace: GRACE };
    let mut running = Vec::new();
    for project in projects {
        let opened = project.wired.open(options.clone()).await;
        running.push(opened.with_context(|| format!("cannot start {}", project.shown))?);
    }
    Ok(running)
}

/// The first signal stops gracefully, a second one skips to what must not be lost.
fn watch_signals(stop: &CancellationToken, force: &CancellationToken) -> std::io::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let (stop, force) = (stop.clone(), force.clone());
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            if stop.is_cancelled() {
                tracing::warn!("stopping at once; what is undelivered stays in the journal");
                force.cancel();
            } else {
                tracing::info!("stopping; once more to stop at once");
                stop.cancel();
            }
        }
    });
    Ok(())
}
