//! A simulated device served over Modbus, and a synthetic row source.
//!
//! The device is whatever a device file of the `modbus` source describes: [`Simulator`] serves the same file that
//! the source polls. Behind it lies a pure [`World`] of units with ports under one sun.

mod connection;
mod faults;
mod framing;
mod handle;
mod layout;
mod lock;
mod log;
mod noise;
mod options;
mod quirk;
mod rate;
mod serial;
mod server;
mod shared;
mod synthetic;
mod unit;
mod wire;
mod world;

pub use faults::{Clients, Faults, OtherTransaction};
pub use framing::Framing;
pub use handle::Handle;
pub use layout::Image;
pub use log::{Counters, ReceivedRequest};
pub use options::Options;
pub use quirk::{Quirk, QuirkError};
pub use rate::{NotARate, Rate};
pub use serial::serial_line;
pub use server::{Simulator, serve};
pub use synthetic::{Column, ColumnKind, Pattern, Synthetic, SyntheticConfig, ValueType};
pub use world::{Config, Event, Rates, Reading, SerialStyle, Truth, World};

/// Why a device cannot be simulated: a sentence that says what and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SetupError(String);

impl SetupError {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}
