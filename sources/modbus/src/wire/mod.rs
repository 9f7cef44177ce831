//! Frames on the wire: questions to bytes, and bytes to answers that agree with their question. Pure; no sockets.
//!
//! [`mbap`] is the framing of Modbus TCP, [`rtu`] that of serial lines; [`answer`] says what an answer is worth, and mends
//! what the device file tolerates.

pub(crate) mod answer;
pub(crate) mod mbap;
pub(crate) mod rtu;

use crate::device::table::Table;
use crate::plan::ReadRequest;

/// One question as it was asked: what its answer must agree with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) transaction: u16,
    pub(crate) unit: u8,
    pub(crate) function: u8,
    /// Bytes of data that answer the request.
    pub(crate) data_bytes: usize,
}

/// A frame as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    /// `None` where the framing knows no transactions.
    pub(crate) transaction: Option<u16>,
    pub(crate) unit: u8,
    pub(crate) pdu: Vec<u8>,
}

impl Asked {
    pub(crate) fn new(transaction: u16, unit: u8, request: ReadRequest) -> Self {
        let count = usize::from(request.count);
        let data_bytes = if request.table.is_bits() { count.div_ceil(8) } else { count * 2 };
        Self { transaction, unit, function: function(request.table), data_bytes }
    }
}

/// Function, address and count ("Modbus Application Protocol" V1.1b3, 6.1 to 6.4).
pub(crate) fn question(request: ReadRequest) -> [u8; 5] {
    let ([a1, a2], [c1, c2]) = (request.address.to_be_bytes(), request.count.to_be_bytes());
    [function(request.table), a1, a2, c1, c2]
}

fn function(table: Table) -> u8 {
    match table {
        Table::Coils => 1,
        Table::Discrete => 2,
        Table::Holding => 3,
        Table::Input => 4,
    }
}
