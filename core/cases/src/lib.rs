//! Test cases declared beside a pipeline: what is given to its sources, and what must leave its stages.
//!
//! [`load`] reads a file of cases (`file` is what a person writes, `suite` checks it as far as a file alone can be), and
//! [`run()`] puts them through the stages of the pipeline they are about: `times` and `rows` make batches of what is
//! given, `bench` is the pipeline [`UnderTest`], with a served `device` where a case gives registers. `read` brings a
//! case into the pipeline's columns, `run` puts it through, straight and with a crash at every pass, `compare` judges,
//! and `report` says what came out as [`text`] or [`json`].
//!
//! Needs no device, no database and no network: only files and, for registers, a socket on loopback.

mod bench;
mod compare;
mod device;
mod error;
mod file;
mod read;
mod report;
mod rows;
mod run;
mod suite;
mod times;

pub use bench::UnderTest;
pub use error::CasesError;
pub use file::schema;
pub use report::{json, text};
pub use run::{Outcome, run};
pub use suite::{Suite, load};

#[cfg(test)]
mod tests;
