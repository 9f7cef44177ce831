//! What a simulated device puts into a field.

use schemars::JsonSchema;
use serde::de::Error;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// What a simulated device puts into a field.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Simulate {
    /// The serial number of the unit the record belongs to.
    Serial,
    /// As `serial`; the units' numbers begin with these in turn.
    SerialOf(Vec<String>),
    /// The serial number of the device that is asked.
    DeviceSerial,
    /// The place of the record within its unit, from 1.
    Index,
    /// This raw number.
    Constant(i64),
    /// This text.
    Text(String),
    /// Voltage on the panel side.
    DcVoltage,
    /// Current on the panel side.
    DcCurrent,
    /// Power on the panel side.
    DcPower,
    /// Voltage of the grid.
    AcVoltage,
    /// Frequency of the grid.
    Frequency,
    /// Energy since the unit woke (not since midnight), or since it restarted.
    EnergyToday,
    /// Energy since the device was made.
    EnergyTotal,
    /// Temperature of the unit.
    Temperature,
    /// Operating status: 3 producing, 0 no data.
    Status,
    /// Code of the newest alarm.
    AlarmCode,
    /// As `alarm_code`; this one while the unit is away (night, no radio link).
    AlarmWhenAway(i64),
    /// How many alarms there were.
    AlarmCount,
    /// Whether the unit is linked: 0 or 1.
    Link,
}

/// Through a JSON value: the YAML library takes `{constant: 7}` for a tag's place otherwise.
pub(super) fn simulate<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Simulate>, D::Error> {
    serde_json::from_value(Value::deserialize(deserializer)?).map_err(D::Error::custom)
}
