//! The batches of one write as rows of every table, and the rows that can never be stored.

use std::collections::{BTreeMap, BTreeSet};

use arrow_array::RecordBatch;

use smiles_stage::{Batch, Rejection, StageError};
use smiles_tables::{Bundle, Misfit, Piece, RowAddress, TablePlan, TablesPlan};

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

/// Every row that goes to some table, in journal order.
pub fn places<'a>(parts: impl IntoIterator<Item = &'a Part<'a>>) -> Vec<RowAddress> {
    let pieces = parts.into_iter().flat_map(|part| &part.pieces);
    let mut places: Vec<RowAddress> = pieces.flat_map(|piece| piece.origin.iter().copied()).collect();
    places.sort_unstable();
    places.dedup();
    places
}

/// Both halves of a range of rows, in order; one row has none.
pub fn halves(range: &[RowAddress]) -> Vec<&[RowAddress]> {
    if range.len() < 2 {
        return vec![range];
    }
    let (one, two) = range.split_at(range.len() / 2);
    vec![one, two]
}

/// All batches as rows of the tables that are written, in the order they are written.
///
/// # Errors
/// Reject, with every row that fits a table not at all.
pub fn parts<'a>(tables: &'a TablesPlan, batches: &[Batch]) -> Result<Vec<Part<'a>>, StageError> {
    let bundles = Bundle::all(batches);
    let mut rejected = Rejected::default();
    let mut piece = |table: &TablePlan, bundle: &Bundle| {
        let note = |Misfit { place, code, reason }: Misfit| rejected.add(place, code, reason);
        table.piece(bundle).map_err(|misfits| misfits.into_iter().for_each(note)).ok()
    };
    let parts = tables
        .written()
        .map(|table| Part { table, pieces: bundles.iter().filter_map(|it| piece(table, it)).collect() })
        .collect();
    rejected.finish().map(|()| parts)
}

/// Refused rows by place in the write, each with its first reason.
#[derive(Debug, Default)]
pub struct Rejected {
    certain: BTreeMap<RowAddress, Reason>,
    /// With the table that refused the row, for a reason that may be its own.
    suspects: BTreeMap<RowAddress, (String, Reason)>,
    /// Tables that took some row of the write.
    took: BTreeSet<String>,
}

#[derive(Debug)]
struct Reason {
    code: String,
    reason: String,
}

impl Rejected {
    /// Notes a row, unless it is refused already.
    pub fn add(&mut self, place: RowAddress, code: impl Into<String>, reason: impl Into<String>) {
        let (code, reason) = (code.into(), reason.into());
        self.certain.entry(place).or_insert_with(|| Reason { code, reason });
    }

    /// Notes a row that a table refused without saying whether the row is to blame, as a trigger does. It is, if the
    /// table takes another one.
    pub fn suspect(
        &mut self,
        place: RowAddress,
        table: &str,
        code: impl Into<String>,
        reason: impl Into<String>,
    ) {
        let reason = Reason { code: code.into(), reason: reason.into() };
        self.suspects.entry(place).or_insert_with(|| (table.to_owned(), reason));
    }

    /// Notes that a table took a row.
    pub fn took(&mut self, table: &str) {
        if !self.took.contains(table) {
            self.took.insert(table.to_owned());
        }
    }

    /// Whether the row is refused.
    pub fn has(&self, place: RowAddress) -> bool {
        self.certain.contains_key(&place) || self.suspects.contains_key(&place)
    }

    /// Whether nothing speaks against any row but suspicion.
    pub fn is_undecided(&self) -> bool {
        self.certain.is_empty() && !self.suspects.values().any(|(table, _)| self.took.contains(table))
    }

    /// Fine if no row was refused.
    ///
    /// # Errors
    /// Reject, with all that are to blame; retry, undecided, if none was taken by the table that refuses them.
    pub fn finish(self) -> Result<(), StageError> {
        let Self { mut certain, suspects, took } = self;
        let (guilty, unclear): (Vec<_>, Vec<_>) =
            suspects.into_iter().partition(|(_, (table, _))| took.contains(table));
        for (place, (_, reason)) in guilty {
            certain.entry(place).or_insert(reason);
        }
        match (certain.is_empty(), unclear.first()) {
            (true, None) => Ok(()),
            (true, Some((_, (_, first)))) => Err(StageError::retry(format!(
                "{}; no row passes, so no row is to blame: mend what refuses them (a trigger?), and they are delivered",
                first.reason
            ))
            .undecided()),
            (false, _) => Err(reject(certain)),
        }
    }
}

fn reject(rows: BTreeMap<RowAddress, Reason>) -> StageError {
    let first = rows.first_key_value().map_or("", |(_, first)| first.reason.as_str());
    let message = format!("{} rows can never be stored; the first: {first}", rows.len());
    let rows = rows.into_iter().map(|((batch, row), Reason { code, reason })| Rejection {
        batch,
        row: usize::try_from(row).unwrap_or(usize::MAX),
        code,
        reason,
    });
    StageError::reject(rows.collect(), message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use smiles_stage::Action;

    /// Places of the rejection; `None`: held.
    fn verdict(rejected: Rejected) -> Option<Vec<usize>> {
        match rejected.finish().map_err(|error| (error.is_undecided(), error.action().clone())) {
            Ok(()) => Some(Vec::new()),
            Err((false, Action::Reject { rows })) => Some(rows.iter().map(|row| row.row).collect()),
            Err((undecided, action)) => {
                assert!(undecided && matches!(action, Action::Retry { .. }), "{action:?}");
                None
            }
        }
    }

    #[test]
    fn a_suspect_is_to_blame_only_if_its_own_table_took_another_row() {
        let suspect = |took: &[&str], certain: bool| {
            let mut rejected = Rejected::default();
            rejected.suspect((0, 1), "a", "P0001", "no");
            took.iter().for_each(|table| rejected.took(table));
            if certain {
                rejected.add((0, 2), "23514", "check");
            }
            assert_eq!(rejected.is_undecided(), took != ["a"] && !certain);
            verdict(rejected)
        };
        assert_eq!(suspect(&[], false), None);
        assert_eq!(suspect(&["b"], false), None, "another table proves nothing");
        assert_eq!(suspect(&["a"], false), Some(vec![1]));
        assert_eq!(suspect(&[], true), Some(vec![2]), "the others are judged by the next write");
        assert_eq!(suspect(&["a"], true), Some(vec![1, 2]));
        assert_eq!(verdict(Rejected::default()), Some(Vec::new()));
    }
}
