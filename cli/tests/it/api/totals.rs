//! Sums: true after a restart, not moved by what others write, and power of those that answer.

use serde_json::{Value, json};

use super::plant::stock;
use crate::bridge::Bridge;
use crate::sequence::{Device, PORTS};

const TOTALS: &str = "/api/production/totals";

fn sample(bridge: &Bridge, series: &str) -> Option<f64> {
    let text = bridge.get("/metrics").1;
    text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok())
}

#[test]
fn energy_stays_when_nobody_answers_and_power_is_of_those_heard() {
    let folder = tempfile::tempdir().unwrap();
    let device = Device::start();
    let bridge = stock(folder.path(), device.port, &[]);
    let whole = |answer: &Value| answer["plant"]["total_production"].as_i64().unwrap_or(0);
    let answer =
        bridge.eventually(TOTALS, |answer| whole(answer) > 0 && answer["dtus"]["DTU"]["power"] == 0.0);
    assert_eq!(answer["plant"], answer["dtus"]["DTU"]);
    assert_eq!(whole(&answer) % i64::from(PORTS), 0, "every port counts: {answer}");
    assert_eq!(sample(&bridge, r#"hoymiles_dtu_power_watts{dtu_name="DTU"}"#), Some(0.0));
    bridge.eventually("/api/production/current", |rows| rows.as_array().is_some_and(|rows| rows.len() == 3));
    assert!(bridge.interrupt().0.success());

    // A port of an inverter that is long gone, with a day that is over.
    let store = rusqlite::Connection::open(folder.path().join("data/hoymiles.db")).unwrap();
    store
        .execute_batch(
            "INSERT INTO inverters (serial_number, dtu_name) VALUES ('999999999999', 'DTU');
             INSERT INTO production_cache (serial_number, port_number, today_production, total_production, last_updated)
             VALUES ('999999999999', 1, 700, 1000000, '2020-01-01T12:00:00.000000+00:00');",
        )
        .unwrap();
    drop(store);
    // Nobody answers any more: what is known is known from the store. Who joins it adds nothing.
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let bridge = stock(folder.path(), nobody, &[]);
    let before = whole(&answer);
    let answer = bridge.eventually(TOTALS, |answer| whole(answer) > 0);
    assert!((before..before + 100).contains(&whole(&answer)), "from {before}: {answer}");
    assert_eq!(answer["plant"]["power"], Value::Null, "who did not answer has no power, not none");
    assert!(answer["plant"]["today_production"].as_i64().unwrap() < 700, "yesterday's energy is not today's");
    let current = bridge.json("/api/production/current");
    let gone = current.as_array().unwrap().iter().find(|row| row["serial_number"] == "999999999999").unwrap();
    assert_eq!((&gone["today_production"], &gone["total_production"]), (&json!(0), &json!(1_000_000)));
    assert_eq!(gone["dtu_name"], "DTU");
    let total = sample(&bridge, r#"hoymiles_total_production_wh{dtu_name="DTU"}"#);
    assert_eq!(total, answer["plant"]["total_production"].as_f64());
    assert_eq!(
        sample(&bridge, r#"hoymiles_dtu_power_watts{dtu_name="DTU"}"#),
        None,
        "nothing is shown of nothing"
    );
    assert_eq!(bridge.get("/metrics").1.matches("hoymiles_inverter_power_watts{").count(), 0);
}
