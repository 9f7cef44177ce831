//! A backlog of port rows into the stock tables of PostgreSQL, beside what `psql` does with the same rows.
//!
//! Ours: the binary runs the stock pipeline over a journal that holds the backlog; its device is not there. Beside:
//! `psql` runs the same transactions (the same COPYs in binary form from files, the same upserts, a one-row
//! watermark), then one COPY of the port rows alone, then rows one by one with a commit each, as the earlier system.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow_array::{
    ArrayRef, Float64Array, RecordBatch, StringArray, TimestampMicrosecondArray, UInt8Array, UInt16Array,
    UInt32Array,
};
use arrow_schema::{DataType, Field, Schema};
use smiles_journal::{Cursor, Entry, From, Journal, OnFull, Options, SqliteJournal};
use smiles_runtime::SystemClock;
use smiles_sink_postgres::Postgres;
use smiles_stage::{Batch, Clock, PlanContext, Position, RunId, Seq, Stage, source_field, time_field};
use smiles_testkit::NoFiles;
use smiles_testkit::open_context;
use smiles_testkit::postgres::{Database, PASSWORD, Server, USER, binary};

use crate::Row;
use crate::machine::{body, cpu, free_port, interrupt, memory_kib, ratio, smiles, until};

const INVERTERS: usize = 25;
const PORTS: usize = 4;
const POLLS: usize = 10_000;
const ROWS: usize = POLLS * INVERTERS * PORTS;
/// Rows stored one by one: enough to know the rate.
const SINGLE: usize = 2_000;

pub(crate) fn backlog() -> Vec<Row> {
    let server =
        Server::start(&["fsync=on", "shared_buffers=256MB", "max_wal_size=4GB", "checkpoint_timeout=30min"]);
    let folder = tempfile::tempdir().expect("a temporary folder");
    fill(folder.path());
    let mut rows = Vec::new();
    for per_write in [1_000, 10_000] {
        let database = server.database();
        let ours = deliver(&database, folder.path(), per_write);
        let copy = server.database();
        let beside = same_transactions(&database, &copy, folder.path(), per_write);
        rows.push(Row {
            what: format!("rows/s into PostgreSQL, stock tables and indexes, {ROWS} port rows in transactions of {per_write}"),
            ours: format!("{:.0}", ROWS as f64 / ours.seconds),
            beside: format!("{:.0} (`psql`, the same transactions)", ROWS as f64 / beside),
            ratio: ratio(beside, ours.seconds),
        });
        if per_write == 10_000 {
            rows.extend(limits(&database, &server.database(), folder.path(), &ours));
            rows.push(client(&server.database(), folder.path(), &ours));
        }
    }
    rows
}

struct Delivered {
    seconds: f64,
    cpu: Duration,
    memory_kib: u64,
}

/// The rows the stock pipeline makes of a poll.
fn poll(number: usize) -> RecordBatch {
    let rows = INVERTERS * PORTS;
    let wave = |row: usize, scale: f64| {
        f64::from(u32::try_from((number * 7 + row * 13) % 1000).unwrap_or(0)) / scale
    };
    let float = |scale: f64| -> ArrayRef {
        Arc::new((0..rows).map(|row| Some(200.0 + wave(row, scale))).collect::<Float64Array>())
    };
    let small = |value: u16| -> ArrayRef { Arc::new(UInt16Array::from(vec![value; rows])) };
    let serials: StringArray = (0..rows).map(|row| Some(format!("1161828{:05}", row / PORTS))).collect();
    let micros = 1_795_462_992_314_023 + i64::try_from(number).unwrap_or(0) * 60_000_000;
    let mut columns: Vec<(Field, ArrayRef)> = vec![
        (time_field(), Arc::new(TimestampMicrosecondArray::from(vec![micros; rows]).with_timezone("UTC"))),
        (source_field(), Arc::new(StringArray::from(vec!["DTU"; rows]))),
        (Field::new("serial_number", DataType::Utf8, true), Arc::new(serials)),
        (
            Field::new("port_number", DataType::UInt8, true),
            Arc::new((0..rows).map(|row| u8::try_from(row % PORTS + 1).ok()).collect::<UInt8Array>()),
        ),
    ];
    let total = u32::try_from(number * 3).unwrap_or(0);
    let measured: [(&str, ArrayRef); 12] = [
        ("pv_voltage", float(10.0)),
        ("pv_current", float(100.0)),
        ("grid_voltage", float(10.0)),
        ("grid_frequency", float(100.0)),
        ("pv_power", float(10.0)),
        ("today_production", small(u16::try_from(number % 9_000).unwrap_or(0))),
        ("total_production", Arc::new(UInt32Array::from(vec![total; rows]))),
        ("temperature", float(10.0)),
        ("operating_status", small(3)),
        ("alarm_code", small(0)),
        ("alarm_count", small(1)),
        ("link_status", small(1)),
    ];
    for prefix in ["", "raw_"] {
        for (name, column) in &measured {
            let field = Field::new(format!("{prefix}{name}"), column.data_type().clone(), true);
            columns.push((field, Arc::clone(column)));
        }
    }
    // Sums that are not established yet leave no rows: `psql` writes none either.
    let absent = |data_type: DataType, name: String| {
        let none = arrow_array::new_null_array(&data_type, rows);
        (Field::new(name, data_type, true), none)
    };
    columns.push(absent(DataType::Utf8, "plant".to_owned()));
    for sum in ["plant", "dtu", "inverter"] {
        columns.extend(
            ["today", "total"].map(|what| absent(DataType::Int64, format!("{sum}_{what}_production"))),
        );
    }
    let (fields, columns): (Vec<_>, Vec<_>) = columns.into_iter().unzip();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).expect("the columns fit the schema")
}

/// A journal that owes everything to the sink `store`.
fn fill(folder: &Path) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    fs::create_dir(folder.join("full")).expect("a folder");
    let options = Options {
        path: Some(folder.join("full/hoymiles.journal")),
        pipeline: "hoymiles".to_owned(),
        max_size: 8 << 30,
        retain: Duration::from_secs(86_400),
        on_full: OnFull::Block,
    };
    runtime.block_on(async {
        let journal = SqliteJournal::open(options, jiff::Timestamp::now()).await.expect("the journal opens");
        journal.enlist(&[Cursor { sink: "store".into(), from: From::Now }]).await.expect("the sink joins");
        let mut waiting = futures::stream::FuturesUnordered::new();
        for number in 0..POLLS {
            waiting.push(journal.append(Entry {
                records: poll(number),
                state: Vec::new(),
                complete: true,
                aside: smiles_journal::RejectedRows::default(),
                now: jiff::Timestamp::now(),
            }));
            if waiting.len() == 256 {
                futures::StreamExt::next(&mut waiting)
                    .await
                    .expect("some wait")
                    .expect("the journal accepts");
            }
        }
        while let Some(accepted) = futures::StreamExt::next(&mut waiting).await {
            accepted.expect("the journal accepts");
        }
        drop(waiting);
        journal.close().await.expect("the journal closes");
    });
}

/// Runs the stock pipeline until nothing waits.
fn deliver(database: &Database, folder: &Path, per_write: usize) -> Delivered {
    let data = folder.join(format!("data-{per_write}"));
    fs::create_dir(&data).expect("a folder");
    for entry in fs::read_dir(folder.join("full")).expect("the journal is there") {
        let entry = entry.expect("a file");
        fs::copy(entry.path(), data.join(entry.file_name())).expect("a copy");
    }
    let stock = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../pipelines/hoymiles.yaml"))
        .expect("the stock file");
    let store = "    migrations: migrations/postgres\n";
    assert!(stock.contains(store), "the stock file has another form");
    let text = stock.replace(store, &format!("{store}    batch: {{max_rows: {per_write}}}\n"));
    fs::write(folder.join("bench.yaml"), text).expect("the folder can be written");
    let port = free_port();
    let mut variables = database.variables();
    for (name, value) in [
        ("DATA_DIR", data.display().to_string()),
        ("DTU_HOST", "127.0.0.1".to_owned()),
        ("DTU_PORT", free_port().to_string()),
        ("HEALTH_HOST", "127.0.0.1".to_owned()),
        ("HEALTH_PORT", port.to_string()),
    ] {
        variables.push((name.to_owned(), value));
    }
    let borrowed: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (&**name, &**value)).collect();
    let began = Instant::now();
    let bridge = smiles(&["run", "bench.yaml"], &borrowed, folder);
    // Asked seldom, and for what is in memory: what answering costs would count as ours.
    until("the backlog to be delivered", || {
        std::thread::sleep(Duration::from_millis(100));
        let health = body(port, "/health").and_then(|answer| {
            let (_, json) = answer.split_once("\r\n\r\n")?;
            serde_json::from_str::<serde_json::Value>(json).ok()
        });
        health.is_some_and(|health| health["sinks"]["store"]["delivered"] == ROWS)
    });
    let delivered = Delivered {
        seconds: began.elapsed().as_secs_f64(),
        cpu: cpu(bridge.id()),
        memory_kib: memory_kib(bridge.id(), "RssAnon"),
    };
    interrupt(bridge);
    assert_eq!(
        database.rows("SELECT count(*) FROM port_data"),
        [ROWS.to_string()],
        "not every row was stored"
    );
    delivered
}

const TABLES: [(&str, &str, usize); 2] = [
    (
        "inverter_data",
        "serial_number, timestamp, grid_voltage, grid_frequency, temperature, operating_status, alarm_code, alarm_count, link_status, raw_data",
        INVERTERS,
    ),
    (
        "port_data",
        "serial_number, port_number, timestamp, pv_voltage, pv_current, pv_power, today_production, total_production, raw_data",
        INVERTERS * PORTS,
    ),
];

/// The stock tables, empty but for the inverters.
fn prepare(copy: &Database) {
    for name in ["002_tables.sql", "003_sums.sql"] {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../migrations/postgres");
        copy.sql(&fs::read_to_string(Path::new(folder).join(name)).expect("the stock tables"));
    }
    copy.sql("CREATE TABLE mark (seq bigint); INSERT INTO mark VALUES (0)");
}

/// The seconds `psql` takes for the same transactions.
fn same_transactions(from: &Database, copy: &Database, folder: &Path, per_write: usize) -> f64 {
    prepare(copy);
    let polls = per_write / (INVERTERS * PORTS);
    let (mut export, mut import) = (String::new(), String::new());
    for write in 0..POLLS / polls {
        let last = (write + 1) * polls - 1;
        let at = 1_795_462_992_314_023 + i64::try_from(last).unwrap_or(0) * 60_000_000;
        let _ = writeln!(import, "BEGIN;\nUPDATE mark SET seq = {write} + 1 WHERE seq = {write};");
        upserts(&mut import, at, last);
        for (table, columns, each) in TABLES {
            let file = folder.join(format!("{table}-{write}"));
            let (low, high) = (write * polls * each, (write + 1) * polls * each);
            let _ = writeln!(
                export,
                "\\copy (SELECT {columns} FROM {table} WHERE id > {low} AND id <= {high} ORDER BY id) TO '{}' (FORMAT binary)",
                file.display()
            );
            let _ = writeln!(import, "\\copy {table} ({columns}) FROM '{}' (FORMAT binary)", file.display());
        }
        import.push_str("COMMIT;\n");
    }
    psql(from, folder, &export);
    let took = psql(copy, folder, &import);
    assert_eq!(copy.rows("SELECT count(*) FROM port_data"), [ROWS.to_string()], "psql stored something else");
    took
}

fn upserts(sql: &mut String, micros: i64, poll: usize) {
    let at = format!("to_timestamp({}::numeric / 1000000)", micros);
    let serials = (0..INVERTERS).map(|inverter| format!("('1161828{inverter:05}', 'DTU', {at}, {at})"));
    let cache = (0..INVERTERS * PORTS).map(|row| {
        format!("('1161828{:05}', {}, {}, {}, {at})", row / PORTS, row % PORTS + 1, poll % 9_000, poll * 3)
    });
    let _ = writeln!(
        sql,
        "INSERT INTO inverters AS old (serial_number, dtu_name, first_seen, last_seen) VALUES {} ON CONFLICT (serial_number)
         DO UPDATE SET dtu_name = coalesce(excluded.dtu_name, old.dtu_name), last_seen = coalesce(excluded.last_seen, old.last_seen)
         WHERE excluded.last_seen >= old.last_seen;
         INSERT INTO production_cache AS old (serial_number, port_number, today_production, total_production, last_updated) VALUES {}
         ON CONFLICT (serial_number, port_number) DO UPDATE SET today_production = coalesce(excluded.today_production, old.today_production),
         total_production = coalesce(excluded.total_production, old.total_production),
         last_updated = coalesce(excluded.last_updated, old.last_updated) WHERE excluded.last_updated >= old.last_updated;",
        serials.collect::<Vec<_>>().join(", "),
        cache.collect::<Vec<_>>().join(", "),
    );
}

/// One COPY of the port rows alone, rows one by one, and what our process cost.
fn limits(from: &Database, copy: &Database, folder: &Path, ours: &Delivered) -> Vec<Row> {
    prepare(copy);
    let file = folder.join("all").display().to_string();
    let (table, columns, _) = TABLES[1];
    psql(
        from,
        folder,
        &format!("\\copy (SELECT {columns} FROM {table} ORDER BY id) TO '{file}' (FORMAT binary)\n"),
    );
    let mut known = String::new();
    upserts(&mut known, 0, 0);
    psql(copy, folder, &known);
    let outer = psql(copy, folder, &format!("\\copy {table} ({columns}) FROM '{file}' (FORMAT binary)\n"));
    let mut single = String::new();
    for row in 0..SINGLE {
        let serial = format!("1161828{:05}", row % INVERTERS);
        let _ = writeln!(
            single,
            "BEGIN; INSERT INTO inverters (serial_number) VALUES ('{serial}') ON CONFLICT (serial_number) DO UPDATE SET last_seen = now();
             INSERT INTO inverter_data (serial_number, grid_voltage) VALUES ('{serial}', 230.1); COMMIT;
             BEGIN; INSERT INTO port_data (serial_number, port_number, pv_voltage) VALUES ('{serial}', 1, 35.1); COMMIT;
             BEGIN; INSERT INTO production_cache (serial_number, port_number, today_production) VALUES ('{serial}', 1, {row})
             ON CONFLICT (serial_number, port_number) DO UPDATE SET today_production = excluded.today_production; COMMIT;"
        );
    }
    let single = psql(copy, folder, &single);
    let rate = ROWS as f64 / ours.seconds;
    vec![
        Row {
            what: "the same, beside one COPY of the port rows alone".into(),
            ours: format!("{rate:.0}"),
            beside: format!("{:.0} (`psql` `\\copy`, the outer limit)", ROWS as f64 / outer),
            ratio: ratio(outer, ours.seconds),
        },
        Row {
            what: "the same, beside rows one by one with commits".into(),
            ours: format!("{rate:.0}"),
            beside: format!("{:.0} (`psql`, statements of the earlier system)", SINGLE as f64 / single),
            ratio: format!("{:.0}", rate * single / SINGLE as f64),
        },
    ]
}

/// What the sink alone costs, which is what `psql` does beside it: the same rows from memory, in transactions of 10,000.
/// The bridge's journal, its API and the making of the rows are not in it.
fn client(database: &Database, folder: &Path, ours: &Delivered) -> Row {
    const PER_WRITE: usize = 10_000 / (INVERTERS * PORTS);
    prepare(database);
    let tables = include_str!("../../pipelines/hoymiles/tables.yaml");
    let tables: serde_json::Value = serde_yaml::from_str(tables).expect("the stock mapping is YAML");
    let mut options: serde_json::Map<String, serde_json::Value> =
        [("tables".to_owned(), tables)].into_iter().collect();
    options.insert("host".to_owned(), "127.0.0.1".into());
    options.insert("port".to_owned(), database.port.into());
    options.insert("database".to_owned(), database.name.as_str().into());
    options.insert("user".to_owned(), USER.into());
    options.insert("password".to_owned(), PASSWORD.into());
    let config = serde_json::from_value(options.into()).expect("the options of a sink");
    let context = PlanContext { stage: "store", files: &NoFiles };
    let plan = <Postgres as Stage>::plan(config, context).expect("a plan");
    let plan = plan.wire(&poll(0).schema(), None).expect("the rows fit the tables");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let spent = runtime.block_on(async {
        let opened = plan.open(open_context(folder, Arc::clone(&clock)), None).await.expect("a sink");
        let mut sink = opened.sink;
        let run = RunId([7; 16]);
        sink.watermark(run).await.expect("the database answers");
        let mut spent = Duration::ZERO;
        for write in 0..POLLS / PER_WRITE {
            let polls = write * PER_WRITE..(write + 1) * PER_WRITE;
            let batches: Vec<Batch> = polls
                .map(|number| Batch {
                    position: Position { run, seq: Seq(number as u64 + 1) },
                    complete: true,
                    accepted_at: clock.now(),
                    records: poll(number),
                })
                .collect();
            let before = cpu(std::process::id());
            for batch in &batches {
                sink.write(batch).await.expect("the batch is taken");
            }
            sink.flush().await.expect("the rows are stored");
            spent += cpu(std::process::id()) - before;
        }
        spent
    });
    assert_eq!(database.rows("SELECT count(*) FROM port_data"), [ROWS.to_string()]);
    let per_million = |cpu: Duration| cpu.as_secs_f64() * 1e6 / ROWS as f64;
    Row {
        what:
            "CPU seconds of the sink per million port rows (at most 1.5); of the whole bridge, and its memory"
                .into(),
        ours: format!("{:.2} s", per_million(spent)),
        beside: format!(
            "{:.2} s, {:.1} MiB anonymous",
            per_million(ours.cpu),
            ours.memory_kib as f64 / 1024.0
        ),
        ratio: "–".into(),
    }
}

/// Runs a script; the seconds it took.
fn psql(database: &Database, folder: &Path, script: &str) -> f64 {
    let file = folder.join("script.sql");
    fs::write(&file, script).expect("the folder can be written");
    let began = Instant::now();
    let status = Command::new(binary("psql"))
        .env("PGPASSWORD", PASSWORD)
        .args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-U", USER, "-d", &database.name])
        .args(["-p", &database.port.to_string(), "-f"])
        .arg(&file)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status();
    assert!(status.expect("psql runs").success(), "psql failed");
    began.elapsed().as_secs_f64()
}
