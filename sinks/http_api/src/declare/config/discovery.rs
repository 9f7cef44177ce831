//! Whether and how the API makes itself known on the network.

use schemars::JsonSchema;
use serde::Deserialize;

/// Announces the API on the local network by multicast DNS (DNS-SD), so that programs find it by the type of service.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Discovery {
    /// False: nothing is announced.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// The type of service (RFC 6763): `_name._tcp`, its name of at most 15 letters, digits and hyphens.
    #[schemars(regex(pattern = r"^_[A-Za-z0-9]([A-Za-z0-9-]{0,13}[A-Za-z0-9])?\._tcp$"))]
    pub service: String,
    /// What people see: the name of this bridge among others. Where a name is taken, a number is put behind it.
    #[schemars(length(min = 1, max = 63))]
    pub name: String,
    /// The network interface to announce on (`eth0`); empty: all but loopback.
    #[serde(default)]
    pub interface: String,
}

fn yes() -> bool {
    true
}
