//! The pipeline under test: loaded with the variables of a case, and devices in place of those it would ask.
//!
//! Cases with the same variables share one; each begins with nothing known.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use jiff::Timestamp;
use smiles_config::{Environment, Pipeline, Tree, load};
use smiles_runtime::{Meters, Role, RunOptions, StageOutput, SystemClock, TestPipeline, Wired, wire};
use smiles_stage::{Clock, Registry, Source, prometheus};

use crate::device::{Device, Registers, TYPE};
use crate::error::{CasesError, Cause};
use crate::file::Case;
use crate::suite::Suite;

/// The pipeline that cases are put through.
pub struct UnderTest<'a> {
    /// Where its file is, and what that includes.
    pub tree: &'a Arc<dyn Tree>,
    /// The file.
    pub file: &'a str,
    /// The stages it can be made of; plugins it names are not loaded.
    pub registry: &'a Registry,
}

/// A pipeline whose transforms are open.
pub(crate) struct Bench {
    /// The columns that leave each source and transform, by its name.
    pub(crate) stages: BTreeMap<String, SchemaRef>,
    pub(crate) sources: Vec<OneSource>,
    test_pipeline: TestPipeline,
}

/// A source of the pipeline.
pub(crate) struct OneSource {
    pub(crate) name: String,
    /// The columns it emits itself.
    pub(crate) columns: SchemaRef,
    /// What it asks, if it reads registers and cases give some.
    pub(crate) device: Option<Device>,
    open: Option<Box<dyn Source>>,
}

impl Bench {
    /// Loads the pipeline for a case.
    ///
    /// # Errors
    /// What is wrong with it under these variables.
    pub(crate) async fn open(
        suite: &Suite,
        case: &Case,
        under_test: &UnderTest<'_>,
    ) -> Result<Self, CasesError> {
        let environment: Environment = suite.file.variables(case).into_iter().collect();
        let UnderTest { tree, file, registry } = *under_test;
        let mut loaded = load(Arc::clone(tree), file, &environment, registry);
        let mut devices = Vec::new();
        if let Some(pipeline) = &mut loaded.pipeline {
            devices = serve(pipeline, case).await?;
        }
        let pipeline = loaded.pipeline.as_ref();
        let wired =
            pipeline.and_then(|pipeline| wire(pipeline, registry, &loaded.files, &mut loaded.diagnostics));
        let at = format!("{}: case `{}`", suite.shown, case.name);
        match wired {
            Some(wired) if !loaded.diagnostics.has_errors() => {
                Self::of(wired, devices).await.map_err(|cause| CasesError::failed(at, cause))
            }
            _ => Err(CasesError::Pipeline(format!("{at}:\n{}", loaded.diagnostics.render(false)))),
        }
    }

    async fn of(wired: Wired, devices: Vec<Option<Device>>) -> Result<Self, Cause> {
        let stages = wired.stages().into_iter().filter(|stage| stage.role != Role::Sink);
        let stages: Vec<_> = stages.map(|stage| (stage.role, stage.name, stage.schema)).collect();
        let names = stages.iter().filter(|(role, ..)| *role == Role::Source).map(|(_, name, _)| name);
        let sources = names.zip(devices).enumerate().filter_map(|(place, (name, device))| {
            let columns = wired.source_columns(place)?;
            Some(OneSource { name: name.clone(), columns, device, open: None })
        });
        let sources = sources.collect();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let meters = Meters::new(prometheus::Registry::new(), Arc::clone(&clock))?;
        let (data_dir, process) = (PathBuf::new(), Arc::default());
        let options = RunOptions { data_dir, clock, meters, grace: Duration::ZERO, process };
        let test_pipeline = wired.test_pipeline(options).await?;
        Ok(Self {
            stages: stages.into_iter().map(|(_, name, schema)| (name, schema)).collect(),
            sources,
            test_pipeline,
        })
    }

    /// As if nothing had ever come from a source.
    pub(crate) async fn begin_again(&mut self) -> Result<(), Cause> {
        self.hang_up();
        Ok(self.test_pipeline.begin_again(Timestamp::UNIX_EPOCH).await?)
    }

    /// The process was killed and started again.
    pub(crate) async fn restart(&mut self) -> Result<(), Cause> {
        self.hang_up();
        Ok(self.test_pipeline.restart().await?)
    }

    /// The same, while rows of a pass were on their way.
    pub(crate) async fn crash(
        &mut self,
        source: usize,
        rows: &RecordBatch,
        began: Timestamp,
    ) -> Result<(), Cause> {
        self.hang_up();
        Ok(self.test_pipeline.crash(source, rows, began, true).await?)
    }

    /// The rows of one pass through every stage.
    pub(crate) async fn feed(
        &mut self,
        source: usize,
        rows: &RecordBatch,
        began: Timestamp,
        complete: bool,
    ) -> Result<Vec<StageOutput>, Cause> {
        Ok(self.test_pipeline.feed(source, rows, began, complete).await?)
    }

    /// A pass of the real source over these registers: its rows and whether it reached every record, and what it
    /// complained of.
    pub(crate) async fn pass(
        &mut self,
        source: usize,
        registers: &Registers,
    ) -> Result<(Option<(RecordBatch, bool)>, String), Cause> {
        let one = self.sources.get_mut(source).ok_or("there is no such source")?;
        if let Some(device) = &one.device {
            device.show(registers);
        }
        let open = match &mut one.open {
            Some(open) => open,
            None => one.open.insert(self.test_pipeline.open(source).await.map_err(|error| error.chain())?),
        };
        Ok(match open.next().await {
            Ok(Some(pass)) => {
                let faults: Vec<String> = pass.faults.into_iter().map(|fault| fault.message).collect();
                (Some((pass.rows, pass.complete)), faults.join("; "))
            }
            Ok(None) => (None, String::new()),
            Err(error) => (None, error.chain()),
        })
    }

    /// What sources remember of their devices is lost with the process.
    fn hang_up(&mut self) {
        self.sources.iter_mut().for_each(|source| source.open = None);
    }
}

/// Devices for the sources of a case that gives registers.
async fn serve(pipeline: &mut Pipeline, case: &Case) -> Result<Vec<Option<Device>>, CasesError> {
    let mut devices = Vec::new();
    for source in &mut pipeline.sources {
        let stage = &mut source.stage;
        devices.push(if case.gives_registers() && stage.type_name == TYPE {
            let device = Device::serve(&stage.options).await;
            let said = || format!("cannot serve a device for `{}`", stage.name);
            let device = device.map_err(|cause| CasesError::failed(said(), cause))?;
            device.redirect(Arc::make_mut(&mut stage.options));
            Some(device)
        } else {
            None
        });
    }
    Ok(devices)
}
