//! Options of `sum`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::rate::RateText;

/// Options of `sum`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Options")]
pub struct SumOptions {
    /// The columns that tell one summed thing from another, for example `[serial_number, port_number]`.
    pub(super) key: Vec<String>,
    /// The column with its lifetime total, as `counter` gives it.
    pub(super) total: String,
    /// The column with its production since the last reset, as `daily_reset` gives it.
    pub(super) today: Option<String>,
    /// How fast one of them can possibly grow, for example `2000 Wh/h`. Where the stages before this one were changed, or the
    /// journal was lost, what the next reading has grown by beyond that is no production.
    pub(super) max_rate: Option<RateText>,
    /// The sums: name -> the columns whose values make a group, of the key or `source`; none: the whole pipeline. Each
    /// adds the columns `<name>_<total>` and `<name>_<today>`; one over the whole also the column `<name>`, with the
    /// name of the pipeline, for a table to be keyed by.
    pub(super) sums: BTreeMap<String, Vec<String>>,
    /// The hour of the local clock at which the day ends.
    #[serde(default)]
    #[schemars(range(min = 0, max = 23))]
    pub(super) reset_hour: i8,
    /// The time zone of that clock, by its IANA name.
    #[serde(default = "utc")]
    pub(super) timezone: String,
}

impl SumOptions {
    /// What each sum is known by in the journal: its name and of what it is.
    pub(super) fn ids(&self) -> impl Iterator<Item = String> {
        self.sums
            .iter()
            .map(|(name, by)| if by.is_empty() { name.clone() } else { format!("{name}({})", by.join(",")) })
    }
}

pub(super) fn utc() -> String {
    "UTC".to_owned()
}
