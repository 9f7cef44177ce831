//! What a sink is asked beside taking batches. One that can do nothing of the kind keeps nothing that would need it.

use smiles_stage::{Batch, RunId, Sink, StageError};

/// Hands over rows that come after the rest of their batch.
pub(crate) async fn hand_over(sink: &mut dyn Sink, rows: &Batch) -> Result<(), StageError> {
    if let Some(upkeep) = sink.upkeep() {
        return upkeep.replay(rows).await;
    }
    sink.write(rows).await
}

/// Has the target forget what it knows of these runs.
pub(crate) async fn forget(sink: &mut dyn Sink, runs: &[RunId]) -> Result<(), StageError> {
    match sink.upkeep() {
        Some(upkeep) => upkeep.forget(runs).await,
        None => Ok(()),
    }
}
