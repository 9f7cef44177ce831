//! Cases declared beside a pipeline: what is given to its sources, and what must leave its stages.
//!
//! [`file`] is what a person writes and [`suite`] reads; [`times`] and [`rows`] make batches of it. [`bench`] is the
//! pipeline under test, with a served [`device`] where a case gives registers. [`read`] brings a case into its
//! columns, [`run`] puts it through, [`compare`] judges, [`report`] says what came out.

mod bench;
mod compare;
mod device;
mod file;
mod read;
mod report;
mod rows;
mod run;
mod suite;
mod times;

pub(crate) use file::schema;
pub(crate) use report::{json, text};
pub(crate) use run::{Outcome, run};
pub(crate) use suite::load;

#[cfg(test)]
mod tests;
