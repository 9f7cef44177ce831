//! One write: the rows of all tables and the watermark in one transaction, or nothing.

use std::sync::Arc;

use smiles_stage::{Batch, StageError};
use smiles_store::{Swallowed, parts};
use smiles_tables::latest_plausible;

use crate::attempt::{Insert, Write};
use crate::writer::Writer;
use crate::{orphans, sql};

/// Stores consecutive batches of one run, and says what the tables did not keep; `late`: rows whose polls are stored already,
/// but for them.
///
/// # Errors
/// Reject with the rows that can never be stored; retry when another process moved the watermark; else as
/// [`crate::error::stage_error`]. Nothing is stored then.
pub(crate) fn store(writer: &mut Writer, batches: &[Batch], late: bool) -> Result<Swallowed, StageError> {
    writer.still_there()?;
    let Some(last) = batches.last() else { return Ok(Swallowed::default()) };
    let (run, seq) = (last.position.run, last.position.seq);
    let settings = Arc::clone(&writer.settings);
    let Some(expected) = writer.known.get(&run).copied() else {
        return Err(StageError::retry("the watermark of this run must be asked for first"));
    };
    let insert = if late { sql::insert_late } else { sql::insert };
    let parts = parts(&settings.tables, batches)?.into_iter();
    let latest = latest_plausible(batches, settings.clock.now());
    let parts = parts.map(|part| Insert { sql: insert(part.table), part, late, latest }).collect();
    let write = Write { settings: &settings, run, expected, seq, parts, batches: batches.len() };
    let mut stored = write.merged(&mut writer.connection)?;
    if stored.is_none() {
        stored = write.row_by_row(&mut writer.connection)?;
    }
    let swallowed = match stored {
        Some(swallowed) => swallowed,
        None => orphans::store(&write, &mut writer.connection)?,
    };
    writer.known.insert(run, seq);
    Ok(swallowed)
}
