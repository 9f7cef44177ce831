//! From the files to what can be opened.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use smiles_config::Environment;
use smiles_runtime::{Meters, RunOptions, SystemClock};
use smiles_stage::{Clock, Process, prometheus};

use crate::exit::Failure;
use crate::project::{self, Entry, Project};
use crate::{identity, logging, registry};

/// How long the read in flight may take once the end is asked for.
const GRACE: Duration = Duration::from_secs(1);

/// What was said of the files when they were loaded, and is not said again.
#[derive(Clone, Default)]
pub(super) struct Told {
    complaints: Vec<String>,
    /// Variables that are retired and pipelines that are switched off.
    notes: bool,
}

/// The pipelines of the files that are switched on.
pub(super) fn load(
    entries: &[Entry],
    environment: &Environment,
    told: &mut Told,
) -> Result<Vec<Project>, Failure> {
    let registry = registry::built_in();
    let mut projects = project::open_all_but(entries, environment, &registry, &mut told.complaints)?;
    if !std::mem::replace(&mut told.notes, true) {
        tell(&projects);
    }
    projects.retain(Project::is_enabled);
    if projects.is_empty() {
        return Err(Failure::configuration(
            "every pipeline is switched off (`enabled: false`): nothing to run",
        ));
    }
    Ok(projects)
}

fn tell(projects: &[Project]) {
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
}

/// What all pipelines of the process are opened with.
pub(super) fn options(projects: &[Project], data_dir: &Path) -> Result<RunOptions, Failure> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let registry = prometheus::Registry::new();
    if let Some(dropped) = logging::dropped() {
        registry.register(Box::new(dropped.clone())).context("cannot set up metrics")?;
    }
    let meters = Meters::new(registry, Arc::clone(&clock)).context("cannot set up metrics")?;
    let process = Arc::new(Process {
        id: identity::of(data_dir),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        built: built(),
        pipelines: projects.iter().map(Project::configured).collect(),
    });
    Ok(RunOptions { data_dir: PathBuf::from(data_dir), clock, meters, grace: GRACE, process })
}

/// No machine had this version before (2025-01-01): where neither the commit nor who builds it says a date.
const BEGUN: i64 = 1_735_689_600;

/// When the program was built, or a time before; the build script knows.
fn built() -> Option<jiff::Timestamp> {
    let said = option_env!("SMILES_WRITTEN").and_then(|seconds| seconds.parse().ok());
    jiff::Timestamp::from_second(said.unwrap_or(BEGUN)).ok()
}
