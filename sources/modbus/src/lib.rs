//! Polls Modbus devices described by a device file.
//!
//! From the file to rows: [`device`] is the file's own shape, `check` finds what is wrong with it, `split` divides blocks
//! that are too long for one request, `columns` and `plan` say which columns and which requests it stands for. `pass`
//! makes one poll of these requests over a `line`, which sources of the same address share; `wire` knows the frames.
//! `decode` makes Arrow columns of the bytes.

mod address;
mod check;
mod check_list;
mod check_meaning;
mod check_place;
mod check_point;
mod columns;
mod decode;
pub mod device;
mod device_plan;
mod device_warnings;
mod explain;
mod layout;
mod line;
mod meaning;
mod meters;
mod options;
mod pass;
mod plan;
mod quick;
mod read;
mod refusals;
mod scaling;
mod source;
mod split;
#[cfg(test)]
mod testing;
mod value;
mod wire;

pub use decode::{Decoder, decode_records};
pub use explain::explain_device;

pub use options::{Connection, LineOptions, Modbus, ModbusOptions};
pub use read::{FieldReading, Reading, Registers, read_registers, read_source};
