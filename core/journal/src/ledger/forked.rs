//! Two lives under one run: a machine that was copied while it ran, or set back to a snapshot with its memory. The target has
//! batches of the other life under numbers that this one has given, too: what waits here may be in it or not. It becomes dead
//! letters, so that nothing is stored twice and nothing is lost before a person has looked.

use smiles_stage::{Position, RunId, Seq};

use crate::api::dead_letter::DeadLetter;
use crate::format::failure::Failure;
use crate::format::records::{CursorRow, Run, rows_between};
use crate::ledger::row_counts::{note_repair, present};
use crate::log::store::JournalFile;

/// The code of such dead letters.
const CODE: &str = "copied";
const REASON: &str = "another copy of this journal has delivered to the target under the same number: the target may have \
                      this row or not";

impl JournalFile {
    /// The target has more of this run, which began with this process, than it was ever given from here.
    pub(crate) fn is_forked(&self, run: RunId, mark: Seq) -> bool {
        self.forked.contains(&run) || (run == self.run.id && mark.0 > self.run.last)
    }

    /// The run ends here, and what waits of it is set aside.
    pub(crate) fn part_with(&mut self, sink: &str, id: RunId) -> Result<(), Failure> {
        if id == self.run.id {
            self.begin_run()?;
            self.forked.push(id);
        }
        let Some(run) = Run::load(&self.connection, id)? else { return Ok(()) };
        let floor = CursorRow::load(&self.connection, sink, id)?.floor();
        let mut letters = Vec::new();
        for (first, last) in present(&self.connection, &run, floor, run.last)? {
            for seq in first..=last {
                let rows = rows_between(&self.connection, id, seq, seq)?;
                let position = Position { run: id, seq: Seq(seq) };
                letters.extend((0..u32::try_from(rows).unwrap_or(u32::MAX)).map(|row| DeadLetter {
                    position,
                    row,
                    code: CODE.to_owned(),
                    reason: REASON.to_owned(),
                    at: self.now,
                }));
            }
        }
        self.set_aside(sink, &letters)?;
        let rows = letters.len();
        let sentence = format!(
            "another copy of this journal has delivered to the target of `{sink}` (was this machine copied, or set back to a \
             snapshot, while it ran?): {rows} rows that waited here are dead letters. Replay those that the target does not \
             have (`smiles journal dead-letter replay`), and give up the others"
        );
        tracing::error!(sink, run = %id, rows, "another copy of this journal delivers to the same target");
        note_repair(&self.connection, self.now.as_microsecond(), &sentence)
    }
}
