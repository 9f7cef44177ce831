//! A whole column as one parameter, for `unnest`.

use std::error::Error;

use arrow_array::{Array, ArrayRef};
use bytes::{BufMut, BytesMut};
use postgres_types::{IsNull, ToSql, Type, to_sql_checked};

use crate::encode::cells::{Cells, Unfit};
use crate::encode::wire::Wire;

/// The cells of a column as a one-dimensional array, encoded already.
#[derive(Debug)]
pub(crate) struct ArrayParameter {
    bytes: Vec<u8>,
}

impl ArrayParameter {
    /// Encodes the column.
    ///
    /// # Errors
    /// The row whose value no column of its type can hold.
    pub(crate) fn new(column: &ArrayRef, wire: Wire) -> Result<Self, (usize, Unfit)> {
        let cells = Cells::new(column, wire);
        let mut bytes = Vec::with_capacity(20 + column.len() * 12);
        let dimensions = u32::from(!column.is_empty());
        bytes.extend_from_slice(&dimensions.to_be_bytes());
        bytes.extend_from_slice(&u32::from(column.null_count() > 0).to_be_bytes());
        bytes.extend_from_slice(&wire.element().oid().to_be_bytes());
        if !column.is_empty() {
            bytes.extend_from_slice(&u32::try_from(column.len()).unwrap_or(u32::MAX).to_be_bytes());
            bytes.extend_from_slice(&1_u32.to_be_bytes());
        }
        for row in 0..column.len() {
            cells.push(row, &mut bytes).map_err(|unfit| (row, unfit))?;
        }
        Ok(Self { bytes })
    }
}

impl ToSql for ArrayParameter {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        out.put_slice(&self.bytes);
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}
