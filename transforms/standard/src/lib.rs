//! The built-in transforms, a file or a folder each. None of them knows a device: columns, units and limits are options.

mod accepted;
mod candidate;
mod column_plan;
mod columns;
pub mod counter;
pub mod daily_reset;
mod keyed;
mod quantity;
mod rate;
mod raw;
pub mod sum;
mod unit_conversion;
mod validity;

pub use counter::Counter;
pub use daily_reset::DailyReset;
pub use sum::Sum;
pub use unit_conversion::UnitConversion;
pub use validity::Validity;
