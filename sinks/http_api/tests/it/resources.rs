//! The stock routes: names, nesting and order of the earlier system's answers, its faults mended.

use std::sync::atomic::Ordering;

use serde_json::Value as Json;

use crate::stock;
use crate::world::{World, plan};

const INVERTER: [&str; 17] = [
    "serial_number",
    "dtu_name",
    "first_seen",
    "last_seen",
    "inverter_type",
    "metadata",
    "id",
    "timestamp",
    "grid_voltage",
    "grid_frequency",
    "temperature",
    "operating_status",
    "alarm_code",
    "alarm_count",
    "link_status",
    "raw_data",
    "ports",
];
const PORT: [&str; 10] = [
    "id",
    "serial_number",
    "port_number",
    "timestamp",
    "pv_voltage",
    "pv_current",
    "pv_power",
    "today_production",
    "total_production",
    "raw_data",
];
const READING: [&str; 11] = [
    "id",
    "serial_number",
    "timestamp",
    "grid_voltage",
    "grid_frequency",
    "temperature",
    "operating_status",
    "alarm_code",
    "alarm_count",
    "link_status",
    "raw_data",
];
const PRODUCTION: [&str; 6] =
    ["serial_number", "port_number", "today_production", "total_production", "timestamp", "dtu_name"];

#[track_caller]
fn keys(object: &Json) -> Vec<&str> {
    object.as_object().unwrap().keys().map(String::as_str).collect()
}

#[track_caller]
fn column(list: &Json, name: &str) -> Vec<Json> {
    list.as_array().unwrap().iter().map(|row| row[name].clone()).collect()
}

#[tokio::test]
async fn keys_stand_in_the_order_of_the_earlier_system() {
    let world = World::stock().await;
    let rows: [(&str, &[&str]); 6] = [
        ("/api/inverters", &INVERTER),
        ("/api/inverters/116182800001", &INVERTER),
        ("/api/inverters/116182800001/history", &READING),
        ("/api/inverters/116182800001/ports", &PORT),
        ("/api/ports", &PORT),
        ("/api/production/current", &PRODUCTION),
    ];
    for (path, expected) in rows {
        let answer = world.get(path).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        assert_eq!(answer.header("content-type"), Some("application/json"), "{path}");
        let body = answer.json();
        let first = if body.is_array() { &body[0] } else { &body };
        assert_eq!(keys(first), expected, "{path}");
    }
    let one = world.get("/api/inverters/116182800001").await.json();
    assert_eq!(keys(&one["ports"][0]), PORT);
}

#[tokio::test]
async fn an_inverter_is_served_to_the_letter() {
    let world = World::stock().await;
    let answer = world.get("/api/inverters/102162804827").await;
    assert_eq!(
        answer.body,
        concat!(
            r#"{"serial_number":"102162804827","dtu_name":"DTU","#,
            r#""first_seen":"2026-11-23T19:43:15.324433+00:00","last_seen":"2026-11-23T19:43:30.000000+00:00","#,
            r#""inverter_type":null,"metadata":null,"id":4,"timestamp":"2026-11-23T19:43:20.000000+00:00","#,
            r#""grid_voltage":229.9,"grid_frequency":50.01,"temperature":43.0,"operating_status":3,"#,
            r#""alarm_code":0,"alarm_count":0,"link_status":1,"raw_data":{"grid_voltage":229.9},"#,
            r#""ports":[{"id":1,"serial_number":"102162804827","port_number":1,"#,
            r#""timestamp":"2026-11-23T19:43:20.000000+00:00","pv_voltage":35.0,"pv_current":1.02,"#,
            r#""pv_power":35.8,"today_production":1234,"total_production":567890,"raw_data":{"pv_power":35.8}}]}"#,
        )
    );
}

#[tokio::test]
async fn the_list_nests_the_latest_rows_with_one_question_each() {
    let world = World::stock().await;
    let list = world.get("/api/inverters").await.json();
    assert_eq!(column(&list, "serial_number"), ["102162804827", "116182800001", "14fffffffffe"]);
    assert_eq!(column(&list, "id"), [Json::from(4), Json::from(5), Json::Null]);
    assert_eq!(column(&list[1]["ports"], "port_number"), [4, 3, 2, 1]);
    assert_eq!(column(&list[1]["ports"], "id"), [9, 8, 7, 6]);
    assert_eq!(list[2]["ports"], Json::Array(Vec::new()), "an inverter without readings has no ports");
    assert_eq!(world.store.asked().len(), 3, "one question for the rows, one per join and nest");
}

#[tokio::test]
async fn one_inverter_asks_only_for_its_own_rows() {
    let world = World::stock().await;
    world.get("/api/inverters/116182800001").await;
    for query in world.store.asked() {
        assert_eq!(query.filters.len(), 1, "{query:?}");
        assert_eq!(query.filters[0].column, "serial_number");
    }
}

#[tokio::test]
async fn history_is_newest_first_and_limited() {
    let world = World::stock().await;
    let rows: [(&str, &[i64]); 6] = [
        ("/api/inverters/116182800001/history", &[5, 3, 1]),
        ("/api/inverters/116182800001/history?limit=2", &[5, 3]),
        ("/api/inverters/116182800001/history/?limit=1", &[5]),
        ("/api/inverters/116182800001/history?limit=10000", &[5, 3, 1]),
        ("/api/inverters/116182800001/history?", &[5, 3, 1]),
        ("/api/inverters/14FFFFFFFFFE/history", &[]),
    ];
    for (path, expected) in rows {
        let answer = world.get(path).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        assert_eq!(column(&answer.json(), "id"), expected, "{path}");
    }
}

#[tokio::test]
async fn ports_are_the_latest_of_each_port() {
    let world = World::stock().await;
    let one = world.get("/api/inverters/116182800001/ports").await.json();
    assert_eq!(column(&one, "id"), [9, 8, 7, 6]);
    let all = world.get("/api/ports").await.json();
    assert_eq!(column(&all, "id"), [1, 9, 8, 7, 6]);
    let production = world.get("/api/production/current/").await.json();
    assert_eq!(column(&production, "port_number"), [1, 1, 2]);
    assert_eq!(production[0]["dtu_name"], "DTU");
    assert_eq!(production[0]["timestamp"], "2026-11-23T19:43:30.000000+00:00");
}

#[tokio::test]
async fn a_serial_is_found_in_either_case_and_missed_by_name() {
    let world = World::stock().await;
    assert_eq!(world.get("/api/inverters/14FFFFFFFFFE").await.json()["serial_number"], "14fffffffffe");
    for path in ["/api/inverters/ABC", "/api/inverters/ABC/history", "/api/inverters/abc/ports/"] {
        assert_eq!(world.get(path).await.problem(404), "inverter abc not found", "{path}");
    }
}

#[tokio::test]
async fn stats_have_the_declared_names() {
    let world = World::stock().await;
    assert_eq!(
        world.get("/stats").await.body,
        concat!(
            r#"{"database_type":"FAKE","database_size_bytes":4096,"production_cache_entries":3,"#,
            r#""config_cache_entries":0,"metrics_entries":1,"inverter_data_entries":5,"port_data_entries":9,"#,
            r#""inverters_count":3,"total_records":18}"#,
        )
    );
}

#[tokio::test]
async fn a_store_that_is_down_is_no_empty_answer_and_keeps_its_secrets() {
    let world = World::stock().await;
    world.store.down.store(true, Ordering::Relaxed);
    for path in ["/api/inverters", "/api/inverters/102162804827", "/api/ports"] {
        let answer = world.get(path).await;
        assert_eq!(answer.problem(503), "the store does not answer; try again later", "{path}");
        assert_eq!(answer.header("retry-after"), Some("5"));
        assert!(!answer.body.contains("secret") && !answer.body.contains("SELECT"), "{}", answer.body);
    }
    assert_eq!(world.get("/health").await.status, 200, "the store says nothing of the sources");
    world.store.down.store(false, Ordering::Relaxed);
    assert_eq!(world.get("/api/ports").await.status, 200);
}

#[tokio::test]
async fn without_a_store_routes_say_so() {
    let plan = plan(&stock::options()).unwrap().wire(&stock::input(), None).unwrap();
    let world = World::serve(plan.as_ref(), None).await;
    for path in ["/api/inverters", "/stats"] {
        let detail = world.get(path).await.problem(503);
        assert_eq!(detail, "this pipeline runs without a store, so nothing is kept to be read");
    }
    assert_eq!(world.get("/api/inverters?x=1").await.status, 400);
    assert_eq!(world.get("/health").await.status, 200);
}

#[tokio::test]
async fn the_index_describes_every_route() {
    let world = World::stock().await;
    let index = world.get("/api").await.json();
    assert_eq!(index["sources_key"], "dtus");
    assert_eq!(
        column(&index["resources"], "path"),
        [
            "/api/inverters",
            "/api/inverters/{serial}",
            "/api/inverters/{serial}/history",
            "/api/inverters/{serial}/ports",
            "/api/inverters/{serial}/ports/{port}/history",
            "/api/ports",
            "/api/production/current",
            "/api/production/totals"
        ]
    );
    let list = &index["resources"][0];
    assert_eq!(column(&list["columns"], "name"), &INVERTER[..16]);
    assert_eq!(column(&list["nest"]["ports"], "name"), PORT);
    assert_eq!(
        list["columns"][8],
        serde_json::json!({"name": "grid_voltage", "type": "number", "unit": "V"})
    );
    let limit = &index["resources"][2]["parameters"][1];
    assert_eq!(
        (&limit["name"], &limit["default"], &limit["maximum"]),
        (&"limit".into(), &100.into(), &10000.0.into())
    );
}
