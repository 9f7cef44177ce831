//! What an opened stage gets from whoever runs it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::{Clock, Health, HealthView, JournalHealth, Process};

/// What an opened stage gets. Made by [`OpenContext::new`] alone, so that a stage finds everything in every place that
/// opens one; the runtime puts its own in where it has more to say.
#[derive(Clone)]
pub struct OpenContext {
    /// The pipeline's name.
    pub pipeline: String,
    /// The stage's name in the pipeline.
    pub stage: String,
    /// Where stages keep files of their own.
    pub data_dir: PathBuf,
    /// The one clock.
    pub clock: Arc<dyn Clock>,
    /// Where the stage registers its series.
    pub meters: prometheus::Registry,
    /// The state of the whole pipeline.
    pub health: Arc<dyn HealthView>,
    /// A source's declared period.
    pub every: Option<Duration>,
    /// The program and everything that runs in it.
    pub process: Arc<Process>,
    /// Of a transform: what the memories of those before it are known by, in their order. Where it is not what it was, what
    /// reaches the transform may be counted otherwise.
    pub upstream: Vec<String>,
}

impl OpenContext {
    /// For a stage that nothing runs beside: no metrics are shown, and the pipeline does nothing.
    pub fn new(pipeline: &str, stage: &str, data_dir: &Path, clock: Arc<dyn Clock>) -> Self {
        let health = Arc::new(Still { pipeline: pipeline.to_owned(), since: clock.now() });
        Self {
            pipeline: pipeline.to_owned(),
            stage: stage.to_owned(),
            data_dir: data_dir.to_owned(),
            clock,
            meters: prometheus::Registry::new(),
            health,
            every: None,
            process: Arc::default(),
            upstream: Vec::new(),
        }
    }
}

/// The health of a pipeline in which nothing happens.
struct Still {
    pipeline: String,
    since: Timestamp,
}

impl HealthView for Still {
    fn health(&self) -> Health {
        Health {
            pipeline: self.pipeline.clone(),
            started: self.since,
            uptime: Duration::ZERO,
            sources: Vec::new(),
            sinks: Vec::new(),
            journal: JournalHealth::default(),
            warnings: Vec::new(),
            queued: 0,
        }
    }
}
