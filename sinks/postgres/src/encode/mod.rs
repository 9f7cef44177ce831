//! Arrow columns in PostgreSQL's binary form: rows for COPY, arrays for `unnest`. Pure; PostgreSQL is the oracle of
//! its tests.

mod array;
mod cells;
mod numeric;
mod wire;

use arrow_array::RecordBatch;

pub(crate) use array::ArrayParameter;
pub(crate) use cells::{Cells, Unfit};
pub(crate) use wire::Wire;

/// What opens a binary COPY: signature, no flags, no extension.
const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
/// What ends it.
const TRAILER: [u8; 2] = (-1_i16).to_be_bytes();

/// The rows of a batch, ready to be copied into a table.
pub(crate) struct Rows<'a> {
    columns: Vec<Cells<'a>>,
}

impl<'a> Rows<'a> {
    /// The batch is in the schema of a table's plan; `wires` are those of its columns.
    pub(crate) fn new(records: &'a RecordBatch, wires: &[Wire]) -> Self {
        let columns = records.columns().iter().zip(wires).map(|(column, wire)| Cells::new(column, *wire));
        Self { columns: columns.collect() }
    }

    /// Appends a row.
    ///
    /// # Errors
    /// The index of the column whose value no column of its type can hold; what was appended is of no use then.
    pub(crate) fn push(&self, row: usize, out: &mut Vec<u8>) -> Result<(), (usize, Unfit)> {
        // A table of PostgreSQL has at most 1,600 columns.
        out.extend_from_slice(&u16::try_from(self.columns.len()).unwrap_or(u16::MAX).to_be_bytes());
        for (index, column) in self.columns.iter().enumerate() {
            column.push(row, out).map_err(|unfit| (index, unfit))?;
        }
        Ok(())
    }
}

/// Opens a COPY.
pub(crate) fn begin(out: &mut Vec<u8>) {
    out.extend_from_slice(HEADER);
}

/// Ends it.
pub(crate) fn end(out: &mut Vec<u8>) {
    out.extend_from_slice(&TRAILER);
}
