//! /metrics read back: declared names, labels and values, and nothing of what is gone.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value as Json, json};
use smiles_stage::prometheus::{HistogramOpts, HistogramVec, IntCounter};

use crate::stock;
use crate::world::{World, plan, source};

/// Samples by series, and the type of each family; every line must be understood.
fn parsed(text: &str) -> (BTreeMap<String, f64>, BTreeMap<String, String>) {
    let (mut samples, mut types) = (BTreeMap::new(), BTreeMap::new());
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert!(types.insert(name.to_owned(), kind.to_owned()).is_none(), "{name} twice");
        } else if let Some(rest) = line.strip_prefix("# HELP ") {
            assert!(rest.split_once(' ').is_some_and(|(_, help)| !help.is_empty()), "{line}");
        } else {
            let (series, value) = line.rsplit_once(' ').unwrap();
            let value = value.parse().unwrap_or_else(|_| panic!("{line}"));
            assert!(samples.insert(series.to_owned(), value).is_none(), "{series} twice");
        }
    }
    (samples, types)
}

fn row(source: &str, serial: &str, port: u32, power: Json) -> Json {
    json!({
        "time": "2026-11-23T19:43:30Z", "source": source, "serial_number": serial, "port_number": port,
        "pv_power": power, "temperature": -5.5, "operating_status": 3,
        "today_production": 1200, "total_production": 543210,
    })
}

fn plant() -> Vec<Json> {
    let mut second = row("DTU", "116182800001", 2, json!(34.5));
    // The first row of an inverter speaks for it.
    second["temperature"] = json!(7.0);
    vec![
        row("DTU", "116182800001", 1, json!(35.8)),
        second,
        row("DTU", "102162804827", 1, Json::Null),
        row("gone", "999999999999", 1, json!(1.0)),
    ]
}

#[tokio::test]
async fn every_name_of_the_earlier_system_is_there_and_true() {
    let mut world = World::stock().await;
    // Another pipeline of the process has meters of the same name.
    for (pipeline, source) in [("test", "DTU"), ("test-system", "bridge")] {
        let seconds =
            HistogramOpts::new("smiles_source_pass_seconds", "Seconds a pass took").buckets(vec![1.0, 5.0]);
        let seconds = HistogramVec::new(seconds.const_label("pipeline", pipeline), &["source"]).unwrap();
        seconds.with_label_values(&[source]).observe(2.0);
        world.meters.register(Box::new(seconds)).unwrap();
    }
    world.health.0.lock().unwrap().sources[0].stretched = true;
    world.accept(stock::rows(&plant())).await;
    let answer = world.get("/metrics").await;
    assert_eq!(answer.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    let (samples, types) = parsed(&answer.body);
    let rows = [
        (r#"hoymiles_queries_total{dtu_name="DTU",status="success"}"#, 4.0),
        (r#"hoymiles_queries_total{dtu_name="DTU",status="error"}"#, 1.0),
        (r#"hoymiles_query_duration_seconds_count{dtu_name="DTU"}"#, 1.0),
        (r#"hoymiles_query_duration_seconds_sum{dtu_name="DTU"}"#, 2.0),
        (r#"hoymiles_query_duration_seconds_bucket{dtu_name="DTU",le="1"}"#, 0.0),
        (r#"hoymiles_query_duration_seconds_bucket{dtu_name="DTU",le="5"}"#, 1.0),
        (r#"hoymiles_query_errors_total{dtu_name="DTU",error_type="query_failed"}"#, 1.0),
        (r#"hoymiles_dtu_available{dtu_name="DTU"}"#, 1.0),
        (r#"hoymiles_circuit_breaker_state{dtu_name="DTU"}"#, 1.0),
        ("hoymiles_smiles_uptime_seconds", 18.52),
        (r#"hoymiles_inverter_power_watts{serial_number="116182800001",port="1"}"#, 35.8),
        (r#"hoymiles_inverter_power_watts{serial_number="116182800001",port="2"}"#, 34.5),
        (r#"hoymiles_inverter_temperature_celsius{serial_number="116182800001"}"#, -5.5),
        (r#"hoymiles_inverter_status{serial_number="102162804827"}"#, 3.0),
        (r#"hoymiles_dtu_power_watts{dtu_name="DTU"}"#, 70.3),
        (r#"hoymiles_today_production_wh{dtu_name="DTU"}"#, 3702.0),
        (r#"hoymiles_total_production_wh{dtu_name="DTU"}"#, 1_703_670.0),
        (r#"smiles_source_pass_seconds_count{pipeline="test",source="DTU"}"#, 1.0),
    ];
    for (series, expected) in rows {
        assert_eq!(samples.get(series), Some(&expected), "{series} in {}", answer.body);
    }
    assert_eq!(types["hoymiles_queries_total"], "counter");
    let bridge = samples.keys().any(|series| series.contains(r#"dtu_name="bridge""#));
    assert!(!bridge, "another pipeline's source is no DTU: {}", answer.body);
    assert_eq!(types["hoymiles_query_duration_seconds"], "histogram");
    assert_eq!(types["hoymiles_inverter_power_watts"], "gauge");
    assert!(!answer.body.contains("999999999999"), "a source that is not heard has no series");
    let null = samples.keys().any(|series| series.contains("power") && series.contains("102162804827"));
    assert!(!null, "a null is not shown");
}

#[tokio::test]
async fn what_vanishes_from_the_device_vanishes_here() {
    let mut world = World::stock().await;
    let shown = |text: &str| text.matches("hoymiles_inverter_power_watts{").count();
    assert_eq!(shown(&world.get("/metrics").await.body), 0);
    world.accept(stock::rows(&plant())).await;
    assert_eq!(shown(&world.get("/metrics").await.body), 2);
    world.accept(stock::rows(&plant()[..1])).await;
    assert_eq!(shown(&world.get("/metrics").await.body), 1);
    world.health.0.lock().unwrap().sources[0].since_success = Some(Duration::from_secs(301));
    assert_eq!(shown(&world.get("/metrics").await.body), 0);
}

#[tokio::test]
async fn a_partial_pass_takes_nothing_from_a_sum_until_the_rest_is_old() {
    let mut world = World::stock().await;
    let power = async |world: &World| {
        let (samples, _) = parsed(&world.get("/metrics").await.body);
        let answer = world.get("/api/production/totals").await.json();
        let shown = samples.get(r#"hoymiles_dtu_power_watts{dtu_name="DTU"}"#).copied();
        assert_eq!(answer["dtus"]["DTU"]["power"].as_f64(), shown, "{answer}");
        assert_eq!(answer["plant"]["power"].as_f64(), shown);
        shown
    };
    let rows = plant();
    world.accept(stock::rows(&rows[..3])).await;
    assert_eq!(power(&world).await, Some(70.3));
    // Half of the ports answer; the others are as they were.
    world.clock.advance(Duration::from_secs(200));
    let mut half = rows[0].clone();
    half["pv_power"] = json!(40.0);
    world.accept_pass(stock::rows(&[half.clone()]), false).await;
    assert_eq!(power(&world).await, Some(74.5));
    world.clock.advance(Duration::from_secs(101));
    assert_eq!(power(&world).await, Some(40.0), "what was said 301 s ago counts no more");
    // One that a complete pass does not name any more counts for nothing at once.
    world.accept(stock::rows(&rows[..2])).await;
    world.accept(stock::rows(&rows[1..2])).await;
    assert_eq!(power(&world).await, Some(34.5));
    // Answered, and nobody was heard; then not answered for too long.
    world.clock.advance(Duration::from_secs(301));
    assert_eq!(power(&world).await, Some(0.0));
    // After a start, the first answer is known before its rows are here: that is not nothing.
    for (success_count, queued, shown) in [(1, 0, None), (2, 1, None), (2, 0, Some(0.0))] {
        world.health.0.lock().unwrap().sources[0].success_count = success_count;
        world.health.0.lock().unwrap().queued = queued;
        assert_eq!(power(&world).await, shown, "{success_count} passes, {queued} on their way");
    }
    world.health.0.lock().unwrap().sources[0].since_success = Some(Duration::from_secs(301));
    assert_eq!(power(&world).await, None);
}

#[tokio::test]
async fn sums_are_those_of_the_pipeline_and_absent_while_there_are_none() {
    let mut world = World::stock().await;
    world.accept(stock::rows(&plant()[..3])).await;
    let answer = world.get("/api/production/totals").await.json();
    assert_eq!(answer["plant"]["total_production"], 1_703_670, "not that of another pipeline: {answer}");
    assert_eq!(answer["plant"]["timestamp"], "2026-11-23T19:43:30.000000+00:00");
    let inverter = json!({"today_production": null, "total_production": null, "timestamp": "2026-11-23T19:43:30.000000+00:00"});
    assert_eq!(answer["inverters"], json!({"102162804827": inverter}));
}

#[tokio::test]
async fn sources_are_apart() {
    let mut world = World::stock().await;
    world.health.0.lock().unwrap().sources.push(source("gone"));
    world.accept(stock::rows(&plant()[..2])).await;
    world.accept(stock::rows(&plant()[3..])).await;
    let (samples, _) = parsed(&world.get("/metrics").await.body);
    assert_eq!(samples[r#"hoymiles_dtu_power_watts{dtu_name="DTU"}"#], 70.3);
    assert_eq!(samples[r#"hoymiles_dtu_power_watts{dtu_name="gone"}"#], 1.0);
}

#[tokio::test]
async fn requests_and_what_others_register_are_shown() {
    let world = World::stock().await;
    let other = IntCounter::new("smiles_other_total", "Something else").unwrap();
    world.meters.register(Box::new(other.clone())).unwrap();
    other.inc_by(7);
    world.get("/api/inverters/102162804827").await;
    world.get("/nowhere").await;
    let (samples, _) = parsed(&world.get("/metrics").await.body);
    assert_eq!(samples["smiles_other_total"], 7.0);
    let requests = |route: &str, status: u16| {
        format!(
            r#"smiles_http_requests_total{{pipeline="test",route="{route}",sink="api",status="{status}"}}"#
        )
    };
    assert_eq!(samples[&requests("/api/inverters/{serial}", 200)], 1.0, "{samples:?}");
    assert_eq!(samples[&requests("other", 404)], 1.0);
    assert!(samples[r#"smiles_http_connections{pipeline="test",sink="api"}"#] >= 1.0);
}

#[tokio::test]
async fn metrics_can_be_switched_off() {
    let mut options = stock::options();
    options["metrics"]["enabled"] = json!(false);
    let plan = plan(&options).unwrap().wire(&stock::input(), None).unwrap();
    let world = World::serve(plan.as_ref(), None).await;
    let detail = world.get("/metrics").await.problem(404);
    assert_eq!(detail, "metrics are switched off (`metrics.enabled` is false)");
}
