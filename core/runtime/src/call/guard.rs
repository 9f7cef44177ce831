//! A panic inside a stage is an error of that stage.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use futures::FutureExt;
use smiles_stage::StageError;

/// How a call of a stage failed.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) error: StageError,
    /// The stage is in no state to be called again and must be made anew.
    pub(crate) panicked: bool,
}

impl From<StageError> for Failure {
    fn from(error: StageError) -> Self {
        Self { error, panicked: false }
    }
}

/// Awaits a call of a stage.
pub(crate) async fn guarded<T>(call: impl Future<Output = Result<T, StageError>>) -> Result<T, Failure> {
    match AssertUnwindSafe(call).catch_unwind().await {
        Ok(result) => result.map_err(Failure::from),
        Err(panic) => Err(fallen(panic.as_ref())),
    }
}

/// Makes a synchronous call of a stage.
pub(crate) fn guarded_now<T>(call: impl FnOnce() -> Result<T, StageError>) -> Result<T, Failure> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(result) => result.map_err(Failure::from),
        Err(panic) => Err(fallen(panic.as_ref())),
    }
}

fn fallen(panic: &(dyn Any + Send)) -> Failure {
    let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
    let message = format!("the stage panicked: {}", text.unwrap_or("without a message"));
    Failure { error: StageError::retry(message), panicked: true }
}
