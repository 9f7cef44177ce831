//! What strangers are told: of a bridge with a token, by which name one without may be called, and who may frame its pages.

use serde_json::{Value as Json, json};
use smiles_stage::SourceState;

use crate::stock;
use crate::world::{Answer, World};

const TOKEN: &str = "sesame-open-please";

async fn world(more: Json) -> World {
    let mut options = stock::options();
    options.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    World::open(&options, &stock::input(), stock::store()).await
}

impl World {
    async fn told(&self, path: &str, token: &str) -> Answer {
        let line =
            if token.is_empty() { String::new() } else { format!("Authorization: Bearer {token}\r\n") };
        self.send(format!("GET {path} HTTP/1.1\r\nHost: t\r\n{line}Connection: close\r\n\r\n").as_bytes())
            .await
    }
}

#[tokio::test]
async fn with_a_token_strangers_hear_up_or_down_and_no_more() {
    let world = world(json!({"token": TOKEN})).await;
    let short = |healthy: bool| {
        let bridge = json!({"version": "3.0.0", "auth": "bearer"});
        json!({"healthy": healthy, "uptime_seconds": 18, "dtus": {}, "bridge": bridge}).to_string()
    };
    for token in ["", "wrong"] {
        let answer = world.told("/health", token).await;
        assert_eq!((answer.status, answer.body), (200, short(true)), "{token}");
        assert_eq!(world.told("/ready", token).await.body, "OK");
    }
    {
        let mut health = world.health.0.lock().unwrap();
        health.journal.writable = false;
        let source = &mut health.sources[0];
        (source.state, source.since_success) = (SourceState::Error, None);
        source.last_error = Some((source.last_success.unwrap(), "10.0.0.5:502: connection refused".into()));
    }
    for token in ["", "wrong"] {
        let answer = world.told("/health", token).await;
        assert_eq!((answer.status, answer.body), (503, short(false)), "{token}");
        let ready = world.told("/ready", token).await;
        assert_eq!(ready.problem(503), "the journal cannot be written; no source can be read");
        assert!(!ready.body.contains("10.0.0.5") && !ready.body.contains("DTU"), "{ready:?}");
    }
    let whole = world.told("/health", TOKEN).await.json();
    assert_eq!(whole["dtus"]["DTU"]["last_error"], "10.0.0.5:502: connection refused");
    assert_eq!(whole["warnings"], json!(["the journal is half full"]));
    let ready = world.told("/ready", TOKEN).await.problem(503);
    assert!(ready.ends_with("no source can be read: DTU: 10.0.0.5:502: connection refused"), "{ready}");
    for path in ["/metrics", "/stats", "/api", "/openapi.json", "/api/events", "/api/inverters", "/nowhere"] {
        assert_eq!(world.told(path, "wrong").await.status, 401, "{path}");
    }
}

#[tokio::test]
async fn without_a_token_the_bridge_answers_to_no_name_that_may_be_anybodys() {
    let world = world(json!({"allow_hosts": "bridge.example.org"})).await;
    let known = [
        "127.0.0.1:8080",
        "[::1]:8080",
        "localhost",
        "hoymiles-smiles:8080",
        "Pi.local.",
        "bridge.example.org",
    ];
    let paths = [
        "/",
        "/health",
        "/ready",
        "/metrics",
        "/stats",
        "/api",
        "/api/inverters",
        "/openapi.json",
        "/docs",
        "/x/",
    ];
    for path in paths {
        for host in known {
            let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
            assert_ne!(world.send(request.as_bytes()).await.status, 421, "{host} {path}");
        }
        let requests = [
            format!("GET {path} HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n"),
            format!(
                "GET {path} HTTP/1.1\r\nHost: evil.example:{}\r\nConnection: close\r\n\r\n",
                world.address.port()
            ),
            format!("GET {path} HTTP/1.0\r\nHost: evil.example\r\n\r\n"),
            format!("GET http://evil.example{path} HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n"),
            format!("GET {path} HTTP/1.1\r\nHost: t\r\nHost: evil.example\r\nConnection: close\r\n\r\n"),
            format!("OPTIONS {path} HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n"),
        ];
        for request in requests {
            let refused = world.send(request.as_bytes()).await;
            let detail = refused.problem(421);
            assert!(detail.contains("`evil.example") && detail.contains("API_HOSTS"), "{detail}");
        }
    }
    let events = "GET /api/events HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n";
    assert_eq!(world.send(events.as_bytes()).await.status, 421);
    assert_eq!(world.send(b"GET /ready HTTP/1.0\r\n\r\n").await.body, "OK", "no browser asks like this");
}

#[tokio::test]
async fn with_a_token_or_for_every_name_no_name_is_refused() {
    for more in [json!({"token": TOKEN}), json!({"allow_hosts": "*"})] {
        let world = world(more).await;
        let request = format!(
            "GET /api/inverters HTTP/1.1\r\nHost: solar.example\r\nAuthorization: Bearer {TOKEN}\r\nConnection: close\r\n\r\n"
        );
        assert_eq!(world.send(request.as_bytes()).await.status, 200);
    }
}

#[tokio::test]
async fn who_may_frame_a_page_is_said_by_the_file_or_by_the_token() {
    let home = "http://homeassistant.local:8123";
    let rows = [
        (json!({}), None),
        (json!({"token": TOKEN}), Some("'self'")),
        (json!({"frame_ancestors": format!("self, {home}")}), Some("'self' http://homeassistant.local:8123")),
        (json!({"frame_ancestors": home, "token": TOKEN}), Some(home)),
        (json!({"frame_ancestors": "none"}), Some("'none'")),
    ];
    for (more, expected) in rows {
        let world = world(more.clone()).await;
        for path in ["/", "/docs"] {
            let answer = world.get(path).await;
            let policy = answer.header("content-security-policy").unwrap();
            assert!(policy.starts_with("default-src 'none'; script-src 'self';"), "{policy}");
            let framed = policy.split_once("; frame-ancestors ").map(|(_, sources)| sources);
            assert_eq!(framed, expected, "{path} {more}");
        }
    }
}
