//! From a wired pipeline to an open one: journal, state, sinks (stores first), sources.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use smiles_config::StartFrom;
use smiles_journal::{Cursor, Journal, JournalError, Options, SqliteJournal};
use smiles_stage::{Clock, Delivery as Promise, HealthView, OpenContext, OpenSink, StageError, Store};
use tokio::sync::{Notify, broadcast, mpsc, watch};

use crate::Meters;
use crate::board::{Board, starting, unheard};
use crate::chain::{Chain, Link, Memory as TransformMemory};
use crate::clock::ClockWatch;
use crate::delivery::{Delivery, Memory};
use crate::keeper::Keeper;
use crate::live::{BEHIND_MAX, Live};
use crate::poll::{Durable, Heard, Poll};
use crate::pump::Pump;
use crate::retry::Backoff;
use crate::running::Running;
use crate::schedule::Schedule;
use crate::schema::Stamp;
use crate::source_report::SourceReport;
use crate::stop::Stop;
use crate::wire::{Wired, WiredSink, WiredTransform};

/// How a pipeline is opened and run.
#[derive(Clone)]
pub struct RunOptions {
    /// Where the journal and the stages' own files are.
    pub data_dir: PathBuf,
    /// The one clock.
    pub clock: Arc<dyn Clock>,
    /// The runtime's series, and where stages register theirs.
    pub meters: Meters,
    /// How long the read in flight may take when the end is asked for; everything ends a quarter of it later.
    pub grace: Duration,
}

/// Why a pipeline does not start.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The folder for the journal cannot be made.
    #[error("cannot make the folder {path}")]
    Folder {
        /// DATA_DIR.
        path: PathBuf,
        /// What the file system said.
        source: std::io::Error,
    },
    /// The journal cannot be opened.
    #[error("cannot open the journal of pipeline `{pipeline}`")]
    Journal {
        /// The pipeline.
        pipeline: String,
        /// Why.
        source: JournalError,
    },
    /// A stage cannot be opened.
    #[error("cannot open `{stage}`")]
    Stage {
        /// Its name in the file.
        stage: String,
        /// Why.
        source: StageError,
    },
}

/// What all stages of the pipeline are opened with.
struct Common {
    pipeline: String,
    options: RunOptions,
    journal: Arc<dyn Journal>,
    board: Arc<Board>,
    stop: Stop,
    room: Arc<Notify>,
    live: broadcast::Sender<smiles_stage::Batch>,
}

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
        let state = journal.load_state().await.map_err(failed)?;
        let board = self.board(&options);
        let status = journal.status().await.map_err(failed)?;
        tell(&self.pipeline.name, &status);
        board.publish(status);
        options.meters.show(&board);
        let common = Common {
            pipeline: self.pipeline.name.clone(),
            options,
            journal: Arc::clone(journal),
            board,
            stop: Stop::new(),
            room: Arc::new(Notify::new()),
            live: broadcast::Sender::new(BEHIND_MAX),
        };
        let Self { pipeline, sources, transforms, sinks, input, .. } = self;
        let chain = open_transforms(&common, &pipeline, transforms, state)?;
        let (deliveries, lives, forgotten) = open_sinks(&common, &pipeline, sinks).await?;
        let (inbox_in, inbox) = mpsc::channel::<Heard>(sources.len().max(1));
        let (mut polls, mut durable) = (Vec::new(), Vec::new());
        for (index, (decl, plan)) in pipeline.sources.iter().zip(sources).enumerate() {
            let name = decl.stage.name.as_str();
            let stamp = Stamp::new(&input, plan.output(), name);
            let context = OpenContext { every: decl.every, ..common.context(name) };
            let opened = plan.open(context.clone()).await;
            let source = opened.map_err(|source| OpenError::Stage { stage: name.to_owned(), source })?;
            let (durable_in, durable_out) = watch::channel(Durable::default());
            durable.push(durable_in);
            let meters = common.options.meters.source(&common.pipeline, name);
            let address = plan.address();
            let report = SourceReport::new(index, &common.pipeline, name, address, &common.board, meters);
            polls.push(Poll {
                index,
                plan,
                context,
                source: Some(source),
                stamp,
                schedule: decl.every.map(|every| Schedule::new(every, decl.stretch_after)),
                clock: Arc::clone(&common.options.clock),
                journal: inbox_in.clone(),
                durable: durable_out,
                stop: common.stop.clone(),
                report,
                backoff: common.backoff(name),
                sent: 0,
                committed: 0,
                not_before: Duration::ZERO,
            });
        }
        let pump = Pump {
            pipeline: common.pipeline.clone(),
            inbox,
            chain,
            journal: Arc::clone(journal),
            clock: Arc::clone(&common.options.clock),
            clock_watch: ClockWatch::new(common.options.clock.as_ref()),
            durable,
            live: common.live.clone(),
            board: Arc::clone(&common.board),
            append_seconds: common.options.meters.append_seconds(&common.pipeline),
            room: Arc::clone(&common.room),
            backoff: common.backoff("journal"),
            dropping: false,
        };
        let keeper = Keeper {
            pipeline: common.pipeline.clone(),
            journal: Arc::clone(journal),
            clock: Arc::clone(&common.options.clock),
            board: Arc::clone(&common.board),
            forgotten,
        };
        let RunOptions { clock, grace, .. } = common.options;
        let (name, journal) = (common.pipeline, common.journal);
        Ok(Running {
            name,
            journal,
            clock,
            grace,
            board: common.board,
            stop: common.stop,
            polls,
            pump,
            deliveries,
            lives,
            keeper,
        })
    }

    fn cursors(&self) -> Vec<Cursor> {
        let sinks = self.pipeline.sinks.iter().zip(&self.sinks);
        let with_cursor = sinks.filter(|(_, sink)| sink.plan.delivery() != Promise::Live);
        let cursor = |(decl, _): (&smiles_config::SinkDecl, _)| Cursor {
            sink: decl.stage.name.clone(),
            from: match decl.from {
                StartFrom::Now => smiles_journal::From::Now,
                StartFrom::Oldest => smiles_journal::From::Oldest,
            },
        };
        with_cursor.map(cursor).collect()
    }

    pub(crate) fn board(&self, options: &RunOptions) -> Arc<Board> {
        let sources = self.pipeline.sources.iter().zip(&self.sources);
        let sources = sources.map(|(decl, plan)| unheard(&decl.stage.name, plan.address(), decl.every));
        let sinks = self.pipeline.sinks.iter().map(|decl| starting(&decl.stage.name, &decl.stage.type_name));
        let max_size = self.pipeline.journal.max_size;
        Board::new(&self.pipeline.name, max_size, &options.clock, sources.collect(), sinks.collect())
    }
}

impl Common {
    fn context(&self, stage: &str) -> OpenContext {
        let health: Arc<dyn HealthView> = Arc::<Board>::clone(&self.board);
        OpenContext {
            pipeline: self.pipeline.clone(),
            stage: stage.to_owned(),
            data_dir: Path::to_owned(&self.options.data_dir),
            clock: Arc::clone(&self.options.clock),
            meters: self.options.meters.registry().clone(),
            health,
            every: None,
        }
    }

    fn backoff(&self, stage: &str) -> Backoff {
        Backoff::new((self.journal.run(), stage))
    }
}

/// What the operator should know of the journal as it was found.
fn tell(pipeline: &str, status: &smiles_journal::Status) {
    for repair in &status.repairs {
        tracing::warn!(pipeline, repair, "the journal was repaired");
    }
    for books in status.books.iter().filter(|books| !books.in_use) {
        let (sink, waiting) = (books.sink.as_str(), books.waiting);
        tracing::info!(
            pipeline,
            sink,
            waiting,
            "the file names no such sink; its place is kept and holds up nothing"
        );
    }
}

fn open_transforms(
    common: &Common,
    pipeline: &smiles_config::Pipeline,
    wired: Vec<WiredTransform>,
    state: Vec<smiles_journal::StateChange>,
) -> Result<Chain, OpenError> {
    let open = |(decl, wired): (&smiles_config::TransformDecl, WiredTransform)| {
        let name = decl.stage.name.clone();
        let WiredTransform { plan, input, .. } = wired;
        let context = common.context(&name);
        let transform = plan.open(&input, context.clone());
        let transform = transform.map_err(|source| OpenError::Stage { stage: name.clone(), source })?;
        let meters = common.options.meters.transform(&common.pipeline, &name);
        let (transform, memory) = (Some(transform), TransformMemory::default());
        Ok(Link { name, plan, input, context, transform, memory, meters })
    };
    let links = pipeline.transforms.iter().zip(wired).map(open).collect::<Result<_, _>>()?;
    Ok(Chain::new(links, state, Arc::clone(&common.options.clock)))
}

type Sinks = (Vec<Delivery>, Vec<Live>, Vec<mpsc::Sender<Vec<smiles_stage::RunId>>>);

/// Stores before their readers; wiring has seen to it that there is such an order.
async fn open_sinks(
    common: &Common,
    pipeline: &smiles_config::Pipeline,
    wired: Vec<WiredSink>,
) -> Result<Sinks, OpenError> {
    let mut stores: Vec<Option<Option<Arc<dyn Store>>>> = vec![None; wired.len()];
    let mut waiting: Vec<(usize, WiredSink)> = wired.into_iter().enumerate().collect();
    let (mut deliveries, mut lives, mut forgotten) = (Vec::new(), Vec::new(), Vec::new());
    while let Some(next) =
        waiting.iter().position(|(_, sink)| sink.store.is_none_or(|store| stores[store].is_some()))
    {
        let (index, WiredSink { plan, store }) = waiting.remove(next);
        let decl = &pipeline.sinks[index];
        let name = decl.stage.name.clone();
        let store = store.and_then(|store| stores[store].clone().flatten());
        let context = common.context(&name);
        let opened = plan.open(context.clone(), store.clone()).await;
        let OpenSink { sink, store: offered } =
            opened.map_err(|source| OpenError::Stage { stage: name.clone(), source })?;
        stores[index] = Some(offered);
        let (pipeline, journal) = (common.pipeline.clone(), Arc::clone(&common.journal));
        let (stop, board) = (common.stop.clone(), Arc::clone(&common.board));
        let meters = common.options.meters.sink(&common.pipeline, &name);
        if plan.delivery() == Promise::Live {
            let accepted = common.live.subscribe();
            let (last, failing) = (None, false);
            lives.push(Live {
                index,
                pipeline,
                name,
                sink,
                journal,
                accepted,
                stop,
                board,
                meters,
                last,
                failing,
            });
            continue;
        }
        let (tell, told) = mpsc::channel(4);
        forgotten.push(tell);
        deliveries.push(Delivery {
            index,
            pipeline,
            backoff: common.backoff(&name),
            name,
            max_rows: decl.max_rows.max(1),
            plan: Arc::from(plan),
            context,
            store,
            sink: Some(sink),
            journal,
            clock: Arc::clone(&common.options.clock),
            stop,
            board,
            meters,
            room: Arc::clone(&common.room),
            forgotten: told,
            memory: Memory::default(),
        });
    }
    Ok((deliveries, lives, forgotten))
}
