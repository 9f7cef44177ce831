//! Takes over what an earlier system stored, and mends what it stored wrongly.
//!
//! [`Rules`] say, in YAML, which tables of a [`Source`] (a database server, a database file, a CSV file) are taken over
//! and what is mended on the way. An [`Import`] goes through them: `convert` makes batches of cells of text, `repeats`
//! leaves out what was said before, transforms mend, and `target` writes into the store of a pipeline, piece by piece,
//! each with a watermark: one that is interrupted goes on there. Its [`Report`] says what became of the rows. [`mend`]
//! adopts a database where it is and mends it there.
//!
//! Stages are made by a [`StageFactory`]; [`Progress`] is told to whoever asked for the import.

mod convert;
mod error;
mod in_place;
mod progress;
mod repeats;
mod report;
mod rules;
mod source;
mod target;
mod transfer;

pub use error::ImportError;
pub use in_place::mend;
pub use progress::Progress;
pub use report::Report;
pub use rules::Rules;
pub use source::Source;
pub use target::StageFactory;
pub use transfer::Import;
