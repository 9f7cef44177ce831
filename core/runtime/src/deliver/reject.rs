//! Rows a sink refuses for good: from its words to dead letters, and the batch without them.

use arrow_array::BooleanArray;
use arrow_select::filter::filter_record_batch;
use jiff::Timestamp;
use smiles_journal::DeadLetter;
use smiles_stage::{Batch, Rejection, StageError};

/// A batch as it is given to the sink: without the rows set aside before.
#[derive(Debug)]
pub(crate) struct DeliverableBatch {
    pub(crate) batch: Batch,
    /// Rows taken out, as numbered in the journal, ascending.
    aside: Vec<u32>,
}

impl DeliverableBatch {
    /// The batch without these rows.
    pub(crate) fn new(batch: Batch, aside: Vec<u32>) -> Result<Self, StageError> {
        if aside.is_empty() {
            return Ok(Self { batch, aside });
        }
        let rows = u32::try_from(batch.records.num_rows()).unwrap_or(u32::MAX);
        let keep: BooleanArray = (0..rows).map(|row| Some(aside.binary_search(&row).is_err())).collect();
        let unfit = |error| StageError::retry("cannot take rows out of a batch").because(error);
        let records = filter_record_batch(&batch.records, &keep).map_err(unfit)?;
        Ok(Self { batch: Batch { records, ..batch }, aside })
    }

    /// The journal's number of a row that the sink calls `given`; `None` if there is no such row.
    fn journalled(&self, given: usize) -> Option<u32> {
        if given >= self.batch.records.num_rows() {
            return None;
        }
        let mut row = u32::try_from(given).ok()?;
        for taken in &self.aside {
            if *taken <= row {
                row += 1;
            }
        }
        Some(row)
    }
}

/// The dead letters; `None` if the sink named no row, or one it was not given.
pub(crate) fn dead_letters(
    batches: &[DeliverableBatch],
    rejected: &[Rejection],
    at: Timestamp,
) -> Option<Vec<DeadLetter>> {
    let letter = |rejection: &Rejection| {
        let trimmed = batches.get(rejection.batch)?;
        Some(DeadLetter {
            position: trimmed.batch.position,
            row: trimmed.journalled(rejection.row)?,
            code: rejection.code.clone(),
            reason: rejection.reason.clone(),
            at,
        })
    };
    let dead_letters = rejected.iter().map(letter).collect::<Option<Vec<_>>>()?;
    (!dead_letters.is_empty()).then_some(dead_letters)
}

#[cfg(test)]
mod tests {
    use smiles_stage::{Position, RunId, Seq};
    use smiles_testkit::{ids, numbered};

    use super::*;

    fn trimmed(seq: u64, rows: i64, aside: &[u32]) -> DeliverableBatch {
        let position = Position { run: RunId([1; 16]), seq: Seq(seq) };
        let records = numbered(0..rows);
        let batch = Batch { position, complete: true, accepted_at: Timestamp::UNIX_EPOCH, records };
        DeliverableBatch::new(batch, aside.to_vec()).unwrap()
    }

    fn rejection(batch: usize, row: usize) -> Rejection {
        Rejection { batch, row, code: "23514".into(), reason: "check".into() }
    }

    #[test]
    fn rows_keep_their_journalled_numbers_however_many_went_before() {
        for aside in [vec![], vec![0], vec![1, 2, 5], vec![0, 1, 2], vec![7]] {
            let trimmed = trimmed(1, 8, &aside);
            let left = ids(&trimmed.batch.records);
            assert_eq!(left.len(), 8 - aside.len());
            for (given, id) in left.iter().enumerate() {
                let row = trimmed.journalled(given).map(i64::from);
                assert_eq!(row, Some(*id), "row {given} with {aside:?} aside");
            }
            assert_eq!(trimmed.journalled(left.len()), None);
        }
    }

    #[test]
    fn only_rows_that_were_given_become_letters() {
        let batches = [trimmed(1, 2, &[]), trimmed(2, 3, &[1])];
        let found =
            dead_letters(&batches, &[rejection(0, 1), rejection(1, 1)], Timestamp::UNIX_EPOCH).unwrap();
        let places: Vec<_> = found.iter().map(|letter| (letter.position.seq.0, letter.row)).collect();
        assert_eq!(places, [(1, 1), (2, 2)]);
        for wrong in [vec![], vec![rejection(2, 0)], vec![rejection(0, 0), rejection(1, 2)]] {
            assert!(dead_letters(&batches, &wrong, Timestamp::UNIX_EPOCH).is_none(), "{wrong:?}");
        }
    }
}
