//! A pipeline tried by hand: rows go in with their time, and what every stage made of them comes back.
//!
//! The transforms, their state and the journal (in memory) are those of a run; there is no schedule and there are no
//! sinks. A restart loses what a process would lose.

use std::sync::Arc;
use std::time::Duration;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use jiff::Timestamp;
use smiles_journal::{Entry, Journal, JournalError, OnFull, Options, RejectedRows, SqliteJournal};
use smiles_stage::{OpenContext, PassInfo, Source, SourcePasses, SourcePlan, StageError};
use tokio::sync::{Notify, broadcast};

use crate::call::stop::Stop;
use crate::ingest::chain::{Chain, ChainError};
use crate::lifecycle::options::{OpenError, RunOptions};
use crate::lifecycle::stages::{Common, open_transforms};
use crate::time::trust::clock_trust::ClockTrust;
use crate::time::trust::kept::Known;
use crate::wire::schema::RowStamp;
use crate::wire::wired::Wired;

/// Far more than anybody tries.
const MAX_BYTES: u64 = 1 << 30;

/// A pipeline whose transforms are open.
pub struct TestPipeline {
    pipeline: String,
    sources: Vec<TestSource>,
    chain: Chain,
    journal: Arc<dyn Journal>,
}

struct TestSource {
    name: String,
    plan: Box<dyn SourcePlan>,
    context: OpenContext,
    stamp: RowStamp,
    /// Whether a pass was fed, and whether a complete one; `None`: not since the process began.
    passes: Option<bool>,
}

/// Rows as they left a stage.
#[derive(Clone, Debug)]
pub struct StageOutput {
    /// The source or transform.
    pub stage: String,
    /// The rows.
    pub rows: RecordBatch,
}

/// Why rows did not get through.
#[derive(Debug, thiserror::Error)]
pub enum TestPipelineError {
    /// A stage did not take them.
    #[error("`{stage}` failed")]
    Stage {
        /// Its name.
        stage: String,
        /// Why.
        source: StageError,
    },
    /// The journal did not take them.
    #[error("the journal failed")]
    Journal(#[from] JournalError),
}

impl Wired {
    /// The columns that a source itself emits, without those the runtime puts in front.
    pub fn source_columns(&self, source: usize) -> Option<SchemaRef> {
        self.sources.get(source).map(|plan| plan.output())
    }

    /// Opens the transforms and a journal in memory.
    ///
    /// # Errors
    /// A transform cannot be opened.
    pub async fn test_pipeline(self, options: RunOptions) -> Result<TestPipeline, OpenError> {
        let health_board = self.health_board(&options);
        let settled = self.settle(&[]);
        let Self { pipeline, sources, transforms, input, .. } = self;
        let name = pipeline.name.clone();
        let opened = in_memory(&name, options.clock.now()).await;
        let journal = opened.map_err(|source| OpenError::Journal { pipeline: name.clone(), source })?;
        let clock_trust = Arc::new(ClockTrust::new(None, Known::default(), options.clock.monotonic()));
        let common = Common {
            pipeline: name.clone(),
            options,
            journal: Arc::clone(&journal),
            health_board,
            stop: Stop::new(),
            journal_has_room: Arc::new(Notify::new()),
            again: Arc::new(Notify::new()),
            live: broadcast::Sender::new(1),
            clock_trust,
        };
        let mut chain = open_transforms(&common, &pipeline, transforms, &settled, Vec::new(), None);
        chain.answered_nothing();
        let tried = |(decl, plan): (&smiles_config::SourceDecl, Box<dyn SourcePlan>)| {
            let name = decl.stage.name.clone();
            let stamp = RowStamp::new(&input, plan.output(), &name);
            let context = OpenContext { every: decl.every, ..common.context(&name) };
            TestSource { name, plan, context, stamp, passes: None }
        };
        let sources = pipeline.sources.iter().zip(sources).map(tried).collect();
        Ok(TestPipeline { pipeline: name, sources, chain, journal })
    }
}

impl TestPipeline {
    /// The source itself (counted from 0, in the order of the file), for a pass over a device.
    ///
    /// # Errors
    /// It cannot be opened.
    pub async fn open(&self, source: usize) -> Result<Box<dyn Source>, StageError> {
        let source = self.sources.get(source).ok_or_else(|| StageError::halt("there is no such source"))?;
        source.plan.open(source.context.clone()).await
    }

    /// The rows of one pass that began at this time and reached every record or not, through every transform and into
    /// the journal; what left the source and each transform, in order.
    ///
    /// # Errors
    /// A stage or the journal does not take them; then nothing has changed.
    pub async fn feed(
        &mut self,
        source: usize,
        rows: &RecordBatch,
        began: Timestamp,
        complete: bool,
    ) -> Result<Vec<StageOutput>, TestPipelineError> {
        let (left, records) = self.apply(source, rows, began, complete)?;
        let (state, rejected) = (self.chain.staged(), self.chain.rejected());
        if records.num_rows() > 0 || !state.is_empty() || !rejected.is_empty() {
            let aside = RejectedRows { rejected, returned: Vec::new() };
            let appended = self.journal.append(Entry { records, state, complete, aside, now: began }).await;
            if let Err(error) = appended {
                self.chain.discard();
                return Err(error.into());
            }
        }
        self.chain.keep();
        Ok(left)
    }

    /// The same, but the process dies before the journal has the rows, and starts again.
    ///
    /// # Errors
    /// As [`TestPipeline::feed`].
    pub async fn crash(
        &mut self,
        source: usize,
        rows: &RecordBatch,
        began: Timestamp,
        complete: bool,
    ) -> Result<(), TestPipelineError> {
        self.apply(source, rows, began, complete)?;
        self.restart().await
    }

    /// Everything in memory is lost; the transforms begin with what the journal kept.
    ///
    /// # Errors
    /// The journal cannot be read.
    pub async fn restart(&mut self) -> Result<(), TestPipelineError> {
        self.sources.iter_mut().for_each(|source| source.passes = None);
        self.chain.restart(self.journal.load_state().await?);
        Ok(())
    }

    /// As if nothing had ever been fed: no state, an empty journal.
    ///
    /// # Errors
    /// There is no journal to be had.
    pub async fn begin_again(&mut self, now: Timestamp) -> Result<(), TestPipelineError> {
        self.journal = in_memory(&self.pipeline, now).await?;
        self.restart().await
    }

    fn apply(
        &mut self,
        source: usize,
        rows: &RecordBatch,
        began: Timestamp,
        complete: bool,
    ) -> Result<(Vec<StageOutput>, RecordBatch), TestPipelineError> {
        let pass = self.pass(source, began, complete);
        let Some(TestSource { name, stamp, .. }) = self.sources.get(source) else {
            let source = StageError::halt("there is no such source");
            return Err(TestPipelineError::Stage { stage: String::new(), source });
        };
        let failed = |source| TestPipelineError::Stage { stage: name.clone(), source };
        let stamped = stamp.apply(rows, began).map_err(failed)?;
        let mut left = vec![StageOutput { stage: name.clone(), rows: stamped.clone() }];
        let watched = self.chain.apply_watched(stamped, &pass, &mut |stage, rows| {
            left.push(StageOutput { stage: stage.to_owned(), rows: rows.clone() });
        });
        let failed =
            |ChainError { transform, error }| TestPipelineError::Stage { stage: transform, source: error };
        Ok((left, watched.map_err(failed)?))
    }

    /// A source that is never fed cannot be reached.
    fn pass(&mut self, source: usize, began: Timestamp, complete: bool) -> PassInfo {
        let fed = self.sources.get_mut(source).map(|tried| {
            tried.passes = Some(tried.passes.unwrap_or(false) | complete);
            tried.name.clone()
        });
        let sources = self.sources.iter().map(|tried| SourcePasses {
            name: tried.name.clone(),
            reachable: tried.passes.is_some(),
            complete: tried.passes.unwrap_or(false),
        });
        let sources = sources.collect();
        PassInfo { sources, ..PassInfo::new(&fed.unwrap_or_default(), began, complete) }
    }
}

async fn in_memory(pipeline: &str, now: Timestamp) -> Result<Arc<dyn Journal>, JournalError> {
    let options = Options {
        path: None,
        pipeline: pipeline.to_owned(),
        max_size: MAX_BYTES,
        retain: Duration::ZERO,
        on_full: OnFull::Block,
    };
    Ok(Arc::new(SqliteJournal::open(options, now).await?))
}
