//! An open pipeline, and its life: every task started, and ended in order.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::future::join_all;
use smiles_journal::Journal;
use smiles_stage::{Clock, HealthView};
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::call::stop::Stop;
use crate::deliver::delivery::{DeliveryTask, deliver};
use crate::deliver::live::{Live, show};
use crate::ingest::poll::{Poll, poll};
use crate::ingest::task::{IngestTask, ingest};
use crate::lifecycle::ahead::RunningStages;
use crate::lifecycle::maintenance::Maintenance;
use crate::observe::health_board::HealthBoard;

/// How long closing the journal may take: it is durable already, closing only tidies.
const CLOSE_LIMIT: Duration = Duration::from_millis(400);
/// A task that does not notice its deadline is left behind after this.
const LEFT_BEHIND: Duration = Duration::from_millis(100);

/// A pipeline that is open: proof that it may run.
pub struct Running {
    pub(crate) name: String,
    pub(crate) journal: Arc<dyn Journal>,
    pub(crate) stages: RunningStages,
    /// It only says why the pipeline cannot run.
    pub(crate) stands_in: bool,
    /// The journal is left open at the end, for whoever takes over.
    pub(crate) keeps_journal: Arc<AtomicBool>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) grace: Duration,
    pub(crate) health_board: Arc<HealthBoard>,
    pub(crate) stop: Stop,
    pub(crate) polls: Vec<Poll>,
    pub(crate) ingest: IngestTask,
    pub(crate) deliveries: Vec<DeliveryTask>,
    pub(crate) lives: Vec<Live>,
    pub(crate) maintenance: Maintenance,
}

/// A pipeline as whoever replaces it sees it.
#[derive(Clone)]
pub struct Handle {
    name: String,
    journal: Option<Arc<dyn Journal>>,
    stages: RunningStages,
    keeps_journal: Arc<AtomicBool>,
    health_board: Arc<HealthBoard>,
}

impl Handle {
    /// The pipeline's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its journal; `None` where it could not be opened and the pipeline only says so.
    pub fn journal(&self) -> Option<&Arc<dyn Journal>> {
        self.journal.as_ref()
    }

    /// What it consists of.
    pub fn stages(&self) -> &RunningStages {
        &self.stages
    }

    /// At its end it leaves the journal open: another pipeline goes on with it.
    pub fn hand_over(&self) {
        self.keeps_journal.store(true, Ordering::Relaxed);
    }

    /// A sentence for `/health` until the next one; `None`: all is well.
    pub fn note(&self, sentence: Option<String>) {
        self.health_board.note(sentence);
    }
}

/// How a pipeline ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Every source ended and everything is delivered.
    Finished,
    /// The end was asked for. What was not delivered is in the journal.
    Stopped,
    /// It cannot go on; a sentence.
    Failed(String),
}

impl Running {
    /// The pipeline's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What others need of it while it runs.
    pub fn handle(&self) -> Handle {
        Handle {
            name: self.name.clone(),
            journal: (!self.stands_in).then(|| Arc::clone(&self.journal)),
            stages: self.stages.clone(),
            keeps_journal: Arc::clone(&self.keeps_journal),
            health_board: Arc::clone(&self.health_board),
        }
    }

    /// How it is, at any time, without waiting.
    pub fn health(&self) -> Arc<dyn HealthView> {
        Arc::<HealthBoard>::clone(&self.health_board)
    }

    /// Makes it end by itself: each source is asked for one pass, and what that brought is delivered. Live sinks are left
    /// out, because whoever looks at them would look in vain the next moment.
    #[must_use]
    pub fn once(mut self) -> Self {
        self.lives.clear();
        for poll in &mut self.polls {
            (poll.once, poll.report.once) = (true, true);
        }
        self
    }

    /// Runs until every source has ended or `stop` asks for the end. `force` ends at once: what is durable stays,
    /// the rest of the deliveries is postponed.
    pub async fn run(self, stop: CancellationToken, force: CancellationToken) -> Exit {
        let Self {
            name,
            journal,
            clock,
            grace,
            health_board,
            stop: stages,
            polls,
            ingest: ingesting,
            deliveries,
            lives,
            maintenance,
            stands_in,
            keeps_journal,
            stages: _,
        } = self;
        let timekeeper = spawn(stages.clone().keep_time(clock, grace, stop.clone(), force));
        let mut sources = JoinSet::new();
        polls.into_iter().for_each(|task| drop(sources.spawn(poll(task))));
        let mut sinks = JoinSet::new();
        deliveries.into_iter().for_each(|task| drop(sinks.spawn(deliver(task))));
        lives.into_iter().for_each(|task| drop(sinks.spawn(show(task))));
        let closing = CancellationToken::new();
        let keeping = spawn(maintenance.keep(closing.clone()));
        if stands_in {
            // It polls nothing, so nothing of it would end.
            stages.asked.cancelled().await;
            stages.over.cancel();
        }
        let ingesting = spawn(ingest(ingesting));

        let mut failure = tokio::select! {
            failure = ended(&mut sources, &stages.over) => failure,
            // A delivery that is gone would fill the journal unseen.
            reason = broken(&mut sinks) => {
                stop.cancel();
                ended(&mut sources, &stages.over).await.or(Some(reason))
            }
        };
        drop(sources);
        failure = failure.or(ingested(ingesting, &stages.over).await);
        stages.drained.cancel();
        failure = failure.or(ended(&mut sinks, &stages.over).await);
        drop(sinks);
        closing.cancel();
        drop(timekeeper);
        // Tidying can take long after an outage, and goes on after the next start.
        drop(keeping);
        if !keeps_journal.load(Ordering::Relaxed) {
            close(&name, journal.as_ref(), &health_board).await;
        }
        match failure {
            Some(reason) => Exit::Failed(reason),
            None if stages.asked.is_cancelled() => Exit::Stopped,
            None => Exit::Finished,
        }
    }
}

/// Runs several pipelines side by side. One that fails ends all, so that whoever supervises the process sees it.
pub async fn run_all(
    pipelines: Vec<Running>,
    stop: CancellationToken,
    force: CancellationToken,
) -> Vec<(String, Exit)> {
    let stop = stop.child_token();
    let run = |running: Running| {
        let (stop, force) = (stop.clone(), force.clone());
        async move {
            let name = running.name.clone();
            let exit = running.run(stop.clone(), force).await;
            if let Exit::Failed(reason) = &exit {
                tracing::error!(pipeline = name, reason, "the pipeline stopped because of an error");
                stop.cancel();
            }
            (name, exit)
        }
    };
    join_all(pipelines.into_iter().map(run)).await
}

/// A task that ends with whoever started it.
fn spawn<T: Send + 'static>(task: impl Future<Output = T> + Send + 'static) -> AbortOnDropHandle<T> {
    AbortOnDropHandle::new(tokio::spawn(task))
}

/// Waits until all tasks have ended, or the deadline has passed and they had a moment to notice.
async fn ended(tasks: &mut JoinSet<()>, over: &CancellationToken) -> Option<String> {
    let late = async {
        over.cancelled().await;
        tokio::time::sleep(LEFT_BEHIND).await;
    };
    let all = async {
        let mut failure = None;
        while let Some(ended) = tasks.join_next().await {
            failure = failure.or(ended.err().and_then(bug));
        }
        failure
    };
    tokio::select! {
        biased;
        failure = all => failure,
        () = late => None,
    }
}

/// Waits until what was heard is durable, or the deadline has passed.
async fn ingested(
    mut ingesting: AbortOnDropHandle<Result<(), smiles_journal::JournalError>>,
    over: &CancellationToken,
) -> Option<String> {
    tokio::select! {
        biased;
        ingested = &mut ingesting => match ingested {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(format!("the journal stopped: {error}")),
            Err(error) => bug(error),
        },
        () = over.cancelled() => {
            ingesting.abort();
            tracing::warn!("the last readings could not be written to the journal in time");
            None
        }
    }
}

/// Returns when a task has panicked; one that just ended is none of its business.
async fn broken(tasks: &mut JoinSet<()>) -> String {
    loop {
        match tasks.join_next().await {
            Some(ended) => {
                if let Some(reason) = ended.err().and_then(bug) {
                    return reason;
                }
            }
            None => std::future::pending().await,
        }
    }
}

fn bug(error: JoinError) -> Option<String> {
    error.is_panic().then(|| format!("a task of the runtime panicked: {error}"))
}

async fn close(pipeline: &str, journal: &dyn Journal, health_board: &HealthBoard) {
    let last = async {
        if let Ok(status) = journal.status().await {
            health_board.publish(status);
        }
        journal.close().await
    };
    match tokio::time::timeout(CLOSE_LIMIT, last).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => {
            tracing::warn!(pipeline, %error, "the journal did not close cleanly; nothing is lost")
        }
        Err(_) => tracing::warn!(pipeline, "the journal took too long to close; nothing is lost"),
    }
}
