//! From a wired pipeline to an open one: journal, state, sinks (stores first), sources.

use std::sync::Arc;

use smiles_config::StartFrom;
use smiles_journal::{Cursor, Journal, Options, ReadLimit, SqliteJournal};
use smiles_stage::Delivery as Promise;
use tokio::sync::{Notify, broadcast};

use crate::call::stop::Stop;
use crate::deliver::live::BEHIND_MAX;
use crate::ingest::stored::StoreQuestions;
use crate::lifecycle::options::{OpenError, RunOptions};
use crate::lifecycle::running::Running;
use crate::lifecycle::stages::{Common, open_sinks, open_sources, open_transforms};
use crate::observe::health_board::{HealthBoard, starting, unheard};
use crate::time::trust::clock_trust::ClockTrust;
use crate::time::trust::kept::Trusted;
use crate::wire::identity::settle::{OrphanedState, StateMatches};
use crate::wire::wired::Wired;

impl Wired {
    /// Opens the journal under `data_dir` (or in memory, if the pipeline says so) and every stage.
    ///
    /// # Errors
    /// Something local is wrong. A device or database that cannot be reached is no error.
    pub async fn open(self, options: RunOptions) -> Result<Running, OpenError> {
        let declared = &self.pipeline.journal;
        let path =
            (!declared.memory).then(|| options.data_dir.join(format!("{}.journal", self.pipeline.name)));
        if path.is_some() {
            let path = options.data_dir.as_path();
            std::fs::create_dir_all(path)
                .map_err(|source| OpenError::Folder { path: path.to_owned(), source })?;
        }
        let journal = Options {
            path,
            pipeline: self.pipeline.name.clone(),
            max_size: declared.max_size,
            retain: declared.retain,
            on_full: match declared.on_full {
                smiles_config::OnFull::Block => smiles_journal::OnFull::Block,
                smiles_config::OnFull::DropOldest => smiles_journal::OnFull::DropOldest,
            },
        };
        let opened = SqliteJournal::open(journal, options.clock.now()).await;
        let pipeline = self.pipeline.name.clone();
        let journal = opened.map_err(|source| OpenError::Journal { pipeline, source })?;
        self.open_with(Arc::new(journal), options).await
    }

    /// Opens every stage over a journal that is open already.
    ///
    /// # Errors
    /// As [`Wired::open`].
    pub async fn open_with(
        self,
        journal: Arc<dyn Journal>,
        options: RunOptions,
    ) -> Result<Running, OpenError> {
        let opened = self.open_stages(&journal, options).await;
        if opened.is_err() {
            // The first error is the one to tell; what is in the journal is durable already.
            let _ = journal.close().await;
        }
        opened
    }

    async fn open_stages(
        self,
        journal: &Arc<dyn Journal>,
        options: RunOptions,
    ) -> Result<Running, OpenError> {
        let failed = |source| OpenError::Journal { pipeline: self.pipeline.name.clone(), source };
        journal.enlist(&self.cursors()).await.map_err(failed)?;
        let mut state = journal.load_state().await.map_err(failed)?;
        let trusted = Trusted::take(&mut state);
        let newest = journal.newest(ReadLimit { rows: 1, bytes: 1 }).await.map_err(failed)?;
        let known = trusted.known().and_accepted(newest.last().map(|batch| batch.accepted_at));
        let clock_trust = ClockTrust::new(options.process.built, known, options.clock.monotonic());
        let clock_trust = Arc::new(clock_trust);
        let settled = self.settle(&state);
        if !settled.changes.is_empty() {
            journal.keep_state(settled.changes.clone()).await.map_err(failed)?;
        }
        tell_memory(&self.pipeline.name, &settled);
        let health_board = self.health_board(&options);
        health_board.judged_by(&clock_trust);
        let status = journal.status().await.map_err(failed)?;
        tell(&self.pipeline.name, &status);
        health_board.publish(status);
        options.meters.show(&health_board);
        let common = Common {
            pipeline: self.pipeline.name.clone(),
            options,
            journal: Arc::clone(journal),
            health_board,
            stop: Stop::new(),
            journal_has_room: Arc::new(Notify::new()),
            again: Arc::new(Notify::new()),
            live: broadcast::Sender::new(BEHIND_MAX),
            clock_trust,
        };
        let Self { pipeline, sources, transforms, sinks, input, .. } = self;
        let mut offers = sinks.iter().map(|sink| sink.sink.offer()).enumerate();
        let kept = offers.find_map(|(kept, offer)| Some((kept, offer.filter(|it| !it.mapped.is_empty())?)));
        let (kept, offer) = kept.unzip();
        let mut chain = open_transforms(&common, &pipeline, transforms, &settled, state, offer.as_ref())?;
        let (deliveries, lives, forgotten, mut stores) = open_sinks(&common, &pipeline, sinks).await?;
        let (polls, inbox, durable) = open_sources(&common, &pipeline, sources, &input).await?;
        let store = kept.and_then(|kept| stores.get_mut(kept)?.take());
        let recall = store.and_then(|store| {
            let about = (common.pipeline.as_str(), &common.options.clock, &common.stop.over);
            StoreQuestions::begin(about, store, chain.unanswered())
        });
        if recall.is_none() {
            chain.answered_nothing();
        }
        let ingest = common.ingest(inbox, chain, durable, recall, trusted);
        let maintenance = common.maintenance(forgotten);
        let RunOptions { clock, grace, .. } = common.options;
        let (name, journal) = (common.pipeline, common.journal);
        Ok(Running {
            name,
            journal,
            clock,
            grace,
            health_board: common.health_board,
            stop: common.stop,
            polls,
            ingest,
            deliveries,
            lives,
            maintenance,
        })
    }

    fn cursors(&self) -> Vec<Cursor> {
        let sinks = self.pipeline.sinks.iter().zip(&self.sinks);
        let with_cursor = sinks.filter(|(_, sink)| sink.delivery != Promise::Live);
        let cursor = |(decl, _): (&smiles_config::SinkDecl, _)| Cursor {
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
