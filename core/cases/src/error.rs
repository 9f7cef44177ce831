//! Why cases cannot be run.

use std::error::Error;

use smiles_config::Diagnostics;
use smiles_stage::Problems;

/// A cause of any kind: it is told to people and never looked into.
pub(crate) type Cause = Box<dyn Error + Send + Sync>;

/// Why cases cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum CasesError {
    /// The file of cases is wrong: all of its mistakes.
    #[error("the file of cases has mistakes")]
    File(Diagnostics),
    /// The pipeline is wrong under the variables of a case: which one, and all mistakes as they are shown to people.
    #[error("{0}")]
    Pipeline(String),
    /// Nothing is wrong with either, and the pipeline could not be opened.
    #[error("{said}")]
    Failed {
        /// Where, or what could not be done.
        said: String,
        /// Why.
        source: Cause,
    },
}

impl CasesError {
    /// A failure with its cause.
    pub(crate) fn failed(said: String, source: Cause) -> Self {
        Self::Failed { said, source }
    }
}

/// What does not fit.
#[derive(Default)]
pub(crate) struct Mistakes {
    pub(crate) values: Problems,
    /// Columns that do not exist: it is the key that is wrong, and not what stands behind it.
    pub(crate) keys: Problems,
}
