//! The sinks of a pipeline: planned, then wired, stores before their readers.

use std::mem::replace;
use std::sync::Arc;

use arrow_schema::SchemaRef;
use smiles_config::{Pipeline, StageDecl};
use smiles_stage::{Delivery, Files, Offer, Path, Problem, Registry, SinkPlan, WiredSink, did_you_mean};

use crate::wire::complaints::{Complaints, unknown};
use crate::wire::wired::{SinkNode, context};

/// The option by which a sink names the store it reads.
const STORE_OPTION: &str = "store";

/// A sink on its way.
pub(crate) struct Slot {
    pub(crate) delivery: Delivery,
    /// The sink whose store it reads.
    pub(crate) store: Option<usize>,
    pub(crate) step: Step,
}

/// How far it has come.
pub(crate) enum Step {
    Waiting(Box<dyn SinkPlan>),
    Wired(Box<dyn WiredSink>),
    Failed,
}

pub(crate) fn plan_sinks(
    pipeline: &Pipeline,
    registry: &Registry,
    files: &Arc<dyn Files>,
    complaints: &mut Complaints<'_>,
) -> Vec<Option<Box<dyn SinkPlan>>> {
    let stages = pipeline.sinks.iter().map(|decl| &decl.stage);
    let plan = |stage: &StageDecl| {
        let factory = registry.find_sink(&stage.type_name);
        let known = registry.all_sinks().map(|factory| factory.name());
        let factory = factory.ok_or_else(|| unknown(stage, known));
        let planned = factory.and_then(|factory| factory.plan(&stage.options, context(stage, files)));
        let plan = complaints.take(stage, planned)?;
        if plan.delivery() == Delivery::AtLeastOnce {
            let text =
                format!("`{}` keeps no watermark: after a crash some rows may arrive twice", stage.name);
            complaints.warn(stage, Problem::warning(Path::root(), text));
        }
        Some(plan)
    };
    stages.map(plan).collect()
}

/// Stores before their readers, so that a reader is checked against what the store offers.
pub(crate) fn wire_sinks(
    pipeline: &Pipeline,
    plans: Vec<Option<Box<dyn SinkPlan>>>,
    schema: &SchemaRef,
    complaints: &mut Complaints<'_>,
) -> Option<Vec<Slot>> {
    let mut slots = Vec::new();
    for (index, plan) in plans.into_iter().enumerate() {
        let plan = plan?;
        let (stage, delivery) = (&pipeline.sinks[index].stage, plan.delivery());
        let (mut store, mut sound) = (None, true);
        match find_store(index, pipeline, plan.as_ref()) {
            Ok(Named::Nothing) => {}
            Ok(Named::Sink(found)) => store = Some(found),
            Ok(Named::Disabled(problem)) => complaints.warn(stage, problem),
            Err(problem) => {
                complaints.fail(stage, problem);
                sound = false;
            }
        }
        let step = if sound { Step::Waiting(plan) } else { Step::Failed };
        slots.push(Slot { delivery, store, step });
    }
    while let Some(index) = ready(&slots) {
        slots[index].step = wire_one(index, pipeline, &mut slots, schema, complaints);
    }
    for (decl, slot) in pipeline.sinks.iter().zip(&slots).filter(|(_, slot)| slot.waits()) {
        let other = slot.store.map_or("", |store| &pipeline.sinks[store].stage.name);
        let text = format!("`{}` and `{other}` read each other's store", decl.stage.name);
        complaints.fail(&decl.stage, Problem::error(Path::root().key(STORE_OPTION), text));
    }
    Some(slots)
}

impl Slot {
    fn waits(&self) -> bool {
        matches!(self.step, Step::Waiting(_))
    }

    /// The sink in its place, if it was wired.
    pub(crate) fn node(self) -> Option<SinkNode> {
        let Self { delivery, store, step } = self;
        match step {
            Step::Wired(sink) => Some(SinkNode { sink, delivery, store }),
            Step::Waiting(_) | Step::Failed => None,
        }
    }

    /// What it offers, if it was wired and is a store.
    pub(crate) fn offer(&self) -> Option<Offer> {
        match &self.step {
            Step::Wired(sink) => sink.offer(),
            Step::Waiting(_) | Step::Failed => None,
        }
    }
}

/// A sink not looked at yet whose store, if it reads one, has been.
fn ready(slots: &[Slot]) -> Option<usize> {
    let is_ready = |slot: &Slot| slot.waits() && slot.store.is_none_or(|store| !slots[store].waits());
    slots.iter().position(is_ready)
}

fn wire_one(
    index: usize,
    pipeline: &Pipeline,
    slots: &mut [Slot],
    schema: &SchemaRef,
    complaints: &mut Complaints<'_>,
) -> Step {
    let stage = &pipeline.sinks[index].stage;
    let Step::Waiting(plan) = replace(&mut slots[index].step, Step::Failed) else { return Step::Failed };
    let offer = match slots[index].store {
        // What its store lacks is said already; its own complaints would only echo that.
        Some(store) if !matches!(slots[store].step, Step::Wired(_)) => return Step::Failed,
        Some(store) => match slots[store].offer() {
            Some(offer) => Some(offer),
            None => {
                complaints.fail(stage, no_store(&pipeline.sinks[store].stage));
                return Step::Failed;
            }
        },
        None => None,
    };
    complaints.take(stage, plan.wire(schema, offer.as_ref())).map_or(Step::Failed, Step::Wired)
}

fn no_store(stage: &StageDecl) -> Problem {
    let text = format!("`{}` (type `{}`) cannot be read from: it is no store", stage.name, stage.type_name);
    Problem::error(Path::root().key(STORE_OPTION), text)
}

/// What a sink names as its store.
enum Named {
    Nothing,
    Sink(usize),
    /// Known and switched off: no mistake, but worth a warning.
    Disabled(Problem),
}

fn find_store(index: usize, pipeline: &Pipeline, plan: &dyn SinkPlan) -> Result<Named, Problem> {
    let Some(wanted) = plan.reads() else { return Ok(Named::Nothing) };
    let (at, declared) = (Path::root().key(STORE_OPTION), &pipeline.sinks);
    match declared.iter().position(|decl| decl.stage.name == wanted) {
        Some(found) if found == index => {
            Err(Problem::error(at, format!("`{wanted}` cannot read its own store")))
        }
        Some(found) => Ok(Named::Sink(found)),
        None if pipeline.disabled_sinks.iter().any(|name| name == wanted) => {
            let text = format!("the store `{wanted}` is disabled: there is nothing to read");
            Ok(Named::Disabled(Problem::warning(at, text)))
        }
        None => {
            let others = declared.iter().enumerate().filter(|(other, _)| *other != index);
            let help = did_you_mean(wanted, others.map(|(_, decl)| decl.stage.name.as_str()));
            Err(Problem { help, ..Problem::error(at, format!("there is no sink named `{wanted}`")) })
        }
    }
}
