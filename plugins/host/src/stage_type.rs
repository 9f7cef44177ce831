//! A stage type of a plugin, and the place where its instance runs.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arrow_schema::{Schema, SchemaRef};
use serde_json::Value;
use smiles_stage::prometheus::{Counter, Error, Opts, Registry as Meters};
use smiles_stage::{OpenContext, Problem, Problems, StageError};

use crate::context::Context;
use crate::file::{Metadata, MetricMeta, StageMeta, examine};
use crate::instance::{Instance, Readiness};
use crate::instance_handle::{CallError, Cancel, InstanceHandle};
use crate::library::{Library, StageTable};
use crate::probe::{Answer, PlanQuestion, Prober, Question, StageAnswer};
use crate::process_state::ProcessState;

/// How long one call may take, unless the pipeline says otherwise.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);

/// A library that pipelines of this process may use.
pub(crate) struct Plugin {
    pub(crate) path: PathBuf,
    pub(crate) metadata: Metadata,
    pub(crate) sha256: String,
    /// Whether the pipeline names that sum.
    pub(crate) pinned: bool,
    pub(crate) limit: Duration,
    pub(crate) prober: Prober,
}

/// One of its stage types.
#[derive(Clone)]
pub(crate) struct StageType {
    pub(crate) plugin: Arc<Plugin>,
    pub(crate) index: usize,
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
        let pinned = self.plugin.pinned.then(|| self.plugin.sha256.clone());
        let question = Question { path: path.clone(), metadata: metadata.clone(), pinned, plan: Some(plan) };
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
    ) -> InstanceOpener {
        let labels = [("pipeline", context.pipeline.as_str()), ("stage", context.stage.as_str())];
        let counters =
            self.meta.metrics.iter().filter_map(|metric| counter(&context.meters, metric, &labels));
        let name = &self.plugin.metadata.name;
        let clock = Arc::clone(&context.clock);
        let known = Context::new(name, &context.pipeline, &context.stage, clock, counters.collect());
        InstanceOpener {
            stage: self.clone(),
            options: options.to_string(),
            input,
            output,
            context: Arc::new(known),
        }
    }

    /// Its table, once the library is loaded here.
    pub(crate) fn load(&self) -> Result<StageTable, StageError> {
        let Plugin { path, sha256, metadata, pinned, .. } = self.plugin.as_ref();
        let refused = |reason: String| StageError::halt(format!("plugin `{}`: {reason}", metadata.name));
        let now = examine(path, Some(sha256)).map_err(|refusal| refused(refusal.reason))?;
        let library = Library::resident(path, &now, *pinned).map_err(refused)?;
        library.table(self.index).ok_or_else(|| refused("it has no such stage".to_owned()))
    }
}

/// A counter; a stage that is opened again counts on from zero, and one without its counter still does its work.
pub(crate) fn counter(meters: &Meters, metric: &MetricMeta, labels: &[(&str, &str)]) -> Option<Counter> {
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
pub(crate) struct InstanceOpener {
    pub(crate) stage: StageType,
    pub(crate) options: String,
    pub(crate) input: Option<SchemaRef>,
    pub(crate) output: Option<SchemaRef>,
    pub(crate) context: Arc<Context>,
}

impl InstanceOpener {
    /// How long one call may take.
    pub(crate) fn limit(&self) -> Duration {
        self.stage.plugin.limit
    }
}

/// The instance of a stage, or the next one.
pub(crate) struct Slot {
    pub(crate) opener: InstanceOpener,
    pub(crate) instance: Option<Instance>,
}

impl Slot {
    pub(crate) fn new(opener: InstanceOpener) -> Self {
        Self { opener, instance: None }
    }

    pub(crate) fn opener(&self) -> &InstanceOpener {
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
            let opened = instance.call_now("open", None, |handle, _| job(handle));
            self.keep(instance, opened)?;
        }
        self.instance.as_mut().ok_or_else(|| StageError::retry("the plugin's instance is not open"))
    }

    /// Keeps one that opened, and one that hangs in `open`: else every try would leave another thread behind.
    pub(crate) fn keep(
        &mut self,
        instance: Instance,
        opened: Result<(), StageError>,
    ) -> Result<(), StageError> {
        if opened.is_ok() || matches!(instance.fitness(), Readiness::Stuck(_)) {
            self.instance = Some(instance);
        }
        opened
    }

    /// Lets go of an instance that is fit, so that the next call begins on a new one.
    pub(crate) fn dismiss_fit(&mut self) {
        if matches!(self.instance.as_ref().map(Instance::fitness), Some(Readiness::Fit)) {
            self.instance = None;
        }
    }

    /// Lets go of an instance that is done for; one that is stuck is an error until it returns.
    pub(crate) fn dismiss(&mut self) -> Result<(), StageError> {
        match self.instance.as_ref().map(Instance::fitness) {
            None | Some(Readiness::Fit) => Ok(()),
            Some(Readiness::Spent) => {
                self.instance = None;
                Ok(())
            }
            Some(Readiness::Stuck(call)) => {
                let Context { plugin, stage, .. } = self.opener.context.as_ref();
                let text = format!("plugin `{plugin}`, stage `{stage}`: `{call}` has still not returned");
                Err(StageError::retry(text))
            }
        }
    }

    /// A thread, and the job that opens an instance on it.
    #[expect(clippy::type_complexity, reason = "named once, used twice below")]
    pub(crate) fn fresh(
        &self,
    ) -> Result<
        (Instance, impl FnOnce(&mut Option<InstanceHandle>) -> Result<(), CallError> + Send + use<>),
        StageError,
    > {
        let InstanceOpener { stage, options, input, output, context } = &self.opener;
        let cancel = Arc::new(Cancel::default());
        let instance = Instance::start(Arc::clone(context), Arc::clone(&cancel), stage.plugin.limit)?;
        let (stage, options, context) = (stage.clone(), options.clone(), Arc::clone(context));
        let (input, output) = (input.clone(), output.clone());
        let job = move |handle: &mut Option<InstanceHandle>| {
            let (before, of) = (ProcessState::now(), Arc::clone(&context));
            let opened = (|| {
                let table = stage.load().map_err(CallError::of)?;
                let mut opened = InstanceHandle::open(table.0, context, cancel, &options)?;
                opened.bind(input.as_ref(), output.as_ref())?;
                Ok(opened)
            })();
            before.put_back(&of.plugin, &of.stage);
            *handle = Some(opened?);
            Ok(())
        };
        Ok((instance, job))
    }
}

/// The library's file name, for people.
pub(crate) fn file_name(path: &Path) -> String {
    path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned())
}

pub(crate) fn unsound(reason: String) -> Problems {
    vec![Problem::error(smiles_stage::Path::root(), reason)]
}
