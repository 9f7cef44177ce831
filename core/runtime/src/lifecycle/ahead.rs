//! Stages opened before their pipeline takes the place of one that runs: what cannot be opened then leaves the other
//! running.

use smiles_config::{Pipeline, StageDecl};
use smiles_stage::{OpenContext, Sink, Source, StageError};

use crate::call::guard::{Failure, guarded, guarded_now};
use crate::deliver::late_store::opened;
use crate::lifecycle::options::OpenError;
use crate::lifecycle::stages::{Common, Stores, store_of};
use crate::wire::graph::Role;
use crate::wire::wired::Wired;

/// What a running pipeline consists of: a stage that stays as it is keeps what it has until the other takes over.
#[derive(Clone, Default)]
pub struct RunningStages(Vec<(Role, StageDecl)>);

impl RunningStages {
    pub(crate) fn of(pipeline: &Pipeline) -> Self {
        let sources = pipeline.sources.iter().map(|decl| (Role::Source, decl.stage.clone()));
        let transforms = pipeline.transforms.iter().map(|decl| (Role::Transform, decl.stage.clone()));
        let sinks = pipeline.sinks.iter().map(|decl| (Role::Sink, decl.stage.clone()));
        Self(sources.chain(transforms).chain(sinks).collect())
    }

    fn has(&self, role: Role, stage: &StageDecl) -> bool {
        let alike = |(of, it): &(Role, StageDecl)| {
            *of == role
                && (&it.name, &it.type_name, &it.options) == (&stage.name, &stage.type_name, &stage.options)
        };
        self.0.iter().any(alike)
    }
}

/// By place in the file; `None`: it is opened by its task.
pub(crate) struct Ahead {
    pub(crate) sources: Vec<Option<Box<dyn Source>>>,
    pub(crate) sinks: Vec<Option<Box<dyn Sink>>>,
}

impl Ahead {
    /// Nothing is opened yet.
    pub(crate) fn nothing(wired: &Wired) -> Self {
        let sources = wired.sources.iter().map(|_| None).collect();
        Self { sources, sinks: wired.sinks.iter().map(|_| None).collect() }
    }

    /// Opens what the running pipeline does not have as it is, and every live sink: those share what they listen on, so that
    /// nobody is turned away meanwhile.
    pub(crate) async fn open(
        wired: &Wired,
        common: &Common,
        stores: Stores<'_>,
        running: &RunningStages,
    ) -> Result<Self, OpenError> {
        let mut ahead = Self::nothing(wired);
        let pipeline = &wired.pipeline;
        for (place, (decl, plan)) in pipeline.sources.iter().zip(&wired.sources).enumerate() {
            if !running.has(Role::Source, &decl.stage) {
                let context = OpenContext { every: decl.every, ..common.context(&decl.stage.name) };
                let open = guarded(plan.open(context)).await;
                ahead.sources[place] = Some(open.map_err(|failure| cannot(&decl.stage, failure))?);
            }
        }
        for (decl, node) in pipeline.transforms.iter().zip(&wired.transforms) {
            if !running.has(Role::Transform, &decl.stage) {
                // Its state comes with the journal: this one is only to see whether it can be opened.
                let open = guarded_now(|| node.transform.open(common.context(&decl.stage.name)));
                open.map_err(|failure| cannot(&decl.stage, failure))?;
            }
        }
        for (place, (decl, node)) in pipeline.sinks.iter().zip(&wired.sinks).enumerate() {
            let is_live = node.delivery == smiles_stage::Delivery::Live;
            if is_live || !running.has(Role::Sink, &decl.stage) {
                let store = store_of(stores, node.store);
                let open = guarded(node.sink.open(common.sink_context(&decl.stage.name), store)).await;
                let open = open.map_err(|failure| cannot(&decl.stage, failure))?;
                ahead.sinks[place] = Some(opened(open, stores[place].as_ref()));
            }
        }
        Ok(ahead)
    }
}

fn cannot(stage: &StageDecl, failure: Failure) -> OpenError {
    let source: StageError = failure.error;
    OpenError::Stage { stage: stage.name.clone(), source }
}
