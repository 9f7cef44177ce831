//! From a wired pipeline to an open one: journal, state, sinks (stores first), sources.

use std::path::PathBuf;
use std::sync::Arc;

use smiles_config::{OnFull, SinkDecl, StartFrom};
use smiles_journal::{Cursor, Journal, Options, ReadLimit, SqliteJournal, StateChange};
use smiles_stage::Delivery as Promise;
use tokio::sync::{Notify, broadcast};

use crate::call::causes::with_causes;
use crate::call::stop::Stop;
use crate::deliver::delivery::DeliveryTask;
use crate::deliver::late_store::LateStore;
use crate::deliver::live::{BEHIND_MAX, Live};
use crate::ingest::chain::Chain;
use crate::ingest::poll::Poll;
use crate::ingest::stored::StoreQuestions;
use crate::ingest::task::IngestTask;
use crate::lifecycle::ahead::{Ahead, RunningStages};
use crate::lifecycle::maintenance::Maintenance;
use crate::lifecycle::options::{OpenError, RunOptions};
use crate::lifecycle::running::Running;
use crate::lifecycle::stages::{Common, open_transforms, sink_tasks, source_tasks, store_of};
use crate::observe::health_board::{HealthBoard, starting, unheard};
use crate::time::trust::clock_trust::ClockTrust;
use crate::time::trust::kept::{Known, Trusted};
use crate::wire::identity::settle::{OrphanedState, StateMatches};
use crate::wire::wired::{SinkNode, Wired};

/// A pipeline that can start, or take the place of one that runs: what is new in it is open.
pub struct Prepared {
    wired: Wired,
    common: Common,
    /// Per sink, the store it offers.
    stores: Vec<Option<Arc<LateStore>>>,
    ahead: Ahead,
    /// What the transforms remember; `None`: whoever uses the journal until then may still change it.
    memory: Option<(Vec<StateChange>, Trusted)>,
}

impl Wired {
    /// Opens the journal under `data_dir` (or in memory, if the pipeline says so) and starts every stage.
    ///
    /// # Errors
    /// The journal cannot be opened. What a stage cannot do, be it to open, is that stage's trouble: it is tried again.
    pub async fn open(self, options: RunOptions) -> Result<Running, OpenError> {
        let journal = self.open_journal(&options).await?;
        self.open_with(journal, options).await
    }

    /// Opens the journal alone.
    ///
    /// # Errors
    /// It cannot be opened; [`OpenError::may_pass`] tells whether trying again may help.
    pub async fn open_journal(&self, options: &RunOptions) -> Result<Arc<dyn Journal>, OpenError> {
        let declared = &self.pipeline.journal;
        let path =
            (!declared.memory).then(|| options.data_dir.join(format!("{}.journal", self.pipeline.name)));
        if path.is_some() {
            let path = options.data_dir.as_path();
            std::fs::create_dir_all(path)
                .map_err(|source| OpenError::Folder { path: path.to_owned(), source })?;
        }
        let opened = SqliteJournal::open(self.journal_options(path), options.clock.now()).await;
        let pipeline = self.pipeline.name.clone();
        let journal = opened.map_err(|source| OpenError::Journal { pipeline, source })?;
        Ok(Arc::new(journal))
    }

    fn journal_options(&self, path: Option<PathBuf>) -> Options {
        let declared = &self.pipeline.journal;
        Options {
            path,
            pipeline: self.pipeline.name.clone(),
            max_size: declared.max_size,
            retain: declared.retain,
            on_full: match declared.on_full {
                OnFull::Block => smiles_journal::OnFull::Block,
                OnFull::DropOldest => smiles_journal::OnFull::DropOldest,
            },
        }
    }

    /// Starts every stage over a journal that is open already.
    ///
    /// # Errors
    /// The journal cannot be read or written.
    pub async fn open_with(
        self,
        journal: Arc<dyn Journal>,
        options: RunOptions,
    ) -> Result<Running, OpenError> {
        let opened = match self.prepare(Arc::clone(&journal), options, None).await {
            Ok(prepared) => prepared.start().await,
            Err(error) => Err(error),
        };
        if opened.is_err() {
            // The first error is the one to tell; what is in the journal is durable already.
            let _ = journal.close().await;
        }
        opened
    }

    /// Makes ready to take the place of a pipeline that runs: opens what that one does not have. Without one, opens nothing.
    ///
    /// # Errors
    /// A stage cannot be opened, or the journal cannot be read. The one that runs is not disturbed.
    pub async fn prepare(
        self,
        journal: Arc<dyn Journal>,
        options: RunOptions,
        running: Option<&RunningStages>,
    ) -> Result<Prepared, OpenError> {
        let failed = |source| OpenError::Journal { pipeline: self.pipeline.name.clone(), source };
        let mut state = journal.load_state().await.map_err(failed)?;
        let newest = journal.newest(ReadLimit { rows: 1, bytes: 1 }).await.map_err(failed)?;
        let accepted = newest.last().map(|batch| batch.accepted_at);
        let trusted = Trusted::take(&mut state);
        let known = trusted.known().and_accepted(accepted);
        let common = self.common(journal, options, known);
        let offer = |node: &SinkNode, decl: &SinkDecl| {
            node.sink.offer().is_some().then(|| LateStore::of(&decl.stage.name))
        };
        let sinks = self.sinks.iter().zip(&self.pipeline.sinks);
        let stores: Vec<_> = sinks.map(|(node, decl)| offer(node, decl)).collect();
        let ahead = match running {
            Some(running) => Ahead::open(&self, &common, &stores, running).await?,
            None => Ahead::nothing(&self),
        };
        let memory = running.is_none().then_some((state, trusted));
        Ok(Prepared { wired: self, common, stores, ahead, memory })
    }

    fn common(&self, journal: Arc<dyn Journal>, options: RunOptions, known: Known) -> Common {
        let clock_trust = ClockTrust::new(options.process.built, known, options.clock.monotonic());
        let clock_trust = Arc::new(clock_trust);
        let health_board = self.health_board(&options);
        health_board.judged_by(&clock_trust);
        Common {
            pipeline: self.pipeline.name.clone(),
            options,
            journal,
            health_board,
            stop: Stop::new(),
            journal_has_room: Arc::new(Notify::new()),
            again: Arc::new(Notify::new()),
            live: broadcast::Sender::new(BEHIND_MAX),
            clock_trust,
        }
    }

    /// In place of a pipeline whose journal cannot be opened: nothing is polled or delivered, and whoever asks is told why.
    ///
    /// # Errors
    /// There is no memory for it.
    pub async fn stand_in(self, options: RunOptions, why: &OpenError) -> Result<Running, OpenError> {
        let pipeline = self.pipeline.name.clone();
        let opened = SqliteJournal::open(self.journal_options(None), options.clock.now()).await;
        let journal = Arc::new(opened.map_err(|source| OpenError::Journal { pipeline, source })?);
        let common = self.common(journal, options, Known::default());
        common.health_board.appended(Some((with_causes(why), false)));
        common.options.meters.show(&common.health_board);
        let opened = self.sinks.iter().map(|_| None).collect();
        let (_, lives, _) = sink_tasks(&common, &self.pipeline, self.sinks, (&[], opened));
        let (polls, inbox, durable) = source_tasks(&common, &self.pipeline, Vec::new(), &self.input);
        let chain = Chain::new(Vec::new(), Vec::new(), Vec::new(), Arc::clone(&common.options.clock));
        let ingest = common.ingest(inbox, chain, durable, None, Trusted::default());
        let maintenance = common.maintenance(Vec::new());
        let stages = RunningStages::default();
        Ok(Running {
            stands_in: true,
            ..common.running(stages, (polls, ingest), (Vec::new(), lives), maintenance)
        })
    }

    fn cursors(&self) -> Vec<Cursor> {
        let sinks = self.pipeline.sinks.iter().zip(&self.sinks);
        let with_cursor = sinks.filter(|(_, sink)| sink.delivery != Promise::Live);
        let cursor = |(decl, _): (&SinkDecl, _)| Cursor {
            sink: decl.stage.name.clone(),
            from: match decl.from {
                StartFrom::Now => smiles_journal::From::Now,
                StartFrom::Oldest => smiles_journal::From::Oldest,
            },
        };
        with_cursor.map(cursor).collect()
    }

    pub(crate) fn health_board(&self, options: &RunOptions) -> Arc<HealthBoard> {
        let sources = self.pipeline.sources.iter().zip(&self.sources);
        let sources = sources.map(|(decl, plan)| unheard(&decl.stage.name, plan.address(), decl.every));
        let sinks = self.pipeline.sinks.iter().map(|decl| starting(&decl.stage.name, &decl.stage.type_name));
        let max_size = self.pipeline.journal.max_size;
        HealthBoard::new(&self.pipeline.name, max_size, &options.clock, sources.collect(), sinks.collect())
    }
}

impl Prepared {
    /// The pipeline's name.
    pub fn name(&self) -> &str {
        &self.common.pipeline
    }

    /// The journal that it uses.
    pub fn journal(&self) -> &Arc<dyn Journal> {
        &self.common.journal
    }

    /// Starts it. Nobody else may use its journal any more.
    ///
    /// # Errors
    /// The journal cannot be read or written.
    pub async fn start(self) -> Result<Running, OpenError> {
        let Self { wired, common, stores, ahead, memory } = self;
        let journal = Arc::clone(&common.journal);
        let failed = |source| OpenError::Journal { pipeline: common.pipeline.clone(), source };
        if memory.is_none() {
            let now = common.clock_trust.now(common.options.clock.as_ref());
            journal.begin_run(now).await.map_err(failed)?;
            journal.bound(wired.journal_options(None)).await.map_err(failed)?;
        }
        journal.enlist(&wired.cursors()).await.map_err(failed)?;
        let (state, trusted) = match memory {
            Some(memory) => memory,
            None => {
                let mut state = journal.load_state().await.map_err(failed)?;
                let trusted = Trusted::take(&mut state);
                (state, trusted)
            }
        };
        let settled = wired.settle(&state);
        if !settled.changes.is_empty() {
            journal.keep_state(settled.changes.clone()).await.map_err(failed)?;
        }
        tell_memory(&common.pipeline, &settled);
        let status = journal.status().await.map_err(failed)?;
        tell(&common.pipeline, &status);
        common.health_board.publish(status);
        common.options.meters.show(&common.health_board);
        let stages = RunningStages::of(&wired.pipeline);
        let Wired { pipeline, sources, transforms, sinks, input, .. } = wired;
        let mut offers = sinks.iter().map(|sink| sink.sink.offer()).enumerate();
        let kept = offers.find_map(|(kept, offer)| Some((kept, offer.filter(|it| !it.mapped.is_empty())?)));
        let (kept, offer) = kept.unzip();
        let mut chain = open_transforms(&common, &pipeline, transforms, &settled, state, offer.as_ref());
        let (deliveries, lives, forgotten) = sink_tasks(&common, &pipeline, sinks, (&stores, ahead.sinks));
        let plans = sources.into_iter().zip(ahead.sources).collect();
        let (polls, inbox, durable) = source_tasks(&common, &pipeline, plans, &input);
        let recall = store_of(&stores, kept).and_then(|store| {
            let about = (common.pipeline.as_str(), &common.options.clock, &common.stop.over);
            StoreQuestions::begin(about, store, chain.unanswered())
        });
        if recall.is_none() {
            chain.answered_nothing();
        }
        let ingest = common.ingest(inbox, chain, durable, recall, trusted);
        let maintenance = common.maintenance(forgotten);
        Ok(common.running(stages, (polls, ingest), (deliveries, lives), maintenance))
    }
}

impl Common {
    fn running(
        self,
        stages: RunningStages,
        (polls, ingest): (Vec<Poll>, IngestTask),
        (deliveries, lives): (Vec<DeliveryTask>, Vec<Live>),
        maintenance: Maintenance,
    ) -> Running {
        let RunOptions { clock, grace, .. } = self.options;
        Running {
            name: self.pipeline,
            journal: self.journal,
            stages,
            stands_in: false,
            keeps_journal: Arc::default(),
            clock,
            grace,
            health_board: self.health_board,
            stop: self.stop,
            polls,
            ingest,
            deliveries,
            lives,
            maintenance,
        }
    }
}

/// Whose memory was followed, and whose could not be.
fn tell_memory(pipeline: &str, settled: &StateMatches) {
    for (transform, before) in &settled.followed {
        tracing::info!(pipeline, transform, before, "a transform was renamed and keeps its state");
    }
    for OrphanedState { transform, is, left } in &settled.forgotten {
        let left = left.join("; ");
        tracing::warn!(
            pipeline,
            transform,
            is,
            left,
            "a transform has no state in the journal and starts empty; the state that is left there is not used"
        );
    }
}

/// What the operator should know of the journal as it was found.
fn tell(pipeline: &str, status: &smiles_journal::Status) {
    for repair in &status.repairs {
        tracing::warn!(pipeline, repair, "the journal was repaired");
    }
    for row_counts in status.row_counts.iter().filter(|row_counts| !row_counts.in_use) {
        let (sink, waiting) = (row_counts.sink.as_str(), row_counts.waiting);
        tracing::info!(
            pipeline,
            sink,
            waiting,
            "the journal has a cursor of a sink that is not in the pipeline file; it is kept, and delays no deletion"
        );
    }
}
