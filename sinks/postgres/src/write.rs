//! One write: the rows of all tables and the watermark in one transaction, or nothing.

use std::sync::Arc;

use smiles_stage::{Batch, StageError};
use smiles_store::{Swallowed, parts};
use smiles_tables::latest_plausible;

use crate::attempt::{Outcome, Write};
use crate::bisect;
use crate::writer::Writer;

/// Stores the batches, and says what of them the server left out; `late`: rows whose polls are stored already, but for them.
///
/// # Errors
/// Reject with the rows that can never be stored; retry when another process moved the watermark; else as
/// [`crate::error::stage_error`]. Nothing is stored then, unless the answer to the commit was lost.
pub(crate) async fn store(
    writer: &mut Writer,
    batches: &[Batch],
    late: bool,
) -> Result<Swallowed, StageError> {
    let Some(last) = batches.last() else { return Ok(Swallowed::default()) };
    let (run, seq) = (last.position.run, last.position.seq);
    let settings = Arc::clone(&writer.settings);
    let Some(expected) = writer.known.get(&run).copied() else {
        return Err(StageError::retry("the watermark of this run must be asked for first"));
    };
    let write = Write {
        settings: &settings,
        client: &writer.connected.client,
        statements: &writer.statements,
        late,
        latest: latest_plausible(batches, settings.clock.now()),
        guard: &writer.guard,
        batches,
        run,
        expected,
        seq,
    };
    let limit = settings.connector.config.timeout.0;
    let merged = tokio::time::timeout(limit, write.merged()).await;
    let swallowed = match merged.map_err(|_| settings.connector.silent(limit))?? {
        Outcome::Stored(swallowed) => swallowed,
        Outcome::RowUnfit => return Err(write.unfit(&parts(&settings.tables, batches)?)),
        Outcome::RowRefused => bisect::store(&write, &parts(&settings.tables, batches)?).await?,
    };
    writer.known.insert(run, seq);
    Ok(swallowed)
}
