//! The tables of a Modbus device.

use schemars::JsonSchema;
use serde::Deserialize;

/// The four tables of a Modbus device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Table {
    /// Holding registers, function 3.
    #[default]
    Holding,
    /// Input registers, function 4.
    Input,
    /// Coils, function 1.
    Coils,
    /// Discrete inputs, function 2.
    Discrete,
}

impl Table {
    /// As the device file writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Holding => "holding",
            Self::Input => "input",
            Self::Coils => "coils",
            Self::Discrete => "discrete",
        }
    }

    /// Whether it holds single bits.
    pub fn is_bits(self) -> bool {
        matches!(self, Self::Coils | Self::Discrete)
    }
}
