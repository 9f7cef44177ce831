//! What a pipeline is opened with, and why that failed.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use smiles_journal::JournalError;
use smiles_stage::{Clock, HealthView, OpenContext, Process, StageError};

use crate::observe::health_board::HealthBoard;
use crate::observe::meter::Meters;

/// How a pipeline is opened and run.
#[derive(Clone)]
pub struct RunOptions {
    /// Where the journal and the stages' own files are.
    pub data_dir: PathBuf,
    /// The one clock.
    pub clock: Arc<dyn Clock>,
    /// The runtime's series, and where stages register theirs.
    pub meters: Meters,
    /// How long the read in flight may take when the end is asked for; everything ends a quarter of it later.
    pub grace: Duration,
    /// The program and everything that runs in it, for stages that report on it.
    pub process: Arc<Process>,
}

impl RunOptions {
    /// What a stage of this pipeline is opened with.
    pub(crate) fn context(
        &self,
        pipeline: &str,
        stage: &str,
        health_board: &Arc<HealthBoard>,
    ) -> OpenContext {
        let health: Arc<dyn HealthView> = Arc::<HealthBoard>::clone(health_board);
        OpenContext {
            meters: self.meters.registry().clone(),
            health,
            process: Arc::clone(&self.process),
            ..OpenContext::new(pipeline, stage, &self.data_dir, Arc::clone(&self.clock))
        }
    }
}

impl OpenError {
    /// Whether trying again may help: the disk was full, say. Not where another process has the journal, or where it is not
    /// this pipeline's.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Folder { .. } => true,
            Self::Journal { source, .. } => {
                !matches!(source, JournalError::Locked { .. } | JournalError::Refused(_))
            }
            Self::Stage { .. } => false,
        }
    }
}

/// Why a pipeline does not start.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The folder for the journal cannot be made.
    #[error("cannot make the folder {path}")]
    Folder {
        /// DATA_DIR.
        path: PathBuf,
        /// What the file system said.
        source: std::io::Error,
    },
    /// The journal cannot be opened.
    #[error("cannot open the journal of pipeline `{pipeline}`")]
    Journal {
        /// The pipeline.
        pipeline: String,
        /// Why.
        source: JournalError,
    },
    /// A stage cannot be opened.
    #[error("cannot open `{stage}`")]
    Stage {
        /// Its name in the file.
        stage: String,
        /// Why.
        source: StageError,
    },
}
