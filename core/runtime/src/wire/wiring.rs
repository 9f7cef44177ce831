//! Checks everything about a pipeline without effects: plans, then schemas and units along the graph.

use std::sync::Arc;

use arrow_schema::SchemaRef;
use smiles_config::{Diagnostics, NodeId, Pipeline, SourceDecl, StageDecl};
use smiles_stage::{Cadence, Files, Path, Problem, Registry, SourcePlan, TransformPlan};

use crate::wire::complaints::{Complaints, unknown};
use crate::wire::identity::file::{disabled_subjects, identified};
use crate::wire::identity::kept::Record;
use crate::wire::schema::{differences, row_schema, wrong_stamps};
use crate::wire::sinks::{Slot, plan_sinks, wire_sinks};
use crate::wire::unconverted::unconverted;
use crate::wire::wired::{TransformNode, Wired, context};

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
        let offer = sink.offer();
        unconverted(decl, sink.store, offer.as_ref(), &schema)
            .into_iter()
            .for_each(|problem| complaints.warn(&decl.stage, problem));
    }
    let failed = complaints.failed;
    let wired = Wired {
        pipeline: pipeline.clone(),
        sources: sources.into_iter().collect::<Option<_>>()?,
        transforms,
        disabled,
        sinks: sinks?.into_iter().map(Slot::node).collect::<Option<_>>()?,
        input,
        schema,
    };
    (!failed).then_some(wired)
}

/// Two transforms about the same would share one memory; a name of its own tells one from the other.
fn one_memory_each(pipeline: &Pipeline, transforms: &[TransformNode], complaints: &mut Complaints<'_>) {
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
        let factory = registry.find_source(&stage.type_name);
        let known = registry.all_sources().map(|factory| factory.name());
        let factory = factory.ok_or_else(|| unknown(stage, known));
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
        let factory = registry.find_transform(&stage.type_name);
        let known = registry.all_transforms().map(|factory| factory.name());
        let factory = factory.ok_or_else(|| unknown(stage, known));
        complaints
            .take(stage, factory.and_then(|factory| factory.plan(&stage.options, context(stage, files))))
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
) -> Option<(Vec<TransformNode>, SchemaRef)> {
    let mut schema = Arc::clone(input);
    let mut wired = Vec::new();
    for (decl, plan) in pipeline.transforms.iter().zip(plans) {
        let plan = plan?;
        let transform = complaints.take(&decl.stage, plan.wire(&schema))?;
        let output = transform.output();
        wired.push(TransformNode { transform, input: schema });
        schema = output;
    }
    Some((wired, schema))
}
