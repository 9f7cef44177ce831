//! Rows per second through the whole pipeline, and bytes per second into the journal.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Instant;

use arrow_array::{Float64Array, Int64Array, RecordBatch};
use arrow_schema::{DataType, Field, Schema};
use smiles_journal::{Entry, Journal, OnFull, Options, SqliteJournal};

use crate::Row;
use crate::machine::{ratio, smiles};

const PASSES: usize = 200;
const ROWS: usize = 5_000;

const PIPELINE: &str = "pipeline: bench
sources:
  made:
    type: synthetic
    rows: ROWS
    passes: PASSES
    seed: 1
    columns:
      serial: {type: int, pattern: index}
      voltage: {type: int, unit: 0.1 V, kind: gauge, pattern: random}
      current: {type: int, unit: 0.01 A, kind: gauge, pattern: random}
      power: {type: int, unit: 0.1 W, kind: gauge, pattern: random}
      today: {type: int, unit: Wh, kind: counter, pattern: counter}
      total: {type: int, unit: Wh, kind: counter, pattern: counter}
transforms:
  - type: unit_conversion
  - {type: daily_reset, key: [serial], today: today, total: total, max_rate: 2000 Wh/h}
sinks:
  store:
    type: sqlite
    path: bench.db
    tables:
      readings:
        mode: append
        create: true
        columns: {time: time, serial: serial, voltage: voltage, current: current, power: power, today: today, total: total}
";

pub(crate) fn rows_per_second() -> Vec<Row> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let text = PIPELINE.replace("ROWS", &ROWS.to_string()).replace("PASSES", &PASSES.to_string());
    std::fs::write(folder.path().join("bench.yaml"), text).expect("the folder can be written");
    let began = Instant::now();
    let status = smiles(&["run", "bench.yaml"], &[], folder.path()).wait().expect("the binary ends");
    let ours = began.elapsed().as_secs_f64();
    assert!(status.success(), "the pipeline failed");
    let rows = (PASSES * ROWS) as f64;

    let database = folder.path().join("data/bench.db");
    let csv = folder.path().join("rows.csv");
    let stored = shell(&database, "SELECT count(*) FROM readings;");
    assert_eq!(stored.trim(), (PASSES * ROWS).to_string(), "not every row was stored");
    shell(&database, &format!(".mode csv\n.once {}\nSELECT * FROM readings;", csv.display()));
    let schema = shell(&database, ".schema readings");
    let copy = folder.path().join("copy.db");
    let began = Instant::now();
    shell(&copy, &format!("PRAGMA journal_mode=WAL;\n{schema}\n.import --csv {} readings", csv.display()));
    let theirs = began.elapsed().as_secs_f64();
    vec![Row {
        what: format!(
            "rows/s, synthetic → unit_conversion → daily_reset → journal → SQLite ({rows} rows of 7 columns)"
        ),
        ours: format!("{:.0}", rows / ours),
        beside: format!("{:.0} (`sqlite3` `.import` of the same rows as CSV)", rows / theirs),
        ratio: ratio(theirs, ours),
    }]
}

fn shell(database: &Path, input: &str) -> String {
    use std::io::Write;
    let mut child = Command::new("sqlite3")
        .arg(database)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the sqlite3 shell is installed (make setup)");
    child.stdin.take().expect("stdin is piped").write_all(input.as_bytes()).expect("the shell reads");
    let output = child.wait_with_output().expect("the shell ends");
    assert!(output.status.success(), "sqlite3 failed on {input}");
    String::from_utf8(output.stdout).expect("the shell prints UTF-8")
}

const APPENDS: usize = 2_000;

pub(crate) fn journal() -> Vec<Row> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let records = batch();
    let bytes = records.get_array_memory_size() as f64;
    let path = folder.path().join("bench.journal");
    let options = Options {
        path: Some(path),
        pipeline: "bench".to_owned(),
        max_size: 8 << 30,
        retain: std::time::Duration::from_secs(3600),
        on_full: OnFull::Block,
    };
    let ours = runtime.block_on(async {
        let journal: Arc<dyn Journal> =
            Arc::new(SqliteJournal::open(options, jiff::Timestamp::now()).await.expect("the journal opens"));
        let began = Instant::now();
        let mut waiting = futures::stream::FuturesUnordered::new();
        for _ in 0..APPENDS {
            let (journal, records) = (Arc::clone(&journal), records.clone());
            waiting.push(async move {
                journal
                    .append(Entry {
                        records,
                        state: Vec::new(),
                        complete: true,
                        aside: smiles_journal::RejectedRows::default(),
                        now: jiff::Timestamp::now(),
                    })
                    .await
            });
            if waiting.len() == 64 {
                futures::StreamExt::next(&mut waiting).await.expect("64 wait").expect("the journal accepts");
            }
        }
        while let Some(accepted) = futures::StreamExt::next(&mut waiting).await {
            accepted.expect("the journal accepts");
        }
        let took = began.elapsed().as_secs_f64();
        journal.close().await.expect("the journal closes");
        took
    });
    let block = records.get_array_memory_size();
    let began = Instant::now();
    let dd = Command::new("dd")
        .args(["if=/dev/zero", &format!("of={}", folder.path().join("dd").display())])
        .args([&format!("bs={block}"), &format!("count={APPENDS}"), "conv=fdatasync", "status=none"])
        .status();
    assert!(dd.expect("dd runs").success());
    let theirs = began.elapsed().as_secs_f64();
    let mb = bytes * APPENDS as f64 / 1e6;
    vec![Row {
        what: format!(
            "journal append, MB/s, each batch durable ({APPENDS} batches of {block} bytes, 64 in flight)"
        ),
        ours: format!("{:.0}", mb / ours),
        beside: format!("{:.0} (`dd conv=fdatasync`, synced once)", mb / theirs),
        ratio: ratio(theirs, ours),
    }]
}

/// 100 rows of 16 columns, as a plant of 25 devices with 4 ports gives in one poll.
fn batch() -> RecordBatch {
    let fields: Vec<Field> = (0..16)
        .map(|n| {
            Field::new(
                format!("column_{n}"),
                if n % 2 == 0 { DataType::Int64 } else { DataType::Float64 },
                true,
            )
        })
        .collect();
    let columns = (0..16_i64)
        .map(|n| -> arrow_array::ArrayRef {
            if n % 2 == 0 {
                Arc::new(Int64Array::from_iter_values((0..100).map(|row| row * n)))
            } else {
                Arc::new(Float64Array::from_iter_values((0..100).map(|row| (row * n) as f64 / 10.0)))
            }
        })
        .collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).expect("the columns fit the schema")
}
