//! What clients send by mistake or on purpose: each has a precise answer, and nobody hangs anybody.

use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::stock;
use crate::world::{PATIENCE, World};

#[tokio::test]
async fn bad_requests_are_told_what_is_wrong() {
    let world = World::stock().await;
    let long = format!("/api/ports?x={}", "a".repeat(9000));
    let range = "expected a whole number from 1 to 10000";
    let rows: [(&str, u16, String); 17] = [
        ("/api/inverters/a/history?limit=-1", 400, format!("parameter `limit` is `-1`; {range}")),
        ("/api/inverters/a/history?limit=abc", 400, format!("parameter `limit` is `abc`; {range}")),
        ("/api/inverters/a/history?limit=1e9", 400, format!("parameter `limit` is `1e9`; {range}")),
        ("/api/inverters/a/history?limit=0", 400, format!("parameter `limit` is `0`; {range}")),
        ("/api/inverters/a/history?limit=10001", 400, format!("parameter `limit` is `10001`; {range}")),
        ("/api/inverters/a/history?limt=1", 400, "unknown parameter `limt`; did you mean `limit`?".into()),
        ("/api/inverters?x=1", 400, "unknown parameter `x`; this resource takes none".into()),
        (
            "/api/inverters/a/history?limit=%C3%28",
            400,
            "the query string is not percent-encoded UTF-8".into(),
        ),
        ("/api/inverters/%FF%FE", 400, "the path is not percent-encoded UTF-8".into()),
        ("/api/inverters/..", 404, "inverter .. not found".into()),
        ("/api/inverters/%2e%2e%2fetc", 404, "inverter ../etc not found".into()),
        ("/api/inverters/x'%20OR%201=1--", 404, "inverter x' or 1=1-- not found".into()),
        (
            "/api/inverters/../../etc/passwd",
            404,
            "nothing is served at `/api/inverters/../../etc/passwd`; /api lists what is".into(),
        ),
        (
            "/api/inverters//history",
            404,
            "nothing is served at `/api/inverters//history`; /api lists what is".into(),
        ),
        ("/nowhere", 404, "nothing is served at `/nowhere`; /api lists what is".into()),
        ("//", 404, "nothing is served at `//`; /api lists what is".into()),
        (&long, 414, "path and query are longer than 8192 bytes".into()),
    ];
    for (target, status, detail) in rows {
        assert_eq!(world.get(target).await.problem(status), detail, "{}", &target[..target.len().min(60)]);
    }
    let refused = world.get("/api/inverters/a/history?limit=-1").await.json();
    assert_eq!(
        (&refused["parameter"], &refused["value"], &refused["minimum"], &refused["maximum"]),
        (&json!("limit"), &json!("-1"), &json!(1.0), &json!(10000.0))
    );
    let serial = format!("/api/inverters/{}", "a".repeat(65));
    assert!(world.get(&serial).await.problem(400).ends_with("expected a text of at most 64 characters"));
}

#[tokio::test]
async fn a_head_beyond_all_measure_is_refused() {
    let world = World::stock().await;
    let answer = world.get(&format!("/api/ports?x={}", "a".repeat(100_000))).await;
    assert!([414, 431].contains(&answer.status), "{answer:?}");
    let headers = format!("GET /health HTTP/1.1\r\nConnection: close\r\nX: {}\r\n\r\n", "a".repeat(100_000));
    assert_eq!(world.send(headers.as_bytes()).await.status, 431);
    assert_eq!(world.send(b"\x16\x03\x01\x02\x00garbage\r\n\r\n").await.status, 400);
    assert_eq!(world.get("/health").await.status, 200);
}

#[tokio::test]
async fn methods_other_than_reading_are_refused_by_name() {
    let world = World::stock().await;
    for path in ["/health", "/api/inverters", "/api/inverters/102162804827", "/"] {
        let get = world.get(path).await;
        let head = world.ask("HEAD", path).await;
        assert_eq!((head.status, head.body.as_str()), (200, ""), "{path}");
        assert_eq!(head.header("content-length"), get.header("content-length"), "{path}");
        let options = world.ask("OPTIONS", path).await;
        assert_eq!((options.status, options.header("allow")), (204, Some("GET, HEAD, OPTIONS")), "{path}");
        for method in ["POST", "PUT", "DELETE", "PATCH", "BREW"] {
            let refused = world.ask(method, path).await;
            assert_eq!(refused.problem(405), "the API is read-only: GET, HEAD or OPTIONS");
            assert_eq!(refused.header("allow"), Some("GET, HEAD, OPTIONS"));
        }
    }
    let posted =
        b"POST /api/inverters HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello";
    assert_eq!(world.send(posted).await.status, 405);
}

#[tokio::test]
async fn answers_are_not_sniffed_stored_or_shared() {
    let world = World::stock().await;
    for path in ["/", "/health", "/api/inverters", "/nowhere"] {
        let answer = world.get(path).await;
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
        assert!(answer.header("cache-control").is_some(), "{path}");
        assert_eq!(answer.header("access-control-allow-origin"), None, "{path}");
    }
}

#[tokio::test]
async fn one_connection_serves_many_requests() {
    let world = World::stock().await;
    let mut stream = TcpStream::connect(world.address).await.unwrap();
    for _ in 0..3 {
        stream.write_all(b"GET /ready HTTP/1.1\r\nHost: t\r\n\r\n").await.unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"OK") {
            let mut piece = [0; 1024];
            let read = timeout(PATIENCE, stream.read(&mut piece)).await.unwrap().unwrap();
            assert!(read > 0, "the connection was closed: {}", String::from_utf8_lossy(&answer));
            answer.extend_from_slice(&piece[..read]);
        }
    }
}

#[tokio::test]
async fn idle_and_dribbling_clients_keep_nobody_out() {
    let mut options = stock::options();
    options["limits"] = json!({"connections": 64, "request_head": "30s"});
    let world = World::open(&options, &stock::input(), stock::store()).await;
    let mut idle = Vec::new();
    for _ in 0..100 {
        idle.push(TcpStream::connect(world.address).await.unwrap());
        let mut dribbler = TcpStream::connect(world.address).await.unwrap();
        dribbler.write_all(b"GET /health HTTP/1.1\r\nHo").await.unwrap();
        idle.push(dribbler);
    }
    for _ in 0..10 {
        let answer = timeout(Duration::from_secs(2), world.get("/health")).await.expect("an answer in time");
        assert_eq!(answer.status, 200);
    }
    let text = world.get("/metrics").await.body;
    let open = text
        .lines()
        .find_map(|line| line.strip_prefix(r#"smiles_http_connections{pipeline="test",sink="api"} "#));
    assert!(open.unwrap().parse::<u32>().unwrap() <= 64, "{open:?}");
    // The first came first to go.
    let closed = timeout(PATIENCE, idle[0].read(&mut [0; 1])).await.expect("closed in time");
    assert!(!matches!(closed, Ok(1..)), "{closed:?}");
}

#[tokio::test]
async fn who_sends_no_request_in_time_is_hung_up_on() {
    let mut options = stock::options();
    options["limits"] = json!({"request_head": "50ms"});
    let world = World::open(&options, &stock::input(), stock::store()).await;
    for sent in ["", "GET /health HTTP/1.1\r\nHo", "GET /ready HTTP/1.1\r\nHost: t\r\n\r\n"] {
        let mut stream = TcpStream::connect(world.address).await.unwrap();
        stream.write_all(sent.as_bytes()).await.unwrap();
        let mut rest = Vec::new();
        timeout(PATIENCE, stream.read_to_end(&mut rest)).await.expect("hung up in time").unwrap();
    }
}

#[tokio::test]
async fn a_store_that_hangs_costs_an_answer_and_no_more() {
    let mut options = stock::options();
    options["limits"] = json!({"answer": "100ms", "store_queries": 1});
    let world = World::open(&options, &stock::input(), stock::store()).await;
    world.store.hangs.store(true, std::sync::atomic::Ordering::Relaxed);
    let (one, two, health) =
        tokio::join!(world.get("/api/inverters"), world.get("/api/ports"), world.get("/health"));
    for answer in [one, two] {
        assert_eq!(answer.problem(503), "no answer within 100 ms; try again later");
        assert_eq!(answer.header("retry-after"), Some("1"));
    }
    assert_eq!(health.status, 200);
    world.store.hangs.store(false, std::sync::atomic::Ordering::Relaxed);
    assert_eq!(world.get("/api/ports").await.status, 200, "the turn was given back");
}

#[tokio::test]
async fn an_answer_of_too_many_rows_is_refused() {
    let mut options = stock::options();
    options["limits"] = json!({"rows": 4});
    let world = World::open(&options, &stock::input(), stock::store()).await;
    let detail = world.get("/api/ports").await.problem(400);
    assert_eq!(detail, "the answer has more than 4 rows; ask for fewer");
    assert_eq!(world.get("/api/inverters/116182800001/history?limit=2").await.status, 200);
}

#[tokio::test]
async fn dropping_the_sink_ends_every_connection_and_frees_the_port() {
    let world = World::stock().await;
    let mut stream = TcpStream::connect(world.address).await.unwrap();
    assert_eq!(world.get("/health").await.status, 200);
    let address = world.address;
    drop(world);
    let mut rest = Vec::new();
    let ended = timeout(PATIENCE, stream.read_to_end(&mut rest)).await.expect("ended in time");
    assert!(ended.is_err() || rest.is_empty());
    let again = timeout(PATIENCE, async {
        while tokio::net::TcpListener::bind(address).await.is_err() {
            tokio::task::yield_now().await;
        }
    });
    again.await.expect("the port is free again");
}
