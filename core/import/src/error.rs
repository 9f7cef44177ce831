//! Why an import does not go on.

use std::error::Error;

/// Why an import does not go on. What was written until then stays in the target.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The rules, the source or the pipeline are not what they have to be; a person has to change something first.
    #[error("{0}")]
    Refused(String),
    /// It failed while running.
    #[error(transparent)]
    Failed(Box<dyn Error + Send + Sync>),
    /// A CSV file cannot be read.
    #[error("{said}")]
    Csv {
        /// Which, or what could not be done with it.
        said: String,
        /// Why.
        source: csv::Error,
    },
}

impl ImportError {
    /// A failure that has no cause but itself.
    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Self::Failed(message.into().into())
    }
}

/// An error of another crate as one of ours, with its causes.
pub(crate) fn told(error: impl Error + Send + Sync + 'static) -> ImportError {
    ImportError::Failed(Box::new(error))
}
