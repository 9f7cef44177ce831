//! The target's word wins: what a watermark above or below the cursor means.

use rusqlite::Connection;
use smiles_stage::{RunId, Seq, TargetId};

use crate::api::status::Reconciled;
use crate::format::failure::Failure;
use crate::format::records::{CursorRow, Ranges, Run, SinkRow, add_gap, gaps, without};
use crate::ledger::old_copy;
use crate::ledger::row_counts::{WENT_BACK, advance, lose, present, waiting_between};
use crate::log::store::JournalFile;

impl JournalFile {
    /// Takes the target's word. See [`crate::api::journal::Journal::reconcile`].
    pub(crate) fn reconcile(
        &mut self,
        name: &str,
        target: TargetId,
        marks: &[(RunId, Seq)],
    ) -> Result<Reconciled, Failure> {
        let mut sink = SinkRow::load(&self.connection, name)?;
        let mut told =
            Reconciled { different_target: sink.target() != Some(target), ..Reconciled::default() };
        if !told.different_target {
            let suspicion = old_copy::suspect(&self.connection, name, marks, self.now)?;
            old_copy::note(&self.connection, name, suspicion.as_ref())?;
            told.refused = suspicion.map(|suspicion| suspicion.sentence);
        }
        if told.refused.is_some() {
            return Ok(told);
        }
        sink.target = Some(target.0);
        sink.save(&self.connection)?;
        for (id, mark) in marks {
            if self.is_forked(*id, *mark) {
                self.part_with(name, *id)?;
                sink = SinkRow::load(&self.connection, name)?;
            }
            let Some(run) = Run::load(&self.connection, *id)? else { continue };
            let place = CursorRow::load(&self.connection, name, run.id)?;
            if mark.0 > run.last {
                tracing::warn!(sink = name, run = %run.id, "the target has batches that this journal no longer has");
            }
            if mark.0 >= place.delivered {
                advance(&self.connection, &mut sink, &run, mark.0)?;
                continue;
            }
            let gone = go_back(&self.connection, &mut sink, &run, mark.0)?;
            told.back += gone.again;
            if told.different_target {
                for range in gone.missing {
                    add_gap(&self.connection, name, run.id, range)?;
                }
                continue;
            }
            for range in gone.missing {
                let loss = lose(&self.connection, &mut sink, &run, range, WENT_BACK, true)?;
                told.lost.push(loss);
            }
        }
        Ok(told)
    }
}

/// What going back to a lower watermark means.
struct Gone {
    /// Batches that are delivered again.
    again: u64,
    /// Ranges that were delivered and are no longer here.
    missing: Ranges,
}

fn go_back(connection: &Connection, sink: &mut SinkRow, run: &Run, mark: u64) -> Result<Gone, Failure> {
    let mut place = CursorRow::load(connection, &sink.name, run.id)?;
    let above = mark.max(place.start.saturating_sub(1));
    let (again, rows) = waiting_between(connection, &sink.name, run, above, place.delivered)?;
    sink.delivered = sink.delivered.saturating_sub(rows);
    let mut missing = Vec::new();
    if above < place.delivered {
        let here = present(connection, run, above, place.delivered)?;
        let booked = gaps(connection, &sink.name, run.id)?;
        missing = without(&without(&[(above + 1, place.delivered)], &here), &booked);
    }
    place.delivered = mark;
    place.save(connection, &sink.name, run.id)?;
    sink.save(connection)?;
    Ok(Gone { again, missing })
}
