//! One poll of a device: sends the requests of the plan, gives up in time, and keeps the answers.
//!
//! An answer is heard, refused (an exception) or silence. Only silence wears out the patience with a device.

mod active;
mod borrow;
mod lists;
mod memory;
mod outcome;
mod patience;
mod poll_plan;
mod reads;
mod run;
mod scan;
mod units;

pub(crate) use memory::PollMemory;
pub(crate) use outcome::PollOutcome;
pub(crate) use poll_plan::PollPlan;
pub(crate) use run::run;
pub(crate) use units::Clients;
