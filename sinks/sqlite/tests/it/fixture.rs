//! A sink made from options, its database, and short ways to ask both.

use std::path::PathBuf;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use futures::TryStreamExt;
use jiff::Timestamp;
use rusqlite::Connection;
use serde_json::{Value, json};
use smiles_sink_sqlite::Sqlite;
use smiles_stage::{
    Batch, Files, OpenContext, OpenSink, PlanContext, Position, Problems, Query, Registry, RunId, Seq, Sink,
    SinkPlan, Store,
};
use smiles_testkit::{ManualClock, MemoryFiles, open_context};
use tempfile::TempDir;

/// The run most tests write.
pub(crate) const RUN: RunId = RunId([7; 16]);

/// Options, input and a folder for the database.
pub(crate) struct Fixture {
    pub(crate) folder: TempDir,
    pub(crate) options: Value,
    pub(crate) files: MemoryFiles,
    pub(crate) input: SchemaRef,
}

/// The plan of these options, not wired yet.
pub(crate) fn plan(options: &Value, files: &dyn Files) -> Result<Box<dyn SinkPlan>, Problems> {
    let registry = Registry::new().sink::<Sqlite>();
    registry.find_sink("sqlite").unwrap().plan(options, PlanContext { stage: "store", files })
}

impl Fixture {
    pub(crate) fn new(tables: Value, input: SchemaRef) -> Self {
        Self {
            folder: TempDir::new().unwrap(),
            options: json!({ "path": "store.db", "tables": tables, "busy_timeout": "50ms" }),
            files: MemoryFiles::default(),
            input,
        }
    }

    /// With a migration that makes the tables.
    pub(crate) fn with_migration(mut self, name: &str, sql: &str) -> Self {
        self.files.0.insert(format!("sql/{name}"), sql.to_owned());
        self.options["migrations"] = json!("sql");
        self
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("store.db")
    }

    pub(crate) async fn open(&self) -> OpenSink {
        self.open_named("stage").await
    }

    /// As the sink of this name.
    pub(crate) async fn open_named(&self, sink: &str) -> OpenSink {
        let plan = plan(&self.options, &self.files).unwrap().wire(&self.input, None).unwrap();
        let clock = Arc::new(ManualClock::at(Timestamp::UNIX_EPOCH));
        let context = OpenContext { stage: sink.to_owned(), ..open_context(self.folder.path(), clock) };
        plan.open(context, None).await.unwrap()
    }

    /// A sink that has asked for the watermark of [`RUN`].
    pub(crate) async fn connected(&self) -> Box<dyn Sink> {
        let mut sink = self.open().await.sink;
        sink.watermark(RUN).await.unwrap();
        sink
    }

    /// Delivers one batch of [`RUN`] through a new sink.
    pub(crate) async fn deliver(&self, seq: u64, records: &RecordBatch) {
        let mut sink = self.connected().await;
        sink.write(&batch(seq, records)).await.unwrap();
        sink.flush().await.unwrap();
    }

    /// The database, as another program sees it.
    pub(crate) fn database(&self) -> Connection {
        Connection::open(self.path()).unwrap()
    }

    /// All cells of an answer as text, null as `-`.
    pub(crate) fn rows(&self, sql: &str) -> Vec<String> {
        let database = self.database();
        let mut statement = database.prepare(sql).unwrap();
        let columns = statement.column_count();
        let rows = statement.query_map([], |row| {
            let cells = (0..columns).map(|column| Ok(text(row.get_ref(column)?)));
            Ok(cells.collect::<rusqlite::Result<Vec<_>>>()?.join("|"))
        });
        rows.unwrap().collect::<rusqlite::Result<_>>().unwrap()
    }
}

fn text(cell: rusqlite::types::ValueRef<'_>) -> String {
    use rusqlite::types::ValueRef;
    match cell {
        ValueRef::Null => "-".to_owned(),
        ValueRef::Integer(value) => value.to_string(),
        ValueRef::Real(value) => format!("{value:?}"),
        ValueRef::Text(value) => String::from_utf8(value.to_vec()).unwrap(),
        ValueRef::Blob(_) => "blob".to_owned(),
    }
}

pub(crate) fn batch_of(run: RunId, seq: u64, records: &RecordBatch) -> Batch {
    let position = Position { run, seq: Seq(seq) };
    Batch { position, complete: true, accepted_at: Timestamp::UNIX_EPOCH, records: records.clone() }
}

pub(crate) fn batch(seq: u64, records: &RecordBatch) -> Batch {
    batch_of(RUN, seq, records)
}

/// The whole answer, in pieces.
pub(crate) async fn ask(store: &dyn Store, query: &Query) -> Vec<RecordBatch> {
    store.query(query).await.unwrap().try_collect().await.unwrap()
}
