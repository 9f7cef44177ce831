//! The batches of one write as rows of every table, and the rows that can never be stored.

use std::collections::BTreeMap;

use arrow_array::RecordBatch;

use super::{Bundle, Misfit, Mode, Place, TablePlan, TablesPlan};
use crate::{Batch, Rejection, StageError};

/// Rows of one table, and where each of them came from, ascending.
#[derive(Clone, Debug)]
pub struct Piece {
    /// The rows, in the schema of the table's plan.
    pub records: RecordBatch,
    /// For each of them its place in the write.
    pub origin: Vec<Place>,
}

/// The rows of one table, by bundle of the write.
#[derive(Clone, Debug)]
pub struct Part<'a> {
    /// The table.
    pub table: &'a TablePlan,
    /// Its rows.
    pub pieces: Vec<Piece>,
}

impl Part<'_> {
    /// The rows alone.
    pub fn records(&self) -> Vec<&RecordBatch> {
        self.pieces.iter().map(|piece| &piece.records).collect()
    }
}

impl TablesPlan {
    /// The tables that are written, in the order they are written.
    pub fn written(&self) -> impl Iterator<Item = &TablePlan> {
        self.tables().iter().filter(|table| table.mode() != Mode::Read)
    }

    /// All batches as rows of the tables that are written, in the order they are written.
    ///
    /// # Errors
    /// Reject, with every row that fits a table not at all.
    pub fn project(&self, batches: &[Batch]) -> Result<Vec<Part<'_>>, StageError> {
        let bundles = Bundle::all(batches);
        let mut rejected = Rejected::default();
        let mut piece = |table: &TablePlan, bundle: &Bundle| {
            let projected = table.piece(bundle);
            projected.map_err(|misfits| rejected.misfits(bundle, misfits)).ok()
        };
        let parts = self
            .written()
            .map(|table| Part { table, pieces: bundles.iter().filter_map(|it| piece(table, it)).collect() })
            .collect();
        rejected.finish().map(|()| parts)
    }
}

impl TablePlan {
    /// The table's rows of a bundle.
    ///
    /// # Errors
    /// As [`TablePlan::project`].
    pub fn piece(&self, bundle: &Bundle) -> Result<Piece, Vec<Misfit>> {
        let projected = self.project_each(&bundle.records, &bundle.ends)?;
        let origin = projected.origin.into_iter().map(|row| bundle.place(row as usize)).collect();
        Ok(Piece { records: projected.records, origin })
    }
}

/// Refused rows by place in the write, each with its first reason.
#[derive(Debug, Default)]
pub struct Rejected(BTreeMap<Place, (String, String)>);

impl Rejected {
    /// Notes a row, unless it is refused already.
    pub fn add(&mut self, place: Place, code: impl Into<String>, reason: impl Into<String>) {
        self.0.entry(place).or_insert_with(|| (code.into(), reason.into()));
    }

    fn misfits(&mut self, bundle: &Bundle, misfits: Vec<Misfit>) {
        for it in misfits {
            self.add(bundle.place(it.row as usize), it.code, it.reason);
        }
    }

    /// Whether the row is refused.
    pub fn has(&self, place: Place) -> bool {
        self.0.contains_key(&place)
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
