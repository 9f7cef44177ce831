//! The device file: what stands where in a device's registers. Plain data, checked when the source is planned;
//! everything that knows a particular device is written in one of these, nothing in Rust.

pub(crate) mod between;
pub(crate) mod block;
pub(crate) mod borrowed;
mod clock;
mod digits;
pub(crate) mod field;
pub(crate) mod limits;
pub(crate) mod named;
pub(crate) mod numbering;
pub(crate) mod order;
mod places;
pub(crate) mod raw;
pub(crate) mod record;
pub(crate) mod sentinel;
pub(crate) mod simulate;
pub(crate) mod table;
mod text;
pub(crate) mod types;
pub(crate) mod variant;
pub(crate) mod words;
pub(crate) mod written;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

pub use between::Between;
pub use block::{Block, Fill, Repeat, Tolerance, Until};
pub use field::{Field, Kind, Point};
pub use limits::{Limits, Offset};
pub use named::Named;
pub use numbering::{Numbering, Register};
pub use order::Order;
pub use simulate::Simulate;
pub use table::Table;
pub use types::{Encoding, Type, Word};
pub use variant::{Otherwise, Variant, When};
pub use words::{ShownAs, Words};
pub use written::Sentinel;

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
    /// Which table its `points` are in, unless their number or `read` of their own says otherwise.
    pub read: Option<Table>,
    /// What the numbers of registers in `points` mean.
    #[serde(default)]
    pub numbering: Numbering,
    /// The time zone of its clock, by IANA name (`Europe/Berlin`). Unset: UTC.
    pub timezone: Option<String>,
    /// Units of its own, which are scaled and passed on: `{widget: {}}`.
    #[serde(default)]
    pub units: BTreeMap<String, OwnUnit>,
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
    #[serde(default)]
    pub blocks: Named<Block>,
    /// Columns by their register. The requests follow: registers that follow each other are read together, and those that lie
    /// `gap` apart. They stand before the columns of `blocks`.
    #[serde(default)]
    pub points: Named<Point>,
}

/// A unit that only this device has.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OwnUnit {
    /// What it counts, for people.
    pub description: Option<String>,
}

/// The most registers one request may ask for (Modbus Application Protocol V1.1b3, 6.3).
pub const MAX_REGISTERS: u16 = 125;

/// The most coils one request may ask for (Modbus Application Protocol V1.1b3, 6.1).
pub const MAX_COILS: u16 = 2000;

fn max_registers() -> u16 {
    MAX_REGISTERS
}
