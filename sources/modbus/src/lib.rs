//! Polls Modbus devices described by a device file.
//!
//! From the file to rows: [`device`] is the file's own shape, `check` finds what is wrong with it, `layout` makes blocks of
//! its points, `split` divides blocks that are too long for one request, `plan` says which requests they stand for. `pass`
//! makes one poll of these requests over a `line`, which sources of the same address share; `wire` knows the frames.
//! `decode` says which columns that gives, and makes Arrow columns of the bytes.

mod address;
mod check;
mod decode;
pub mod device;
mod device_plan;
mod explain;
mod layout;
mod line;
mod meters;
mod options;
mod pass;
mod plan;
mod read;
mod refusals;
mod source;
mod split;
#[cfg(test)]
mod testing;
mod wire;

pub use decode::{Decoder, decode_records};
pub use explain::explain_device;

pub use options::{Connection, LineOptions, Modbus, ModbusOptions};
pub use read::{FieldReading, Reading, Registers, read_registers, read_source};
