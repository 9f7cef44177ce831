//! What is known of the store: noticed when it changes, served when it hangs, and told as what it is when it refuses.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value as Json, json};
use smiles_stage::SinkState;

use crate::fake_store::FakeStore;
use crate::stock;
use crate::world::{World, plan};

const HISTORY: &str = "/api/inverters/116182800001/history";

fn set(switch: &AtomicBool) {
    switch.store(true, Ordering::Relaxed);
}

#[tokio::test]
async fn an_answer_that_was_kept_for_long_is_no_older_than_a_second() {
    let world = World::stock().await;
    assert_eq!(world.get(HISTORY).await.json().as_array().map(Vec::len), Some(3));
    set(&world.store.emptied);
    world.clock.advance(Duration::from_secs(3600));
    assert_eq!(world.get(HISTORY).await.status, 404, "the first to ask already hears that nothing is left");
}

#[tokio::test]
async fn a_row_dated_by_a_clock_that_ran_ahead_hides_none_that_is_right() {
    let mut store = stock::store();
    let ports = store.tables.get_mut("port_data").unwrap();
    let ahead = |serial: &str| {
        let mut row = ports.rows[0].clone();
        row["serial_number"] = json!(serial);
        row["timestamp"] = json!("2027-11-30T00:00:00Z");
        row["pv_power"] = json!(999.0);
        row
    };
    // One has been heard since, the other only then.
    ports.rows.extend([ahead("102162804827"), ahead("999999999999")]);
    let world = World::open(&stock::options(), &stock::input(), store).await;
    let power = |serial: &'static str| {
        let world = &world;
        async move {
            let ports = world.get("/api/ports").await.json();
            let of = |port: &Json| (port["serial_number"] == serial).then(|| port["pv_power"].clone());
            ports.as_array().unwrap().iter().filter_map(of).collect::<Vec<_>>()
        }
    };
    assert_eq!(power("102162804827").await, [json!(35.8)]);
    assert_eq!(power("999999999999").await, [json!(999.0)], "there is nothing better");
}

#[tokio::test]
async fn stats_are_those_known_while_the_store_hangs_or_is_down() {
    for switch in [|store: &FakeStore| set(&store.hangs), |store: &FakeStore| set(&store.down)] {
        let world = World::stock().await;
        let known = world.get("/stats").await;
        assert_eq!(known.status, 200);
        switch(&world.store);
        set(&world.store.emptied);
        world.clock.advance(Duration::from_secs(60));
        for _ in 0..3 {
            let answer = world.get("/stats").await;
            assert_eq!((answer.status, &answer.body), (200, &known.body));
        }
    }
}

#[tokio::test]
async fn stats_that_were_never_known_are_no_numbers() {
    let store = stock::store();
    set(&store.down);
    let world = World::open(&stock::options(), &stock::input(), store).await;
    let answer = world.get("/stats").await;
    assert_eq!(answer.problem(503), "the store does not answer; try again later");
    assert_eq!(answer.header("retry-after"), Some("5"));
    world.store.down.store(false, Ordering::Relaxed);
    world.clock.advance(Duration::from_secs(60));
    assert_eq!(world.get("/stats").await.status, 200);
}

#[tokio::test]
async fn a_store_that_is_not_there_yet_is_to_be_asked_again() {
    let world = World::stock().await;
    world.health.0.lock().unwrap().sinks[0].state = SinkState::Starting;
    for switch in [&world.store.misfits, &world.store.down] {
        set(switch);
        let answer = world.get(HISTORY).await;
        assert_eq!(answer.problem(503), "the store is not ready yet; try again later");
        assert_eq!(answer.header("retry-after"), Some("5"));
    }
}

#[tokio::test]
async fn a_question_that_the_store_refuses_is_not_to_be_asked_again() {
    let world = World::stock().await;
    set(&world.store.misfits);
    for path in ["/api/inverters", HISTORY] {
        let answer = world.get(path).await;
        let detail = answer.problem(500);
        assert_eq!(
            detail, "the store rejects this query until its cause is fixed; the log says why",
            "{path}"
        );
        assert_eq!(answer.header("retry-after"), None);
        assert!(!answer.body.contains("secret"), "{}", answer.body);
    }
}

#[tokio::test]
async fn a_cursor_is_a_place_in_the_order_of_its_history() {
    let world = World::stock().await;
    let bad = ["t0", "i0", "t0.s6161", "t0.f0", "t0.b1", "i0.t0", "s61.i0", "t0.i0.i0", "f0.i0", "t0.t0", ""];
    world.store.asked();
    for cursor in bad {
        let answer = world.get(&format!("{HISTORY}?cursor={cursor}")).await;
        let detail = answer.problem(400);
        assert_eq!(
            detail,
            "parameter `cursor` is not one that this resource handed out for these parameters"
        );
        assert_eq!(answer.json()["parameter"], "cursor", "{cursor}");
    }
    assert!(world.store.asked().is_empty(), "the store has nothing to do with it");
    // A place is a place, whoever names it, also one of an earlier version of the program.
    assert_eq!(world.get(&format!("{HISTORY}?cursor=t0.i0")).await.status, 200);
}

#[tokio::test]
async fn a_sink_that_was_dropped_leaves_its_place_to_another() {
    let plan = plan(&stock::options()).unwrap().wire(&stock::input(), Some(&stock::store().offer())).unwrap();
    let first = World::serve(plan.as_ref(), Some(stock::store())).await;
    let meters = first.meters.clone();
    drop(first);
    let second = World::serve_with(plan.as_ref(), Some(stock::store()), meters).await;
    second.get("/api/ports").await;
    let counted = second.get("/metrics").await.body;
    let line = counted
        .lines()
        .find(|line| line.starts_with("smiles_http_requests_total{") && line.contains("/api/ports"));
    assert!(line.is_some_and(|line| line.ends_with("} 1")), "{counted}");
}
