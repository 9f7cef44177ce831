//! The source as the runtime sees it: its rows, its battery, its mistakes.

#![allow(clippy::unwrap_used, reason = "helpers of tests may panic like tests")]

use std::path::Path;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_array::{Array, RecordBatch};
use async_trait::async_trait;
use serde_json::{Value, json};
use smiles_source_internal::Internal;
use smiles_stage::prometheus::{Gauge, Histogram, HistogramOpts, IntCounterVec, Opts, Registry as Meters};
use smiles_stage::{Configured, OpenContext, Pass, PlanContext, Problems, Process, Registry, SourcePlan};
use smiles_testkit::NoFiles;
use smiles_testkit::source_conformance::{self, Subject};
use smiles_testkit::{ManualClock, open_context};

fn plan(options: &Value) -> Result<Box<dyn SourcePlan>, Problems> {
    let registry = Registry::new().source::<Internal>();
    let factory = registry.find_source("internal").unwrap();
    factory.plan(options, PlanContext { stage: "bridge", files: &NoFiles })
}

fn meters() -> Meters {
    let meters = Meters::new();
    let passes = IntCounterVec::new(Opts::new("smiles_passes_total", "a"), &["pipeline", "outcome"]).unwrap();
    passes.with_label_values(&["roof", "success"]).inc_by(7);
    passes.with_label_values(&["system", "success"]).inc_by(9);
    let uptime = Gauge::new("smiles_uptime_seconds", "b").unwrap();
    uptime.set(2.5);
    let odd = Gauge::new("smiles_odd", "c").unwrap();
    odd.set(f64::NAN);
    let seconds = Histogram::with_opts(HistogramOpts::new("smiles_pass_seconds", "d")).unwrap();
    seconds.observe(0.25);
    seconds.observe(0.5);
    let other = Gauge::new("power_watts", "e").unwrap();
    other.set(1.0);
    meters.register(Box::new(passes)).unwrap();
    for gauge in [uptime, odd, other] {
        meters.register(Box::new(gauge)).unwrap();
    }
    meters.register(Box::new(seconds)).unwrap();
    meters
}

fn context() -> OpenContext {
    let configured = Configured {
        pipeline: "roof".into(),
        file: "roof.yaml".into(),
        fingerprint: "00ff".into(),
        settings: json!({ "HOST": "10.0.0.5", "PASSWORD": "***" }),
    };
    let process =
        Process { id: String::new(), version: "3.0.0".into(), built: None, pipelines: vec![configured] };
    OpenContext {
        pipeline: "system".into(),
        meters: meters(),
        process: Arc::new(process),
        ..open_context(Path::new("."), Arc::new(ManualClock::new()))
    }
}

/// Kind, name, value and JSON of each row.
fn lines(rows: &RecordBatch) -> Vec<String> {
    let text = |column: usize, row| rows.column(column).as_string::<i32>().value(row).to_owned();
    let value = |row| {
        let values = rows.column(2).as_primitive::<Float64Type>();
        if values.is_null(row) { "-".to_owned() } else { values.value(row).to_string() }
    };
    (0..rows.num_rows())
        .map(|row| format!("{} {} {} {}", text(0, row), text(1, row), value(row), text(3, row)))
        .collect()
}

async fn passes(options: &Value, number: usize) -> Vec<Vec<String>> {
    let mut source = plan(options).unwrap().open(context()).await.unwrap();
    let mut all = Vec::new();
    for _ in 0..number {
        all.push(lines(&source.next().await.unwrap().unwrap().rows));
    }
    all
}

#[tokio::test]
async fn the_configuration_is_told_once_and_the_meters_every_time() {
    let all = passes(&json!({}), 2).await;
    let metrics = [
        r#"metric smiles_pass_seconds_count 2 {}"#,
        r#"metric smiles_pass_seconds_sum 0.75 {}"#,
        r#"metric smiles_passes_total 7 {"outcome":"success","pipeline":"roof"}"#,
        r#"metric smiles_uptime_seconds 2.5 {}"#,
    ];
    let config = [
        r#"config version - "3.0.0""#,
        r#"config pipeline.roof - {"file":"roof.yaml","fingerprint":"00ff","settings":{"HOST":"10.0.0.5","PASSWORD":"***"}}"#,
    ];
    assert_eq!(all[0], [&config[..], &metrics[..]].concat());
    assert_eq!(all[1], metrics);
}

#[tokio::test]
async fn series_are_chosen_by_name() {
    let rows = [
        (json!([]), vec![]),
        (json!(["power_watts"]), vec!["metric power_watts 1 {}"]),
        (
            json!(["*_sum", "*_seconds"]),
            vec!["metric smiles_pass_seconds_sum 0.75 {}", "metric smiles_uptime_seconds 2.5 {}"],
        ),
    ];
    for (series, expected) in rows {
        let all = passes(&json!({ "series": series }), 2).await;
        assert_eq!(all[1], expected, "{series}");
    }
}

#[test]
fn a_name_that_no_series_has_is_a_mistake_with_its_place() {
    let problems = plan(&json!({ "series": ["smiles_*", "smiles {a}"] })).map(drop).unwrap_err();
    assert_eq!(problems.len(), 1);
    assert_eq!(problems[0].at.to_string(), "series[1]");
    assert!(problems[0].message.contains("`smiles {a}`") && problems[0].help.is_some(), "{problems:?}");
}

struct Reporting(Box<dyn SourcePlan>);

#[async_trait]
impl Subject for Reporting {
    fn plan(&self) -> &dyn SourcePlan {
        self.0.as_ref()
    }

    fn context(&self) -> OpenContext {
        context()
    }

    async fn set_reachable(&self, _reachable: bool) -> bool {
        false
    }

    fn names(&self, pass: &Pass) -> Vec<String> {
        lines(&pass.rows)
    }
}

#[tokio::test]
async fn the_source_passes_the_battery() {
    source_conformance::all(async || Reporting(plan(&json!({})).unwrap())).await;
}
