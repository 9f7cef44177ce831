//! A pipeline of another shape: its own tables, routes, parameters and names, by YAML alone.

use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use serde_json::{Value as Json, json};
use smiles_stage::{ColumnMeta, source_field, time_field};

use crate::fake_store::{FakeStore, Table};
use crate::stock::yaml;
use crate::world::{World, plan};

const OPTIONS: &str = r#"
listen: "[::1]:0"
store: lake
resources:
  /health: {sources: meters}
  /stats:
    kind: kind
    readings: {rows: [readings]}
  /v1/readings:
    description: What the meters said
    parameters:
      meter: {}
      phase: {type: integer, one_of: null, minimum: 1, maximum: 3}
      good: {type: boolean}
      above: {type: number}
      start: {type: time}
      end: {type: time}
      most: {type: integer, default: 2, minimum: 1, maximum: 5}
    query:
      table: readings
      columns: [time as at, meter, phase, volts, good]
      filters:
        meter: {param: meter}
        phase: {param: phase}
        good: {param: good}
        volts: {from: above}
        time: {from: start, before: end}
      order: [-time]
      limit: {param: most}
  /v1/good:
    query:
      table: readings
      filters: {good: {value: true}, phase: {value: 1}, meter: {value: a}}
      order: [time]
  /v1/meters/{meter}/newest:
    parameters: {meter: {in: path, one_of: [a, b]}}
    shape: object
    query:
      table: readings
      filters: {meter: {param: meter}}
      latest_by: [meter]
      newest: time
"#;

fn input() -> SchemaRef {
    Arc::new(Schema::new(vec![time_field(), source_field()]))
}

fn store() -> FakeStore {
    let row = |minute: u32, meter: &str, phase: u32, volts: f64, good: bool| {
        json!({
            "time": format!("2026-11-23T19:{minute:02}:00.000000Z"), "meter": meter, "phase": phase,
            "volts": volts, "good": good,
        })
    };
    let time = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let readings = Table {
        schema: Arc::new(Schema::new(vec![
            Field::new("time", time, false),
            Field::new("meter", DataType::Utf8, false),
            Field::new("phase", DataType::Int32, false),
            Field::new("volts", DataType::Float64, true).with_unit("V"),
            Field::new("good", DataType::Boolean, true),
        ])),
        rows: vec![
            row(1, "a", 1, 230.1, true),
            row(2, "b", 2, 231.0, false),
            row(3, "a", 3, 229.9, true),
            row(4, "a", 1, 240.5, false),
        ],
    };
    FakeStore::new([("readings", readings)])
}

#[tokio::test]
async fn another_pipeline_declares_its_own_routes() {
    let world = World::open(&yaml(OPTIONS), &input(), store()).await;
    assert!(world.address.is_ipv6());
    let rows: [(&str, &[&str]); 10] = [
        ("/v1/readings", &["19:04", "19:03"]),
        ("/v1/readings?most=5", &["19:04", "19:03", "19:02", "19:01"]),
        ("/v1/readings?meter=b", &["19:02"]),
        ("/v1/readings?phase=1", &["19:04", "19:01"]),
        ("/v1/readings?good=false", &["19:04", "19:02"]),
        ("/v1/readings?above=231", &["19:04", "19:02"]),
        ("/v1/readings?start=2026-11-23T19:02:00Z&end=2026-11-23T19:04:00Z", &["19:03", "19:02"]),
        ("/v1/readings?start=2026-11-23T21:04:00%2B02:00", &["19:04"]),
        ("/v1/readings?meter=a%20b", &[]),
        ("/v1/good", &["19:01"]),
    ];
    for (target, minutes) in rows {
        let answer = world.get(target).await;
        assert_eq!(answer.status, 200, "{target}: {}", answer.body);
        let time =
            |row: &Json| row.get("at").or(row.get("time")).unwrap().as_str().unwrap()[11..16].to_owned();
        let got: Vec<String> = answer.json().as_array().unwrap().iter().map(time).collect();
        assert_eq!(got, minutes, "{target}");
    }
    assert_eq!(
        world.get("/v1/meters/a/newest").await.body,
        r#"{"time":"2026-11-23T19:04:00.000000+00:00","meter":"a","phase":1,"volts":240.5,"good":false}"#
    );
    assert_eq!(world.get("/v1/meters/c/newest").await.status, 400);
    assert_eq!(world.get("/stats").await.body, r#"{"kind":"FAKE","readings":4}"#);
    assert!(world.get("/health").await.json()["meters"].is_object());
    assert_eq!(world.get("/api/inverters").await.status, 404);
}

#[tokio::test]
async fn nothing_but_an_address_is_needed() {
    let plan = plan(&json!({"listen": "127.0.0.1:0"})).unwrap();
    assert_eq!(plan.reads(), None);
    let plan = plan.wire(&input(), None).unwrap();
    let world = World::serve(plan.as_ref(), None).await;
    assert!(world.log.contains("http api listening sink=\"api\" address=http://127.0.0.1:"), "{}", world.log);
    assert!(world.get("/health").await.json()["sources"].is_object());
    let page = world.get("/").await;
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    for asset in ["/dashboard.css", "/dashboard.js"] {
        assert!(page.body.contains(&asset[1..]), "the page names {asset}");
        assert_eq!(world.get(asset).await.status, 200);
    }
    assert!(!page.body.contains("https://"), "nothing is asked of others");
}

#[tokio::test]
async fn an_address_in_use_is_said_with_what_to_do() {
    let world = World::stock().await;
    let plan = plan(&json!({"listen": world.address.to_string()})).unwrap().wire(&input(), None).unwrap();
    let clock = Arc::new(smiles_testkit::ManualClock::new());
    let context = smiles_testkit::open_context(std::path::Path::new("."), clock);
    let Err(error) = plan.open(context, None).await else { panic!("two servers on one port") };
    assert_eq!(error.action(), &smiles_stage::Action::Halt);
    let expected = format!(
        "cannot listen on 127.0.0.1 port {}: stop what uses it, or choose another address in `listen`: ",
        world.address.port()
    );
    assert!(error.chain().starts_with(&expected), "{}", error.chain());
}
