//! The built-in transforms, one file per verb. None of them knows a device: columns, units and limits are options.

mod columns;
mod daily_reset;
mod keyed;
mod period;
mod rate;
mod unit_conversion;

pub use daily_reset::DailyReset;
pub use unit_conversion::UnitConversion;
