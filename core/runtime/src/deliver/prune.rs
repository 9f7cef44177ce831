//! Watermarks of runs that the journal has forgotten, taken out of the target: asked for until it worked.

use std::time::Duration;

use smiles_journal::JournalError;

use crate::call::guard::{Failure, guarded};
use crate::deliver::delivery::Delivery;

/// After a failure, so long until the next try.
const AGAIN: Duration = Duration::from_secs(600);

/// When that is to be done. A process does not know what an earlier one left, so it begins with looking.
#[derive(Debug, Default)]
pub(crate) struct Prune {
    done: bool,
    after: Duration,
    complained: bool,
}

impl Prune {
    /// By the monotonic clock; `None`: there is nothing to do.
    pub(crate) fn due(&self) -> Option<Duration> {
        (!self.done).then_some(self.after)
    }
}

enum Setback {
    Journal(JournalError),
    Sink(Failure),
}

impl Delivery {
    /// Has the target forget what the journal has forgotten.
    pub(crate) async fn prune(&mut self) {
        let pruned = self.try_to_prune().await;
        let (pipeline, sink) = (self.pipeline.as_str(), self.name.as_str());
        let prune = &mut self.memory.prune;
        match pruned {
            Ok(()) => *prune = Prune { done: true, ..Prune::default() },
            Err(setback) => {
                let error = match setback {
                    Setback::Journal(error) => error.to_string(),
                    Setback::Sink(failure) => failure.error.chain(),
                };
                if !std::mem::replace(&mut prune.complained, true) {
                    tracing::warn!(
                        pipeline,
                        sink,
                        error,
                        "old watermarks were not pruned; it is tried again"
                    );
                }
                prune.done = false;
                prune.after = self.clock.monotonic() + AGAIN;
            }
        }
    }

    async fn try_to_prune(&mut self) -> Result<(), Setback> {
        let runs = self.journal.unpruned(&self.name).await.map_err(Setback::Journal)?;
        if runs.is_empty() {
            return Ok(());
        }
        let told = match self.sink().await {
            Ok(sink) => guarded(sink.forget(&runs)).await,
            Err(failure) => Err(failure),
        };
        if let Err(failure) = told {
            if failure.panicked {
                self.sink = None;
            }
            return Err(Setback::Sink(failure));
        }
        self.journal.pruned(&self.name, &runs).await.map_err(Setback::Journal)
    }
}
