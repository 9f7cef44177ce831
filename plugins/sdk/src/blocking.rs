//! Stages that await, on a small runtime of their own.

use std::future::Future;
use std::time::Duration;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use tokio::runtime::{Builder, Runtime};

use crate::{Error, Host, Metric, Next, Position, RecordBatch, RunId, SchemaRef, Sink, Source, Watermark};

/// A stage that awaits, as one that blocks: `sinks: [Blocking<MySink>]`. Tasks it spawns run while a call is in progress.
#[derive(Debug)]
pub struct Blocking<T> {
    runtime: Runtime,
    stage: T,
}

/// As [`Source`], with calls that await.
pub trait AsyncSource: Sized + Send + 'static {
    /// As [`Source::Options`].
    type Options: DeserializeOwned + JsonSchema + Send;
    /// As [`Source::TYPE`].
    const TYPE: &'static str;
    /// As [`Source::ABOUT`].
    const ABOUT: &'static str;
    /// As [`Source::METRICS`].
    const METRICS: &'static [Metric] = &[];
    /// As [`Source::STREAMED`].
    const STREAMED: bool = false;

    /// As [`Source::plan`].
    ///
    /// # Errors
    /// What is wrong with the options.
    fn plan(options: &Self::Options) -> Result<SchemaRef, Error>;

    /// As [`Source::open`].
    fn open(options: Self::Options, host: Host) -> impl Future<Output = Result<Self, Error>> + Send;

    /// As [`Source::next`]; dropped when `timeout` has passed, which is a pass without rows.
    fn next(&mut self, timeout: Duration) -> impl Future<Output = Result<Next, Error>> + Send;

    /// As [`Source::commit`].
    fn commit(&mut self, _position: Position) -> impl Future<Output = Result<(), Error>> + Send {
        async { Ok(()) }
    }
}

/// As [`Sink`], with calls that await.
pub trait AsyncSink: Sized + Send + 'static {
    /// As [`Sink::Options`].
    type Options: DeserializeOwned + JsonSchema + Send;
    /// As [`Sink::TYPE`].
    const TYPE: &'static str;
    /// As [`Sink::ABOUT`].
    const ABOUT: &'static str;
    /// As [`Sink::METRICS`].
    const METRICS: &'static [Metric] = &[];
    /// As [`Sink::TRANSACTIONAL`].
    const TRANSACTIONAL: bool = false;

    /// As [`Sink::plan`].
    ///
    /// # Errors
    /// What does not fit.
    fn plan(_options: &Self::Options, _input: Option<&SchemaRef>) -> Result<(), Error> {
        Ok(())
    }

    /// As [`Sink::open`].
    fn open(
        options: Self::Options,
        input: SchemaRef,
        host: Host,
    ) -> impl Future<Output = Result<Self, Error>> + Send;

    /// As [`Sink::write`].
    fn write(
        &mut self,
        rows: &RecordBatch,
        position: Position,
    ) -> impl Future<Output = Result<(), Error>> + Send;

    /// As [`Sink::flush`].
    fn flush(&mut self) -> impl Future<Output = Result<(), Error>> + Send;

    /// As [`Sink::forget_unflushed`].
    fn forget_unflushed(&mut self) {}

    /// As [`Sink::watermark`].
    fn watermark(&mut self, _run: RunId) -> impl Future<Output = Result<Watermark, Error>> + Send {
        async { Err(Error::halt("this sink keeps no watermark")) }
    }

    /// As [`Sink::forget`].
    fn forget(&mut self, _runs: &[RunId]) -> impl Future<Output = Result<(), Error>> + Send {
        async { Ok(()) }
    }
}

fn runtime() -> Result<Runtime, Error> {
    let made = Builder::new_current_thread().enable_all().build();
    made.map_err(|error| Error::retry(format!("cannot start a runtime: {error}")))
}

impl<T: AsyncSource> Source for Blocking<T> {
    type Options = T::Options;
    const TYPE: &'static str = T::TYPE;
    const ABOUT: &'static str = T::ABOUT;
    const METRICS: &'static [Metric] = T::METRICS;
    const STREAMED: bool = T::STREAMED;

    fn plan(options: &Self::Options) -> Result<SchemaRef, Error> {
        T::plan(options)
    }

    fn open(options: Self::Options, host: Host) -> Result<Self, Error> {
        let runtime = runtime()?;
        let stage = runtime.block_on(T::open(options, host))?;
        Ok(Self { runtime, stage })
    }

    fn next(&mut self, timeout: Duration) -> Result<Next, Error> {
        let pass = async { tokio::time::timeout(timeout, self.stage.next(timeout)).await };
        self.runtime.block_on(pass).unwrap_or(Ok(Next::Nothing))
    }

    fn commit(&mut self, position: Position) -> Result<(), Error> {
        self.runtime.block_on(self.stage.commit(position))
    }
}

impl<T: AsyncSink> Sink for Blocking<T> {
    type Options = T::Options;
    const TYPE: &'static str = T::TYPE;
    const ABOUT: &'static str = T::ABOUT;
    const METRICS: &'static [Metric] = T::METRICS;
    const TRANSACTIONAL: bool = T::TRANSACTIONAL;

    fn plan(options: &Self::Options, input: Option<&SchemaRef>) -> Result<(), Error> {
        T::plan(options, input)
    }

    fn open(options: Self::Options, input: SchemaRef, host: Host) -> Result<Self, Error> {
        let runtime = runtime()?;
        let stage = runtime.block_on(T::open(options, input, host))?;
        Ok(Self { runtime, stage })
    }

    fn write(&mut self, rows: &RecordBatch, position: Position) -> Result<(), Error> {
        self.runtime.block_on(self.stage.write(rows, position))
    }

    fn flush(&mut self) -> Result<(), Error> {
        self.runtime.block_on(self.stage.flush())
    }

    fn forget_unflushed(&mut self) {
        self.stage.forget_unflushed();
    }

    fn watermark(&mut self, run: RunId) -> Result<Watermark, Error> {
        self.runtime.block_on(self.stage.watermark(run))
    }

    fn forget(&mut self, runs: &[RunId]) -> Result<(), Error> {
        self.runtime.block_on(self.stage.forget(runs))
    }
}
