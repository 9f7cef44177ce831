//! Words for codes over a real store: rows have the number, and so have filters and series; answers show the word.

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use serde_json::{Value as Json, json};
use smiles_sink_sqlite::Sqlite;
use smiles_stage::prometheus::Registry as Meters;
use smiles_stage::{
    Batch, ColumnMeta, Labels, Offer, PlanContext, Position, Query, Registry, RunId, Seq, Store,
    source_field, time_field,
};
use smiles_testkit::{ManualClock, NoFiles, open_context};

use crate::fake_store::batch;
use crate::stock::yaml;
use crate::world::{World, plan, source};

const TABLES: &str = r"
log:
  create: true
  columns: {time: time, name: source, status: state, alarms: alarms, volts: volts}
now:
  create: true
  mode: upsert
  key: [name]
  newest: time
  columns: {time: time, name: source, status: {column: state, type: float64}, alarms: alarms, volts: volts}
";

const OPTIONS: &str = r#"
listen: "127.0.0.1:0"
store: store
resources:
  /now:
    query: {table: now, columns: [name, status, alarms, volts], order: [name]}
  /devices:
    query: {table: now, columns: [name], order: [name]}
    nest: {states: {query: {table: now, columns: [status]}, on: {name: name}}}
  /log:
    parameters: {status: {type: integer}, name: {}}
    query:
      table: log
      columns: [time, name, status, alarms]
      filters: {status: {param: status}, name: {param: name}}
    history: {by: [time, name], buckets: [status, volts]}
metrics:
  columns:
    device_status: {column: state, labels: {name: source, code: state}, help: "the code"}
"#;

fn input() -> SchemaRef {
    let states = [(0, "standby"), (512, "on grid"), (513, "on grid, limited")];
    let states = Labels::Values(states.map(|(code, word)| (code, word.to_owned())).into());
    let alarms = [(0, "hot"), (3, "earth fault")];
    let alarms = Labels::Flags(alarms.map(|(bit, word)| (bit, word.to_owned())).into());
    Arc::new(Schema::new(vec![
        time_field(),
        source_field(),
        Field::new("state", DataType::Int32, true).with_labels(&states),
        Field::new("alarms", DataType::Int32, true).with_labels(&alarms),
        Field::new("volts", DataType::Float64, true).with_unit("V"),
    ]))
}

fn rows() -> RecordBatch {
    let row = |name: &str, state: Json, alarms: Json| json!({"time": "2026-11-23T19:43:20Z", "source": name, "state": state, "alarms": alarms, "volts": 230.1});
    let rows = [
        row("a", json!(512), json!(9)),
        row("b", json!(7), json!(2)),
        row("c", json!(0), json!(0)),
        row("d", Json::Null, Json::Null),
        row("e", json!(513), Json::Null),
    ];
    batch(&input(), &rows.iter().collect::<Vec<_>>())
}

/// The rows in SQLite, and the API in front of it, which has not seen them itself.
struct Place {
    store: Arc<dyn Store>,
    offer: Offer,
    _folder: tempfile::TempDir,
}

impl Place {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let registry = Registry::new().sink::<Sqlite>();
        let options = json!({"path": "store.db", "tables": yaml(TABLES)});
        let context = PlanContext { stage: "store", files: &NoFiles };
        let planned = registry.find_sink("sqlite").unwrap().plan(&options, context).unwrap();
        let wired = planned.wire(&input(), None).unwrap();
        let clock = Arc::new(ManualClock::at("2026-11-23T20:00:00Z".parse().unwrap()));
        let mut opened = wired.open(open_context(folder.path(), clock), None).await.unwrap();
        let run = RunId([7; 16]);
        opened.sink.watermark(run).await.unwrap();
        let position = Position { run, seq: Seq(1) };
        let accepted_at = "2026-11-23T19:43:21Z".parse().unwrap();
        let written = Batch { position, complete: true, accepted_at, records: rows() };
        opened.sink.write(&written).await.unwrap();
        opened.sink.flush().await.unwrap();
        Self { store: opened.store.unwrap(), offer: wired.offer().unwrap(), _folder: folder }
    }

    async fn world(&self) -> World {
        let wired = plan(&yaml(OPTIONS)).unwrap().wire(&input(), Some(&self.offer)).unwrap();
        World::serve_of(wired.as_ref(), Some(Arc::clone(&self.store)), Meters::new()).await
    }
}

const NOW: &str = r#"[{"name":"a","status":"on grid","alarms":"hot,earth fault","volts":230.1},{"name":"b","status":7.0,"alarms":"1","volts":230.1},{"name":"c","status":"standby","alarms":"","volts":230.1},{"name":"d","status":null,"alarms":null,"volts":230.1},{"name":"e","status":"on grid, limited","alarms":null,"volts":230.1}]"#;

#[tokio::test]
async fn current_values_are_words_from_the_store_and_from_memory_and_series_are_numbers() {
    let place = Place::new().await;
    let mut world = place.world().await;
    world.health.0.lock().unwrap().sources.push(source("a"));
    assert_eq!(world.get("/now").await.body, NOW, "of the store");
    world.accept(rows()).await;
    assert_eq!(world.get("/now").await.body, NOW, "of memory");
    let states = |answer: Json| answer.as_array().unwrap().iter().map(|it| it["states"][0].clone()).collect();
    let nested: Vec<Json> = states(world.get("/devices").await.json());
    assert_eq!(nested[..2], [json!({"status": "on grid"}), json!({"status": 7.0})]);
    let metrics = world.get("/metrics").await.body;
    let series: Vec<&str> = metrics.lines().filter(|line| line.starts_with("device_status{")).collect();
    assert_eq!(series, [r#"device_status{name="a",code="512"} 512"#]);
}

#[tokio::test]
async fn a_history_shows_words_and_is_searched_by_number_or_word() {
    let place = Place::new().await;
    let world = place.world().await;
    let rows: [(&str, &[&str]); 6] = [
        ("status=512", &["a"]),
        ("status=7", &["b"]),
        ("status=on+grid", &["a"]),
        ("status=on%20grid,%20limited", &["e"]),
        ("status=standby", &["c"]),
        ("status=512&name=b", &[]),
    ];
    for (query, expected) in rows {
        let answer = world.get(&format!("/log?{query}")).await;
        assert_eq!(answer.status, 200, "{query}: {}", answer.body);
        let found = answer.json();
        let names: Vec<&str> =
            found.as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap()).collect();
        assert_eq!(names, expected, "{query}");
    }
    let rows = world.get("/log?order=asc&limit=3").await;
    let said: Vec<[Json; 2]> = rows
        .json()
        .as_array()
        .unwrap()
        .iter()
        .map(|row| [row["status"].clone(), row["alarms"].clone()])
        .collect();
    let expected =
        [[json!("on grid"), json!("hot,earth fault")], [json!(7), json!("1")], [json!("standby"), json!("")]];
    assert_eq!(said, expected);
    // A place in the order goes on behind words too.
    let link = rows.header("link").unwrap();
    let next = link.trim_start_matches('<').split('>').next().unwrap();
    assert_eq!(world.get(next).await.json().as_array().unwrap().len(), 2);
    let refused = world.get("/log?status=on").await.problem(400);
    assert_eq!(
        refused,
        "parameter `status` is `on`; expected a whole number, or one of standby, on grid, on grid, limited"
    );
    let spans = world.get("/log?interval=1d&name=a").await.json();
    let of = |function: &str| spans[0][format!("status_{function}")].clone();
    assert_eq!(["min", "avg", "max", "last"].map(of), [json!(512), json!(512.0), json!(512), json!(512)]);
}

#[tokio::test]
async fn csv_has_words_and_an_empty_one_is_not_null() {
    let place = Place::new().await;
    let world = place.world().await;
    let asked = |kind: &str| {
        format!("GET /log?order=asc HTTP/1.1\r\nHost: t\r\nAccept: {kind}\r\nConnection: close\r\n\r\n")
    };
    let csv = world.send(asked("text/csv").as_bytes()).await.body;
    let cells: Vec<&str> = csv.lines().skip(1).map(|line| line.split_once("+00:00,").unwrap().1).collect();
    assert_eq!(
        cells,
        ["a,on grid,\"hot,earth fault\"", "b,7,1", "c,standby,\"\"", "d,,", "e,\"on grid, limited\","]
    );
}

#[tokio::test]
async fn clients_learn_the_words() {
    let place = Place::new().await;
    let world = place.world().await;
    let index = world.get("/api").await.json();
    let column = |resource: usize, name: &str| {
        let columns = index["resources"][resource]["columns"].as_array().unwrap();
        columns.iter().find(|column| column["name"] == name).unwrap().clone()
    };
    let states = json!({"0": "standby", "512": "on grid", "513": "on grid, limited"});
    let expected = json!({"name": "status", "type": "number", "unit": null, "labels": states});
    assert_eq!(column(0, "status"), expected);
    let alarms = json!({"0": "hot", "3": "earth fault"});
    assert_eq!(column(2, "alarms")["flags"], alarms);
    assert_eq!(column(0, "volts"), json!({"name": "volts", "type": "number", "unit": "V"}));

    let document = world.get("/openapi.json").await.json();
    let answer = &document["paths"]["/log"]["get"];
    let forms = &answer["responses"]["200"]["content"]["application/json"]["schema"]["anyOf"];
    let status = &forms[0]["items"]["properties"]["status"];
    let words = json!(["standby", "on grid", "on grid, limited"]);
    assert_eq!(status["anyOf"], json!([{"enum": words}, {"type": ["integer", "null"]}]));
    assert_eq!(status["x-labels"], states);
    let spans = &forms[1]["items"]["properties"];
    assert_eq!(spans["status_last"]["type"], json!(["integer", "null"]), "an aggregate is a number");
    let parameters = answer["parameters"].as_array().unwrap();
    let parameter = parameters.iter().find(|parameter| parameter["name"] == "status").unwrap();
    assert_eq!(parameter["schema"]["anyOf"][1], json!({"enum": words}));
    assert_eq!(parameter["schema"]["anyOf"][0]["type"], "integer");
}

#[tokio::test]
async fn the_store_keeps_the_number() {
    let place = Place::new().await;
    let query = Query { table: "log".into(), columns: vec!["status".into()], ..Query::default() };
    let mut rows = place.store.query(&query).await.unwrap();
    let first = futures::StreamExt::next(&mut rows).await.unwrap().unwrap();
    assert_eq!(first.column(0).data_type(), &DataType::Int64);
    let Some(Labels::Values(words)) = first.schema().field(0).labels() else { panic!("no words beside") };
    assert_eq!(words.len(), 3);
}
