//! Polls Modbus devices described by a device file.

pub mod device;
