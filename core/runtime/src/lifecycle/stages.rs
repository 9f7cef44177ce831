//! Each stage of a pipeline opened and made the task it will be.

use std::sync::Arc;
use std::time::Duration;

use arrow_schema::SchemaRef;
use smiles_config::Pipeline;
use smiles_journal::{Journal, StateChange};
use smiles_stage::{
    Batch, Clock, Delivery as Promise, Offer, OpenContext, RunId, Sink, Source, SourcePlan, StageError, Store,
};
use tokio::sync::{Notify, broadcast, mpsc, watch};

use crate::call::guard::guarded_now;
use crate::call::retry::Backoff;
use crate::call::stop::Stop;
use crate::deliver::delivery::{DeliveryState, DeliveryTask};
use crate::deliver::late_store::LateStore;
use crate::deliver::live;
use crate::deliver::live::Live;
use crate::ingest::chain::{Chain, Link};
use crate::ingest::poll::{Durable, Poll, PolledRows};
use crate::ingest::schedule::Schedule;
use crate::ingest::staged_state::StagedState;
use crate::ingest::stored::StoreQuestions;
use crate::ingest::task::IngestTask;
use crate::lifecycle::maintenance::Maintenance;
use crate::lifecycle::options::RunOptions;
use crate::observe::health_board::HealthBoard;
use crate::observe::rejection_log::RejectionLog;
use crate::observe::source_report::SourceReport;
use crate::time::system::ClockWatch;
use crate::time::trust::clock_trust::ClockTrust;
use crate::time::trust::kept::Trusted;
use crate::time::trust::trusted_clock::TrustedClock;
use crate::wire::identity::settle::StateMatches;
use crate::wire::schema::RowStamp;
use crate::wire::wired::{SinkNode, TransformNode};

/// What all stages of the pipeline are opened with.
pub(crate) struct Common {
    pub(crate) pipeline: String,
    pub(crate) options: RunOptions,
    pub(crate) journal: Arc<dyn Journal>,
    pub(crate) health_board: Arc<HealthBoard>,
    pub(crate) stop: Stop,
    pub(crate) journal_has_room: Arc<Notify>,
    /// Rung when dead letters were handed back to transforms.
    pub(crate) again: Arc<Notify>,
    pub(crate) live: broadcast::Sender<Batch>,
    pub(crate) clock_trust: Arc<ClockTrust>,
}

impl Common {
    pub(crate) fn context(&self, stage: &str) -> OpenContext {
        self.options.context(&self.pipeline, stage, &self.health_board)
    }

    /// What a sink is opened with: its clock is the best that is known.
    pub(crate) fn sink_context(&self, stage: &str) -> OpenContext {
        OpenContext { clock: self.judged(), ..self.context(stage) }
    }

    fn not_open(&self, stage: &str, error: &StageError) {
        let (pipeline, error) = (self.pipeline.as_str(), error.chain());
        tracing::error!(
            pipeline,
            stage,
            error,
            "cannot open the stage; it is tried again, and all else goes on"
        );
    }

    fn judged(&self) -> Arc<dyn Clock> {
        Arc::new(TrustedClock {
            clock: Arc::clone(&self.options.clock),
            clock_trust: Arc::clone(&self.clock_trust),
        })
    }

    fn backoff(&self, stage: &str) -> Backoff {
        Backoff::new((self.journal.run(), stage))
    }

    pub(crate) fn ingest(
        &self,
        inbox: mpsc::Receiver<PolledRows>,
        chain: Chain,
        durable: Vec<watch::Sender<Durable>>,
        recall: Option<StoreQuestions>,
        trusted: Trusted,
    ) -> IngestTask {
        IngestTask {
            pipeline: self.pipeline.clone(),
            inbox,
            chain,
            recall,
            journal: Arc::clone(&self.journal),
            run: self.journal.run(),
            clock: Arc::clone(&self.options.clock),
            clock_watch: ClockWatch::new(self.options.clock.as_ref()),
            clock_trust: Arc::clone(&self.clock_trust),
            trusted,
            doubting: false,
            ordered: Vec::new(),
            complete: vec![false; durable.len()],
            durable,
            live: self.live.clone(),
            health_board: Arc::clone(&self.health_board),
            append_seconds: self.options.meters.append_seconds(&self.pipeline),
            journal_has_room: Arc::clone(&self.journal_has_room),
            again: Arc::clone(&self.again),
            backoff: self.backoff("journal"),
            dropping: false,
        }
    }

    pub(crate) fn maintenance(&self, forgotten: Vec<mpsc::Sender<Vec<RunId>>>) -> Maintenance {
        Maintenance {
            pipeline: self.pipeline.clone(),
            journal: Arc::clone(&self.journal),
            clock: Arc::clone(&self.options.clock),
            clock_trust: Arc::clone(&self.clock_trust),
            health_board: Arc::clone(&self.health_board),
            again: Arc::clone(&self.again),
            forgotten,
        }
    }
}

pub(crate) fn open_transforms(
    common: &Common,
    pipeline: &Pipeline,
    wired: Vec<TransformNode>,
    settled: &StateMatches,
    state: Vec<StateChange>,
    store: Option<&Offer>,
) -> Chain {
    let open = |(place, (decl, wired)): (usize, (&smiles_config::TransformDecl, TransformNode))| {
        let (upstream, handle) = (settled.handles[..place].to_vec(), settled.handles[place].clone());
        let name = decl.stage.name.clone();
        let TransformNode { transform: wired, input } = wired;
        let context = OpenContext { upstream, ..common.context(&name) };
        let transform = guarded_now(|| wired.open(context.clone()));
        // It is tried again with the first batch, and told what is wrong then.
        let transform = transform.inspect_err(|failure| common.not_open(&name, &failure.error)).ok();
        let meters = common.options.meters.transform(&common.pipeline, &name);
        let memory = StagedState::default();
        let asks = store.map_or_else(Vec::new, |store| wired.asks(store));
        let (known, rejected, rejection_log) = (None, Vec::new(), RejectionLog::default());
        Link {
            name,
            handle,
            wired,
            input,
            context,
            transform,
            memory,
            asks,
            known,
            meters,
            rejected,
            rejection_log,
        }
    };
    let transforms = pipeline.transforms.iter().zip(wired);
    let links = transforms.enumerate().map(open).collect();
    Chain::new(links, settled.index(), state, Arc::clone(&common.options.clock))
}

/// A source, and what it is if it was opened before.
type PlannedSource = (Box<dyn SourcePlan>, Option<Box<dyn Source>>);

/// The sources' tasks, what they send, and how they learn what is durable.
type Sources = (Vec<Poll>, mpsc::Receiver<PolledRows>, Vec<watch::Sender<Durable>>);

pub(crate) fn source_tasks(
    common: &Common,
    pipeline: &Pipeline,
    plans: Vec<PlannedSource>,
    input: &SchemaRef,
) -> Sources {
    // One slot each: a source polls on while its last pass becomes durable, and waits behind a full journal.
    let (inbox_in, inbox) = mpsc::channel::<PolledRows>(plans.len().max(1));
    let (mut polls, mut durable) = (Vec::new(), Vec::new());
    for (index, (decl, (plan, source))) in pipeline.sources.iter().zip(plans).enumerate() {
        let name = decl.stage.name.as_str();
        let context = OpenContext { every: decl.every, ..common.context(name) };
        let (durable_in, durable_out) = watch::channel(Durable::default());
        durable.push(durable_in);
        let meters = common.options.meters.source(&common.pipeline, name);
        let address = plan.address();
        polls.push(Poll {
            index,
            stamp: RowStamp::new(input, plan.output(), name),
            plan,
            context,
            source,
            schedule: decl.every.map(|every| Schedule::new(every, decl.stretch_after)),
            clock: Arc::clone(&common.options.clock),
            clock_trust: Arc::clone(&common.clock_trust),
            journal: inbox_in.clone(),
            durable: durable_out,
            stop: common.stop.clone(),
            report: SourceReport::new(index, &common.pipeline, name, address, &common.health_board, meters),
            backoff: common.backoff(name),
            once: false,
            sent: 0,
            committed: 0,
            not_before: Duration::ZERO,
        });
    }
    (polls, inbox, durable)
}

/// What each sink offers others, once it is open.
pub(crate) type Stores<'a> = &'a [Option<Arc<LateStore>>];

/// The sinks' tasks, and how they learn of forgotten runs.
type Sinks = (Vec<DeliveryTask>, Vec<Live>, Vec<mpsc::Sender<Vec<RunId>>>);

/// `opened`: those that were opened before. The others are opened by their tasks: one that cannot be, or takes its time,
/// is nobody else's trouble.
pub(crate) fn sink_tasks(
    common: &Common,
    pipeline: &Pipeline,
    wired: Vec<SinkNode>,
    (stores, opened): (Stores<'_>, Vec<Option<Box<dyn Sink>>>),
) -> Sinks {
    let (mut deliveries, mut lives, mut forgotten) = (Vec::new(), Vec::new(), Vec::new());
    let declared = pipeline.sinks.iter().zip(wired).zip(opened).enumerate();
    for (index, ((decl, SinkNode { sink: wired, delivery, store }), sink)) in declared {
        let name = decl.stage.name.clone();
        let store = store_of(stores, store);
        let context = common.sink_context(&name);
        let (pipeline, journal) = (common.pipeline.clone(), Arc::clone(&common.journal));
        let (stop, health_board) = (common.stop.clone(), Arc::clone(&common.health_board));
        let meters = common.options.meters.sink(&common.pipeline, &name);
        if delivery == Promise::Live {
            let accepted = common.live.subscribe();
            lives.push(Live {
                index,
                pipeline,
                name,
                wired: Arc::from(wired),
                context,
                store,
                sink,
                journal,
                accepted,
                stop,
                health_board,
                meters,
                memory: live::LiveState::default(),
            });
            continue;
        }
        let (tell, told) = mpsc::channel(4);
        forgotten.push(tell);
        deliveries.push(DeliveryTask {
            index,
            pipeline,
            backoff: common.backoff(&name),
            name,
            max_rows: decl.max_rows.max(1),
            wired: Arc::from(wired),
            context,
            store,
            offered: stores.get(index).cloned().flatten(),
            sink,
            journal,
            clock: Arc::clone(&common.options.clock),
            stop,
            health_board,
            meters,
            journal_has_room: Arc::clone(&common.journal_has_room),
            forgotten: told,
            memory: DeliveryState::default(),
        });
    }
    (deliveries, lives, forgotten)
}

/// The store of the sink at this place.
pub(crate) fn store_of(stores: Stores<'_>, sink: Option<usize>) -> Option<Arc<dyn Store>> {
    let late = stores.get(sink?)?.clone()?;
    Some(late)
}
