//! The rows of one batch as the rows of one table.

use std::fmt;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::UInt64Type;
use arrow_array::{
    Array, ArrayRef, BooleanArray, NullArray, RecordBatch, RecordBatchOptions, TimestampMicrosecondArray,
    UInt64Array, new_null_array,
};
use arrow_select::take::take;

use crate::bundle::{Bundle, RowAddress};
use crate::column_type::ColumnType;
use crate::convert::{convert, lost};
use crate::json::{Member, objects, printable};
use crate::plan::Origin;
use crate::plan::{PlannedColumn, Role, TablePlan};
use crate::select::select;
use smiles_stage::{ColumnMeta, Misdated, TIME, misdated};

/// Rows of one table, and where each of them came from, ascending.
#[derive(Clone, Debug)]
pub struct Piece {
    /// The rows, in the schema of the table's plan.
    pub records: RecordBatch,
    /// For each of them its place in the write.
    pub origin: Vec<RowAddress>,
}

/// Rows of a table, and where they came from.
#[derive(Clone, Debug)]
pub(crate) struct Projected {
    /// The rows, in the schema of the table's plan.
    pub records: RecordBatch,
    /// For each of them its row in the batch.
    pub origin: Vec<u32>,
}

/// A row of the batch that no table can take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misfit {
    /// Where it stands in the write.
    pub place: RowAddress,
    /// `out_of_range`, `null_key` or `wrong_schema`.
    pub code: &'static str,
    /// A sentence for the operator; of what a cell holds it says a number that is out of range, no text.
    pub reason: String,
}

impl TablePlan {
    /// The table's rows of a bundle, whose batches may be older than the file: a column they lack is null.
    ///
    /// # Errors
    /// All rows with a value that does not fit, or with a null in the key of an upsert.
    pub fn piece(&self, bundle: &Bundle) -> Result<Piece, Vec<Misfit>> {
        let place = |row: u32| bundle.place(row as usize);
        match self.project_each(&bundle.records, &bundle.ends) {
            Ok(Projected { records, origin }) => {
                Ok(Piece { records, origin: origin.into_iter().map(place).collect() })
            }
            Err(misfits) => Err(misfits
                .into_iter()
                .map(|misfit| Misfit { place: place(misfit.place.1), ..misfit })
                .collect()),
        }
    }

    /// The rows of one batch alone.
    #[cfg(test)]
    pub(crate) fn project(&self, records: &RecordBatch) -> Result<Projected, Vec<Misfit>> {
        self.project_each(records, &[records.num_rows()])
    }

    /// Several batches in one; `ends` says where each of them ends.
    fn project_each(&self, records: &RecordBatch, ends: &[usize]) -> Result<Projected, Vec<Misfit>> {
        let rows = select(self, records, ends);
        let mut projection = Projection { table: self, records, rows, misfits: Vec::new() };
        let columns: Vec<ArrayRef> = self.columns.iter().map(|column| projection.column(column)).collect();
        if projection.misfits.is_empty() { Ok(projection.finish(columns)) } else { Err(projection.misfits) }
    }
}

struct Projection<'a> {
    table: &'a TablePlan,
    records: &'a RecordBatch,
    rows: Vec<usize>,
    misfits: Vec<Misfit>,
}

impl Projection<'_> {
    fn column(&mut self, column: &PlannedColumn) -> ArrayRef {
        let cells = match &column.origin {
            Origin::Json { members, misdated } => self.object(members, misdated.as_deref()),
            Origin::Column { name, nullable } => self.plain(column, name, *nullable),
        };
        let cells = self.better_time(column).unwrap_or(cells);
        if column.role == Role::Key {
            let nulls: Vec<usize> = (0..cells.len()).filter(|&row| cells.is_null(row)).collect();
            self.misfit(&nulls, "null_key", column, "is part of the key and null");
        }
        cells
    }

    fn plain(&mut self, column: &PlannedColumn, name: &str, nullable: bool) -> ArrayRef {
        let all: Vec<usize> = (0..self.rows.len()).collect();
        let empty = || new_null_array(&column.column_type.data_type(), all.len());
        let Some((from, _)) = self.taken(name) else {
            if !nullable {
                self.misfit(&all, "wrong_schema", column, "is missing in this older batch");
            }
            return empty();
        };
        let Some(cells) = convert(&from, column.column_type) else {
            let reason = format!("was {} in this older batch", from.data_type());
            self.misfit(&all, "wrong_schema", column, reason);
            return empty();
        };
        for row in lost(&from, &cells) {
            self.misfit(&[row], "out_of_range", column, outside(&from, row, column.column_type));
        }
        cells
    }

    /// What says how new a row is, or when it first was, of rows that are dated wrongly: the best that is known.
    fn better_time(&self, column: &PlannedColumn) -> Option<ArrayRef> {
        let of_time = matches!(&column.origin, Origin::Column { name, .. } if name == TIME)
            && column.column_type == ColumnType::Time;
        let mark = misdated(self.records.schema_ref()).filter(|_| of_time)?;
        let better = match (column.role, mark) {
            (Role::First | Role::Newest, Misdated::Better(time)) => time,
            // A date that says of itself that it is none, for columns that take no null.
            (Role::First, Misdated::Unknown) => 0,
            _ => return None,
        };
        let cells = TimestampMicrosecondArray::from_value(better, self.rows.len()).with_timezone("UTC");
        Some(Arc::new(cells))
    }

    fn object(&self, members: &[(String, String)], mark: Option<&str>) -> ArrayRef {
        let mut members: Vec<Member> = members
            .iter()
            .map(|(name, from)| {
                let (column, json) = self.member(from).unwrap_or_else(|| (nulls(self.rows.len()), false));
                Member::new(name, column, json)
            })
            .collect();
        if let Some(name) = mark.filter(|_| misdated(self.records.schema_ref()).is_some()) {
            let marked: ArrayRef = Arc::new(BooleanArray::from(vec![true; self.rows.len()]));
            members.push(Member::new(name, marked, false));
        }
        Arc::new(objects(&members, self.rows.len()))
    }

    fn member(&self, name: &str) -> Option<(ArrayRef, bool)> {
        let (cells, index) = self.taken(name)?;
        let schema = self.records.schema();
        let field = schema.field(index);
        Some((printable(&cells, field)?, field.is_json()))
    }

    /// The chosen rows of a column of the batch, and the column's index.
    #[expect(clippy::expect_used, reason = "the chosen rows are rows of this batch")]
    fn taken(&self, name: &str) -> Option<(ArrayRef, usize)> {
        let index = self.records.schema().index_of(name).ok()?;
        let column = self.records.column(index);
        if self.rows.len() == column.len() {
            return Some((Arc::clone(column), index));
        }
        let rows = UInt64Array::from_iter_values(self.rows.iter().map(|&row| row as u64));
        Some((take(column, &rows, None).expect("rows within the batch"), index))
    }

    fn misfit(
        &mut self,
        rows: &[usize],
        code: &'static str,
        column: &PlannedColumn,
        what: impl fmt::Display,
    ) {
        let reason = format!("column `{}` of table `{}` {what}", column.name, self.table.name);
        self.misfits.extend(rows.iter().map(|&row| Misfit {
            place: (0, origin(self.rows[row])),
            code,
            reason: reason.clone(),
        }));
    }

    #[expect(clippy::expect_used, reason = "every column was made for this schema and these rows")]
    fn finish(self, columns: Vec<ArrayRef>) -> Projected {
        let options = RecordBatchOptions::new().with_row_count(Some(self.rows.len()));
        let schema = Arc::clone(&self.table.schema);
        let records = RecordBatch::try_new_with_options(schema, columns, &options).expect("fits its schema");
        Projected { records, origin: self.rows.into_iter().map(origin).collect() }
    }
}

/// Why the cell did not survive as a value of this type.
fn outside(from: &ArrayRef, row: usize, to: ColumnType) -> String {
    match from.as_primitive_opt::<UInt64Type>() {
        Some(numbers) => {
            let (value, least, most) = (numbers.value(row), i64::MIN, i64::MAX);
            format!("holds {value}, and {to} goes from {least} to {most}")
        }
        None => format!("holds a value outside of {to}"),
    }
}

fn nulls(rows: usize) -> ArrayRef {
    Arc::new(NullArray::new(rows))
}

#[expect(clippy::expect_used, reason = "a batch of 2^32 rows does not fit the journal")]
fn origin(row: usize) -> u32 {
    u32::try_from(row).expect("a row number")
}
