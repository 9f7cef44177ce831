//! Watermarks of runs that the journal has forgotten, taken out of the target: asked for until it worked.

use smiles_journal::JournalError;

use crate::call::guard::{Failure, guarded};
use crate::call::upkeep::forget;
use crate::deliver::delivery::DeliveryTask;

enum PruneFailure {
    Journal(JournalError),
    Sink(Failure),
}

impl DeliveryTask {
    /// Has the target forget what the journal has forgotten.
    pub(crate) async fn prune(&mut self) {
        let pruned = self.try_to_prune().await;
        let (pipeline, sink) = (self.pipeline.as_str(), self.name.as_str());
        let prune = &mut self.memory.prune;
        match pruned {
            Ok(()) => prune.succeeded(),
            Err(setback) => {
                let error = match setback {
                    PruneFailure::Journal(error) => error.to_string(),
                    PruneFailure::Sink(failure) => failure.error.chain(),
                };
                if prune.failed(self.clock.monotonic()) {
                    tracing::warn!(
                        pipeline,
                        sink,
                        error,
                        "cannot delete old watermarks in the target; this is retried"
                    );
                }
            }
        }
    }

    async fn try_to_prune(&mut self) -> Result<(), PruneFailure> {
        let runs = self.journal.unpruned(&self.name).await.map_err(PruneFailure::Journal)?;
        if runs.is_empty() {
            return Ok(());
        }
        let told = match self.sink().await {
            Ok(sink) => guarded(forget(sink.as_mut(), &runs)).await,
            Err(failure) => Err(failure),
        };
        if let Err(failure) = told {
            if failure.panicked {
                self.sink = None;
            }
            return Err(PruneFailure::Sink(failure));
        }
        self.journal.pruned(&self.name, &runs).await.map_err(PruneFailure::Journal)
    }
}
