//! What the bridge knows of itself, beside the stock pipeline: in two tables, without secrets, in nobody's way.

use std::fs;
use std::path::Path;
use std::time::Duration;

use rusqlite::OpenFlags;
use smiles_testkit::postgres::Server;

use crate::bridge::{Bridge, PATIENCE, finish, now, pause};
use crate::postgres::until;

/// Never anywhere but in the memory of the process.
const SECRET: &str = "correct-horse-battery";

fn rows(store: &Path, sql: &str) -> Vec<String> {
    let Ok(store) = rusqlite::Connection::open_with_flags(store, OpenFlags::SQLITE_OPEN_READ_ONLY) else {
        return Vec::new();
    };
    store.busy_timeout(Duration::from_secs(10)).unwrap();
    let Ok(mut query) = store.prepare(sql) else { return Vec::new() };
    let rows = query.query_map([], |row| row.get::<_, String>(0)).unwrap();
    rows.collect::<Result<_, _>>().unwrap()
}

fn wait(bridge: &Bridge, mut holds: impl FnMut() -> bool) {
    let deadline = now() + PATIENCE;
    while !holds() {
        assert!(now() < deadline, "it does not come to that:\n{}", bridge.log());
        pause();
    }
}

#[test]
fn the_stock_pipeline_has_a_companion_that_fills_the_two_tables() {
    let folder = tempfile::tempdir().unwrap();
    let variables = [("HEALTH_HOST", "127.0.0.1"), ("HEALTH_PORT", "0")];
    let bridge = Bridge::start(&["demo"], &variables, folder.path());
    let stats = bridge.eventually("/stats", |stats| {
        stats["metrics_entries"].as_u64() > Some(0) && stats["inverters_count"].as_u64() > Some(0)
    });
    // One DTU, a store and an API: what a Raspberry Pi keeps every five minutes.
    assert_eq!(
        (&stats["config_cache_entries"], &stats["metrics_entries"]),
        (&3.into(), &9.into()),
        "{stats}"
    );
    assert_eq!(bridge.count(&["cannot deliver"]), 0, "two writers of one file:\n{}", bridge.log());
    bridge.interrupt();
    let store = folder.path().join("data/demo/hoymiles.db");
    assert_eq!(
        rows(&store, "SELECT DISTINCT metric_name FROM system_metrics ORDER BY 1"),
        [
            "smiles_journal_bytes",
            "smiles_sink_rows_total",
            "smiles_source_passes_total",
            "smiles_source_up",
            "smiles_uptime_seconds"
        ]
    );
    assert_eq!(
        rows(&store, "SELECT tags FROM system_metrics WHERE metric_name = 'smiles_source_up'"),
        [r#"{"pipeline":"hoymiles","source":"DTU"}"#],
        "the companion says nothing of itself"
    );
    assert_eq!(
        rows(&store, "SELECT value FROM config_cache WHERE key = 'version'"),
        [format!("{:?}", env!("CARGO_PKG_VERSION"))]
    );
    let settings = "SELECT json_extract(value, '$.settings.QUERY_PERIOD') FROM config_cache WHERE key = 'pipeline.hoymiles'";
    assert_eq!(rows(&store, settings), ["5"]);
    // Another start with other settings: one row of each key, the newest.
    let bridge =
        Bridge::start(&["demo"], &[("QUERY_PERIOD", "7"), ("HEALTH_ENABLED", "false")], folder.path());
    wait(&bridge, || rows(&store, settings) == ["7"]);
    bridge.interrupt();
    assert_eq!(rows(&store, "SELECT key FROM config_cache").len(), 3);
    assert!(folder.path().join("data/demo/hoymiles-system.journal").exists());
}

#[test]
fn persistence_switched_off_switches_the_companion_off() {
    let folder = tempfile::tempdir().unwrap();
    let variables = [("HEALTH_HOST", "127.0.0.1"), ("HEALTH_PORT", "0"), ("PERSISTENCE_ENABLED", "false")];
    let bridge = Bridge::start(&["demo"], &variables, folder.path());
    bridge.eventually("/health", |health| health["healthy"] == true);
    bridge.line(&["the pipeline is disabled", "hoymiles-system"]);
    let (status, _) = bridge.interrupt();
    assert!(status.success());
    assert!(!folder.path().join("data/demo/hoymiles-system.journal").exists());
    let checked =
        finish(&["check"], &[("DTU_HOST", "192.0.2.1"), ("PERSISTENCE_ENABLED", "false")], folder.path());
    let said = String::from_utf8_lossy(&checked.stdout).into_owned();
    assert!(checked.status.success() && said.contains("pipeline hoymiles-system, disabled"), "{said}");
    let alone = finish(&["run", "hoymiles-sqlite-system.yaml"], &variables, folder.path());
    let said = String::from_utf8_lossy(&alone.stderr).into_owned();
    assert!(alone.status.code() == Some(2) && said.contains("nothing to run"), "{said}");
}

/// A pipeline with a password, and one that reports on it.
#[test]
fn no_secret_is_written_anywhere() {
    let folder = tempfile::tempdir().unwrap();
    let secret = "pipeline: secret
sources:
  made: {type: synthetic, every: 100ms, rows: 1, columns: {value: {type: int, pattern: counter}}}
sinks:
  api: {type: http_api, listen: '127.0.0.1:0'}
  far:
    type: postgres
    host: ${FAR_HOST:-127.0.0.1}
    port: 1
    database: far
    user: ${FAR_USER:-me}
    password: ${FAR_PASSWORD}${DSN:-}${MQTT_PW:-}${BASIC_AUTH:-}
    passfile: mqtt://me:${PLAIN}@host/${BROKER}
    tables: {readings: {mode: append, columns: {value: value}}}
";
    let report = "pipeline: report
sources:
  bridge: {type: internal, every: 100ms}
sinks:
  store:
    type: sqlite
    path: report.db
    tables:
      metrics: {mode: append, create: true, where: {kind: metric}, columns: {name: name, value: value, tags: json}}
      config: {mode: upsert, create: true, key: [key], where: {kind: config}, columns: {key: name, value: json}}
";
    fs::write(folder.path().join("secret.yaml"), secret).unwrap();
    fs::write(folder.path().join("report.yaml"), report).unwrap();
    let broker = format!("mqtt://me:{SECRET}@host:1883/topic");
    let variables = [
        ("FAR_PASSWORD", SECRET),
        ("FAR_USER", SECRET),
        ("BROKER", &broker),
        ("PLAIN", SECRET),
        ("DSN", SECRET),
        ("MQTT_PW", SECRET),
        ("BASIC_AUTH", SECRET),
        ("LOG_LEVEL", "TRACE"),
    ];
    for arguments in [&["check", "secret.yaml"][..], &["check", "--resolved", "secret.yaml"]] {
        let output = finish(arguments, &variables, folder.path());
        let said =
            [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
        assert!(output.status.success() && !said.contains(SECRET), "{arguments:?}: {said}");
    }
    let bridge = Bridge::start(&["run", "secret.yaml", "report.yaml"], &variables, folder.path());
    let store = folder.path().join("data/report.db");
    let settings = "SELECT json_extract(value, '$.settings') FROM config WHERE key = 'pipeline.secret'";
    wait(&bridge, || rows(&store, settings).len() == 1);
    // The user's name happens to be the secret too: it is hidden wherever it stands.
    let expected = r#"{"BASIC_AUTH":"***","BROKER":"mqtt://***@host:1883/topic","DSN":"***","FAR_HOST":"127.0.0.1","FAR_PASSWORD":"***","FAR_USER":"***","MQTT_PW":"***","PLAIN":"***"}"#;
    assert_eq!(rows(&store, settings), [expected]);
    wait(&bridge, || {
        rows(&store, "SELECT DISTINCT name FROM metrics WHERE name = 'smiles_sink_errors_total'").len() == 1
    });
    for path in ["/health", "/metrics", "/openapi.json"] {
        let (_, body) = bridge.get(path);
        assert!(!body.is_empty() && !body.contains(SECRET), "{path}: {body}");
    }
    let log = bridge.log();
    bridge.interrupt();
    for entry in fs::read_dir(folder.path().join("data")).unwrap() {
        let path = entry.unwrap().path();
        let bytes = fs::read(&path).unwrap();
        let found = bytes.windows(SECRET.len()).any(|window| window == SECRET.as_bytes());
        assert!(!found, "the password is in {}", path.display());
    }
    assert!(!log.contains(SECRET), "{log}");
}

#[test]
fn on_postgres_the_companion_fills_the_two_tables() {
    let database = Server::shared().database();
    let folder = tempfile::tempdir().unwrap();
    let owned = database.variables();
    let mut variables: Vec<(&str, &str)> = owned.iter().map(|(name, value)| (&**name, &**value)).collect();
    // No device answers there: what the bridge knows of itself is stored all the same.
    variables.extend([("DTU_HOST", "127.0.0.1"), ("DTU_PORT", "1"), ("HEALTH_ENABLED", "false")]);
    let bridge = Bridge::start(&["run"], &variables, folder.path());
    until(&database, "SELECT to_regclass('config_cache') IS NOT NULL", &bridge, |rows| rows == ["t"]);
    until(&database, "SELECT count(*) FROM config_cache", &bridge, |rows| rows == ["3"]);
    assert_eq!(
        database.rows("SELECT value #>> '{}' FROM config_cache WHERE key = 'version'"),
        [env!("CARGO_PKG_VERSION")]
    );
    let password = "SELECT value #>> '{settings,DB_PASSWORD}' FROM config_cache WHERE key LIKE 'pipeline.%' ORDER BY key";
    assert_eq!(database.rows(password), ["***", "***"]);
    until(&database, "SELECT count(*) > 3 FROM system_metrics", &bridge, |rows| rows == ["t"]);
    assert_eq!(
        database.rows(
            "SELECT DISTINCT tags->>'pipeline' FROM system_metrics WHERE tags->>'pipeline' IS NOT NULL"
        ),
        ["hoymiles"]
    );
    bridge.interrupt();
}

/// As the stock pipeline and its companion do, only as fast as they can: each waits for the other.
#[test]
fn two_pipelines_write_one_file() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["one", "two"] {
        let text = format!(
            "pipeline: {name}
sources:
  made: {{type: synthetic, passes: 150, rows: 20, columns: {{value: {{type: int, pattern: counter}}}}}}
sinks:
  store:
    type: sqlite
    path: both.db
    batch: {{max_rows: 20}}
    tables: {{{name}: {{mode: append, create: true, columns: {{time: time, value: value}}}}}}
"
        );
        fs::write(folder.path().join(format!("{name}.yaml")), text).unwrap();
    }
    let bridge = Bridge::start(&["run", "one.yaml", "two.yaml"], &[], folder.path());
    let store = folder.path().join("data/both.db");
    let full = |table: &str| rows(&store, &format!("SELECT count(*) || '' FROM {table}")) == ["3000"];
    wait(&bridge, || full("one") && full("two"));
    assert_eq!(bridge.count(&["cannot deliver"]), 0, "{}", bridge.log());
    bridge.interrupt();
    assert_eq!(rows(&store, "PRAGMA integrity_check"), ["ok"]);
    for file in ["one.yaml", "two.yaml"] {
        assert!(finish(&["journal", "verify", file], &[], folder.path()).status.success(), "{file}");
    }
}
