//! /health and /ready in every state of the sources.

use std::time::Duration;

use serde_json::json;
use smiles_stage::{Health, SourceState};

use crate::world::{World, source};

#[tokio::test]
async fn health_has_the_earlier_shape_and_more() {
    let world = World::stock().await;
    let answer = world.get("/health").await;
    assert_eq!(answer.status, 200);
    let expected = json!({
        "healthy": true,
        "uptime_seconds": 18,
        "start_time": "2026-11-23T19:43:12.314023+00:00",
        "dtus": {
            "DTU": {
                "status": "online",
                "last_successful_query": "2026-11-23T19:43:30.384955+00:00",
                "seconds_since_last_success": 0,
                "query_count": 4,
                "error_count": 1,
                "last_error": null,
                "last_error_time": null,
                "address": "tcp://10.0.0.5:502 unit 1",
                "every_seconds": 60.0,
                "stretched": false,
            },
        },
        "pipeline": "test",
        "sinks": {
            "store": {
                "state": "delivering",
                "type": "sqlite",
                "last_error": null,
                "last_error_time": null,
                "accepted": 20,
                "delivered": 15,
                "dead_lettered": 0,
                "dropped": 0,
                "lost": 0,
                "waiting": 5,
            },
        },
        "journal": {"writable": true, "size_bytes": 4096, "max_size_bytes": 1073741824, "full": false},
        "warnings": ["the journal is half full"],
        "bridge": {"id": "0f".repeat(16), "version": "3.0.0"},
    });
    assert_eq!(answer.body, expected.to_string(), "also in the order of keys");
}

#[tokio::test]
async fn states_of_the_sources_decide() {
    let world = World::stock().await;
    let silent = |health: &mut Health| {
        let source = &mut health.sources[0];
        source.state = SourceState::Unknown;
        (source.last_success, source.since_success) = (None, None);
    };
    let refused = |health: &mut Health| {
        let source = &mut health.sources[0];
        source.state = SourceState::Error;
        source.since_success = Some(Duration::from_secs(301));
        source.last_error = Some((health.started, "connection refused".into()));
    };
    let slow = |health: &mut Health| {
        health.sources[0].every = Some(Duration::from_secs(300));
        health.sources[0].since_success = Some(Duration::from_secs(900));
    };
    let failing = |health: &mut Health| health.sources[0].state = SourceState::Error;
    let one_of_two = |health: &mut Health| {
        health.sources[0].since_success = None;
        health.sources.push(source("second"));
    };
    let none = |health: &mut Health| health.sources.clear();
    type Row<'a> = (&'a str, &'a dyn Fn(&mut Health), bool, &'a str, Option<&'a str>);
    let rows: [Row<'_>; 7] = [
        ("heard", &|_| {}, true, "online", None),
        (
            "never heard",
            &silent,
            false,
            "unknown",
            Some("no source can be read: DTU: no poll has finished yet"),
        ),
        ("long ago", &refused, false, "error", Some("no source can be read: DTU: connection refused")),
        ("within three slow periods", &slow, true, "online", None),
        ("failing since a moment", &failing, true, "error", None),
        ("one of two", &one_of_two, true, "online", None),
        ("no sources", &none, false, "", Some("the pipeline has no source")),
    ];
    for (name, change, healthy, status, missing) in rows {
        let mut health = crate::world::healthy();
        change(&mut health);
        *world.health.0.lock().unwrap() = health;
        let answer = world.get("/health").await;
        assert_eq!(answer.status, if healthy { 200 } else { 503 }, "{name}");
        assert_eq!(answer.json()["healthy"], healthy, "{name}");
        if !status.is_empty() {
            assert_eq!(answer.json()["dtus"]["DTU"]["status"], status, "{name}");
        }
        let ready = world.get("/ready").await;
        match missing {
            None => assert_eq!((ready.status, ready.body.as_str()), (200, "OK"), "{name}"),
            Some(missing) => {
                assert_eq!(ready.problem(503), missing, "{name}");
                assert_eq!(ready.header("retry-after"), Some("1"));
            }
        }
    }
}

#[tokio::test]
async fn ready_needs_a_journal_and_health_only_shows_it() {
    let world = World::stock().await;
    assert_eq!(world.get("/ready").await.header("content-type"), Some("text/plain"));
    world.health.0.lock().unwrap().journal.writable = false;
    let ready = world.get("/ready").await;
    assert_eq!(ready.problem(503), "the journal cannot be written");
    assert_eq!(ready.json()["missing"], json!(["the journal cannot be written"]));
    let health = world.get("/health").await;
    assert_eq!((health.status, &health.json()["journal"]["writable"]), (200, &json!(false)));
}
