//! A plugin as the pipeline names it, and its stages as factories.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arrow_schema::{Schema, SchemaRef};
use serde_json::Value;
use smiles_stage::prometheus::{Counter, Error, Opts, Registry as Meters};
use smiles_stage::{OpenContext, Registry, StageError};

use crate::context::Context;
use crate::file::{Examined, Metadata, MetricMeta, Refusal, Role, StageMeta, examine};
use crate::held::{Cancel, Failed, Held};
use crate::instance::{Fitness, Instance};
use crate::library::{Library, Table, is_outdated, outdated};
use crate::probe::{Answer, PlanQuestion, Prober, Question, StageAnswer, real};
use crate::{sink, source, transform};

/// How long one call may take, unless the pipeline says otherwise.
const LIMIT: Duration = Duration::from_secs(30);

/// One of `plugins:`.
#[derive(Clone, Debug)]
pub struct PluginFile {
    /// Where it is.
    pub path: PathBuf,
    /// What it must be, in hexadecimal.
    pub sha256: Option<String>,
    /// How long one call may take; default 30 s.
    pub timeout: Option<Duration>,
    /// Stands before each of its types, with a `_`.
    pub prefix: Option<String>,
}

/// Loads plugins.
#[derive(Clone, Debug)]
pub struct PluginHost {
    prober: Prober,
}

/// A plugin that a child process has loaded and asked.
#[derive(Clone, Debug)]
pub struct Probed {
    /// What it says of itself.
    pub metadata: Metadata,
    /// Of the file.
    pub sha256: String,
    /// What it adds.
    pub stages: Vec<ProbedStage>,
}

/// A stage type of a plugin.
#[derive(Clone, Debug)]
pub struct ProbedStage {
    /// As the metadata has it.
    pub meta: StageMeta,
    /// JSON Schema of its options.
    pub schema: Value,
    /// A sink that keeps a watermark: exactly once.
    pub transactional: bool,
    /// A source that waits by itself.
    pub streamed: bool,
}

/// Built-in types that those of a plugin stand in for: role and name.
pub type Replaced = Vec<(&'static str, String)>;

impl PluginHost {
    /// Children are started by `prober`.
    pub fn new(prober: Prober) -> Self {
        Self { prober }
    }

    /// Examines the file and asks a child process what it adds.
    ///
    /// # Errors
    /// It cannot be used, and why.
    pub fn probe(&self, file: &PluginFile) -> Result<Probed, Refusal> {
        let (examined, answers) = self.ask(file)?;
        let stages =
            examined.metadata.stages.iter().cloned().zip(answers).map(|(meta, answer)| ProbedStage {
                meta,
                schema: answer.schema,
                transactional: answer.transactional,
                streamed: answer.streamed,
            });
        Ok(Probed { stages: stages.collect(), metadata: examined.metadata.clone(), sha256: examined.sha256 })
    }

    /// The registry with the stages of this file, and which built-in types these stand in for, by role: a pipeline that
    /// named the plugin before there was such a type goes on to have the plugin's.
    ///
    /// # Errors
    /// It cannot be used, or it adds a type that another plugin has added.
    pub fn adopt(&self, file: &PluginFile, mut registry: Registry) -> Result<(Registry, Replaced), Refusal> {
        let (Examined { metadata, sha256 }, answers) = self.ask(file)?;
        let plugin = Arc::new(Plugin {
            path: real(&file.path),
            metadata,
            sha256,
            limit: file.timeout.unwrap_or(LIMIT),
            prober: self.prober.clone(),
        });
        let mut replaced = Vec::new();
        for (index, answer) in answers.into_iter().enumerate() {
            let Some(mut meta) = plugin.metadata.stages.get(index).cloned() else { continue };
            if let Some(prefix) = &file.prefix {
                meta.type_name = format!("{prefix}_{}", meta.type_name);
            }
            let (word, name) = (meta.role.word(), meta.type_name.as_str());
            match owner(&registry, meta.role, name) {
                Some(Owner::Plugin) => {
                    let advice = "give one of the two plugins a `prefix:`";
                    return Err(refusal(
                        file,
                        format!(
                            "it adds the {word} `{name}`, and there is one of that type already: {advice}"
                        ),
                    ));
                }
                Some(Owner::BuiltIn) => replaced.push((word, name.to_owned())),
                None => {}
            }
            let stage = StageType { plugin: Arc::clone(&plugin), index, meta, answer };
            registry = match stage.meta.role {
                Role::Source => registry.adopt_source(Arc::new(source::PluginSource(stage))),
                Role::Transform => registry.adopt_transform(Arc::new(transform::PluginTransform(stage))),
                Role::Sink => registry.adopt_sink(Arc::new(sink::PluginSink(stage))),
            };
        }
        Ok((registry, replaced))
    }

    fn ask(&self, file: &PluginFile) -> Result<(Examined, Vec<StageAnswer>), Refusal> {
        let examined = examine(&file.path, file.sha256.as_deref())?;
        let path = real(&file.path);
        if is_outdated(&path, &examined.sha256) {
            return Err(refusal(file, outdated()));
        }
        let question = Question { path, metadata: examined.metadata.clone(), plan: None };
        match self.prober.ask(&question) {
            Ok(Answer::Stages(stages)) if stages.len() == examined.metadata.stages.len() => {
                Ok((examined, stages))
            }
            Ok(_) => Err(refusal(file, "it gives no sensible answer".to_owned())),
            Err(reason) => Err(refusal(file, reason)),
        }
    }
}

/// Whose a type is.
enum Owner {
    BuiltIn,
    Plugin,
}

fn owner(registry: &Registry, role: Role, name: &str) -> Option<Owner> {
    let of_plugin = match role {
        Role::Source => registry.find_source(name).ok()?.plugin().is_some(),
        Role::Transform => registry.find_transform(name).ok()?.plugin().is_some(),
        Role::Sink => registry.find_sink(name).ok()?.plugin().is_some(),
    };
    Some(if of_plugin { Owner::Plugin } else { Owner::BuiltIn })
}

fn refusal(file: &PluginFile, reason: String) -> Refusal {
    Refusal { path: file.path.display().to_string(), reason, of_sum: false }
}

/// A library that pipelines of this process may use.
pub(crate) struct Plugin {
    pub(crate) path: PathBuf,
    pub(crate) metadata: Metadata,
    sha256: String,
    pub(crate) limit: Duration,
    prober: Prober,
}

/// One of its stage types.
#[derive(Clone)]
pub(crate) struct StageType {
    pub(crate) plugin: Arc<Plugin>,
    index: usize,
    pub(crate) meta: StageMeta,
    pub(crate) answer: StageAnswer,
}

impl StageType {
    /// Asks `plan` in a child process; the columns that leave, if they are wanted.
    pub(crate) fn plan(
        &self,
        options: &Value,
        input: Option<&Schema>,
        wants_output: bool,
    ) -> Result<Option<SchemaRef>, String> {
        if !self.answer.plans {
            return Ok(None);
        }
        let plan =
            PlanQuestion { stage: self.index, options: options.clone(), input: input.cloned(), wants_output };
        let Plugin { path, metadata, prober, .. } = self.plugin.as_ref();
        let question = Question { path: path.clone(), metadata: metadata.clone(), plan: Some(plan) };
        let name = &metadata.name;
        match prober.ask(&question) {
            Ok(Answer::Planned(output)) => Ok(output),
            Ok(Answer::Unsound(reason)) => Err(reason),
            Ok(_) => Err(format!("plugin `{name}` gives no sensible answer")),
            Err(reason) => Err(format!("plugin `{name}`: {reason}")),
        }
    }

    /// What is needed to open instances of it.
    pub(crate) fn opener(
        &self,
        options: &Value,
        input: Option<SchemaRef>,
        output: Option<SchemaRef>,
        context: &OpenContext,
    ) -> Opener {
        let labels = [("pipeline", context.pipeline.as_str()), ("stage", context.stage.as_str())];
        let counters =
            self.meta.metrics.iter().filter_map(|metric| counter(&context.meters, metric, &labels));
        let name = &self.plugin.metadata.name;
        let clock = Arc::clone(&context.clock);
        let known = Context::new(name, &context.pipeline, &context.stage, clock, counters.collect());
        Opener { stage: self.clone(), options: options.to_string(), input, output, context: Arc::new(known) }
    }

    /// Its table, once the library is loaded here.
    fn load(&self) -> Result<Table, StageError> {
        let Plugin { path, sha256, metadata, .. } = self.plugin.as_ref();
        let refused = |reason: String| StageError::halt(format!("plugin `{}`: {reason}", metadata.name));
        let now = examine(path, Some(sha256)).map_err(|refusal| refused(refusal.reason))?;
        let library = Library::resident(path, &now.sha256, metadata).map_err(refused)?;
        library.table(self.index).ok_or_else(|| refused("it has no such stage".to_owned()))
    }
}

/// A counter; a stage that is opened again counts on from zero, and one without its counter still does its work.
fn counter(meters: &Meters, metric: &MetricMeta, labels: &[(&str, &str)]) -> Option<Counter> {
    let help = if metric.help.is_empty() { "Counted by a plugin." } else { metric.help.as_str() };
    let name = format!("smiles_plugin_{}_total", metric.name);
    let options = labels
        .iter()
        .fold(Opts::new(name, help), |options, (name, value)| options.const_label(*name, *value));
    let counter = Counter::with_opts(options).ok()?;
    if let Err(Error::AlreadyReg) = meters.register(Box::new(counter.clone())) {
        drop(meters.unregister(Box::new(counter.clone())));
        drop(meters.register(Box::new(counter.clone())));
    }
    Some(counter)
}

/// Opens instances of one stage of a pipeline, as often as needed.
pub(crate) struct Opener {
    stage: StageType,
    options: String,
    input: Option<SchemaRef>,
    output: Option<SchemaRef>,
    context: Arc<Context>,
}

impl Opener {
    /// How long one call may take.
    pub(crate) fn limit(&self) -> Duration {
        self.stage.plugin.limit
    }
}

/// The instance of a stage, or the next one.
pub(crate) struct Slot {
    opener: Opener,
    instance: Option<Instance>,
}

impl Slot {
    pub(crate) fn new(opener: Opener) -> Self {
        Self { opener, instance: None }
    }

    pub(crate) fn opener(&self) -> &Opener {
        &self.opener
    }

    /// The open instance; opens one where there is none.
    pub(crate) async fn instance(&mut self) -> Result<&mut Instance, StageError> {
        self.dismiss()?;
        if self.instance.is_none() {
            let (mut instance, job) = self.fresh()?;
            let opened = instance.call("open", job).await;
            self.keep(instance, opened)?;
        }
        self.instance.as_mut().ok_or_else(|| StageError::retry("the plugin's instance is not open"))
    }

    /// As [`Slot::instance`], without waiting on a task.
    pub(crate) fn instance_now(&mut self) -> Result<&mut Instance, StageError> {
        self.dismiss()?;
        if self.instance.is_none() {
            let (mut instance, job) = self.fresh()?;
            let opened = instance.call_now("open", None, |held, _| job(held));
            self.keep(instance, opened)?;
        }
        self.instance.as_mut().ok_or_else(|| StageError::retry("the plugin's instance is not open"))
    }

    /// Keeps one that opened, and one that hangs in `open`: else every try would leave another thread behind.
    fn keep(&mut self, instance: Instance, opened: Result<(), StageError>) -> Result<(), StageError> {
        if opened.is_ok() || matches!(instance.fitness(), Fitness::Stuck(_)) {
            self.instance = Some(instance);
        }
        opened
    }

    /// Lets go of an instance that is fit, so that the next call begins on a new one.
    pub(crate) fn dismiss_fit(&mut self) {
        if matches!(self.instance.as_ref().map(Instance::fitness), Some(Fitness::Fit)) {
            self.instance = None;
        }
    }

    /// Lets go of an instance that is done for; one that is stuck is an error until it returns.
    fn dismiss(&mut self) -> Result<(), StageError> {
        match self.instance.as_ref().map(Instance::fitness) {
            None | Some(Fitness::Fit) => Ok(()),
            Some(Fitness::Spent) => {
                self.instance = None;
                Ok(())
            }
            Some(Fitness::Stuck(call)) => {
                let Context { plugin, stage, .. } = self.opener.context.as_ref();
                let text = format!("plugin `{plugin}`, stage `{stage}`: `{call}` has still not returned");
                Err(StageError::retry(text))
            }
        }
    }

    /// A thread, and the job that opens an instance on it.
    #[expect(clippy::type_complexity, reason = "named once, used twice below")]
    fn fresh(
        &self,
    ) -> Result<(Instance, impl FnOnce(&mut Option<Held>) -> Result<(), Failed> + Send + use<>), StageError>
    {
        let Opener { stage, options, input, output, context } = &self.opener;
        let cancel = Arc::new(Cancel::default());
        let instance = Instance::start(Arc::clone(context), Arc::clone(&cancel), stage.plugin.limit)?;
        let (stage, options, context) = (stage.clone(), options.clone(), Arc::clone(context));
        let (input, output) = (input.clone(), output.clone());
        let job = move |held: &mut Option<Held>| {
            let table = stage.load().map_err(Failed::of)?;
            let mut opened = Held::open(table.0, context, cancel, &options)?;
            opened.bind(input.as_ref(), output.as_ref())?;
            *held = Some(opened);
            Ok(())
        };
        Ok((instance, job))
    }
}

/// The library's file name, for people.
pub(crate) fn file_name(path: &Path) -> String {
    path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned())
}
