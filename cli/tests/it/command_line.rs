//! The commands: help, exit codes, what a newcomer types first.

use std::time::Duration;

use serde::Deserialize;

use crate::bridge::{Bridge, finish, root};

#[test]
fn every_command_explains_itself() {
    let folder = tempfile::tempdir().unwrap();
    let commands: &[&[&str]] = &[
        &["run"],
        &["check"],
        &["demo"],
        &["simulate"],
        &["test"],
        &["schema"],
        &["graph"],
        &["journal", "status"],
        &["journal", "verify"],
        &["journal", "ack"],
        &["journal", "dead-letter", "list"],
        &["journal", "dead-letter", "show"],
        &["journal", "dead-letter", "replay"],
        &["journal", "dead-letter", "drop"],
        &["journal", "rename-sink"],
        &["health"],
    ];
    for command in commands {
        let args: Vec<&str> = command.iter().copied().chain(["--help"]).collect();
        let output = finish(&args, &[], folder.path());
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && said.contains("Example"), "{command:?}: {said}");
    }
    assert_eq!(finish(&["runn"], &[], folder.path()).status.code(), Some(2));
}

#[test]
fn run_without_a_device_names_the_variables() {
    let folder = tempfile::tempdir().unwrap();
    let output = finish(&["run"], &[], folder.path());
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    for word in ["DTU_HOST", "DTU_CONFIGS", "hoymiles-sqlite.yaml", "no FILE was given"] {
        assert!(said.contains(word), "no {word} in {said}");
    }
    assert!(
        said.lines().next().unwrap_or_default().contains("pipeline chosen"),
        "the first line says which file: {said}"
    );
    // Compose passes variables that are not set as empty ones.
    let empty = finish(&["run"], &[("DTU_HOST", ""), ("DTU_CONFIGS", "")], folder.path());
    assert_eq!(empty.status.code(), Some(2));
}

#[test]
fn a_bridge_leaves_no_core_file() {
    let folder = tempfile::tempdir().unwrap();
    let script = "ulimit -S -c $(ulimit -H -c); exec \"$0\" run";
    let words = ["sh", "-c", script, env!("CARGO_BIN_EXE_smiles")];
    let variables =
        [("DTU_HOST", "127.0.0.1"), ("DTU_PORT", "1"), ("HEALTH_HOST", "127.0.0.1"), ("HEALTH_PORT", "0")];
    let bridge = Bridge::start_by(&words, &variables, folder.path());
    bridge.line(&["http api listening"]);
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", bridge.id())).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().nth(4), Some("0"), "{core}");
    bridge.interrupt();
}

#[test]
fn the_demo_serves_a_reading_and_stops_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let began = crate::bridge::now();
    let variables = [("HEALTH_HOST", "127.0.0.1"), ("HEALTH_PORT", "0"), ("EXPIRE_AFTER", "120")];
    let bridge = Bridge::start(&["demo"], &variables, folder.path());
    let inverters = bridge.eventually("/api/inverters", |answer| {
        answer[0]["ports"][0]["pv_power"].as_f64().is_some_and(|power| power > 0.0)
    });
    let took = began.elapsed();
    assert!(took < Duration::from_secs(5), "the first reading was served after {took:?}");
    assert_eq!(inverters.as_array().map(Vec::len), Some(3));
    assert_eq!(bridge.json("/health")["dtus"]["DTU"]["status"], "online");
    assert_eq!(bridge.get("/ready"), (200, "OK".to_owned()));
    let metrics = bridge.get("/metrics").1;
    let believed =
        "smiles_daily_reset_accepted_total{event=\"fall\",pipeline=\"hoymiles\",transform=\"daily_reset\"} 0";
    assert!(metrics.contains(believed), "{metrics}");
    assert_eq!(bridge.count(&["EXPIRE_AFTER"]), 1, "a retired variable is named once:\n{}", bridge.log());
    let port = bridge.address().rsplit_once(':').map(|(_, port)| port.to_owned()).unwrap();
    assert!(finish(&["health"], &[("HEALTH_PORT", &port)], folder.path()).status.success());
    let (status, took) = bridge.interrupt();
    assert!(status.success() && took < Duration::from_secs(2), "{status} after {took:?}");
    assert_eq!(finish(&["health"], &[("HEALTH_PORT", &port)], folder.path()).status.code(), Some(1));

    let demo = folder.path().join("data/demo");
    assert!(demo.join("hoymiles.db").exists() && demo.join("hoymiles.journal").exists());
    let status = finish(&["journal", "status", "--data-dir", "data/demo"], &[], folder.path());
    assert!(String::from_utf8_lossy(&status.stdout).contains("store"), "{status:?}");
    let verify = finish(
        &["journal", "verify", "--data-dir", "data/demo"],
        &[("DTU_HOST", "127.0.0.1")],
        folder.path(),
    );
    assert!(verify.status.success(), "{}", String::from_utf8_lossy(&verify.stderr));
}

#[test]
fn switches_switch() {
    let folder = tempfile::tempdir().unwrap();
    let variables = [("HEALTH_HOST", "127.0.0.1"), ("HEALTH_PORT", "0"), ("METRICS_ENABLED", "false")];
    let bridge = Bridge::start(&["demo"], &variables, folder.path());
    assert_eq!(bridge.get("/metrics").0, 404);
    bridge.interrupt();
    let bridge = Bridge::start(&["demo"], &[("HEALTH_ENABLED", "false")], folder.path());
    bridge.line(&["source is online", "DTU"]);
    assert_eq!(bridge.count(&["http api listening"]), 0);
    bridge.interrupt();
    let variables = [("HEALTH_HOST", "127.0.0.1"), ("HEALTH_PORT", "0"), ("PERSISTENCE_ENABLED", "false")];
    let bridge = Bridge::start(&["demo"], &variables, folder.path());
    bridge.eventually("/health", |health| health["healthy"] == true);
    assert_eq!(bridge.get("/api/inverters").0, 503);
    bridge.interrupt();
}

#[test]
fn graph_and_schema_print_what_tools_read() {
    let folder = tempfile::tempdir().unwrap();
    let graph = finish(&["graph"], &[("DTU_HOST", "192.0.2.1")], folder.path());
    let graph = String::from_utf8_lossy(&graph.stdout);
    assert!(graph.starts_with("flowchart") && graph.contains("DTU") && graph.contains("store"), "{graph}");
    let schema = finish(&["schema"], &[], folder.path());
    let schema: serde_json::Value = serde_json::from_slice(&schema.stdout).unwrap();
    let text = schema.to_string();
    for word in ["modbus", "sqlite", "http_api", "daily_reset", "reset_hour", "stretch_after"] {
        assert!(text.contains(word), "the schema does not know {word}");
    }
}

#[test]
fn resolved_prints_what_would_run() {
    let folder = tempfile::tempdir().unwrap();
    let output =
        finish(&["check", "--resolved"], &[("DTU_HOST", "192.0.2.9"), ("QUERY_PERIOD", "17")], folder.path());
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for word in ["tcp://192.0.2.9:502", "17s", "pv_voltage"] {
        assert!(said.contains(word), "no {word} in {said}");
    }
    let pipelines: Vec<String> = serde_yaml::Deserializer::from_str(&said)
        .map(|document| serde_yaml::Value::deserialize(document).expect("it is YAML again"))
        .map(|document| document["pipeline"].as_str().unwrap_or_default().to_owned())
        .collect();
    assert_eq!(pipelines, ["hoymiles", "hoymiles-system"]);
}

#[test]
fn several_pipelines_run_side_by_side() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["a", "b"] {
        let text = format!(
            "pipeline: {name}
sources:
  made: {{type: synthetic, every: 50ms, rows: 2, columns: {{value: {{type: int, pattern: counter}}}}}}
sinks:
  store: {{type: sqlite, path: {name}.db, tables: {{readings: {{mode: append, create: true, columns: {{time: time, value: value}}}}}}}}
"
        );
        std::fs::write(folder.path().join(format!("{name}.yaml")), text).unwrap();
    }
    let bridge = Bridge::start(&["run", "a.yaml", "b.yaml"], &[], folder.path());
    for name in ["a", "b"] {
        bridge.line(&["source is online", &format!("pipeline=\"{name}\"")]);
    }
    let (status, _) = bridge.interrupt();
    assert!(status.success());
    assert!(folder.path().join("data/a.journal").exists() && folder.path().join("data/b.journal").exists());
    assert!(root().join("pipelines").exists());
}

#[test]
fn a_changed_file_is_taken_and_a_broken_one_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let write = |period: &str| {
        let text = format!(
            "pipeline: again
sources:
  made: {{type: synthetic, every: {period}, rows: 1, columns: {{value: {{type: int, pattern: counter}}}}}}
sinks:
  store: {{type: sqlite, path: again.db, tables: {{readings: {{mode: append, create: true, columns: {{value: value}}}}}}}}
  api: {{type: http_api, listen: '127.0.0.1:0'}}
"
        );
        std::fs::write(folder.path().join("again.yaml"), text).unwrap();
    };
    write("1h");
    let bridge = Bridge::start(&["run", "again.yaml"], &[], folder.path());
    bridge.eventually("/health", |health| health["healthy"] == true);
    write("1 hour");
    bridge.signal("-HUP");
    bridge.line(&["expected a duration"]);
    assert_eq!(bridge.json("/health")["healthy"], true, "what ran goes on");
    write("50ms");
    bridge.signal("-HUP");
    bridge.line(&["reloading the pipeline files"]);
    let status = || finish(&["journal", "status", "--json"], &[], folder.path());
    let deadline = crate::bridge::now() + crate::bridge::PATIENCE;
    loop {
        let status: serde_json::Value = serde_json::from_slice(&status().stdout).unwrap();
        if status["rows"].as_u64().unwrap() > 3 {
            break;
        }
        assert!(crate::bridge::now() < deadline, "the new period does not rule: {status}\n{}", bridge.log());
        crate::bridge::pause();
    }
    let (status, took) = bridge.interrupt();
    assert!(status.success() && took < Duration::from_secs(2), "{status} after {took:?}");
}
