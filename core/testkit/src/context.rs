//! What the runtime would hand a stage that opens.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use smiles_stage::{Clock, Health, HealthView, JournalHealth, OpenContext, prometheus};

/// A context for a stage named `stage` of a pipeline named `test`.
pub fn open_context(data_dir: &Path, clock: Arc<dyn Clock>) -> OpenContext {
    let health = Arc::new(Still { started: clock.now() });
    OpenContext {
        pipeline: "test".into(),
        stage: "stage".into(),
        data_dir: data_dir.to_owned(),
        clock,
        meters: prometheus::Registry::new(),
        health,
        every: None,
        process: Arc::default(),
        upstream: Vec::new(),
    }
}

/// The health of a pipeline in which nothing happens.
struct Still {
    started: jiff::Timestamp,
}

impl HealthView for Still {
    fn health(&self) -> Health {
        Health {
            pipeline: "test".into(),
            started: self.started,
            uptime: Duration::ZERO,
            sources: Vec::new(),
            sinks: Vec::new(),
            journal: JournalHealth::default(),
            warnings: Vec::new(),
            queued: 0,
        }
    }
}
