//! Checks everything about a pipeline without effects: plans, then schemas and units along the graph.

use std::sync::Arc;

use arrow_schema::SchemaRef;
use smiles_config::{Diagnostics, NodeId, Pipeline, SinkDecl, SourceDecl, StageDecl};
use smiles_stage::{
    Cadence, Delivery, Files, Path, Problem, Problems, Registry, SinkPlan, SourcePlan, StoreSchema,
    TransformPlan, UnknownType, did_you_mean,
};

use crate::wire::identity::file::{disabled_subjects, identified};
use crate::wire::identity::kept::Record;
use crate::wire::schema::{differences, row_schema, wrong_stamps};
use crate::wire::unconverted::unconverted;
use crate::wire::wired::{Wired, WiredSink, WiredTransform, context};

/// The option by which a sink names the store it reads.
const STORE_OPTION: &str = "store";

/// Plans and checks everything. `None`: something is wrong, and `diagnostics` says all of it.
pub fn wire(
    pipeline: &Pipeline,
    registry: &Registry,
    files: &Arc<dyn Files>,
    diagnostics: &mut Diagnostics,
) -> Option<Wired> {
    let mut complaints = Complaints { diagnostics, failed: false };
    let sources = plan_sources(pipeline, registry, files, &mut complaints);
    let transforms = plan_transforms(pipeline, registry, files, &mut complaints);
    let sinks = plan_sinks(pipeline, registry, files, &mut complaints);
    let input = common_schema(&pipeline.sources, &sources, &mut complaints)?;
    let (transforms, schema) = pass_along(pipeline, transforms, &input, &mut complaints)?;
    one_memory_each(pipeline, &transforms, &mut complaints);
    let disabled = disabled_subjects(pipeline, registry, files, &transforms, &schema);
    let sinks = wire_sinks(pipeline, sinks, &schema, &mut complaints);
    for (decl, sink) in pipeline.sinks.iter().zip(sinks.iter().flatten()) {
        unconverted(decl, sink, &schema)
            .into_iter()
            .for_each(|problem| complaints.warn(&decl.stage, problem));
    }
    let failed = complaints.failed;
    let wired = Wired {
        pipeline: pipeline.clone(),
        sources: sources.into_iter().collect::<Option<_>>()?,
        transforms,
        disabled,
        sinks: sinks?,
        input,
        schema,
    };
    (!failed).then_some(wired)
}

struct Complaints<'a> {
    diagnostics: &'a mut Diagnostics,
    failed: bool,
}

impl Complaints<'_> {
    fn warn(&mut self, stage: &StageDecl, problem: Problem) {
        self.diagnostics.problem(stage.node, problem);
    }

    fn fail(&mut self, stage: &StageDecl, problem: Problem) {
        self.failed = true;
        self.diagnostics.problem(stage.node, problem);
    }

    /// The value, or `None` and all problems noted.
    fn take<T>(&mut self, stage: &StageDecl, result: Result<T, Problems>) -> Option<T> {
        result.map_err(|problems| problems.into_iter().for_each(|problem| self.fail(stage, problem))).ok()
    }
}

/// Two transforms about the same would share one memory; a name of its own tells one from the other.
fn one_memory_each(pipeline: &Pipeline, transforms: &[WiredTransform], complaints: &mut Complaints<'_>) {
    let mut seen: Vec<(Record, &str)> = Vec::new();
    for (decl, wired) in pipeline.transforms.iter().zip(transforms) {
        let stage = identified(decl, wired);
        let Some(subject) = &stage.subject else { continue };
        let record = Record::of(&stage, subject);
        if let Some((_, other)) = seen.iter().find(|(other, _)| other.is_same(&record)) {
            let text = format!("`{}` and `{other}` would share one memory: both are {record}", stage.called);
            let help = "take one out, or give it a `name:` of its own";
            complaints.fail(&decl.stage, Problem::error(Path::root(), text).help(help));
        }
        seen.push((record, &decl.stage.name));
    }
}

fn unknown(stage: &StageDecl, unknown: UnknownType) -> Problems {
    let problem = Problem::error(Path::root(), format!("there is no stage of type `{}`", stage.type_name));
    vec![Problem { help: unknown.help, ..problem }]
}

fn plan_sources(
    pipeline: &Pipeline,
    registry: &Registry,
    files: &Arc<dyn Files>,
    complaints: &mut Complaints<'_>,
) -> Vec<Option<Box<dyn SourcePlan>>> {
    if pipeline.sources.is_empty() {
        let problem = Problem::error(Path::root(), format!("pipeline `{}` has no source", pipeline.name));
        complaints.failed = true;
        complaints.diagnostics.problem(NodeId::NOWHERE, problem.help("declare one under `sources:`"));
    }
    let plan = |decl: &SourceDecl| {
        let stage = &decl.stage;
        let factory = registry.find_source(&stage.type_name).map_err(|error| unknown(stage, error));
        let planned = factory.and_then(|factory| factory.plan(&stage.options, context(stage, files)));
        let plan = complaints.take(stage, planned)?;
        if plan.cadence() == Cadence::Polled && decl.every.is_none() {
            let problem = format!("`{}` is polled once per `every:`, which is missing", stage.name);
            complaints
                .fail(stage, Problem::error(Path::root(), problem).help("add, for instance, `every: 60s`"));
        }
        plan.warnings().into_iter().for_each(|problem| complaints.warn(stage, problem));
        Some(plan)
    };
    pipeline.sources.iter().map(plan).collect()
}

fn plan_transforms(
    pipeline: &Pipeline,
    registry: &Registry,
    files: &Arc<dyn Files>,
    complaints: &mut Complaints<'_>,
) -> Vec<Option<Box<dyn TransformPlan>>> {
    let stages = pipeline.transforms.iter().map(|decl| &decl.stage);
    let plan = |stage: &StageDecl| {
        let factory = registry.find_transform(&stage.type_name).map_err(|error| unknown(stage, error));
        complaints
            .take(stage, factory.and_then(|factory| factory.plan(&stage.options, context(stage, files))))
    };
    stages.map(plan).collect()
}

fn plan_sinks(
    pipeline: &Pipeline,
    registry: &Registry,
    files: &Arc<dyn Files>,
    complaints: &mut Complaints<'_>,
) -> Vec<Option<Box<dyn SinkPlan>>> {
    let stages = pipeline.sinks.iter().map(|decl| &decl.stage);
    let plan = |stage: &StageDecl| {
        let factory = registry.find_sink(&stage.type_name).map_err(|error| unknown(stage, error));
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

/// The row schema of all sources; `None` if they differ or any is not planned.
fn common_schema(
    declared: &[SourceDecl],
    plans: &[Option<Box<dyn SourcePlan>>],
    complaints: &mut Complaints<'_>,
) -> Option<SchemaRef> {
    let planned: Vec<_> =
        declared.iter().zip(plans).filter_map(|(decl, plan)| Some((decl, plan.as_ref()?))).collect();
    let schemas: Vec<SchemaRef> = planned.iter().map(|(_, plan)| plan.output()).collect();
    let mut same = planned.len() == declared.len();
    for ((decl, _), schema) in planned.iter().zip(&schemas) {
        for wrong in wrong_stamps(schema) {
            same = false;
            complaints.fail(&decl.stage, Problem::error(Path::root(), wrong));
        }
        let differing = differences(schemas.first()?, schema);
        if !differing.is_empty() {
            same = false;
            let first = &planned.first()?.0.stage.name;
            complaints.fail(&decl.stage, other_columns(&decl.stage.name, first, &differing));
        }
    }
    same.then(|| row_schema(&schemas))
}

fn other_columns(name: &str, first: &str, differing: &[String]) -> Problem {
    const SHOWN: usize = 3;
    let mut listed = differing.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
    if differing.len() > SHOWN {
        listed.push_str(&format!(", and {} more", differing.len() - SHOWN));
    }
    let message = format!("`{name}` emits other columns than `{first}`: {listed}");
    let help =
        format!("all sources of a pipeline emit the same columns; give `{name}` a pipeline file of its own");
    Problem::error(Path::root(), message).help(help)
}

/// The schema through every transform; `None` at the first that does not take it.
fn pass_along(
    pipeline: &Pipeline,
    plans: Vec<Option<Box<dyn TransformPlan>>>,
    input: &SchemaRef,
    complaints: &mut Complaints<'_>,
) -> Option<(Vec<WiredTransform>, SchemaRef)> {
    let mut schema = Arc::clone(input);
    let mut wired = Vec::new();
    for (decl, plan) in pipeline.transforms.iter().zip(plans) {
        let plan = plan?;
        let output = complaints.take(&decl.stage, plan.output(&schema))?;
        wired.push(WiredTransform { plan, input: schema, output: Arc::clone(&output) });
        schema = output;
    }
    Some((wired, schema))
}

/// Stores before their readers, so that a reader is checked against what the store offers.
fn wire_sinks(
    pipeline: &Pipeline,
    plans: Vec<Option<Box<dyn SinkPlan>>>,
    schema: &SchemaRef,
    complaints: &mut Complaints<'_>,
) -> Option<Vec<WiredSink>> {
    let declared = pipeline.sinks.as_slice();
    let mut sinks: Vec<WiredSink> = Vec::new();
    for plan in plans {
        sinks.push(WiredSink { plan: plan?, store: None });
    }
    let mut state = vec![Step::Waiting; sinks.len()];
    for (index, decl) in declared.iter().enumerate() {
        match find_store(index, pipeline, &sinks) {
            Ok(Named::Nothing) => {}
            Ok(Named::Sink(store)) => sinks[index].store = Some(store),
            Ok(Named::Disabled(problem)) => complaints.warn(&decl.stage, problem),
            Err(problem) => {
                complaints.fail(&decl.stage, problem);
                state[index] = Step::Failed;
            }
        }
    }
    while let Some(index) = ready(&sinks, &state) {
        state[index] = wire_one(index, declared, &mut sinks, &state, schema, complaints);
    }
    for (index, decl) in declared.iter().enumerate().filter(|(index, _)| state[*index] == Step::Waiting) {
        let other = sinks[index].store.map_or("", |store| &declared[store].stage.name);
        let text = format!("`{}` and `{other}` read each other's store", decl.stage.name);
        complaints.fail(&decl.stage, Problem::error(Path::root().key(STORE_OPTION), text));
    }
    Some(sinks)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Waiting,
    Wired,
    Failed,
}

/// A sink not looked at yet whose store, if it reads one, has been.
fn ready(sinks: &[WiredSink], state: &[Step]) -> Option<usize> {
    let is_ready = |index: &usize| {
        state[*index] == Step::Waiting
            && sinks[*index].store.is_none_or(|store| state[store] != Step::Waiting)
    };
    (0..sinks.len()).find(is_ready)
}

fn wire_one(
    index: usize,
    declared: &[SinkDecl],
    sinks: &mut [WiredSink],
    state: &[Step],
    schema: &SchemaRef,
    complaints: &mut Complaints<'_>,
) -> Step {
    let stage = &declared[index].stage;
    let store = match sinks[index].store {
        // What its store lacks is said already; its own complaints would only echo that.
        Some(store) if state[store] == Step::Failed => return Step::Failed,
        Some(store) => match offered(sinks[store].plan.as_ref(), &declared[store].stage) {
            Ok(offers) => Some(offers),
            Err(problem) => {
                complaints.fail(stage, problem);
                return Step::Failed;
            }
        },
        None => None,
    };
    let wired = sinks[index].plan.wire(schema, store.as_ref());
    let mapping = sinks[index].store.and_then(|store| sinks[store].plan.mapping());
    if let Some(mapping) = mapping.filter(|_| wired.is_ok()) {
        sinks[index].plan.follow(&mapping);
    }
    complaints.take(stage, wired).map_or(Step::Failed, |()| Step::Wired)
}

fn offered(plan: &dyn SinkPlan, stage: &StageDecl) -> Result<StoreSchema, Problem> {
    let at = Path::root().key(STORE_OPTION);
    let text =
        || format!("`{}` (type `{}`) cannot be read from: it is no store", stage.name, stage.type_name);
    plan.offers().ok_or_else(|| Problem::error(at, text()))
}

/// What a sink names as its store.
enum Named {
    Nothing,
    Sink(usize),
    /// Known and switched off: no mistake, but worth a warning.
    Disabled(Problem),
}

fn find_store(index: usize, pipeline: &Pipeline, sinks: &[WiredSink]) -> Result<Named, Problem> {
    let Some(wanted) = sinks[index].plan.reads() else { return Ok(Named::Nothing) };
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
