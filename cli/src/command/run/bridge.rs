//! The pipelines of the process: started, replaced by what the files say now, ended.
//!
//! A reload opens what is new before it lets go of what runs. What cannot be opened then leaves everything as it was. The
//! journals stay open and are handed on, and so is what the APIs listen on.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow};
use smiles_config::Environment;
use smiles_journal::Journal;
use smiles_runtime::{
    Exit, Handle, OpenError, Prepared, RunOptions, Running, RunningStages, run_all, with_causes,
};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::command::run::load::{self, Told};
use crate::command::run::signals::Signals;
use crate::exit::Failure;
use crate::project::{Entry, Project};
use crate::{data_folder, logging};

/// How often a journal that cannot be opened is tried again, at first and at most.
const AGAIN: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// What the process runs, and where from.
pub(super) struct Bridge<'a> {
    pub(super) entries: &'a [Entry],
    pub(super) environment: &'a Environment,
    pub(super) data_dir: &'a Path,
    pub(super) signals: Signals,
}

/// The pipelines that run together until the next reload.
struct Round {
    handles: Vec<Handle>,
    stop: CancellationToken,
    runs: JoinHandle<Vec<(String, Exit)>>,
    /// What the files were complained of when they were loaded.
    told: Told,
    /// How long until the journals that could not be opened are tried again.
    again: Duration,
}

/// A pipeline on its way.
enum Next {
    Prepared(Box<Prepared>),
    /// Its journal cannot be opened.
    StandsIn(Box<Project>, OpenError),
}

/// All of them.
struct NextRound {
    pipelines: Vec<Next>,
    options: RunOptions,
    told: Told,
}

impl Bridge<'_> {
    /// Until the pipelines end or a signal stops them.
    pub(super) async fn run(self) -> Result<(), Failure> {
        let mut round = tokio::select! {
            round = self.start() => round?,
            () = self.signals.stop.cancelled() => return Ok(()),
        };
        loop {
            let stands_in = round.waiting() > 0;
            let next = tokio::select! {
                exits = &mut round.runs => return ended(exits.context("the pipelines ended")?),
                () = self.signals.reload.notified() => {
                    let next = self.load(Some(&round), Told::default()).await;
                    let next = next.map_err(|failure| round.refuse(&failure)).ok();
                    next.inspect(|_| tracing::info!("reloading the pipeline files"))
                }
                () = tokio::time::sleep(round.again), if stands_in => {
                    round.again = (round.again * 2).min(AGAIN.1);
                    // Said already, or another matter than the journals.
                    let next = self.load(Some(&round), round.told.clone()).await.ok();
                    let next = next.filter(|next| next.waiting() < round.waiting());
                    next.inspect(|_| tracing::info!("a journal can be opened now; starting its pipeline"))
                }
            };
            if let Some(next) = next {
                round = self.replace(round, next).await?;
            }
        }
    }

    async fn start(&self) -> Result<Round, Failure> {
        let next = self.load(None, Told::default()).await?;
        self.begin(next).await
    }

    /// What the files say, as far as it can be opened: beside what runs, or alone.
    async fn load(&self, round: Option<&Round>, mut told: Told) -> Result<NextRound, Failure> {
        let projects = load::load(self.entries, self.environment, &mut told)?;
        if round.is_none() {
            data_folder::prepare(self.data_dir)?;
        }
        let options = load::options(&projects, self.data_dir)?;
        let mut pipelines = Vec::new();
        for project in projects {
            let shown = project.shown.clone();
            let running = round.map(|round| round.of(project.wired.name()));
            let doing = if round.is_none() { "start" } else { "open" };
            let next = next(project, running, &options).await;
            pipelines.push(next.with_context(|| format!("cannot {doing} {shown}"))?);
        }
        Ok(NextRound { pipelines, options, told })
    }

    /// Ends what runs and begins the next round.
    async fn replace(&self, round: Round, next: NextRound) -> Result<Round, Failure> {
        for handle in &round.handles {
            if handle.journal().is_some_and(|journal| next.uses(journal)) {
                handle.hand_over();
            }
        }
        round.stop.cancel();
        for (pipeline, exit) in round.runs.await.context("the pipelines ended")? {
            if let Exit::Failed(reason) = exit {
                tracing::error!(
                    pipeline,
                    reason,
                    "the pipeline failed while it was stopped; it is started anew"
                );
            }
        }
        // Nobody but the next round has the journals now.
        drop(round.handles);
        self.begin(next).await
    }

    async fn begin(&self, next: NextRound) -> Result<Round, Failure> {
        let NextRound { pipelines, options, mut told } = next;
        let mut running = Vec::new();
        for pipeline in pipelines {
            running.push(match pipeline {
                Next::StandsIn(project, error) => stand_in(*project, &options, &error).await?,
                Next::Prepared(prepared) => {
                    let name = prepared.name().to_owned();
                    match prepared.start().await {
                        Ok(running) => running,
                        Err(error) => {
                            let again = load::load(self.entries, self.environment, &mut told)?;
                            let project = again.into_iter().find(|project| project.wired.name() == name);
                            let Some(project) = project else { continue };
                            stand_in(project, &options, &error).await?
                        }
                    }
                }
            });
        }
        let (stop, force) = (self.signals.stop.child_token(), self.signals.force.clone());
        let handles = running.iter().map(Running::handle).collect();
        let runs = tokio::spawn(run_all(running, stop.clone(), force));
        Ok(Round { handles, stop, runs, told, again: AGAIN.0 })
    }
}

impl Round {
    fn of(&self, pipeline: &str) -> Option<&Handle> {
        self.handles.iter().find(|handle| handle.name() == pipeline)
    }

    /// How many pipelines wait for their journals.
    fn waiting(&self) -> usize {
        self.handles.iter().filter(|handle| handle.journal().is_none()).count()
    }

    /// The reload came to nothing; the log and `/health` say why.
    fn refuse(&self, failure: &Failure) {
        tracing::error!("cannot reload the pipeline files; the running pipelines continue");
        logging::show(&failure.told().0);
        let why = failure.first_line();
        for handle in &self.handles {
            handle.note(Some(format!("the last reload failed, and what ran before goes on: {why}")));
        }
    }
}

impl NextRound {
    fn waiting(&self) -> usize {
        self.pipelines.iter().filter(|next| matches!(next, Next::StandsIn(..))).count()
    }

    fn uses(&self, journal: &Arc<dyn Journal>) -> bool {
        let same = |next: &Next| match next {
            Next::Prepared(prepared) => Arc::ptr_eq(prepared.journal(), journal),
            Next::StandsIn(..) => false,
        };
        self.pipelines.iter().any(same)
    }
}

/// `reload`: in place of this pipeline, or of none. What cannot be opened beside one that runs is an error; a journal that could
/// not be opened before may still be in the same state.
async fn next(
    project: Project,
    reload: Option<Option<&Handle>>,
    options: &RunOptions,
) -> Result<Next, OpenError> {
    let running = reload.flatten();
    let waits = reload.is_none() || running.is_some_and(|handle| handle.journal().is_none());
    let journal = match running.and_then(Handle::journal) {
        Some(journal) => Arc::clone(journal),
        None => match project.wired.open_journal(options).await {
            Ok(journal) => journal,
            Err(error) if waits && error.may_pass() => {
                return Ok(Next::StandsIn(Box::new(project), error));
            }
            Err(error) => return Err(error),
        },
    };
    let nothing = RunningStages::default();
    let stages = (!waits).then(|| running.map_or(&nothing, Handle::stages));
    let prepared = project.wired.prepare(journal, options.clone(), stages).await?;
    Ok(Next::Prepared(Box::new(prepared)))
}

/// Only says why the pipeline cannot run.
async fn stand_in(project: Project, options: &RunOptions, why: &OpenError) -> Result<Running, Failure> {
    let (pipeline, error) = (project.wired.name().to_owned(), with_causes(why));
    tracing::error!(pipeline, error, "the pipeline cannot start; it is tried again, and all else goes on");
    let stand_in = project.wired.stand_in(options.clone(), why).await;
    Ok(stand_in.with_context(|| format!("cannot start {}", project.shown))?)
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
