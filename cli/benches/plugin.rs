//! What a batch costs more where its sink is a plugin: the same no-op, once built in and once behind the C ABI.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow_array::{ArrayRef, Float64Array, RecordBatch};
use arrow_schema::{DataType, Field, Schema};
use async_trait::async_trait;
use smiles_plugin_host::{PluginFile, PluginHost, Prober};
use smiles_runtime::SystemClock;
use smiles_stage::{Batch, PlanContext, Position, Registry, RunId, Seq, Sink, StageError, Watermark};
use smiles_testkit::NoFiles;
use smiles_testkit::open_context;

use crate::Row;

const COLUMNS: usize = 21;
const BATCHES: u64 = 20_000;

/// The built-in counterpart.
struct Noop(Option<Position>);

#[async_trait]
impl Sink for Noop {
    async fn write(&mut self, batch: &Batch) -> Result<(), StageError> {
        self.0 = Some(batch.position);
        Ok(())
    }

    async fn flush(&mut self) -> Result<Option<Position>, StageError> {
        Ok(self.0)
    }

    async fn watermark(&mut self, _: RunId) -> Result<Option<Watermark>, StageError> {
        Ok(None)
    }
}

pub(crate) fn cost() -> Vec<Row> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.expect("a runtime");
    let library = compiled(folder.path());
    let row = |rows: usize| {
        let records = records(rows);
        let (plugin, built_in) = runtime.block_on(async {
            let mut plugin = loaded(&library, &records, folder.path()).await;
            let plugin = per_batch(plugin.as_mut(), &records).await;
            (plugin, per_batch(&mut Noop(None), &records).await)
        });
        let micros = |time: Duration| time.as_secs_f64() * 1e6;
        let added = micros(plugin.saturating_sub(built_in));
        Row {
            what: format!(
                "a no-op sink as a plugin, µs per batch of {rows} rows of {COLUMNS} columns (write and flush)"
            ),
            ours: format!("{:.1}", micros(plugin)),
            beside: format!("{:.2} (the same built in)", micros(built_in)),
            ratio: format!("{added:.1} µs more (at most 50)"),
        }
    };
    vec![row(10), row(1000)]
}

fn compiled(folder: &Path) -> std::path::PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let library = folder.join("libnoop.so");
    let status = Command::new("cc")
        .args(["-std=c99", "-O2", "-fPIC", "-fvisibility=hidden", "-shared", "-I"])
        .arg(root.join("plugins/abi"))
        .arg("-o")
        .arg(&library)
        .arg(root.join("plugins/testing/noop/noop.c"))
        .status();
    assert!(status.is_ok_and(|status| status.success()), "a C compiler is needed");
    library
}

fn records(rows: usize) -> RecordBatch {
    let fields: Vec<Field> =
        (0..COLUMNS).map(|column| Field::new(format!("c{column}"), DataType::Float64, true)).collect();
    let column: ArrayRef = Arc::new(Float64Array::from_iter_values((0..rows).map(|row| row as f64)));
    RecordBatch::try_new(Arc::new(Schema::new(fields)), vec![column; COLUMNS]).expect("columns of the schema")
}

async fn loaded(library: &Path, records: &RecordBatch, folder: &Path) -> Box<dyn Sink> {
    let prober = Prober {
        program: env!("CARGO_BIN_EXE_smiles").into(),
        arguments: vec!["plugin".into(), "probe".into()],
        limit: Duration::from_secs(10),
    };
    let file = PluginFile { path: library.to_owned(), sha256: None, timeout: None, prefix: None };
    let (registry, _) = PluginHost::new(prober).adopt(&file, Registry::new()).expect("the plugin is sound");
    let factory = registry.find_sink("noop").expect("it adds `noop`");
    let context = PlanContext { stage: "noop", files: &NoFiles };
    let plan = factory.plan(&serde_json::json!({}), context).expect("it has no options");
    let wired = plan.wire(&records.schema(), None).expect("it takes any columns");
    let context = open_context(folder, Arc::new(SystemClock::new()));
    wired.open(context, None).await.expect("it opens").sink
}

async fn per_batch(sink: &mut dyn Sink, records: &RecordBatch) -> Duration {
    let began = Instant::now();
    for seq in 1..=BATCHES {
        let position = Position { run: RunId([1; 16]), seq: Seq(seq) };
        let batch = Batch {
            position,
            complete: true,
            accepted_at: jiff::Timestamp::UNIX_EPOCH,
            records: records.clone(),
        };
        sink.write(&batch).await.expect("it takes everything");
        assert_eq!(sink.flush().await.expect("it takes everything"), Some(position));
    }
    began.elapsed() / u32::try_from(BATCHES).expect("fits")
}
