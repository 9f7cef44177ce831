//! A sink made from options, its database, and short ways to ask both.

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use jiff::Timestamp;
use serde_json::{Value, json};
use smiles_sink_postgres::Postgres;
use smiles_stage::{
    Batch, Files, OpenContext, OpenSink, PlanContext, Position, Problems, Registry, RunId, Seq, Sink,
    SinkPlan, WiredSink,
};
use smiles_testkit::postgres::{Database, PASSWORD, Server, USER};
use smiles_testkit::{ManualClock, MemoryFiles, open_context};

/// The run most tests write.
pub(crate) const RUN: RunId = RunId([7; 16]);

/// Options, input and a database.
pub(crate) struct Fixture {
    pub(crate) database: Database,
    pub(crate) options: Value,
    pub(crate) files: MemoryFiles,
    pub(crate) input: SchemaRef,
}

/// The plan of these options, not wired yet.
pub(crate) fn plan(options: &Value, files: &dyn Files) -> Result<Box<dyn SinkPlan>, Problems> {
    let registry = Registry::new().sink::<Postgres>();
    let factory = registry.find_sink("postgres").unwrap();
    factory.plan(options, PlanContext { stage: "store", files })
}

pub(crate) fn context() -> OpenContext {
    let clock = Arc::new(ManualClock::at(Timestamp::UNIX_EPOCH));
    open_context(std::path::Path::new("/nowhere"), clock)
}

impl Fixture {
    /// In a database of the shared server.
    pub(crate) fn new(tables: Value, input: SchemaRef) -> Self {
        Self::on(Server::shared().database(), tables, input)
    }

    pub(crate) fn on(database: Database, tables: Value, input: SchemaRef) -> Self {
        let options = json!({
            "host": "127.0.0.1", "port": database.port, "database": database.name,
            "user": USER, "password": PASSWORD, "sslmode": "disable",
            "tables": tables, "lock_timeout": "100ms",
        });
        Self { database, options, files: MemoryFiles::default(), input }
    }

    /// With a migration that makes the tables.
    pub(crate) fn with_migration(mut self, name: &str, sql: &str) -> Self {
        self.files.0.insert(format!("sql/{name}"), sql.to_owned());
        self.options["migrations"] = json!("sql");
        self
    }

    pub(crate) fn plan(&self) -> Box<dyn WiredSink> {
        plan(&self.options, &self.files).unwrap().wire(&self.input, None).unwrap()
    }

    pub(crate) async fn open(&self) -> OpenSink {
        self.open_named("stage").await
    }

    /// As the sink of this name.
    pub(crate) async fn open_named(&self, sink: &str) -> OpenSink {
        let context = OpenContext { stage: sink.to_owned(), ..context() };
        self.plan().open(context, None).await.unwrap()
    }

    /// A sink that has asked for the watermark of [`RUN`].
    pub(crate) async fn connected(&self) -> Box<dyn Sink> {
        let mut sink = self.open().await.sink;
        sink.watermark(RUN).await.unwrap_or_else(|error| panic!("{}", error.chain()));
        sink
    }

    /// Delivers one batch of [`RUN`] through a new sink.
    pub(crate) async fn deliver(&self, seq: u64, records: &RecordBatch) {
        let mut sink = self.connected().await;
        sink.write(&batch(seq, records)).await.unwrap();
        sink.flush().await.unwrap_or_else(|error| panic!("{}", error.chain()));
    }

    pub(crate) fn rows(&self, sql: &str) -> Vec<String> {
        self.database.rows(sql)
    }
}

pub(crate) fn batch_of(run: RunId, seq: u64, records: &RecordBatch) -> Batch {
    let position = Position { run, seq: Seq(seq) };
    Batch { position, complete: true, accepted_at: Timestamp::UNIX_EPOCH, records: records.clone() }
}

pub(crate) fn batch(seq: u64, records: &RecordBatch) -> Batch {
    batch_of(RUN, seq, records)
}
