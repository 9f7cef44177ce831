//! Judges that are not ours: schemathesis reads /openapi.json and tries to break the API, promtool reads /metrics.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::plant::stock;
use crate::bridge::root;
use crate::sequence::Device;

/// Cases per operation; nine operations have parameters worth guessing.
const CASES: &str = "440";

fn tool(name: &str) -> PathBuf {
    let python =
        std::env::var_os("SMILES_TEST_PYTHON").map_or_else(|| root().join(".venv/bin/python"), PathBuf::from);
    let tool = python.with_file_name(name);
    assert!(tool.exists(), "no {} : run `make setup`", tool.display());
    tool
}

#[test]
fn schemathesis_finds_nothing_that_contradicts_the_document() {
    let (device, folder) = (Device::start(), tempfile::tempdir().unwrap());
    let bridge = stock(folder.path(), device.port, &[]);
    bridge.eventually("/api/inverters", |list| list[0]["id"].is_number());
    let document = format!("http://{}/openapi.json", bridge.address());
    let output = Command::new(tool("schemathesis"))
        .args(["run", &document, "--exclude-path", "/api/events", "--checks", "all", "--max-examples", CASES])
        .args(["--workers", "2", "--seed", "1", "--no-color", "--phases", "examples,coverage,fuzzing"])
        // The hooks have this check in a form that knows what no schema can say: cursors that were made up, and a start
        // after its end, are rightly refused.
        .args(["--exclude-checks", "positive_data_acceptance"])
        .env("SCHEMATHESIS_HOOKS", root().join("cli/tests/peers/schemathesis_hooks.py"))
        .current_dir(folder.path())
        .output()
        .expect("schemathesis runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    let cases = said.lines().filter_map(|line| {
        let line = line.trim();
        let words: Vec<&str> = line.split_whitespace().collect();
        let at = words.iter().position(|word| word.starts_with("generated"))?;
        words.get(at.checked_sub(1)?)?.parse::<u32>().ok()
    });
    let cases = cases.max().unwrap_or(0);
    assert!(cases >= 2000, "only {cases} cases in\n{said}");
}

#[test]
fn promtool_finds_nothing_to_mend() {
    let (device, folder) = (Device::start(), tempfile::tempdir().unwrap());
    let bridge = stock(folder.path(), device.port, &[]);
    bridge.eventually("/api/inverters", |list| list[0]["id"].is_number());
    let text = bridge.get("/metrics").1;
    for name in
        ["smiles_build_info", "smiles_sink_lag_seconds", "smiles_queue_depth", "hoymiles_today_production_wh"]
    {
        assert!(text.contains(&format!("# TYPE {name} ")), "{name} is not in\n{text}");
    }
    let mut judge = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool is installed (make setup)");
    judge.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = judge.wait_with_output().unwrap();
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.trim().is_empty(), "{said}");
}
