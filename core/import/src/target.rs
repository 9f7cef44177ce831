//! Where rows go: the store of a pipeline, with tables of its own and a watermark per table of the source.
//!
//! A table of the source is a run, and the number of its last row in a piece is that piece's number within the run. So the
//! target itself knows, in the transaction of the rows, how far an import has come: one that is interrupted goes on
//! there, and one that is repeated finds nothing to do.

use std::sync::Arc;

use arrow_array::{BooleanArray, RecordBatch};
use arrow_schema::SchemaRef;
use serde_json::Value;
use smiles_config::{Pipeline, StageDecl};
use smiles_runtime::{RunOptions, StagedState};
use smiles_stage::{
    Action, Batch, Clock, Files, OpenContext, PassInfo, PlanContext, Position, Problems, Registry, RunId,
    Seq, Sink, StageError, Transform,
};

use crate::error::{ImportError, told};
use crate::rules::Step;

/// The name of the import among the sinks of a pipeline.
const NAME: &str = "import";

/// How stages are made.
pub struct StageFactory {
    /// The pipeline whose store takes the rows.
    pub pipeline: Pipeline,
    /// The stages it can be made of.
    pub registry: Registry,
    /// What they may read beside its file.
    pub files: Arc<dyn Files>,
    /// How they are opened.
    pub options: RunOptions,
}

impl StageFactory {
    /// The sink that keeps tables: of several the first.
    pub(crate) fn store(&self) -> Result<&StageDecl, ImportError> {
        let stores = self.pipeline.sinks.iter().map(|sink| &sink.stage);
        stores.into_iter().find(|stage| stage.options.get("tables").is_some()).ok_or_else(|| {
            let name = &self.pipeline.name;
            ImportError::Refused(format!(
                "the pipeline `{name}` has no sink with `tables:` to import into (is PERSISTENCE_ENABLED false?)"
            ))
        })
    }

    /// The transforms of a step, and the columns behind them.
    pub(crate) fn transforms(
        &self,
        step: &Step,
        input: SchemaRef,
    ) -> Result<(Chain, SchemaRef), ImportError> {
        let mut links = Vec::new();
        let mut schema = input;
        for declared in &step.transforms {
            let mut options = declared.clone();
            let type_name = options.as_object_mut().and_then(|options| options.remove("type"));
            let type_name = type_name.as_ref().and_then(Value::as_str).unwrap_or_default().to_owned();
            let at = format!("step `{}`, transform `{type_name}`", step.table);
            let factory = self
                .registry
                .find_transform(&type_name)
                .ok_or_else(|| ImportError::Refused(format!("{at}: there is no transform of this type")))?;
            let context = PlanContext { stage: &type_name, files: self.files.as_ref() };
            let plan = factory.plan(&options, context).map_err(|problems| wrong(&at, &problems))?;
            let wired = plan.wire(&schema).map_err(|problems| wrong(&at, &problems))?;
            schema = wired.output();
            links.push((wired.open(self.context(&type_name)).map_err(told)?, StagedState::default()));
        }
        let pass = PassInfo::new(NAME, self.options.clock.now(), true);
        Ok((Chain { pass, links }, schema))
    }

    /// The target of a step, opened; it has not been asked anything.
    pub(crate) async fn open(
        &self,
        step: &Step,
        schema: &SchemaRef,
        run: RunId,
    ) -> Result<Target, ImportError> {
        let store = self.store()?;
        let at = format!("step `{}`, into `{}`", step.table, store.name);
        let mut options = store.options.as_ref().clone();
        if let Some(options) = options.as_object_mut() {
            options.insert("tables".to_owned(), step.into.clone());
        }
        let factory = self
            .registry
            .find_sink(&store.type_name)
            .ok_or_else(|| ImportError::Refused(format!("there is no sink of type `{}`", store.type_name)))?;
        let context = PlanContext { stage: NAME, files: self.files.as_ref() };
        let plan = factory.plan(&options, context).map_err(|problems| wrong(&at, &problems))?;
        let wired = plan.wire(schema, None).map_err(|problems| wrong(&at, &problems))?;
        let sink = wired.open(self.context(NAME), None).await.map_err(told)?.sink;
        Ok(Target { sink, run, clock: Arc::clone(&self.options.clock) })
    }

    fn context(&self, stage: &str) -> OpenContext {
        let StageFactory { options, pipeline, .. } = self;
        OpenContext {
            process: Arc::clone(&options.process),
            ..OpenContext::new(&pipeline.name, stage, &options.data_dir, Arc::clone(&options.clock))
        }
    }
}

fn wrong(at: &str, problems: &Problems) -> ImportError {
    let told: Vec<String> = problems
        .iter()
        .map(|problem| {
            let help = problem.help.as_ref().map(|help| format!(" ({help})")).unwrap_or_default();
            format!("{at}: {}: {}{help}", problem.at, problem.message)
        })
        .collect();
    ImportError::Refused(told.join("\nerror: "))
}

/// Transforms in a row, each with its memory.
pub(crate) struct Chain {
    pass: PassInfo,
    links: Vec<(Box<dyn Transform>, StagedState)>,
}

impl Chain {
    pub(crate) fn apply(&mut self, mut batch: RecordBatch) -> Result<RecordBatch, StageError> {
        for (transform, state) in &mut self.links {
            batch = transform.apply(batch, &self.pass, state)?;
            state.keep();
        }
        Ok(batch)
    }
}

/// A store that takes the rows of one table of the source.
pub(crate) struct Target {
    sink: Box<dyn Sink>,
    run: RunId,
    clock: Arc<dyn Clock>,
}

/// What became of a piece.
#[derive(Debug, Default)]
pub(crate) struct Written {
    pub(crate) rows: u64,
    /// Rows that the target refuses, by their place, and why.
    pub(crate) refused: Vec<(usize, String)>,
}

impl Target {
    /// The number of the last row that is in the target, and the target's id.
    pub(crate) async fn mark(&mut self) -> Result<(i64, Option<String>), ImportError> {
        let mark = self.sink.watermark(self.run).await.map_err(told)?;
        let number = mark.map_or(0, |mark| i64::try_from(mark.seq.0).unwrap_or(i64::MAX));
        Ok((number, mark.map(|mark| RunId(mark.target.0).to_string())))
    }

    /// Rows that the target took and did not keep.
    pub(crate) fn swallowed(&self) -> u64 {
        self.sink.swallowed().iter().map(|(_, rows)| rows).sum()
    }

    /// Writes a piece that ends with the row of this number. Rows that the target refuses are named: they are left out
    /// where that is wanted (`skip`), else nothing is written.
    pub(crate) async fn write(
        &mut self,
        number: i64,
        records: RecordBatch,
        skip: bool,
    ) -> Result<Written, ImportError> {
        let mut places: Vec<usize> = (0..records.num_rows()).collect();
        let position = Position { run: self.run, seq: Seq(u64::try_from(number).unwrap_or(0)) };
        let mut written = Written::default();
        let mut batch = Batch { position, complete: true, accepted_at: self.clock.now(), records };
        loop {
            let rows = batch.records.num_rows() as u64;
            let outcome = match self.sink.write(&batch).await {
                Ok(()) => self.sink.flush().await.map(drop),
                Err(error) => Err(error),
            };
            let error = match outcome {
                Ok(()) => {
                    written.rows = rows;
                    return Ok(written);
                }
                Err(error) => error,
            };
            let Action::Reject { rows } = error.action() else { return Err(told(error)) };
            let mut keep = vec![true; places.len()];
            for refused in rows {
                let place = places.get(refused.row).copied().unwrap_or(refused.row);
                written.refused.push((place, format!("{} ({})", refused.reason, refused.code)));
                if let Some(keep) = keep.get_mut(refused.row) {
                    *keep = false;
                }
            }
            // After an error the target forgets what was written and wants to be asked.
            self.mark().await?;
            if !skip {
                return Ok(written);
            }
            let mut kept = keep.iter();
            places.retain(|_| kept.next().copied().unwrap_or(true));
            batch.records =
                arrow_select::filter::filter_record_batch(&batch.records, &BooleanArray::from(keep))
                    .map_err(told)?;
        }
    }
}
