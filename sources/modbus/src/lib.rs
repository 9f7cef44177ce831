//! Polls Modbus devices described by a device file.
//!
//! From the file to rows: [`device`] is the file's own shape, `check` finds what is wrong with it, `columns` and `plan`
//! say which columns and which requests it stands for. `poll` sends these over a `connection`, whose `transport`
//! repairs frames (`frame_repair`) below tokio-modbus; `list_scan` finds where lists of records end; `decode` makes
//! Arrow columns of the bytes.

mod address;
mod check;
mod columns;
mod connection;
mod decode;
pub mod device;
mod device_warnings;
mod frame_repair;
mod list_scan;
mod options;
mod plan;
mod poll;
mod source;
#[cfg(test)]
mod testing;
mod transport;

pub use decode::decode_records;
pub use options::{Connection, Modbus, ModbusOptions};
