//! The device file: what stands where in a device's registers. Plain data, checked when the source is planned;
//! everything that knows a particular device is written in one of these, nothing in Rust.

pub(crate) mod block;
pub(crate) mod field;
pub(crate) mod named;
pub(crate) mod raw;
pub(crate) mod record;
pub(crate) mod sentinel;

use schemars::JsonSchema;
use serde::Deserialize;

pub use block::{Between, Block, Fill, Repeat, Table, Tolerance, Until};
pub use field::{Field, Kind, Order, Otherwise, Sentinel, Simulate, Type, Variant, When};
pub use named::Named;

pub(crate) use raw::narrowed;

pub use raw::{Raw, RawError, decode, encode};

pub use record::{RecordError, encode_record, unit_of};

/// A device: blocks of registers, and what its firmware gets wrong.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Device {
    /// What the device is, for people.
    pub description: Option<String>,
    /// Byte and word order of numbers, unless a field says otherwise.
    #[serde(default)]
    pub order: Order,
    /// Faults of the firmware that are known and harmless; anything not named here is an error.
    #[serde(default)]
    pub tolerate: Vec<Tolerance>,
    /// Lets neighbouring blocks be read in one request when at most this many registers lie between them.
    /// Unset: one request per block. Blocks that are read once or optional stay alone, and those of another `every` apart.
    /// Blocks that the device refuses together are read alone from then on.
    pub gap: Option<u16>,
    /// The most registers asked for in one request (the protocol allows 125).
    #[serde(default = "max_registers")]
    pub max_registers: u16,
    /// Blocks in the order they are read. The records of those with a `repeat` are the rows, and the columns of all
    /// others stand beside each of them. Without such a list, a pass is a single row.
    pub blocks: Named<Block>,
}

/// The most registers one request may ask for (Modbus Application Protocol V1.1b3, 6.3).
pub const MAX_REGISTERS: u16 = 125;

/// The most coils one request may ask for (Modbus Application Protocol V1.1b3, 6.1).
pub const MAX_COILS: u16 = 2000;

fn max_registers() -> u16 {
    MAX_REGISTERS
}
