//! The roles, as an author implements them.

use std::time::Duration;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use crate::{Error, Host, State};

/// The name of a counter and a sentence about it: `("rows_sent", "Rows sent.")`. It is counted by its place in the list.
pub type Metric = (&'static str, &'static str);

/// The run of a journal: random, 16 bytes.
pub type RunId = [u8; 16];

/// Where a batch stands in the journal: ordered by `seq` within a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Position {
    /// The run.
    pub run: RunId,
    /// From 1.
    pub seq: u64,
}

/// What a target itself says is durable there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watermark {
    /// Random, made when the plugin first writes to the target, and kept in it.
    pub target: [u8; 16],
    /// The highest seq of the run; 0: none.
    pub seq: u64,
}

/// What one pass of a source brought.
#[derive(Clone, Debug)]
pub enum Next {
    /// Rows in the planned columns. What failed beside them is said with [`Host::fault`].
    Rows(RecordBatch),
    /// As [`Next::Rows`], and there will never be more.
    Last(RecordBatch),
    /// Nothing this time.
    Nothing,
    /// There will never be more.
    End,
}

/// Produces rows.
pub trait Source: Sized + Send + 'static {
    /// Typed by serde, described by schemars; deny unknown fields.
    type Options: DeserializeOwned + JsonSchema + Send;
    /// The `type:` it adds.
    const TYPE: &'static str;
    /// One line about it.
    const ABOUT: &'static str;
    /// Counters, for [`Host::count`].
    const METRICS: &'static [Metric] = &[];
    /// Asked again at once and waits by itself; else asked once per `every:`.
    const STREAMED: bool = false;

    /// The columns it emits; `time` and `source` are put in front by the host. No effects.
    ///
    /// # Errors
    /// What is wrong with the options.
    fn plan(options: &Self::Options) -> Result<SchemaRef, Error>;

    /// Makes an instance. Connecting belongs to the first pass.
    ///
    /// # Errors
    /// Something local is missing.
    fn open(options: Self::Options, host: Host) -> Result<Self, Error>;

    /// One pass, within about `timeout`.
    ///
    /// # Errors
    /// A pass that brought nothing.
    fn next(&mut self, timeout: Duration) -> Result<Next, Error>;

    /// Everything returned so far is durable in the journal.
    ///
    /// # Errors
    /// Logged; the next commit covers this one.
    fn commit(&mut self, _position: Position) -> Result<(), Error> {
        Ok(())
    }
}

/// Maps rows to rows. No I/O, no clock: the same rows and the same state give the same rows.
pub trait Transform: Sized + Send + 'static {
    /// Typed by serde, described by schemars; deny unknown fields.
    type Options: DeserializeOwned + JsonSchema + Send;
    /// The `type:` it adds.
    const TYPE: &'static str;
    /// One line about it.
    const ABOUT: &'static str;
    /// Counters, for [`Host::count`].
    const METRICS: &'static [Metric] = &[];

    /// The columns that leave for the columns that enter. No effects.
    ///
    /// # Errors
    /// What does not fit.
    fn plan(options: &Self::Options, input: &SchemaRef) -> Result<SchemaRef, Error>;

    /// Makes an instance for these columns.
    ///
    /// # Errors
    /// Something local is missing.
    fn open(options: Self::Options, input: SchemaRef, host: Host) -> Result<Self, Error>;

    /// The rows, transformed, in the columns of [`Transform::plan`].
    ///
    /// # Errors
    /// The batch is tried again, or as the error says; what was put into the state is forgotten.
    fn apply(&mut self, rows: RecordBatch, state: &mut State<'_>) -> Result<RecordBatch, Error>;
}

/// Takes batches in order.
pub trait Sink: Sized + Send + 'static {
    /// Typed by serde, described by schemars; deny unknown fields.
    type Options: DeserializeOwned + JsonSchema + Send;
    /// The `type:` it adds.
    const TYPE: &'static str;
    /// One line about it.
    const ABOUT: &'static str;
    /// Counters, for [`Host::count`].
    const METRICS: &'static [Metric] = &[];
    /// Whether [`Sink::watermark`] answers: rows and watermark are written in one transaction.
    const TRANSACTIONAL: bool = false;

    /// Checks options and columns (`None` while they are not known yet). No effects.
    ///
    /// # Errors
    /// What does not fit.
    fn plan(_options: &Self::Options, _input: Option<&SchemaRef>) -> Result<(), Error> {
        Ok(())
    }

    /// Makes an instance for these columns. A target that is down is no error: connecting belongs to the first write.
    ///
    /// # Errors
    /// Something local is missing.
    fn open(options: Self::Options, input: SchemaRef, host: Host) -> Result<Self, Error>;

    /// Takes rows: accepted, not yet durable.
    ///
    /// # Errors
    /// Everything since the last flush comes again.
    fn write(&mut self, rows: &RecordBatch, position: Position) -> Result<(), Error>;

    /// Returns once everything written is durable in the target, and no sooner.
    ///
    /// # Errors
    /// As [`Sink::write`].
    fn flush(&mut self) -> Result<(), Error>;

    /// What was taken since the last flush is forgotten: it comes again. Called after every error of the two above.
    fn forget_unflushed(&mut self) {}

    /// What the target says of a run; only asked where [`Sink::TRANSACTIONAL`]. Forget what was not flushed.
    ///
    /// # Errors
    /// The target cannot be asked.
    fn watermark(&mut self, _run: RunId) -> Result<Watermark, Error> {
        Err(Error::halt("this sink keeps no watermark"))
    }

    /// The journal has forgotten these runs: their watermarks may go.
    ///
    /// # Errors
    /// Logged; asked again later.
    fn forget(&mut self, _runs: &[RunId]) -> Result<(), Error> {
        Ok(())
    }
}
