//! `smiles run --once`: one pass of every source, delivered, and what is to be said of that.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, anyhow};
use smiles_config::Environment;
use smiles_runtime::{Exit, Running, run_all};
use smiles_stage::option::Period;
use smiles_stage::{Health, HealthView, SinkHealth, SourceHealth, SourceState};

use crate::command::run::load::{self, Told};
use crate::command::run::signals::Signals;
use crate::data_folder;
use crate::exit::Failure;
use crate::project::Entry;

/// What is read once, and where from.
pub(super) struct Once<'a> {
    pub(super) entries: &'a [Entry],
    pub(super) environment: &'a Environment,
    pub(super) data_dir: &'a Path,
    pub(super) signals: Signals,
    pub(super) timeout: Period,
}

/// A pipeline before its pass, and where it tells how it is.
struct Watched {
    before: Health,
    view: Arc<dyn HealthView>,
}

/// Why a pipeline ended before all was done, for the end of a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Cut {
    /// Everything was done.
    Not,
    TimeOver(Period),
    Interrupted,
}

impl Once<'_> {
    /// Until all is delivered, the time is over or a signal stops it.
    pub(super) async fn run(self) -> Result<(), Failure> {
        let running = tokio::select! {
            running = self.open() => running?,
            () = self.signals.stop.cancelled() => return Err(anyhow!("interrupted before anything was read").into()),
        };
        let watched: Vec<Watched> = running.iter().map(Watched::new).collect();
        let Self { signals, timeout, .. } = self;
        let stop = signals.stop.child_token();
        let mut runs = std::pin::pin!(run_all(running, stop.clone(), signals.force.clone()));
        let (exits, late) = tokio::select! {
            exits = &mut runs => (exits, false),
            () = tokio::time::sleep(timeout.0) => {
                tracing::warn!(timeout = %timeout, "the time is over; what is not delivered stays in the journal");
                stop.cancel();
                (runs.await, true)
            }
        };
        let cut = |exit: &Exit| match exit {
            Exit::Stopped if late => Cut::TimeOver(timeout),
            Exit::Stopped => Cut::Interrupted,
            Exit::Finished | Exit::Failed(_) => Cut::Not,
        };
        let said = exits.iter().zip(&watched).flat_map(|((pipeline, exit), watched)| match exit {
            Exit::Failed(reason) => vec![format!("pipeline {pipeline} ended: {reason}")],
            Exit::Finished | Exit::Stopped => watched.complaints(&cut(exit)),
        });
        let said: Vec<String> = said.collect();
        if said.is_empty() { Ok(()) } else { Err(anyhow!(said.join("\nerror: ")).into()) }
    }

    async fn open(&self) -> Result<Vec<Running>, Failure> {
        let projects = load::load(self.entries, self.environment, &mut Told::default())?;
        data_folder::prepare(self.data_dir)?;
        let options = load::options(&projects, self.data_dir)?;
        let mut running = Vec::new();
        for project in projects {
            let opened = project.wired.open(options.clone()).await;
            running.push(opened.with_context(|| format!("cannot start {}", project.shown))?.once());
        }
        Ok(running)
    }
}

impl Watched {
    fn new(running: &Running) -> Self {
        let view = running.health();
        Self { before: view.health(), view }
    }

    /// A sentence for each source that was not read and each sink that does not have everything.
    fn complaints(&self, cut: &Cut) -> Vec<String> {
        complaints(&self.before, &self.view.health(), cut)
    }
}

fn complaints(before: &Health, after: &Health, cut: &Cut) -> Vec<String> {
    let pipeline = &after.pipeline;
    let mut said: Vec<String> = after.sources.iter().filter_map(|source| of_source(source, cut)).collect();
    if after.queued > 0 {
        let why = if after.journal.full { "it is full" } else { "it cannot be written" };
        said.push(format!("what was read did not get into the journal: {why}"));
    }
    for (before, after) in before.sinks.iter().zip(&after.sinks) {
        said.extend(of_sink(before, after, cut));
    }
    if said.is_empty() {
        let rows = |health: &Health| health.sinks.iter().map(|sink| sink.delivered).sum::<u64>();
        let delivered = rows(after).saturating_sub(rows(before));
        tracing::info!(pipeline, delivered, "every source was read once and everything is delivered");
    }
    said.into_iter().map(|sentence| format!("pipeline {pipeline}: {sentence}")).collect()
}

fn of_source(source: &SourceHealth, cut: &Cut) -> Option<String> {
    let SourceHealth { name, address, .. } = source;
    let why = source.last_error.as_ref().map(|(_, error)| error.as_str());
    let is_told = address.is_empty() || why.is_some_and(|why| why.contains(address.as_str()));
    let about = if is_told { String::new() } else { format!(" ({address})") };
    match (source.state, cut) {
        (SourceState::Online, _) => None,
        // It has ended: there was nothing to read.
        (SourceState::Unknown, Cut::Not) => None,
        (SourceState::Unknown, cut) => Some(format!("source {name}{about} was not read{}", cut.words())),
        (SourceState::Error, _) => {
            Some(format!("source {name}{about} could not be read: {}", why.unwrap_or("no reason is known")))
        }
    }
}

fn of_sink(before: &SinkHealth, after: &SinkHealth, cut: &Cut) -> Vec<String> {
    let SinkHealth { name, waiting, .. } = after;
    let mut said = Vec::new();
    if *waiting > 0 {
        let why = after.last_error.as_ref().map(|(_, error)| format!(": {error}")).unwrap_or_default();
        let rows = rows(*waiting);
        said.push(format!("sink {name} does not have {rows}{}, which stay in the journal{why}", cut.words()));
    }
    let aside = after.dead_lettered.saturating_sub(before.dead_lettered);
    if aside > 0 {
        let rows = rows(aside);
        said.push(format!("sink {name} set {rows} aside; `smiles journal dead-letter list` says why"));
    }
    let gone = (after.dropped + after.lost).saturating_sub(before.dropped + before.lost);
    if gone > 0 {
        said.push(format!("sink {name} will not get {}, which are dropped or lost", rows(gone)));
    }
    said
}

fn rows(count: u64) -> String {
    if count == 1 { "1 row".to_owned() } else { format!("{count} rows") }
}

impl Cut {
    fn words(&self) -> String {
        match self {
            Self::Not => String::new(),
            Self::TimeOver(limit) => format!(" within {limit}"),
            Self::Interrupted => " before it was interrupted".to_owned(),
        }
    }
}
