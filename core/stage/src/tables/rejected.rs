//! The batches of one write as rows of every table, and the rows that can never be stored.

use std::collections::BTreeMap;

use super::{Mode, Projected, TablePlan, TablesPlan};
use crate::{Batch, Rejection, StageError};

/// The rows of one table, by batch of the write.
#[derive(Clone, Debug)]
pub struct Part<'a> {
    /// The table.
    pub table: &'a TablePlan,
    /// Its rows of each batch.
    pub batches: Vec<Projected>,
}

impl TablesPlan {
    /// All batches as rows of the tables that are written, in the order they are written.
    ///
    /// # Errors
    /// Reject, with every row that fits a table not at all.
    pub fn project(&self, batches: &[Batch]) -> Result<Vec<Part<'_>>, StageError> {
        let mut rejected = Rejected::default();
        let written = self.tables().iter().filter(|table| table.mode() != Mode::Read);
        let parts = written.map(|table| {
            let mut part = Part { table, batches: Vec::with_capacity(batches.len()) };
            for (index, batch) in batches.iter().enumerate() {
                match table.project(&batch.records) {
                    Ok(projected) => part.batches.push(projected),
                    Err(misfits) => {
                        for it in misfits {
                            rejected.add(index, it.row, it.code, it.reason);
                        }
                    }
                }
            }
            part
        });
        let parts = parts.collect();
        rejected.finish().map(|()| parts)
    }
}

/// Refused rows by batch of the write and row, each with its first reason.
#[derive(Debug, Default)]
pub struct Rejected(BTreeMap<(usize, u32), (String, String)>);

impl Rejected {
    /// Notes a row, unless it is refused already.
    pub fn add(&mut self, batch: usize, row: u32, code: impl Into<String>, reason: impl Into<String>) {
        self.0.entry((batch, row)).or_insert_with(|| (code.into(), reason.into()));
    }

    /// Whether the row is refused.
    pub fn has(&self, batch: usize, row: u32) -> bool {
        self.0.contains_key(&(batch, row))
    }

    /// Fine if there is none.
    ///
    /// # Errors
    /// Reject, with all of them.
    pub fn finish(self) -> Result<(), StageError> {
        let Some((_, (_, first))) = self.0.first_key_value() else { return Ok(()) };
        let message = format!("{} rows can never be stored; the first: {first}", self.0.len());
        let rows = self.0.into_iter().map(|((batch, row), (code, reason))| Rejection {
            batch,
            row: usize::try_from(row).unwrap_or(usize::MAX),
            code,
            reason,
        });
        Err(StageError::reject(rows.collect(), message))
    }
}
